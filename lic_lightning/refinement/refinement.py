"""A photograph's latents, refined: searched, then whichever is cheaper as it is written."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lic_lightning.codecs.latents import Cut, Latents, LatentsError, TransformCut
from lic_lightning.codecs.padding import Frame, to_8bit
from lic_lightning.refinement.mean_field import Descent, mean_field
from lic_lightning.refinement.problem import Objective, Problem, Window, problem_of

LARGEST = 4_000_000  # pixels that are refined at once
TILE = 96  # cells a side of the latents that move at once
REACH = 3  # cells around them whose pixels they change, and again around those what these pixels depend on


PRESETS = {  # measured in experiments/refinement
    "fast": Descent(steps=4, momentum=0.4),
    "medium": Descent(steps=11, momentum=0.5),
    "slow": Descent(steps=40, momentum=0.6),
}


class Written(NamedTuple):
    """Latents, and what the cut's `write` made of them: "strings" and "shape"."""

    latents: Latents
    encoded: dict[str, Any]


@dataclass(frozen=True)
class Refinement:
    """Chooses what is written of a picture, by R + λD of an objective over its visible pixels.

    Attributes:
        preset: key of `PRESETS`.
        objective: one of `objectives`; its λ is the trade's.
    """

    preset: str
    objective: Objective

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"refine={self.preset}: it is one of {', '.join(PRESETS)}")

    def check(self, own: Cut) -> None:
        """Of a codec's cut.

        Raises:
            LatentsError: it can't be refined.
        """
        if getattr(type(own), "coded", TransformCut.coded) is TransformCut.coded:
            raise LatentsError(f"refine={self.preset}: {type(own).__name__} can't be refined, it declares no `coded`")

    def at(self, lmbda: float) -> Refinement:
        """The same search under another λ."""
        objective = copy.copy(self.objective)
        objective.lmbda = lmbda
        return replace(self, objective=objective)

    @torch.no_grad()
    def __call__(self, own: Cut, plain: Latents, image: Tensor, frame: Frame) -> Written:
        """What is written: refined latents, or the plain ones where these are not dearer.

        Args:
            own: the codec's cut, in eval mode.
            plain: the latents as analysed, of a picture alone; all but y stays.
            image: (3,H,W) uint8.
            frame: where it lies in what `own` codes.

        Raises:
            LatentsError: what was refined is not what the strings read as.
        """
        problem = problem_of(own, plain, image, frame, self.objective)
        refined = written(own, problem.written(self.search(problem, plain.y_hat)))
        check_written(own, refined)
        return min(written(own, plain), refined, key=lambda candidate: written_cost(problem, candidate))

    def search(self, problem: Problem, y_hat: Tensor) -> Tensor:
        """y after the search, tile by tile, each beside what its neighbours have become."""
        found = y_hat.clone()
        for core, seen, outer in tiles(problem):
            part = problem.window(core, seen, outer)
            found[:, :, *outer] = mean_field(part, found[:, :, *outer], PRESETS[self.preset])
        return found


def written(own: Cut, latents: Latents) -> Written:
    """Latents with their strings."""
    return Written(latents, own.write(latents))


def check_written(own: Cut, candidate: Written) -> None:
    """The strings must read as the latents.

    Raises:
        LatentsError: they do not.
    """
    if not torch.equal(own.read(**candidate.encoded).y_hat, candidate.latents.y_hat):
        raise LatentsError("the strings read as another ŷ than was refined: it lies off the symbols around its means")


def written_cost(problem: Problem, candidate: Written) -> float:
    """R + λD in bits: bytes of the strings, the 8-bit picture that they decode to."""
    latents, encoded = candidate
    cost = 8.0 * sum(len(s) for strings in encoded["strings"] for s in strings)
    for core, outer, _ in tiles(problem):
        part = problem.window(core, core, outer)
        decoded = to_8bit(problem.synthesise(replace(latents, y_hat=latents.y_hat[:, :, *outer])))
        cost += part.weighed(decoded[:, :, *part.visible].float() / 255).item()
    return cost


def tiles(problem: Problem) -> Iterator[tuple[Window, Window, Window]]:
    """Windows of cells: the core, whose latents move; what they reach; and what reaches that. One if that can be."""
    rows, columns = problem.y.shape[2:]
    whole = problem.pixels <= LARGEST or not isinstance(problem.own, TransformCut)
    for core in product(*(_parts(length, length if whole else TILE) for length in (rows, columns))):
        yield core, _grown(core, REACH, rows, columns), _grown(core, 2 * REACH, rows, columns)


def _parts(length: int, most: int) -> Iterator[slice]:
    """Of alike size: a thin one at the end would be too small for MS-SSIM; of even size, as checkerboards need it."""
    pairs, count = length // 2, math.ceil(length / most)
    return (slice(2 * (pairs * part // count), 2 * (pairs * (part + 1) // count)) for part in range(count))


def _grown(core: Window, cells: int, *lengths: int) -> Window:
    pairs = zip(core, lengths, strict=True)
    return tuple(slice(max(0, span.start - cells), min(span.stop + cells, length)) for span, length in pairs)
