"""Image metrics of one image and its reconstruction.

Each takes two tensors (1,3,H,W) in [0, 255] and returns a float, or None where the metric is not defined.
PSNR and MS-SSIM are computed as CompressAI's `eval_model` does, so that numbers can stand side by side.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from lic_lightning.metrics.table import METRICS, computed

LPIPS_TRUNK = "alexnet-owt-7be5be79.pth"

ImageMetric = Callable[[Tensor, Tensor], float | None]


class MetricError(RuntimeError):
    """A metric that is unknown or lacks its weights."""


def build_metrics(columns: Sequence[str], lpips_trunk: str | None = None) -> dict[str, ImageMetric]:
    """What computes the metrics asked for, by column.

    Args:
        columns: of metrics of `table.METRICS` that are computed of an image.
        lpips_trunk: path of torchvision's AlexNet weights; None looks in torch hub's cache.

    Raises:
        MetricError: unknown name, or no weights for LPIPS.
    """
    known = computed()
    if unknown := [column for column in columns if column not in known]:
        raise MetricError(f"evaluation.metrics: unknown metrics {unknown}; known: {', '.join(known)}")
    return {column: known[column].build(lpips_trunk) for column in columns}  # type: ignore[misc]  # all have one


def measured(metrics: Mapping[str, ImageMetric], image: Tensor, decoded: Tensor) -> dict[str, float | None]:
    """A row's columns of the metrics, raw and, where that is another scale, on their axis."""
    columns: dict[str, float | None] = {}
    for column, metric in metrics.items():
        columns[column] = value = metric(image, decoded)
        entry = computed()[column]
        if entry.axis_column:
            columns[entry.axis_column] = None if value is None else float(entry.axis(value))
    return columns


def psnr(image: Tensor, decoded: Tensor) -> float:
    """PSNR in dB over all three channels; infinite for identical images."""
    mse = (image - decoded).square().mean().item()
    return math.inf if mse == 0 else 20 * math.log10(255) - 10 * math.log10(mse)


def ms_ssim_rgb(image: Tensor, decoded: Tensor) -> float | None:
    """MS-SSIM in [0, 1] (pytorch-msssim, five scales); None where a side is too small for them."""
    if min(image.shape[2:]) < METRICS["ms-ssim"].min_side:
        return None
    images = (x.contiguous(memory_format=torch.channels_last) for x in (image, decoded))  # half the time
    return ms_ssim(*images, data_range=255).item()


class Lpips:
    """LPIPS (AlexNet, version 0.1): 0 for identical images, larger is worse."""

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
        """Of one pair of images."""
        return self.model(image.cpu() / 127.5 - 1, decoded.cpu() / 127.5 - 1).item()
