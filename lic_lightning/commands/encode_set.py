"""`lic encode --pool`: a set of pictures to a target rate, one model of a pool for each.

pictures × models ─► candidates, real files ─► one of each, their bytes within the target's ─► OUT
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from lic_lightning.bitstream import FileCodec
from lic_lightning.bitstream.container import MAX_PIXELS
from lic_lightning.codecs.padding import DEFAULT_PADDING
from lic_lightning.commands.convert import SOME_FAILED, Pair
from lic_lightning.commands.request import RequestError
from lic_lightning.data.images import read_image
from lic_lightning.files import write_atomically
from lic_lightning.metrics.image import build_metrics
from lic_lightning.metrics.table import METRICS, Metric, defaults
from lic_lightning.objectives.described import described
from lic_lightning.parallel import call, processes
from lic_lightning.refinement import Refinement
from lic_lightning.selection import allocation
from lic_lightning.selection.allocation import Allocation, AllocationError
from lic_lightning.selection.candidates import Candidate, Coder
from lic_lightning.selection.pool import Model, find_pool

STORE = ".candidates"  # in OUT, until all is written
TABLE = "allocation.csv"
FILL = "medium"  # how the last bytes are searched, where --refine says nothing else
ENOUGH = 0.9995  # of the budget


@dataclass(frozen=True)
class Coded:
    """The pictures of a set that could be read, each by every model.

    Attributes:
        todo: sources and targets.
        candidates: (n,K).
        goal: the metric whose mean is made best.
    """

    todo: list[Pair]
    candidates: list[list[Candidate]]
    goal: Metric

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(n,)"""
        return np.array([row[0].pixels for row in self.candidates])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,K) bytes."""
        return np.array([[one.size for one in row] for row in self.candidates])

    @property
    def costs(self) -> NDArray[np.float64]:
        """(n,K), the goal so that less is better; 0 for a picture that is too small for the metric."""
        return np.array([[self.cost(one) for one in row] for row in self.candidates])

    def cost(self, one: Candidate) -> float:
        """Of one candidate."""
        value = one.quality[self.goal.column] or 0.0
        return -value if self.goal.more_is_better else value

    def hold(self, allowed: NDArray[np.bool_], lack: str) -> None:
        """Raises RequestError for pictures none of whose models (n,K) is allowed."""
        if len(without := np.flatnonzero(~allowed.any(axis=1))):
            raise RequestError(f"{len(without)} of {len(self.todo)} pictures {lack}, {self.todo[without[0]][0]} first")


def encode_set(args: argparse.Namespace, todo: Sequence[Pair], codec: str) -> int:
    """Codes a set within each of `args.target_bpp`; returns the exit code, 1 where some pictures can't be read."""
    goal = _goal(args)
    models = {model.name: model for model in find_pool(args.pool, codec)}
    coder = Coder(
        {name: _file_codec(model, args) for name, model in models.items()},
        build_metrics(tuple(dict.fromkeys((*defaults(), goal.column)))),
        args.output / STORE,
    )
    rows, failed = _candidates(coder, todo, args.jobs, args.max_pixels or MAX_PIXELS)
    coded = Coded(list(rows), list(rows.values()), goal)
    console = Console(highlight=False, soft_wrap=True)
    for bpp in args.target_bpp:
        place = args.output / (f"{bpp:g}" if len(args.target_bpp) > 1 else "")
        chosen = choose(coded, bpp, args.rule, args.floor)
        picks = [row[best] for row, best in zip(coded.candidates, chosen.choice.tolist(), strict=True)]
        if args.fill:
            picks = filled(coded, picks, coder, models, args, int((bpp * coded.pixels / 8).sum()))
        _write(coded, picks, args.output, place, args.force)
        console.print(told(coded, picks, chosen, bpp, place), markup=False)
    shutil.rmtree(args.output / STORE)
    return SOME_FAILED if failed else 0


def choose(coded: Coded, bpp: float, rule: str, floor: float | None) -> Allocation:
    """By `rule` ("set", "each" or "nearest"), for the best mean of the goal.

    Raises:
        RequestError: the target can't be met; the message says what can.
    """
    sizes, costs, limits = coded.sizes, coded.costs, bpp * coded.pixels / 8
    if floor is not None:
        costs = np.where(costs <= (-floor if coded.goal.more_is_better else floor), costs, np.inf)
    coded.hold(np.isfinite(costs), f"reach no {coded.goal.label} of {floor:g}" if floor is not None else "")
    if rule == "nearest":
        return allocation.of(allocation.nearest(sizes, limits), sizes, costs, -np.inf)
    if rule == "each":
        coded.hold(np.isfinite(costs) & (sizes <= limits[:, None]), f"have no file of {bpp:g} bpp or less")
        return allocation.of(allocation.each_within(sizes, costs, limits), sizes, costs, -np.inf)
    try:
        return allocation.allocate(sizes, costs, int(limits.sum()))
    except AllocationError as error:
        least = np.where(np.isfinite(costs), sizes, sizes.max()).min(axis=1).sum() * 8 / coded.pixels.sum()
        raise RequestError(f"--target-bpp {bpp:g}: this pool reaches {least:.4f} bpp at least ({error})") from error


def filled(
    coded: Coded, picks: list[Candidate], coder: Coder, models: dict[str, Model], args: argparse.Namespace, budget: int
) -> list[Candidate]:
    """The picks, some refined into what the others leave of the budget, first where a byte buys most.

    Between two models of a pool a decoder's own curve goes on: the smaller model with a larger λ of its refinement, or
    the larger with a smaller one, whichever is better.
    """
    picks = list(picks)
    tried: set[int] = set()
    while (left := budget - sum(one.size for one in picks)) > (1 - ENOUGH) * budget:
        costs, sizes = np.array([coded.cost(one) for one in picks]), np.array([one.size for one in picks])
        steps = np.maximum(coded.sizes - sizes[:, None], 1)
        worth = np.where(coded.sizes > sizes[:, None], (costs[:, None] - coded.costs) / steps, 0)
        worth[list(tried)] = 0
        image, larger = np.unravel_index(worth.argmax(), worth.shape)
        if worth[image, larger] <= 0:
            break
        tried.add(int(image))
        picture = read_image(coded.todo[image][0], srgb=True)
        for name in (picks[image].model, coded.candidates[image][larger].model):
            refinement = _refinement(models[name], args.refine or FILL)
            made = coder.within(picture, name, refinement, int(sizes[image]) + left)
            if made and coded.cost(made) < coded.cost(picks[image]):
                picks[image] = made
    return picks


def told(coded: Coded, picks: list[Candidate], chosen: Allocation, bpp: float, place: Path) -> str:
    """What a choice came to, for the terminal."""
    budget, size = int((bpp * coded.pixels / 8).sum()), sum(one.size for one in picks)
    values = [value for one in picks if (value := one.quality[coded.goal.column]) is not None]
    proof = f"; the choice is within {chosen.gap:.2g} of the best possible" if np.isfinite(chosen.bound) else ""
    counts = Counter(one.model for one in picks)
    return "\n".join(
        [
            f"{place}: {len(picks)} pictures, {size:,} of {budget:,} bytes ({size / budget:.3%}), "
            f"{8 * size / coded.pixels.sum():.5f} bpp for a target of {bpp:g}",
            f"  mean {coded.goal.label} {coded.goal.plain(float(np.mean(values))) if values else 'undefined'}{proof}",
            *(f"  {counts[one.model]:4} by {one.model}" for one in coded.candidates[0] if counts[one.model]),
        ]
    )


def _goal(args: argparse.Namespace) -> Metric:
    """The metric of `--goal`, once the request is known to be whole."""
    if args.output is None or args.output.suffix == ".lic":
        raise RequestError("--pool codes a set: -o must name a folder")
    if args.target_bpp is None:
        raise RequestError("--pool chooses for a target rate: --target-bpp B")
    known = [name for name, metric in METRICS.items() if metric.of == "image"]
    if args.goal not in known:
        raise RequestError(f"--goal {args.goal}: it is one of {', '.join(known)}")
    return METRICS[args.goal]


def _candidates(
    coder: Coder, todo: Sequence[Pair], jobs: int, max_pixels: int
) -> tuple[dict[Pair, list[Candidate]], int]:
    """Every picture by every model, and how many pictures can't be read."""
    work = partial(_candidate, coder, max_pixels)
    units = [(source, model) for source, _ in todo for model in coder.models]
    label = f"{len(todo)} pictures × {len(coder.models)} models"
    if jobs == 1:
        results = [work(unit) for unit in track(units, label, transient=True, disable=not sys.stdout.isatty())]
    else:
        with processes(jobs, work) as pool:
            found = track(pool.map(call, units), label, len(units), transient=True, disable=not sys.stdout.isatty())
            results = list(found)
    rows: dict[Pair, list[Candidate]] = {}
    for index, pair in enumerate(todo):
        row = results[index * len(coder.models) : (index + 1) * len(coder.models)]
        if errors := [one for one in row if isinstance(one, str)]:
            print(f"lic encode: {errors[0]}", file=sys.stderr)
        else:
            rows[pair] = [one for one in row if isinstance(one, Candidate)]
    if not rows:
        raise RequestError(f"none of {len(todo)} pictures can be read")
    return rows, len(todo) - len(rows)


def _candidate(coder: Coder, max_pixels: int, unit: tuple[Path, str]) -> Candidate | str:
    """A picture by a model, or why there is none."""
    source, model = unit
    try:
        image = read_image(source, srgb=True)
    except (OSError, ValueError) as error:
        return str(error) if str(source) in str(error) else f"{source}: {error}"
    if image[0].numel() > max_pixels:
        return f"{source}: {image.size(2)}×{image.size(1)} is more than --max-pixels {max_pixels}"
    return coder(image, model)


def _file_codec(model: Model, args: argparse.Namespace) -> FileCodec:
    refine = _refinement(model, args.refine) if args.refine else None
    return FileCodec(model.codec, model.load(), args.padding or DEFAULT_PADDING, refine)


def _refinement(model: Model, preset: str) -> Refinement:
    if model.lmbda is None:
        raise RequestError(f"a refinement weighs R + λD, and {model.weights} does not say its λ")
    return Refinement(preset, described(model.objective, model.lmbda))


def _write(coded: Coded, picks: list[Candidate], out: Path, place: Path, force: bool) -> None:
    """The chosen files, and what was chosen as a table.

    Raises:
        RequestError: a file is there that another job wrote; nothing is written then.
    """
    paths = [place / target.relative_to(out) for _, target in coded.todo]
    for path, row, pick in zip(paths, coded.candidates, picks, strict=True):
        ours = not path.exists() or any(path.read_bytes() == one.file.read_bytes() for one in (pick, *row))
        if not (force or ours):
            raise RequestError(f"{path} exists; --force replaces it")
    for path, pick in zip(paths, picks, strict=True):
        write_atomically(path, pick.file.read_bytes())
    table = [
        {"picture": str(source), "model": one.model, "bytes": one.size, "bpp": 8 * one.size / one.pixels, **one.quality}
        for (source, _), one in zip(coded.todo, picks, strict=True)
    ]
    content = io.BytesIO()
    pl.DataFrame(table).write_csv(content)
    write_atomically(place / TABLE, content.getvalue())
