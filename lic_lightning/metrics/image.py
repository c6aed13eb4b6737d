"""Image metrics of one image and its reconstruction, by name.

Each takes two tensors (1,3,H,W) in [0, 255] and returns a float, or None where the metric is not defined.
PSNR and MS-SSIM are computed as CompressAI's `eval_model` does, so that numbers can stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

MS_SSIM_MIN_SIDE = 161
LPIPS_TRUNK = "alexnet-owt-7be5be79.pth"

Metric = Callable[[Tensor, Tensor], float | None]


class MetricError(RuntimeError):
    """A metric that is unknown or lacks its weights."""


def build_metrics(names: Sequence[str], lpips_trunk: str | None = None) -> dict[str, Metric]:
    """The metrics asked for; "psnr" and "ms_ssim" are built in, "lpips" needs the trunk's weights.

    Args:
        names: subset of "psnr", "ms_ssim", "lpips".
        lpips_trunk: path of torchvision's AlexNet weights; None looks in torch hub's cache.

    Raises:
        MetricError: unknown name, or no weights for LPIPS.
    """
    builders: dict[str, Callable[[], Metric]] = {
        "psnr": lambda: psnr,
        "ms_ssim": lambda: ms_ssim_rgb,
        "lpips": lambda: _Lpips(lpips_trunk),
    }
    if unknown := [name for name in names if name not in builders]:
        raise MetricError(f"unknown metrics {unknown}; known: {', '.join(builders)}")
    return {name: builders[name]() for name in names}


def psnr(image: Tensor, decoded: Tensor) -> float:
    """PSNR in dB over all three channels; infinite for identical images."""
    mse = (image - decoded).square().mean().item()
    return math.inf if mse == 0 else 20 * math.log10(255) - 10 * math.log10(mse)


def ms_ssim_rgb(image: Tensor, decoded: Tensor) -> float | None:
    """MS-SSIM in [0, 1] (pytorch-msssim, five scales); None where a side is under 161 pixels."""
    if min(image.shape[2:]) < MS_SSIM_MIN_SIDE:
        return None
    images = (x.contiguous(memory_format=torch.channels_last) for x in (image, decoded))  # half the time
    return ms_ssim(*images, data_range=255).item()


def to_db(value: float | None) -> float | None:
    """MS-SSIM in dB, −10·log10(1 − value); None stays None."""
    if value is None:
        return None
    return math.inf if value >= 1 else -10 * math.log10(1 - value)


class _Lpips:
    def __init__(self, trunk: str | None) -> None:
        import lpips
        from torchvision.models import alexnet

        path = Path(trunk) if trunk else Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_TRUNK
        if not path.is_file():
            raise MetricError(
                f"LPIPS needs torchvision's AlexNet weights: no file {path}. Put {LPIPS_TRUNK} there, name another "
                "place with evaluation.lpips_trunk, or leave the metric out: evaluation.metrics=[psnr,ms_ssim]"
            )
        weights = torch.load(path, map_location="cpu", weights_only=True)
        network = alexnet()
        network.load_state_dict(weights)
        self.model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
        features = iter(p for name, p in network.features.named_parameters())
        with torch.no_grad():
            for parameter in self.model.net.parameters():
                parameter.copy_(next(features))

    @torch.no_grad()
    def __call__(self, image: Tensor, decoded: Tensor) -> float:
        """LPIPS (AlexNet, version 0.1): 0 for identical images, larger is worse."""
        return self.model(image.cpu() / 127.5 - 1, decoded.cpu() / 127.5 - 1).item()
