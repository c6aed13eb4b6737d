"""How cross-entropy and rate-distortion are weighed when a codec and a head train together.

Each is called with both terms and the training step (None in validation) and returns the loss.
"""

import torch
from torch import Tensor, nn


class CrossEntropyOnly(nn.Module):
    """Cross-entropy alone: the paper's. Nothing holds rate or distortion."""

    needs_rd = False

    def forward(self, cross_entropy: Tensor, rd: Tensor, step: int | None) -> Tensor:
        """The cross-entropy."""
        return cross_entropy


class Tandem(nn.Module):
    """`CE + alpha · (R + λD)`: recognition, rate and distortion at once.

    Args:
        alpha: weight of the codec's own objective.
    """

    needs_rd = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, cross_entropy: Tensor, rd: Tensor, step: int | None) -> Tensor:
        """The sum."""
        return cross_entropy + self.alpha * rd


class Alternate(Tandem):
    """Steps of cross-entropy and of `alpha · (R + λD)` in turn, `period` of each; validation sees their sum.

    The loss is chosen step by step, so one optimizer and its momentum serve both.
    """

    def __init__(self, alpha: float = 1.0, period: int = 1) -> None:
        super().__init__(alpha)
        if period < 1:
            raise ValueError(f"task.weighting.period must be 1 or more, got {period}")
        self.period = period

    def forward(self, cross_entropy: Tensor, rd: Tensor, step: int | None) -> Tensor:
        """One of the two, or in validation the sum."""
        if step is None:
            return super().forward(cross_entropy, rd, step)
        return cross_entropy if step // self.period % 2 == 0 else self.alpha * rd


class Uncertainty(nn.Module):
    """`e^{−s₁}·CE + s₁/2 + e^{−s₂}·(R + λD)/2 + s₂/2` with learnt s = log σ² (Kendall, Gal & Cipolla 2018, eq. 10).

    In validation, where losses of different epochs are compared, the plain sum: learnt weights may fall below it.
    """

    needs_rd = True

    def __init__(self) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(2))

    def forward(self, cross_entropy: Tensor, rd: Tensor, step: int | None) -> Tensor:
        """The weighed sum, or in validation the plain one."""
        if step is None:
            return cross_entropy + rd
        first, second = self.log_variances
        return (-first).exp() * cross_entropy + 0.5 * ((-second).exp() * rd + first + second)
