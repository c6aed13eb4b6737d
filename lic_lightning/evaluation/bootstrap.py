"""The paired bootstrap over images: how sure a number is that two curves' means over a test set give."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lic_lightning.evaluation.curve import Array, Curve

CONFIDENCE = 0.95
MAX_REFUSED = 0.05  # an interval of the resamples that happen to work would be too narrow

Points = tuple[Array, Array]  # rates in bpp and qualities


class Refused(ValueError):  # noqa: N818 - an answer, not a fault
    """No honest number exists for these curves; the message is the reason."""


def interval(
    anchor: Curve, test: Curve, metric: str, number: Callable[[Points, Points, int], float], resamples: int, seed: int
) -> tuple[tuple[float, float] | None, str]:
    """95 % of what a number is of redrawn images, the same ones for all points of both curves.

    Args:
        anchor: of which the number is.
        test: against it.
        metric: the quality, one per image.
        number: of rate and raw quality, the means over the redrawn images (one value per point) of anchor and test,
            and how many images these are of.
        resamples: how often images are redrawn.
        seed: of that.

    Returns:
        The interval, or None; and why not, if the images are known well enough for one.
    """
    shared = [image for image in anchor.images if image in set(test.images)]
    if not resamples or len(shared) < 2:
        return None, ""
    if not (metric in anchor.image_quality and metric in test.image_quality):
        return None, f"no interval: {metric} is of the whole set, not of its images"
    sides = [_per_image(curve, metric, shared) for curve in (anchor, test)]
    values = []
    for draw in np.random.default_rng(seed).integers(len(shared), size=(resamples, len(shared))):
        try:
            a, t = ((rate[:, draw].mean(1), quality[:, draw].mean(1)) for rate, quality in sides)
            values.append(number(a, t, len(draw)))
        except Refused:
            continue  # counted below
    if len(values) < (1 - MAX_REFUSED) * resamples:
        refused = resamples - len(values)
        return None, f"no interval: {refused} of {resamples} resamples of the images give no number"
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return (float(low), float(high)), ""


def _per_image(curve: Curve, metric: str, images: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = [curve.images.index(image) for image in images]
    assert curve.image_rate is not None  # a curve that knows its images' qualities knows their rates
    return curve.image_rate[:, columns], curve.image_quality[metric][:, columns]
