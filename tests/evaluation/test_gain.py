"""The gain of one point: rate change on the interpolated reference curve at equal quality."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lic_lightning.evaluation.curve import Curve
from lic_lightning.evaluation.gain import GainRefused, gain

IMAGES = tuple("abcdef")


def curve(rates: list[float], qualities: list[float], images: tuple[str, ...] = IMAGES) -> Curve:
    """A curve whose images differ in rate and quality."""
    spread = np.linspace(0.8, 1.2, len(images))
    image_rate = np.outer(rates, spread)
    image_quality = np.array(qualities)[:, None] + 10 * (spread - 1)
    return Curve(
        name="",
        test_set="",
        lmbda=np.arange(len(rates), dtype=float),
        rate=image_rate.mean(axis=1),
        quality={"psnr": image_quality.mean(axis=1)},
        images=images,
        image_rate=image_rate,
        image_quality={"psnr": image_quality},
    )


REFERENCE = curve([0.1, 0.2, 0.4, 0.8], [28.0, 31.0, 34.0, 37.0])


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.25])
def test_the_gain_is_the_change_of_rate_at_equal_quality(factor: float) -> None:
    """Quality is linear in log-rate here, so what the interpolation must give is known."""
    answer = gain(REFERENCE, curve([factor * 0.2 * 2**0.5], [32.5]), 0)
    assert answer.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert answer.reference_rate == pytest.approx(0.2 * 2**0.5)
    assert answer.quality == pytest.approx(32.5)


def test_the_interval_holds_the_gain_and_is_reproducible() -> None:
    test = curve([0.25], [32.5])
    assert test.image_rate is not None
    test.image_rate[0, 0] *= 2
    low, high = gain(REFERENCE, test, 0).interval or (np.nan, np.nan)
    assert low < gain(REFERENCE, test, 0).percent < high
    assert (low, high) == gain(REFERENCE, test, 0).interval


@pytest.mark.parametrize("factor", [0.9, 1.25])
def test_less_may_be_better(factor: float) -> None:
    """As above, with a metric that falls as the rate rises."""
    anchor, test = (
        replace(c, quality={"lpips": 1 - c.quality["psnr"] / 100}, image_quality={})
        for c in (REFERENCE, curve([factor * 0.2 * 2**0.5], [32.5]))
    )
    answer = gain(anchor, test, 0, "lpips")
    assert answer.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert (answer.quality, answer.interval) == (pytest.approx(1 - 0.325), None)
    with pytest.raises(GainRefused, match=r"0\.7500 is outside the reference's 0\.6300 to 0\.7200"):
        gain(anchor, replace(test, quality={"lpips": np.array([0.75])}), 0, "lpips")


@pytest.mark.parametrize(
    ("anchor", "test", "reason"),
    [
        (REFERENCE, curve([0.9], [37.5]), "37.500 dB is outside the reference's 28.000 dB to 37.000 dB"),
        (REFERENCE, curve([0.05], [27.0]), "27.000 dB is outside"),
        (curve([0.1, 0.2, 0.4], [28.0, 31.0, 34.0]), curve([0.2], [31.0]), "3 of 4 points"),
        (curve([0.1, 0.2, 0.4, 0.8], [28.0, 31.0, 30.0, 37.0]), curve([0.2], [31.0]), "does not rise"),
        (REFERENCE, curve([0.2], [31.0], tuple("abcdeg")), "other images"),
    ],
)
def test_where_no_gain_is_honest_the_reason_is_said(anchor: Curve, test: Curve, reason: str) -> None:
    with pytest.raises(GainRefused, match=reason):
        gain(anchor, test, 0)
