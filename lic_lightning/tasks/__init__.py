"""Tasks: heads that recognise, on latents or on pixels. Knows no Lightning, no Hydra, no W&B."""

from lic_lightning.tasks.cresnet import CResNet
from lic_lightning.tasks.resnet import HeadError, PixelResNet

__all__ = ["CResNet", "HeadError", "PixelResNet"]
