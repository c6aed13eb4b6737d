"""The gain of one point: its rate against the rate that the reference's curve needs for the same quality.

One λ is enough, so a whole study can be screened before a full grid is paid for. BD-rate needs four. It is taken image
by image too: each point of an image against that image's own reference curve.
"""

from dataclasses import dataclass, replace

import numpy as np

from lic_lightning.evaluation.bd_rate import MIN_POINTS
from lic_lightning.evaluation.bootstrap import Points, Refused, interval
from lic_lightning.evaluation.curve import Curve
from lic_lightning.metrics.table import METRICS, Metric


class GainRefused(Refused):
    """No honest gain exists for this point; the message is the reason."""


@dataclass(frozen=True)
class Gain:
    """The gain of a point over the reference's curve.

    Attributes:
        rate: of the point, bits per pixel, mean over the test set.
        quality: of the point, on the metric's axis.
        reference_rate: bits per pixel that the reference needs for that quality.
        percent: the rate against the reference's; negative means fewer bits at equal quality.
        interval: 95 % paired bootstrap over the images, in percent; None where they are not known, or
            many resamples have no gain.
    """

    rate: float
    quality: float
    reference_rate: float
    percent: float
    interval: tuple[float, float] | None


def gain(anchor: Curve, test: Curve, point: int, metric: str = "psnr", bootstrap: int = 1000, seed: int = 0) -> Gain:
    """Gain of one point of `test` over `anchor`, interpolated as BD-rate does: pchip, log-rate over quality.

    The interval redraws the images that both share, the same ones for the point and for the curve.

    Args:
        anchor: the reference's curve, of at least four points.
        test: the curve that the point stands on, on the same images.
        point: its index in `test`.
        metric: a name of `metrics.table.METRICS`.
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
    entry = METRICS[metric]

    def percent(anchor: Points, test: Points, images: int) -> float:
        rates, qualities = test
        return 100 * (rates[point] / _rate_at(anchor, qualities[point], entry) - 1)

    curves = (anchor.rate, anchor.quality[metric]), (test.rate, test.quality[metric])
    bounds, _ = interval(anchor, test, metric, percent, bootstrap, seed)
    return Gain(
        rate=float(test.rate[point]),
        quality=float(entry.axis(test.quality[metric][point])),
        reference_rate=_rate_at(curves[0], test.quality[metric][point], entry),
        percent=float(percent(*curves, len(test.images))),
        interval=bounds,
    )


def _rate_at(anchor: Points, quality: float, metric: Metric) -> float:
    """The rate that a curve needs for a raw quality."""
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(anchor[0], kind="stable")
    rates, qualities, wanted = anchor[0][order], metric.rising(anchor[1][order]), metric.rising(quality)
    if not (np.isfinite(qualities).all() and (np.diff(qualities) > 0).all()):
        raise GainRefused("the reference's quality does not rise with every rise of its rate")
    if not qualities[0] <= wanted <= qualities[-1]:
        ends = sorted(metric.axis(anchor[1][order[[0, -1]]]))
        raise GainRefused(
            f"{metric.text(metric.axis(quality))} is outside the reference's {' to '.join(map(metric.text, ends))}"
        )
    return float(10 ** PchipInterpolator(qualities, np.log10(rates))(wanted))


@dataclass(frozen=True)
class ImageGain:
    """What one image gains at one λ (see `gain`)."""

    image: str
    lmbda: float
    gain: Gain


def image_gains(anchor: Curve, test: Curve, metric: str = "psnr") -> tuple[list[ImageGain], int]:
    """The gains of the images of `test`, and how many of its points have none.

    A point has none where its quality is outside of what the reference covers for that image, or where the
    reference's quality does not rise with its rate there: nothing is extrapolated.
    """
    if metric not in anchor.image_quality or metric not in test.image_quality:
        return [], 0
    gains, without = [], 0
    for image in test.images:
        sides = _one_image(anchor, image), _one_image(test, image)
        for point, lmbda in enumerate(test.lmbda):
            try:
                gains.append(ImageGain(image, float(lmbda), gain(*sides, point, metric, bootstrap=0)))
            except GainRefused:
                without += 1
    return gains, without


def _one_image(curve: Curve, image: str) -> Curve:
    column = [place for place, name in enumerate(curve.images) if name == image]
    assert curve.image_rate is not None  # a curve that knows its images' qualities knows their rates
    return replace(
        curve,
        images=(image,),
        rate=curve.image_rate[:, column].mean(1),
        quality={metric: values[:, column].mean(1) for metric, values in curve.image_quality.items()},
        image_quality={},
    )
