"""`lic screen`: what each point of a sweep gains over the reference's curve, one λ being enough."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.commands.request import RequestError, command_parser
from lic_lightning.runs.folder import RunFolder, run_folders

if TYPE_CHECKING:  # `lic --help` must not wait for numpy, polars and torch
    import polars as pl

    from lic_lightning.evaluation.curve import Curve
    from lic_lightning.evaluation.gain import Gain

DESCRIPTION = """\
The gain of each point of a sweep: its rate against the rate that the reference's curve (pchip, log-rate over
quality) needs for the same quality, in percent, negative being better, with a 95 % paired bootstrap over images.
So one λ a setting tells what deserves the full grid. The reference is evaluated at the λ that the sweep lacks; it
is kept in the cache of reference curves, so that happens once.
"""
ANCHOR_QUALITIES = range(1, 7)  # the papers' six λ
WEIGHTS_BY_LMBDA = ("shipped", "zoo")
# Columns that all rows of a reference's curve share
OF_A_REFERENCE = (
    "role", "decoder_fingerprint", "cell", "curve", "curve_name", "reference",
    "codec", "category", "freeze", "objective", "seed", "weights",
)  # fmt: skip


@dataclass(frozen=True)
class Screened:
    """A point of a sweep and its gain; `refused` is the reason where there is none."""

    curve: str
    test_set: str
    lmbda: float
    gain: Gain | None
    refused: str | None = None


def main(argv: list[str]) -> int:
    """Runs `lic screen` with its arguments; returns 0."""
    from lic_lightning.metrics.table import METRICS

    parser = command_parser("screen", DESCRIPTION)
    parser.add_argument("folder", type=Path, help="of a sweep: outputs/main")
    parser.add_argument("--metric", choices=METRICS, default="psnr", help="quality; default psnr")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("LIC_DATA", "data")),
        help="folder of the photographs; default LIC_DATA",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects, and nothing else, on stdout")
    arguments = parser.parse_args(argv)
    points = screen(arguments.folder, arguments.data, arguments.metric)
    if arguments.json:
        print(json.dumps([asdict(point) for point in points], indent=2))
    else:
        _print(points, arguments.metric)
    return 0


def screen(folder: Path, data: Path, metric: str = "psnr") -> list[Screened]:
    """The gain of each tuned point in a sweep's folder, the best first, those without one at the end.

    Args:
        folder: of the sweep.
        data: the folder of photographs, in which the runs' test sets lie as they lay below their `paths.data`.
        metric: of the metric table.

    Raises:
        FileNotFoundError: no such folder, or no results in it.
        RequestError, StoredDatasetError, RunFolderError: a reference's other λ can't be evaluated.
    """
    import polars as pl

    from lic_lightning.evaluation.curve import anchor_of, curves, without_doubles
    from lic_lightning.evaluation.results import read_rows, without_repeats

    rows, doubles = without_doubles(read_rows(folder))
    for double in doubles:
        print(f"lic screen: {double}", file=sys.stderr)
    runs = {run.name: run for run in run_folders(folder)}
    more = [_reference_rows(runs[cell], rows, data) for cell in _one_cell_per_curve(rows)]
    found = curves(without_repeats(pl.concat([rows, *more])))
    points = [
        _screened(anchor_of(curve, found), curve, point, metric)
        for curve in found
        if curve.role == "tuned"
        for point in range(len(curve.rate))
    ]
    return sorted(points, key=lambda point: (point.gain is None, point.gain.percent if point.gain else 0.0))


def _one_cell_per_curve(rows: pl.DataFrame) -> list[str]:
    tuned = rows.filter(role="tuned").drop_nulls("reference")
    return tuned.unique("curve", keep="first", maintain_order=True)["cell"].to_list()


def _reference_rows(run: RunFolder, rows: pl.DataFrame, data: Path) -> pl.DataFrame:
    """Rows of a run's reference at the papers' λ, on the run's test sets.

    The folder may come from somebody else: networks, photographs and settings are made from plain values, by this
    package's own functions, and photographs are looked for below `data`.
    """
    import polars as pl

    from lic_lightning.codecs.quality import LMBDAS
    from lic_lightning.codecs.weights import load_codec
    from lic_lightning.data import DataModule
    from lic_lightning.data.splits import SPLITS
    from lic_lightning.data.stored import Stored
    from lic_lightning.evaluation.evaluate import Settings
    from lic_lightning.evaluation.point import reference_rows
    from lic_lightning.evaluation.results import SCHEMA

    if (weights := run.setting("reference.codec.weights")) not in WEIGHTS_BY_LMBDA:
        raise RequestError(
            f"cell {run.name}: its reference has one point and no curve, as its weights are {weights}: "
            "run the sweep with reference=shipped or reference=zoo"
        )
    codec = run.codec_settings("reference.codec")
    (curve,) = rows.filter(role="tuned", cell=run.name)["reference"].unique()
    example = rows.filter(role="reference", curve=curve).row(0, named=True)
    stored = Stored(run.setting("paths.data"), data)
    category, others = (stored.make(run.setting(f"data.{key}")) for key in ("category", "test_sets"))
    splits = run.path / SPLITS
    test_sets: Any = DataModule(category, others, split_file=splits if splits.is_file() else None).test_sets
    protocol = {key: run.setting(f"evaluation.{key}") for key in ("metrics", "domain", "device", "workers")}
    settings = Settings(**protocol, padding=example["padding"], classic=())
    cache = run.path.resolve().parents[1] / "reference"
    found = []
    for quality in ANCHOR_QUALITIES:
        lmbda = LMBDAS[run.setting("objective.metric")][quality]
        print(f"the reference at λ {lmbda:g} on {', '.join(test_sets)}", file=sys.stderr)
        reference = load_codec(**{**codec, "lmbda": lmbda, "quality": None, "analysis": None})
        columns = {key: example[key] for key in OF_A_REFERENCE} | {"lmbda": lmbda}
        found += reference_rows(reference, test_sets, codec["name"], settings, cache, columns)
    return pl.DataFrame(found, schema=SCHEMA)


def _screened(anchor: Curve | None, curve: Curve, point: int, metric: Any) -> Screened:
    from lic_lightning.evaluation.gain import GainRefused, gain

    what = curve.name, curve.test_set, float(curve.lmbda[point])
    if anchor is None:
        return Screened(*what, None, "no reference on these images")
    try:
        return Screened(*what, gain(anchor, curve, point, metric))
    except GainRefused as reason:
        return Screened(*what, None, str(reason))


def _print(points: Sequence[Screened], metric: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lic_lightning.metrics.table import METRICS

    entry = METRICS[metric]
    table = Table(title=f"rate against the reference's at equal {metric}")
    for column in ("curve", "test set"):
        table.add_column(column, overflow="fold")
    for column in ("λ", "bpp", entry.label, "reference bpp", "gain", "95 % interval"):
        table.add_column(column, justify="right")
    for point in points:
        answer = point.gain
        if answer is None:
            numbers = ["", "", "", point.refused or "", ""]
        else:
            interval = f"[{answer.interval[0]:+.2f}, {answer.interval[1]:+.2f}]" if answer.interval else "-"
            rates = f"{answer.rate:.4f}", entry.text(answer.quality), f"{answer.reference_rate:.4f}"
            numbers = [*rates, f"{answer.percent:+.2f} %", interval]
        table.add_row(*map(Text, (point.curve, point.test_set, f"{point.lmbda:g}", *numbers)))
    Console().print(table)
