"""Stochastic Gumbel annealing of ŷ (Yang, Bamler & Mandt 2020): y moves by gradient while its rounding, drawn between
floor and ceiling, anneals to the nearest symbol.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from lic_lightning.refinement.problem import Problem

NARROW = 1e-5  # atanh is infinite at 1
WARM, COLD = 0.5, 0.2  # temperatures; the second half anneals


class Annealing(NamedTuple):
    """How y moves.

    Attributes:
        steps: each runs g_s and its gradient once.
        rate, last_rate: of Adam, in symbols; geometric between the two.
        noise: share of the Gumbel noise; with all of it few steps lose their way, without any they gain nothing.
    """

    steps: int
    rate: float
    last_rate: float
    noise: float


def sga(problem: Problem, y_hat: Tensor, annealing: Annealing, seed: int = 0) -> Tensor:
    """y (1,M,h,w), to be rounded, after annealing.

    Args:
        problem: its y is where the search starts.
        y_hat: what stays where nothing may move, and the first context.
        annealing: how.
        seed: of the drawn roundings.
    """
    steps, rate, last_rate, noise = annealing
    draw = torch.Generator(y_hat.device).manual_seed(seed)
    before, y = y_hat, problem.y.detach().clone().requires_grad_()
    adam = torch.optim.Adam([y], lr=rate)
    for step in range(steps):
        progress = step / steps
        adam.param_groups[0]["lr"] = rate * (last_rate / rate) ** progress
        rounding = partial(soft_round, tau=temperature(progress), noise=noise, draw=draw)
        with torch.enable_grad():
            soft = problem.coded(problem.moved(y_hat, y), rounding, before)
            (y.grad,) = torch.autograd.grad(problem.cost(soft), y)
        adam.step()
        before = soft.y_hat.detach()
    return problem.moved(y_hat, y.detach())


def temperature(progress: float) -> float:
    """Of a step, by its share of all."""
    return WARM * (COLD / WARM) ** max(0.0, 2 * progress - 1)


def soft_round(symbols: Tensor, tau: float, noise: float, draw: torch.Generator) -> Tensor:
    """Between floor and ceiling, drawn with odds by atanh of the distances (their eq. 7), relaxed by Gumbel noise."""
    floor = symbols.detach().floor()
    above = (symbols - floor).clamp(NARROW, 1 - NARROW)
    odds = (torch.atanh(above) - torch.atanh(1 - above)) / tau
    gumbel = torch.rand(symbols.shape, generator=draw, device=symbols.device).clamp(1e-6, 1 - 1e-6).logit()
    return floor + torch.sigmoid((odds + noise * gumbel) / tau)
