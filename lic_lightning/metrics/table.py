"""The metrics that the platform knows, one entry each: columns, labels, axes and `--metric` are read from here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # `lic bd --help` must not wait for torch
    from lic_lightning.metrics.image import ImageMetric


class MetricError(RuntimeError):
    """A metric that is unknown, or what computes it is not on this machine; the message says where to get it."""


@dataclass(frozen=True)
class Metric:
    """A metric; its raw value stands in the rows, and the mean of that over a test set in curves.

    Attributes:
        name: as curves, result files and `--metric` call it.
        column: of the result rows, and its name in `evaluation.metrics`.
        label: as tables and figures call it.
        unit: of the axis. What is in "%" is in [0, 1] in rows and curves.
        digits: after the point, of a raw value in tables.
        more_is_better: False where curves fall as the rate rises.
        in_db: the axis is −10·log10(1 − mean), the dB of the mean and never the mean of the images' dBs.
        min_side: of the smallest image that has a value, in pixels.
        of: what has a value: a decoded "image", a head's "answer" to an image, or a whole "set" of images.
        default: computed and shown unless settings say otherwise; another is shown where a curve has it.
        build: of `evaluation.lpips_trunk`, makes what computes it of an image, or of sets by way of their images; None
            where nothing is to be built.
    """

    name: str
    column: str
    label: str
    unit: str = ""
    digits: int = 4
    more_is_better: bool = True
    in_db: bool = False
    min_side: int = 1
    of: Literal["image", "answer", "set"] = "image"
    default: bool = False
    build: Callable[[str | None], ImageMetric] | None = None

    @property
    def axis_label(self) -> str:
        """Of an axis of a plot: "PSNR (dB)"."""
        label = f"{self.label} of the mean" if self.in_db else self.label
        return f"{label} ({self.unit})" if self.unit else label

    @property
    def axis_column(self) -> str | None:
        """The column that holds a row's own value on the axis, where that is another than the raw one."""
        return f"{self.column}_db" if self.in_db else None

    def axis(self, means: Any) -> Any:
        """The scale on which curves are compared and drawn, of a number or an array of raw means."""
        if not self.in_db:
            return 100 * means if self.unit == "%" else means
        if isinstance(means, float):  # an image's own: NumPy's logarithm differs in the last bit
            return math.inf if means >= 1 else -10 * math.log10(1 - means)
        import numpy as np

        with np.errstate(divide="ignore"):
            return -10 * np.log10(1 - means)

    def raw(self, axis: Any) -> Any:
        """What `axis` made it of, where the axis is in dB."""
        return 1 - 10 ** (-axis / 10)

    def rising(self, means: Any) -> Any:
        """The axis, turned over where less is better: what rises with the rate of a good codec."""
        return self.axis(means) if self.more_is_better else -self.axis(means)

    def plain(self, mean: float) -> str:
        """A raw mean as tables print it: "0.97312"."""
        return f"{mean:.{self.digits}f}"

    def text(self, axis: float) -> str:
        """A value of the axis with its unit: "31.128 dB"."""
        digits = {"dB": 3, "%": 1}.get(self.unit, self.digits)
        return f"{axis:.{digits}f} {self.unit}".rstrip()


def _image() -> Any:
    from lic_lightning.metrics import image

    return image


def _distance(name: str, trunk: str | None) -> ImageMetric:
    return _image().OfFeatures(name, trunk if name == "lpips" else None)


def _patch_distance(kind: str, _: str | None) -> Any:
    from lic_lightning.metrics.sets import PatchDistance

    return PatchDistance(kind)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", "psnr", "PSNR", "dB", 3, default=True, build=lambda _: _image().psnr),
        # Five scales, four halvings, a window of 11
        Metric(
            "ms-ssim",
            "ms_ssim",
            "MS-SSIM",
            "dB",
            5,
            in_db=True,
            min_side=161,
            default=True,
            build=lambda _: _image().ms_ssim_rgb,
        ),
        *(
            Metric(name, name.replace("-", "_"), label, more_is_better=False, build=partial(_distance, name))
            for name, label in (
                ("lpips", "LPIPS"),
                ("lpips-vgg", "LPIPS (VGG)"),
                ("st-lpips", "ST-LPIPS"),
                ("st-lpips-vgg", "ST-LPIPS (VGG)"),
            )
        ),
        Metric("dists", "dists", "DISTS", more_is_better=False, build=lambda _: _image().dists()),
        Metric(
            "ssimulacra2", "ssimulacra2", "SSIMULACRA2", digits=2, min_side=8, build=lambda _: _image().ssimulacra2()
        ),
        *(
            Metric(
                f"{kind}-st-alexnet",
                f"{kind}_st_alexnet",
                f"{kind.upper()} of patches (ST-LPIPS's AlexNet)",
                more_is_better=False,
                of="set",
                min_side=64,
                build=partial(_patch_distance, kind),
            )
            for kind in ("kid", "fid")
        ),
        Metric("top1", "top1", "top-1", "%", of="answer"),
        Metric("top5", "top5", "top-5", "%", of="answer"),
    )
}


def computed() -> dict[str, Metric]:
    """Column → metric, of those that are computed of an image and its reconstruction."""
    return {metric.column: metric for metric in METRICS.values() if metric.build}


def defaults() -> tuple[str, ...]:
    """The columns that an evaluation computes unless it is told otherwise."""
    return tuple(column for column, metric in computed().items() if metric.default)


def shown(qualities: Iterable[Iterable[str]]) -> list[Metric]:
    """The metrics that tables and plots show of curves with such qualities; answers have a table of their own."""
    there = {name for names in qualities for name in names}
    return [m for m in METRICS.values() if m.of != "answer" and (m.default or m.name in there)]
