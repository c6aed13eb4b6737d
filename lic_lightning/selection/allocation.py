"""One model of a pool for each image of a set: the least total cost within a budget of bytes, and how near that is.

Choosing one of several for each under one budget is the multiple-choice knapsack. Its relaxation, where an image may be
split between two models, is solved by sorting: each image's models on their lower convex hull, steps by what a byte
buys. Its value bounds what any choice can reach. What the relaxation already excludes is left out; the rest is small
and goes to an exact solver.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

SOLVER_S = 10.0  # of the exact solver; what it has by then is taken, with its bound

Sizes: TypeAlias = NDArray[np.int64]
Costs: TypeAlias = NDArray[np.float64]
Choice: TypeAlias = NDArray[np.intp]


class AllocationError(ValueError):
    """A budget that no choice keeps, or an image without a model; the message says what is possible."""


@dataclass(frozen=True)
class Allocation:
    """A choice, and its certificate.

    Attributes:
        choice: (n,) the model of each image.
        size: bytes of all.
        cost: sum over the images.
        bound: no choice within the budget costs less.
    """

    choice: Choice
    size: int
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the cost can lie above the least possible, as a share of it."""
        return max(0.0, self.cost - self.bound) / max(abs(self.bound), np.finfo(float).tiny)


def allocate(sizes: Sizes, costs: Costs, budget: int) -> Allocation:
    """The choice of least total cost whose bytes are within the budget.

    Args:
        sizes: (n,K) bytes of each image by each model.
        costs: (n,K), the less the better; infinite where a model may not be chosen.
        budget: bytes of all images together.

    Raises:
        AllocationError: an image may have no model, or the smallest choice is over the budget.
    """
    _check(sizes, costs, budget)
    relaxed, price = _relaxed(sizes, costs, budget)
    return _exact(sizes, costs, budget, _filled(sizes, costs, budget, relaxed), price)


def nearest(sizes: Sizes, targets: NDArray[np.float64]) -> Choice:
    """Of each image the model whose bytes are nearest its target, the CLIC paper's rule as it is read here."""
    return np.abs(sizes - targets[:, None]).argmin(axis=1)


def each_within(sizes: Sizes, costs: Costs, limits: NDArray[np.float64]) -> Choice:
    """Of each image the cheapest model within its own limit of bytes; one at least must be."""
    return np.where(sizes <= limits[:, None], costs, np.inf).argmin(axis=1)


def of(choice: Choice, sizes: Sizes, costs: Costs, bound: float) -> Allocation:
    """A choice with its totals."""
    rows = np.arange(len(choice))
    return Allocation(choice, int(sizes[rows, choice].sum()), float(costs[rows, choice].sum()), bound)


def _check(sizes: Sizes, costs: Costs, budget: int) -> None:
    if len(without := np.flatnonzero(~np.isfinite(costs).any(axis=1))):
        raise AllocationError(f"{len(without)} of {len(costs)} images may have no model, the first is {without[0]}")
    least = np.where(np.isfinite(costs), sizes, np.iinfo(np.int64).max).min(axis=1).sum()
    if least > budget:
        raise AllocationError(f"the smallest choice takes {least:,} bytes, the budget is {budget:,}")


def _relaxed(sizes: Sizes, costs: Costs, budget: int) -> tuple[Allocation, float]:
    """The relaxation's choice without the image that it splits, its value as bound, and the price of a byte."""
    hulls = [_hull(size, cost) for size, cost in zip(sizes, costs, strict=True)]
    choice = np.array([hull[0] for hull in hulls])
    steps = [
        ((costs[i, b] - costs[i, a]) / (sizes[i, b] - sizes[i, a]), i, b)
        for i, hull in enumerate(hulls)
        for a, b in pairwise(hull)
    ]
    left = budget - of(choice, sizes, costs, 0).size
    for slope, image, model in sorted(steps):
        step = sizes[image, model] - sizes[image, choice[image]]
        if step > left:
            found = of(choice, sizes, costs, 0)
            return replace(found, bound=found.cost + slope * left), -slope
        choice[image], left = model, left - step
    found = of(choice, sizes, costs, 0)
    return replace(found, bound=found.cost), 0.0


def _hull(size: Sizes, cost: Costs) -> list[int]:
    """Models on the lower convex hull of one image, by size; each is dearer in bytes and cheaper in cost."""
    hull: list[int] = []
    for model in np.lexsort((cost, size)).tolist():
        if not np.isfinite(cost[model]) or (hull and cost[model] >= cost[hull[-1]]):
            continue
        while len(hull) > 1 and _above(hull[-2], hull[-1], model, size, cost):
            hull.pop()
        hull.append(model)
    return hull


def _above(a: int, b: int, c: int, size: Sizes, cost: Costs) -> bool:
    """True if b lies on or above the line from a to c."""
    return (cost[b] - cost[a]) * (size[c] - size[a]) >= (cost[c] - cost[a]) * (size[b] - size[a])


def _filled(sizes: Sizes, costs: Costs, budget: int, found: Allocation) -> Allocation:
    """What is left of the budget spent, always on the model that gains most and still fits."""
    choice = found.choice.copy()
    rows = np.arange(len(choice))
    while True:
        left = budget - sizes[rows, choice].sum()
        gains = costs[rows, choice][:, None] - costs
        gains[sizes - sizes[rows, choice][:, None] > left] = -np.inf
        image, model = np.unravel_index(gains.argmax(), gains.shape)
        if gains[image, model] <= 0:
            return of(choice, sizes, costs, found.bound)
        choice[image] = model


def _exact(sizes: Sizes, costs: Costs, budget: int, found: Allocation, price: float) -> Allocation:
    """The best choice among those that the relaxation leaves open: at its price of a byte, a model that costs more than
    the best of its image by over what is still to gain is in no better choice.
    """
    reduced = costs + price * sizes
    reduced -= reduced.min(axis=1, keepdims=True)
    is_open = reduced < found.cost - found.bound
    if not is_open.any():
        return found
    is_open[np.arange(len(costs)), found.choice] = True
    image, model = np.nonzero(is_open)
    one_each = csr_array((np.ones(len(image)), (image, np.arange(len(image)))))
    solved = milp(
        costs[image, model],
        integrality=np.ones(len(image)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(sizes[image, model][None].astype(float), -np.inf, budget),
        ],
        options={"time_limit": SOLVER_S, "mip_rel_gap": 0},
    )
    if solved.x is None:
        return found
    choice = found.choice.copy()
    choice[image[solved.x > 0.5]] = model[solved.x > 0.5]
    better = of(choice, sizes, costs, max(found.bound, min(solved.mip_dual_bound, found.cost)))
    return better if better.size <= budget and better.cost <= found.cost else replace(found, bound=better.bound)
