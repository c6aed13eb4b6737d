"""Tasks: heads that recognise, on latents or on pixels. Knows no Lightning, no Hydra, no W&B."""

from lic_lightning.heads.cresnet import CResNet
from lic_lightning.heads.resnet import HeadError, PixelResNet
