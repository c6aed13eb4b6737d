"""Rate-distortion optimised quantisation: symbols move by one where the gradient says that R + λD falls.

A flip of ±1 costs ±g + κ/2·h + Δbits, with g the gradient of λD and h its curvature at the flipped value, Δbits exact.
Flips act on each other through g_s, so a random share of the improving ones is made, and undone if it did not help.
"""

import torch
from torch import Tensor

from lic_lightning.refinement.problem import CELL, Problem

KAPPA = 1.5  # stands for the flips next door, which add to the curvature; 1.0 and 2.5 keep a third of the gain
SHARE, MOST, GROWTH, SHRINK = 0.35, 0.6, 1.15, 0.5
STEP = 0.25  # of the curvature's finite difference, in symbols


def rdoq(problem: Problem, y_hat: Tensor, sweeps: int, seed: int = 0) -> Tensor:
    """ŷ (1,M,h,w) with a lower R + λD, still symbols around the same centre; each sweep runs g_s and its gradient."""
    draw = torch.Generator(y_hat.device).manual_seed(seed)
    steps = torch.tensor([1.0, -1.0], device=y_hat.device).reshape(2, 1, 1, 1, 1)
    distortion, gradient = distortion_gradient(problem, y_hat)
    curvature = KAPPA / 2 * channel_curvature(problem, y_hat, gradient, draw)
    best, bits, share = y_hat, problem.bits(y_hat), SHARE
    lowest = distortion + bits.sum().item()
    change, sign = cheapest_flips(problem, best, bits, gradient, curvature, steps)
    for _ in range(sweeps):
        flips = (change < 0) & (torch.rand(change.shape, generator=draw, device=change.device) < share)
        y_hat = problem.moved(best, problem.rounded(best + sign * flips))
        distortion, gradient = distortion_gradient(problem, y_hat)
        bits = problem.bits(y_hat)
        cost = distortion + bits.sum().item()
        if cost < lowest:
            best, lowest, share = y_hat, cost, min(share * GROWTH, MOST)
            change, sign = cheapest_flips(problem, best, bits, gradient, curvature, steps)
        else:
            share *= SHRINK
    return best


def cheapest_flips(
    problem: Problem, y_hat: Tensor, bits: Tensor, gradient: Tensor, curvature: Tensor, steps: Tensor
) -> tuple[Tensor, Tensor]:
    """Of each value: what its better flip adds to R + λD, and that flip's sign."""
    dearer = torch.stack([problem.bits(y_hat + step) for step in steps]) - bits
    change, which = (steps * gradient + curvature + dearer).min(dim=0)
    return change, 1.0 - 2.0 * which


def channel_curvature(problem: Problem, y_hat: Tensor, gradient: Tensor, draw: torch.Generator) -> Tensor:
    """Second derivative of λD by each value of ŷ: its channel's mean, times the visible share of its cell.

    A value's own is the product of a random sign with the change of its gradient when all values move by their signs
    (Hutchinson); what other values add to it has mean zero.
    """
    signs = torch.rand(y_hat.shape, generator=draw, device=y_hat.device).round() * 2 - 1
    _, beside = distortion_gradient(problem, y_hat + STEP * signs)
    share = visible_share(problem, y_hat)
    seen = signs * (beside - gradient) / STEP
    return (seen.sum(dim=(2, 3), keepdim=True) / share.sum()).clamp(min=0) * share


def visible_share(problem: Problem, y_hat: Tensor) -> Tensor:
    """(1,1,h,w): how much of each cell's pixels is visible."""
    rows, columns = (_covered(span, cells, y_hat) for span, cells in zip(problem.visible, y_hat.shape[2:], strict=True))
    return (rows[:, None] * columns[None, :])[None, None]


def distortion_gradient(problem: Problem, y_hat: Tensor) -> tuple[float, Tensor]:
    """λD in bits and its gradient."""
    with torch.enable_grad():
        moving = y_hat.detach().requires_grad_()
        distortion = problem.distortion(moving)
        (gradient,) = torch.autograd.grad(distortion, moving)
    return distortion.item(), gradient.float()


def _covered(span: slice, cells: int, like: Tensor) -> Tensor:
    starts = torch.arange(cells, device=like.device) * CELL
    return ((starts + CELL).clamp(max=span.stop) - starts.clamp(min=span.start)).clamp(min=0).to(like.dtype) / CELL
