"""Objectives: differentiable scalars of (codec output, batch) with their named parts.

Knows no Lightning, no Hydra, no W&B.
"""

from lic_lightning.objectives.perceptual import Perceptual
from lic_lightning.objectives.rate import bits_per_pixel
from lic_lightning.objectives.rate_distortion import MSE, MSSSIM
