"""Image metrics of one image and its reconstruction.

Each takes two tensors (1,3,H,W) in [0, 255] and returns a float, or None where the metric is not defined.
PSNR and MS-SSIM are computed as CompressAI's `eval_model` does, so that numbers can stand side by side.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from pytorch_msssim import ms_ssim
from torch import Tensor

from lic_lightning.metrics.distances import TRUNKS, FeatureDistance
from lic_lightning.metrics.table import METRICS, MetricError, computed

ImageMetric = Callable[[Tensor, Tensor], Any]  # a float or None; of a metric of sets, what its `of_set` takes


class SetMetric(Protocol):
    """One value of a set, from what it makes of each image and its reconstruction."""

    def __call__(self, image: Tensor, decoded: Tensor) -> Any: ...

    def of_set(self, parts: Sequence[Any]) -> float | None: ...


def build_metrics(columns: Sequence[str], lpips_trunk: str | None = None) -> dict[str, ImageMetric]:
    """What computes the metrics asked for, by column.

    Args:
        columns: of metrics of `table.METRICS` that are computed of an image.
        lpips_trunk: path of torchvision's AlexNet weights; None looks in torch hub's cache.

    Raises:
        MetricError: unknown name, or what computes it is not on this machine.
    """
    known = computed()
    if unknown := [column for column in columns if column not in known]:
        raise MetricError(f"evaluation.metrics: unknown metrics {unknown}; known: {', '.join(known)}")
    return {column: known[column].build(lpips_trunk) for column in columns}  # type: ignore[misc]  # all have one


def of_sets(metrics: Mapping[str, ImageMetric]) -> dict[str, SetMetric]:
    """Those that have one value for a whole set."""
    return {column: metric for column, metric in metrics.items() if computed()[column].of == "set"}  # type: ignore[misc]


def measured(metrics: Mapping[str, ImageMetric], image: Tensor, decoded: Tensor) -> dict[str, Any]:
    """A row's columns of the metrics, raw and, where that is another scale, on their axis."""
    columns: dict[str, Any] = {}
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


class OfFeatures:
    """A distance of `metrics.distances`: 0 for identical images, larger is worse."""

    def __init__(self, name: str, trunk: str | None = None) -> None:
        self.distance = FeatureDistance(name, trunk)

    @torch.no_grad()
    def __call__(self, image: Tensor, decoded: Tensor) -> float:
        """Of one pair of images."""
        return self.distance(image.cpu() / 255, decoded.cpu() / 255).item()


def dists() -> ImageMetric:
    """DISTS (Ding et al. 2020), by torchmetrics: 0 for identical images, larger is worse.

    Raises:
        MetricError: torchvision's weights of VGG16 are not in torch hub's cache.
    """
    trunk = Path(torch.hub.get_dir()) / "checkpoints" / TRUNKS["vgg"]
    if not trunk.is_file():
        raise MetricError(f"DISTS needs torchvision's weights of VGG16: no file {trunk}; put {trunk.name} there")
    return _dists


@torch.no_grad()
def _dists(image: Tensor, decoded: Tensor) -> float:
    from torchmetrics.functional.image.dists import deep_image_structure_and_texture_similarity

    return deep_image_structure_and_texture_similarity(decoded.cpu() / 255, image.cpu() / 255).item()


def ssimulacra2() -> ImageMetric:
    """SSIMULACRA2, 100 for identical images; below 0 for very poor ones.

    Raises:
        MetricError: its package is not installed.
    """
    if find_spec("ssimulacra2") is None:
        raise MetricError("SSIMULACRA2 comes with the extra: pip install 'lic-lightning[perceptual]'")
    return _ssimulacra2


def _ssimulacra2(image: Tensor, decoded: Tensor) -> float:
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_as_file(image), _as_file(decoded)))


def _as_file(image: Tensor) -> BytesIO:
    file = BytesIO()
    values = image[0].round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(values).save(file, "BMP")
    file.seek(0)
    return file
