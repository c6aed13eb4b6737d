"""BD-rate on accuracy: a stated monotone refit, and a refusal where it would hide a fall."""

import numpy as np
import pytest

from lic_lightning.evaluation.bd_rate import BDRateRefused, bd_rate, refit
from lic_lightning.evaluation.curve import Curve

RATES = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
RISING = np.array([0.60, 0.66, 0.71, 0.75, 0.78])


def curve(rate, top1, images=500, name="head"):
    names = tuple(map(str, range(images)))
    return Curve(name, "set", np.arange(len(rate)), rate, {"top1": top1}, images=names)


def test_a_head_that_needs_a_tenth_less_for_equal_accuracy():
    answer = bd_rate(curve(RATES, RISING), curve(0.9 * RATES, RISING), "top1", bootstrap=0)
    assert answer.bd_rate == pytest.approx(-10)
    assert "isotonic" in answer.domain


def test_a_fall_within_the_sample_s_error_is_pooled():
    wavy = np.array([0.60, 0.67, 0.66, 0.75, 0.78])
    rate, top1 = refit(RATES, wavy, images=500)
    assert top1 == pytest.approx([0.60, 0.665, 0.75, 0.78])
    assert rate[1] == pytest.approx(np.sqrt(0.2 * 0.4))


def test_a_fall_beyond_it_is_refused():
    falling = np.array([0.60, 0.75, 0.60, 0.75, 0.78])
    with pytest.raises(BDRateRefused, match="falls with the rate"):
        bd_rate(curve(RATES, RISING), curve(RATES, falling), "top1", bootstrap=0)


def test_means_of_unknown_images_may_not_fall_at_all():
    with pytest.raises(BDRateRefused, match="falls with the rate"):
        refit(RATES, np.array([0.60, 0.67, 0.669, 0.75, 0.78]), images=0)


def test_too_few_distinct_accuracies_are_refused():
    flat = np.array([0.60, 0.70, 0.70, 0.70, 0.78])
    with pytest.raises(BDRateRefused, match="3 of 4 distinct"):
        bd_rate(curve(RATES, RISING), curve(RATES, flat), "top1", bootstrap=0)
