"""Distances of images in the features of a trained network: as metrics, and as terms of objectives.

Networks whose weights are not on this machine are an error, never a random network; one that stands in for another has
its own name. LPIPS (Zhang et al. 2018) needs torchvision's weights of its trunk. ST-LPIPS (Ghildyal & Liu 2022) is
another distance with other values, insensitive to shifts; its wheel, of the extra `perceptual`, has all its weights.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lic_lightning.metrics.table import MetricError

TRUNKS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
NETWORKS = {"lpips": "alex", "lpips-vgg": "vgg", "st-lpips": "alex", "st-lpips-vgg": "vgg"}


class FeatureDistance:
    """0 for identical images, larger is worse; differentiable in both images.

    No module, so that neither checkpoints nor optimizers know its weights; they follow the images to their device.

    Args:
        name: key of `NETWORKS`.
        trunk: of "lpips" and "lpips-vgg", the file of torchvision's weights; None looks in torch hub's cache.

    Raises:
        MetricError: unknown name, or weights that are not here.
    """

    def __init__(self, name: str, trunk: str | None = None) -> None:
        if name not in NETWORKS:
            raise MetricError(f"unknown distance {name!r}; known: {', '.join(NETWORKS)}")
        self.name = name
        self.network = _st_lpips(NETWORKS[name]) if name.startswith("st-") else _lpips(name, trunk)

    def __call__(self, image: Tensor, decoded: Tensor) -> Tensor:
        """(B,) of images (B,3,H,W) in [0, 1], in float32 under any autocast."""
        network = self.network.to(image.device)
        with torch.autocast(image.device.type, enabled=False):
            return network(image.float(), decoded.float(), normalize=True).flatten()


@cache
def _st_lpips(net: str) -> nn.Module:
    if find_spec("stlpips_pytorch") is None:
        raise MetricError("ST-LPIPS comes with the extra: pip install 'lic-lightning[perceptual]'")
    from stlpips_pytorch.stlpips import LPIPS

    return LPIPS(net=net, variant="shift_tolerant", verbose=False).eval().requires_grad_(False)


def _lpips(name: str, trunk: str | None) -> nn.Module:
    import lpips
    from torchvision import models

    net = NETWORKS[name]
    path = Path(trunk) if trunk else Path(torch.hub.get_dir()) / "checkpoints" / TRUNKS[net]
    if not path.is_file():
        raise MetricError(
            f"{name} needs torchvision's weights of its trunk: no file {path}. Put {TRUNKS[net]} there, or name "
            f"another place (evaluation.lpips_trunk, or an objective's trunk); st-{name}, another distance, has its own"
        )
    network = models.alexnet() if net == "alex" else models.vgg16()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    distance = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval().requires_grad_(False)
    features = (parameter for _, parameter in network.features.named_parameters())
    for parameter in distance.net.parameters():
        parameter.copy_(next(features))
    return distance
