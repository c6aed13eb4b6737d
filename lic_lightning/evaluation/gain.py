"""The gain of one point: its rate against the rate that the reference's curve needs for the same quality.

One λ is enough, so a whole study can be screened before a full grid is paid for. BD-rate needs four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lic_lightning.evaluation.bd_rate import CONFIDENCE, MAX_REFUSED_RESAMPLES, MIN_POINTS, Metric
from lic_lightning.evaluation.curve import Array, Curve, axis


class GainRefused(ValueError):  # noqa: N818 - an answer, not a fault
    """No honest gain exists for this point; the message is the reason."""


@dataclass(frozen=True)
class Gain:
    """The gain of a point over the reference's curve.

    Attributes:
        rate: of the point, bits per pixel, mean over the test set.
        quality: of the point, dB (MS-SSIM as dB of the mean).
        reference_rate: bits per pixel that the reference needs for that quality.
        percent: the rate against the reference's; negative means fewer bits at equal quality.
        interval: 95 % paired bootstrap over the images, in percent; None where most resamples have no gain.
    """

    rate: float
    quality: float
    reference_rate: float
    percent: float
    interval: tuple[float, float] | None


def gain(anchor: Curve, test: Curve, point: int, metric: Metric = "psnr", bootstrap: int = 1000, seed: int = 0) -> Gain:
    """Gain of one point of `test` over `anchor`, interpolated as BD-rate does: pchip, log-rate over quality in dB.

    The interval redraws the images that both share, the same ones for the point and for the curve.

    Args:
        anchor: the reference's curve, of at least four points.
        test: the curve that the point stands on, on the same images.
        point: its index in `test`.
        metric: "psnr" or "ms-ssim".
        bootstrap: number of resamples.
        seed: of the resamples.

    Raises:
        GainRefused: a metric is missing, the reference has under four points or isn't monotone, its quality range
            does not hold the point, or the images differ.
    """
    if len(anchor.rate) < MIN_POINTS:
        raise GainRefused(f"the reference has {len(anchor.rate)} of {MIN_POINTS} points")
    if metric not in anchor.quality or metric not in test.quality:
        raise GainRefused(f"no {metric} of every image")
    if set(anchor.images) != set(test.images):
        raise GainRefused("the reference was measured on other images")
    if anchor.image_rate is None or test.image_rate is None:
        raise GainRefused("only means are known, not the images")
    shared = [test.images.index(image) for image in anchor.images]
    sides = (
        _Side(anchor.image_rate, anchor.image_quality[metric], metric),
        _Side(test.image_rate[[point]][:, shared], test.image_quality[metric][[point]][:, shared], metric),
    )
    reference_rate, rate, quality = _at_equal_quality(*sides, np.arange(len(shared)))
    return Gain(
        rate=rate,
        quality=quality,
        reference_rate=reference_rate,
        percent=_percent(rate, reference_rate),
        interval=_interval(sides, len(shared), bootstrap, seed),
    )


class _Side(NamedTuple):
    """A curve's values per image: arrays (points, images)."""

    rate: Array
    quality: Array
    metric: Metric

    def means(self, images: NDArray[np.int64]) -> tuple[Array, Array]:
        """Rate, and quality in dB, of each point over some of the images."""
        return self.rate[:, images].mean(axis=1), axis(self.metric, self.quality[:, images].mean(axis=1))


def _at_equal_quality(anchor: _Side, test: _Side, images: NDArray[np.int64]) -> tuple[float, float, float]:
    """The reference's rate, the point's rate, and the quality that both have."""
    from scipy.interpolate import PchipInterpolator

    (rate,), (quality,) = test.means(images)
    rates, qualities = anchor.means(images)
    order = np.argsort(rates, kind="stable")
    rates, qualities = rates[order], qualities[order]
    if not (np.isfinite(qualities).all() and (np.diff(qualities) > 0).all()):
        raise GainRefused("the reference's quality does not rise with every rise of its rate")
    if not qualities[0] <= quality <= qualities[-1]:
        raise GainRefused(f"{quality:.2f} dB is outside the reference's {qualities[0]:.2f} to {qualities[-1]:.2f} dB")
    return float(10 ** PchipInterpolator(qualities, np.log10(rates))(quality)), float(rate), float(quality)


def _interval(sides: tuple[_Side, _Side], images: int, resamples: int, seed: int) -> tuple[float, float] | None:
    if images < 2:
        return None
    values = []
    for draw in np.random.default_rng(seed).integers(images, size=(resamples, images)):
        try:
            reference_rate, rate, _ = _at_equal_quality(*sides, draw)
            values.append(_percent(rate, reference_rate))
        except GainRefused:
            continue  # counted below
    if len(values) < (1 - MAX_REFUSED_RESAMPLES) * resamples:
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _percent(rate: float, reference_rate: float) -> float:
    return 100 * (rate / reference_rate - 1)
