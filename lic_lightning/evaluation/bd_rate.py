"""BD-rate: the mean difference in rate of two RD curves at equal quality, or the reason why there is none.

Computed by the `bjontegaard` package, which by itself returns nonsense for curves that are not monotone and
only warns about curves that barely overlap. Here such a pair is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lic_lightning.evaluation.bootstrap import Points, Refused, interval
from lic_lightning.evaluation.curve import Array, Curve
from lic_lightning.metrics.table import METRICS, Metric

Method = Literal["pchip", "akima", "cubic"]
METHODS: tuple[Method, ...] = ("pchip", "akima", "cubic")

MIN_POINTS = 4
REFUSED_OVERLAP = 0.5  # of the shorter curve: below, most of either curve has no say
WARNED_OVERLAP = 0.75  # bjontegaard's own threshold


class BDRateRefused(Refused):
    """No honest BD-rate exists for these curves; the message is the reason."""


@dataclass(frozen=True)
class BDRate:
    """A BD-rate and what is needed to judge it.

    Attributes:
        name: of the test curve; `anchor` that of the other.
        domain: what the metric was computed on ("8bit", "float", "unstated"), and the metric's scale.
        rates: "strings", or "files" where one of both is a classic codec's.
        bd_rate: percent; negative means that the test needs fewer bits than the anchor at equal quality.
        overlap: in [0, 1], the quality range that both curves share over the range that either covers.
        points: of the test curve.
        interval: 95 % paired bootstrap over the shared images, in percent; None where images are unknown.
        warnings: what to know before quoting the number.
    """

    name: str
    anchor: str
    test_set: str
    metric: str
    method: Method
    domain: str
    bd_rate: float
    overlap: float
    points: int
    rates: Literal["strings", "files"] = "strings"
    interval: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


def bd_rate(
    anchor: Curve, test: Curve, metric: str = "psnr", method: Method = "pchip", bootstrap: int = 1000, seed: int = 0
) -> BDRate:
    """BD-rate of `test` against `anchor` (Bjøntegaard, VCEG-M33), on the curves of means over the test set.

    Compared on the metric's axis (see `metrics.table`), an accuracy after a monotone refit (see `refit`). The interval
    redraws the images that both curves share, the same ones for all points of both: with few images it is too narrow.
    Against a classic codec, whose rates are of whole files, the other's are too.

    Args:
        anchor: what is compared against.
        test: what is judged.
        metric: a name of `metrics.table.METRICS`.
        method: "pchip" (JVET's sheets), "akima", or "cubic" (one least-squares polynomial, as in 2001).
        bootstrap: number of resamples; 0 leaves the interval out.
        seed: of the resamples.

    Raises:
        BDRateRefused: a curve lacks the metric, has under 4 points, a value that is not finite, or quality
            that does not rise with the rate (accuracy: that falls by more than chance explains); or the curves share
            less than half of their quality range.
    """
    entry = METRICS[metric]
    classic = "classic" in (anchor.role, test.role)
    if classic:
        anchor, test = whole_files(anchor), whole_files(test)
    test_points = _points(test, entry, "")
    anchor_points = _points(anchor, entry, "anchor: ")
    overlap = _overlap(anchor_points[1], test_points[1])
    value = _bd(anchor_points, test_points, method)

    def resampled(anchor: Points, test: Points, images: int) -> float:
        a, t = (_prepared(*side, entry, images) for side in (anchor, test))
        _overlap(a[1], t[1])
        return _bd(a, t, method)

    bounds, unsure = interval(anchor, test, metric, resampled, bootstrap, seed)
    return BDRate(
        name=test.name,
        anchor=anchor.name,
        test_set=test.test_set,
        metric=metric,
        method=method,
        domain=_domain(anchor, test, entry),
        bd_rate=value,
        overlap=overlap,
        points=len(test.rate),
        rates="files" if classic else "strings",
        interval=bounds,
        warnings=(*_warnings(anchor, test, overlap), *filter(None, [unsure])),
    )


def whole_files(curve: Curve) -> Curve:
    """The curve with the rates of its files, headers included, where they are known."""
    return curve if curve.file_rate is None else replace(curve, rate=curve.file_rate, image_rate=curve.image_file_rate)


def _points(curve: Curve, metric: Metric, whose: str) -> Points:
    if len(curve.rate) < MIN_POINTS:
        without = f" (withheld: {'; '.join(curve.withheld)})" if curve.withheld else ""
        raise BDRateRefused(f"{whose}{len(curve.rate)} of {MIN_POINTS} points{without}")
    if metric.name not in curve.quality:
        small = f" of every image (a side is under {metric.min_side} pixels?)" if metric.min_side > 1 else ""
        raise BDRateRefused(f"{whose}no {metric.name}{small if curve.images else ''}")
    return _prepared(curve.rate, curve.quality[metric.name], metric, len(curve.images), whose)


def refit(rate: Array, accuracy: Array, images: int, label: str = "accuracy") -> Points:
    """The least-squares rising curve through accuracies over log-rate: isotonic regression.

    Accuracies are means over few images and seldom rise with every rise of the rate. Points that the regression pools
    become one, at their mean log-rate.

    Raises:
        BDRateRefused: a point would move by more than its own standard error √(p(1−p)/images), so that a fall is
            no accident of the sample. Without images (a JSON of means) none may move.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(rate, kind="stable")
    rate, accuracy = rate[order], accuracy[order]
    rising = isotonic_regression(accuracy).x
    errors = np.sqrt(accuracy * (1 - accuracy) / images) if images else np.zeros(len(accuracy))
    if (np.abs(rising - accuracy) > errors + 1e-12).any():
        raise BDRateRefused(
            f"{label} falls with the rate by more than its standard error: no rising curve describes it"
        )
    levels = np.unique(rising)
    pooled = [np.exp(np.log(rate[rising == level]).mean()) for level in levels]
    return np.array(pooled), levels


def _prepared(rate: Array, quality: Array, metric: Metric, images: int, whose: str = "") -> Points:
    if metric.of != "answer":
        return _checked(rate, metric.rising(quality), whose)
    rate, quality = _checked(*refit(rate, quality, images, metric.label), whose)
    if len(rate) < MIN_POINTS:
        raise BDRateRefused(f"{whose}{len(rate)} of {MIN_POINTS} distinct accuracies after the monotone refit")
    return rate, quality


def _checked(rate: Array, quality: Array, whose: str = "") -> Points:
    order = np.argsort(rate, kind="stable")
    rate, quality = rate[order], quality[order]
    if not (np.isfinite(rate).all() and np.isfinite(quality).all() and (rate > 0).all()):
        raise BDRateRefused(f"{whose}a rate or quality is not a finite number, or a rate is zero")
    if not ((np.diff(rate) > 0).all() and (np.diff(quality) > 0).all()):
        raise BDRateRefused(f"{whose}not monotone: quality does not rise with every rise of the rate")
    return rate, quality


def _overlap(anchor: Array, test: Array) -> float:
    """The shared range of quality over that of both. A curve that lies within a longer one is compared as a whole."""
    shared = max(min(anchor[-1], test[-1]) - max(anchor[0], test[0]), 0.0)
    shorter = min(anchor[-1] - anchor[0], test[-1] - test[0])
    if shared == 0:
        raise BDRateRefused("no overlap: the curves share no quality")
    if (part := shared / shorter) < REFUSED_OVERLAP:
        raise BDRateRefused(f"overlap {part:.2f} of the shorter curve, under {REFUSED_OVERLAP}: too little is shared")
    return float(shared / (max(anchor[-1], test[-1]) - min(anchor[0], test[0])))


def _bd(anchor: Points, test: Points, method: Method) -> float:
    import bjontegaard  # takes two seconds: it imports pyplot

    value = bjontegaard.bd_rate(*anchor, *test, method=method, require_matching_points=False, min_overlap=0)
    if not math.isfinite(value):
        raise BDRateRefused(f"{method} gives {value}")
    return float(value)


def _warnings(anchor: Curve, test: Curve, overlap: float) -> Sequence[str]:
    found = []
    if overlap < WARNED_OVERLAP:
        found.append(f"overlap {overlap:.2f} under {WARNED_OVERLAP}")
    if anchor.domain != test.domain:
        found.append(f"metric domains differ: anchor {anchor.domain}, test {test.domain}; worth 0.3 to 0.4 %")
    if anchor.padding and test.padding and anchor.padding != test.padding and anchor.id != test.reference:
        found.append(f"paddings differ: anchor {anchor.padding}, test {test.padding}; worth a fifth on odd sizes")
    if "classic" in (anchor.role, test.role):
        strings = [curve.name for curve in (anchor, test) if curve.role != "classic" and curve.file_rate is None]
        found += [f"whole files against strings: the rows of {name} don't say their files' sizes" for name in strings]
    if anchor.images and test.images and set(anchor.images) != set(test.images):
        found.append("the curves were measured on different images")
    found += [f"{curve.name} lacks {point}" for curve in (anchor, test) for point in curve.withheld]
    return found


def _domain(anchor: Curve, test: Curve, metric: Metric) -> str:
    if metric.of == "answer":
        return f"{metric.label} after isotonic regression on the rate"
    images = test.domain if anchor.domain == test.domain else f"anchor {anchor.domain}, test {test.domain}"
    return f"{images}, dB of mean {metric.label}" if metric.in_db else images
