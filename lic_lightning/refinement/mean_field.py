"""Mean-field annealing: each symbol is spread over three neighbours, g_s sees the means, and the spread gets colder.

    q(k) ∝ exp(−E(k) / T),   E(k) = bits(k) + g·k + κ/2·h·(k − m)²,   m = Σ k·q(k),   k ∈ {−1, 0, 1}

g is the gradient of λD at the means, h its curvature: E holds all that R + λD changes by if one symbol becomes k, to
second order, so no sample is drawn and each gradient moves all symbols. The q that these equations agree on minimises
the expected R + λD less T of entropy. All symbols answer the same gradient, so a step goes part of the way only, the
less the more they act on each other. Where they are each other's context, g holds too what a value does to the expected
bits of those after it, by way of their scales and means.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lic_lightning.refinement.problem import Problem

KAPPA = 1.3  # more than 1 stands for the neighbours, which move too and add to the curvature
HOT, COLD = 2.0, 0.6  # temperatures in bits, geometric
PROBE = 0.25  # of the curvature's finite difference, in symbols
RATE = 0.4  # share of the way to what a gradient asks for
STABLE = 0.7  # of κ over the coupling: no step goes further, or it would overshoot and grow
STILL = 0.01  # symbols: what a gradient changes by when they move less is noise


class Descent(NamedTuple):
    """How the means move.

    Attributes:
        steps: each runs g_s and its gradient once, as does the curvature.
        momentum: share of the last step that is made again.
    """

    steps: int
    momentum: float


def mean_field(problem: Problem, y_hat: Tensor, descent: Descent, seed: int = 0) -> Tensor:
    """y (1,M,h,w), to be rounded: the likeliest symbols, or in a context the means.

    Args:
        problem: its y is where the search starts.
        y_hat: what stays where nothing may move.
        descent: how.
        seed: of the curvature's probe.
    """
    steps, momentum = descent
    mean = problem.moved(y_hat, problem.y)
    chances = torch.tensor([0.0, 1.0, 0.0], device=mean.device).reshape(3, 1, 1, 1)
    slope = problem.slope(mean, chances)
    stiffness = curvature(problem, mean, chances, slope.gradient, seed)
    velocity, coupled = torch.zeros_like(mean), torch.ones_like(around(stiffness))
    for step in range(steps):
        temperature = HOT * (COLD / HOT) ** (step / max(1, steps - 1))
        apart = slope.symbols - mean
        energy = slope.bits + slope.gradient * apart + KAPPA / 2 * stiffness * apart**2
        chances = torch.softmax(-energy / temperature, dim=0)
        share = (STABLE * KAPPA / coupled).clamp(max=RATE)
        velocity = momentum * velocity + share * (chances * apart).sum(dim=0, keepdim=True)
        mean, before = problem.moved(mean, mean + velocity), slope.gradient
        if step + 1 < steps:
            slope = problem.slope(mean, chances)
            coupled = torch.maximum(coupled, coupling(velocity, slope.gradient - before, stiffness))
    if problem.own.context:  # where each is rounded around means that those before it have moved
        return mean
    return problem.moved(y_hat, slope.symbols.gather(0, chances.argmax(dim=0, keepdim=True)))


def coupling(change: Tensor, of_gradient: Tensor, stiffness: Tensor) -> Tensor:
    """(1,1,h,w): how much more than by its own curvature a cell's gradient changes when its values change together."""
    alone = (stiffness * change) ** 2 + (STILL * stiffness.mean()) ** 2
    return (around(of_gradient**2) / around(alone).clamp(min=1e-9)).sqrt()


def curvature(problem: Problem, y: Tensor, chances: Tensor, gradient: Tensor, seed: int) -> Tensor:
    """Second derivative by each value of y, as the product of its channel's mean and its cell's surroundings'.

    A value's own is the product of a random sign with the change of its gradient when all values move by their signs
    (Hutchinson); what other values add to it has mean zero.
    """
    draw = torch.Generator(y.device).manual_seed(seed)
    signs = torch.rand(y.shape, generator=draw, device=y.device).round() * 2 - 1
    seen = signs * (problem.slope(y + PROBE * signs, chances).gradient - gradient) / PROBE
    channels = seen.mean(dim=(2, 3), keepdim=True).clamp(min=0)
    return channels * around(seen).clamp(min=0) / channels.mean().clamp(min=1e-9)


def around(values: Tensor) -> Tensor:
    """(1,1,h,w): means over the channels of a cell and of those beside it."""
    return F.avg_pool2d(values.mean(dim=1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False)
