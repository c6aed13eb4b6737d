"""One model for each image under a budget of the set: the best choice, and the proof."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lic_lightning.selection.allocation import AllocationError, allocate, each_within, nearest, of


def pool(images: int, models: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and costs that look like those of photographs: about 6 dB for four times the bytes, with some noise."""
    draw = np.random.default_rng(seed)
    rates = np.sort(draw.uniform(0.3, 3, (images, models)), axis=1)
    sizes = (draw.lognormal(9, 0.6, (images, 1)) * rates).astype(np.int64)
    noise = draw.normal(0, 0.3, rates.shape) + draw.normal(0, 2, (images, 1))
    return sizes, -(30 + 3 * np.log2(rates) + noise)


def best_of_all(sizes: np.ndarray, costs: np.ndarray, budget: int) -> float:
    """By trying every choice."""
    tried = (of(np.array(c), sizes, costs, 0) for c in product(range(sizes.shape[1]), repeat=len(sizes)))
    return min(one.cost for one in tried if one.size <= budget)


@pytest.mark.parametrize("seed", range(25))
def test_it_is_the_best_of_all_choices_and_its_bound_holds(seed: int) -> None:
    sizes, costs = pool(5, 4, seed)
    least, most = sizes.min(axis=1).sum(), sizes.max(axis=1).sum()
    budget = int(least + (most - least) * np.random.default_rng(seed).uniform())
    found = allocate(sizes, costs, budget)
    best = best_of_all(sizes, costs, budget)
    assert found.size <= budget
    assert found.cost == pytest.approx(best)
    assert found.bound <= best + 1e-9
    assert found.gap < 1e-9


def test_a_model_that_may_not_be_chosen_is_not() -> None:
    sizes, costs = pool(6, 4)
    costs[2, :3] = np.inf
    found = allocate(sizes, costs, int(sizes.max(axis=1).sum()))
    assert found.choice[2] == 3
    assert np.isfinite(found.cost)


def test_a_budget_for_everything_takes_the_best_of_each() -> None:
    sizes, costs = pool(6, 4)
    found = allocate(sizes, costs, int(sizes.sum()))
    assert found.choice.tolist() == costs.argmin(axis=1).tolist()
    assert found.gap == 0


def test_a_budget_under_the_smallest_choice_names_it() -> None:
    sizes, costs = pool(6, 4)
    least = int(sizes.min(axis=1).sum())
    assert allocate(sizes, costs, least).size == least
    with pytest.raises(AllocationError, match=f"smallest choice takes {least:,} bytes, the budget is {least - 1:,}"):
        allocate(sizes, costs, least - 1)


def test_an_image_without_a_model_is_an_error() -> None:
    sizes, costs = pool(3, 2)
    costs[1] = np.inf
    with pytest.raises(AllocationError, match="1 of 3 images may have no model, the first is 1"):
        allocate(sizes, costs, int(sizes.sum()))


def test_two_models_of_one_size_are_told_apart_by_cost() -> None:
    sizes, costs = np.array([[10, 10, 20]]), np.array([[2.0, 1.0, 0.5]])
    assert allocate(sizes, costs, 10).choice.tolist() == [1]


def test_five_thousand_images_are_certified() -> None:
    sizes, costs = pool(5000, 8)
    found = allocate(sizes, costs, int(0.7 * sizes.mean(axis=1).sum()))
    assert found.gap < 1e-6


def test_no_rule_for_single_images_beats_it_at_equal_bytes() -> None:
    sizes, costs = pool(24, 6)
    limits = np.full(24, sizes.mean())
    for choice in (nearest(sizes, limits), each_within(sizes, costs, np.maximum(limits, sizes.min(axis=1)))):
        single = of(choice, sizes, costs, -np.inf)
        assert allocate(sizes, costs, single.size).cost <= single.cost


def test_the_nearest_size_is_nearest() -> None:
    assert nearest(np.array([[1, 5, 9], [2, 3, 4]]), np.array([6.0, 100.0])).tolist() == [1, 2]
