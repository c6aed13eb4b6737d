"""The report page's content, section by section, derived from a sweep's rows and folders when it is asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import polars as pl

from lic_lightning.evaluation.anchors import published
from lic_lightning.evaluation.bd_rate import BDRate
from lic_lightning.evaluation.curve import Curve, curves
from lic_lightning.evaluation.gain import ImageGain, image_gains
from lic_lightning.metrics.table import Metric
from lic_lightning.reports.figure import Figure, Paint
from lic_lightning.reports.figures import company, gain_figure, rd_figure, training_figure
from lic_lightning.reports.tables import Entry, bd_text, metrics_of, protocol, warnings
from lic_lightning.runs.folder import RunFolder

FULL_STRENGTH = 5.0  # percent of BD-rate that colours a cell of the matrix fully, unless some cell has more


@dataclass(frozen=True)
class MatrixCell:
    """A BD-rate in percent with its text; `strength` in [0, 1] colours it, `own` marks the trained category."""

    text: str
    title: str = ""
    value: float | None = None
    strength: float = 0.0
    own: bool = False


@dataclass(frozen=True)
class GainLine:
    """The gains of one curve's images on one test set: medians and ranges of the change of rate in percent."""

    curve: Curve
    dots: int
    median: float
    best: tuple[str, float]
    worst: tuple[str, float]
    saving: float


@dataclass(frozen=True)
class TestSet:
    """Everything about one test set: BD-rates, RD plots with all company, and gains per image."""

    name: str
    images: int
    entries: list[Entry]
    protocol: str
    notes: list[str]
    plots: list[Figure]
    points: list[Curve]
    gain_plots: list[Figure]
    gain_lines: list[GainLine]
    without_gain: int


def test_sets(rows: pl.DataFrame, entries: Sequence[Entry], chosen: Mapping[str, Paint]) -> list[TestSet]:
    """The test sets that tuned curves were judged on."""
    by_place: dict[str, list[Entry]] = {}
    for entry in entries:
        by_place.setdefault(entry.curve.place, []).append(entry)
    found = curves(rows)
    return [_test_set(name, group, found, chosen) for name, group in sorted(by_place.items())]


def _test_set(name: str, entries: list[Entry], found: Sequence[Curve], chosen: Mapping[str, Paint]) -> TestSet:
    images = max(len(entry.curve.images) for entry in entries)
    points = company(entries, found)
    shown = [*points, *published(entries[0].curve.test_set, images)]
    metrics = metrics_of(entries)
    plots = [rd_figure(shown, metric, chosen, f"{metric.label} on {name}") for metric in metrics]
    gain_plots, gain_lines, without = _gains(entries, chosen, metrics)
    return TestSet(
        name=name,
        images=images,
        entries=entries,
        protocol=protocol(entries),
        notes=warnings(entries),
        plots=[plot for plot in plots if plot],
        points=points,
        gain_plots=gain_plots,
        gain_lines=gain_lines,
        without_gain=without,
    )


def _gains(
    entries: Sequence[Entry], chosen: Mapping[str, Paint], metrics: Sequence[Metric]
) -> tuple[list[Figure], list[GainLine], int]:
    plots, lines, without = [], [], 0
    for metric in metrics:
        gains = {}
        for entry in entries:
            if entry.anchor:
                gains[entry.curve.id], missing = image_gains(entry.anchor, entry.curve, metric.name)
                without += missing if metric is metrics[0] else 0
        if any(gains.values()):
            plots.append(gain_figure(gains, metric, {e.curve.id: e.curve.name for e in entries}, chosen))
        if metric is metrics[0]:
            lines = [_gain_line(entry.curve, dots) for entry in entries if (dots := gains.get(entry.curve.id))]
    return plots, lines, without


def _gain_line(curve: Curve, dots: Sequence[ImageGain]) -> GainLine:
    changes = sorted((dot.gain.percent, f"{dot.image}, λ {dot.lmbda:g}") for dot in dots)
    values = [change for change, _ in changes]
    return GainLine(
        curve=curve,
        dots=len(values),
        median=median(values),
        best=changes[0][::-1],
        worst=changes[-1][::-1],
        saving=100 * sum(value < 0 for value in values) / len(values),
    )


def matrix(entries: Sequence[Entry], metric: Metric) -> dict[str, Any] | None:
    """BD-rate of curves (rows) over test sets (columns); None where a single test set or no number makes it idle."""
    columns = sorted({entry.curve.place for entry in entries})
    answers = {(e.curve.id, e.curve.place): e.answers[metric.name] for e in entries}
    values = [abs(a.bd_rate) for a in answers.values() if isinstance(a, BDRate)]
    if len(columns) < 2 or not values:
        return None
    most = max([FULL_STRENGTH, *values])
    lines = {entry.curve.id: entry.curve for entry in entries}
    table = []
    for curve in lines.values():
        cells = []
        for column in columns:
            answer, own = answers.get((curve.id, column)), column == curve.category
            if isinstance(answer, BDRate):
                value = answer.bd_rate
                cells.append(MatrixCell(bd_text(answer, unit=""), "", value, abs(value) / most, own))
            else:
                cells.append(MatrixCell("–", "not judged" if answer is None else str(answer), own=own))
        table.append((curve, cells))
    return {"metric": metric.label, "columns": columns, "lines": table}


def training_plots(runs: Sequence[RunFolder], rows: pl.DataFrame, chosen: Mapping[str, Paint]) -> list[Figure]:
    """One plot per λ, as losses of different λ can't be compared."""
    tuned = rows.filter(role="tuned").unique("cell", keep="first", maintain_order=True)  # as analysed, refined after it
    known = {row["cell"]: row for row in tuned.to_dicts()}
    by_lmbda: dict[float, list[tuple[RunFolder, str, Paint]]] = {}
    for run in runs:
        if not (run.validation or run.training):
            continue
        row = known.get(run.name)
        name = row["curve_name"] if row else f"{run.category}, {run.state}"
        paint = chosen[row["curve"]] if row else Paint("published")
        by_lmbda.setdefault(run.lmbda, []).append((run, name, paint))
    return [training_figure(group, f"λ = {lmbda:g}") for lmbda, group in sorted(by_lmbda.items())]


@dataclass(frozen=True)
class Origin:
    """Where one cell's numbers come from, and why its decoder can be trusted.

    Attributes:
        overrides: those that not all cells share.
        proof: what was checked, or why the point is withheld.
    """

    run: RunFolder
    overrides: tuple[str, ...]
    fingerprint: str
    proof: str
    withheld: bool


def origins(runs: Sequence[RunFolder], rows: pl.DataFrame) -> list[Origin]:
    """One line per cell."""
    lines = []
    common = common_overrides(runs)
    for run in sorted(runs, key=lambda run: run.overrides):
        different = tuple(override for override in run.overrides if override not in common)
        own = rows.filter(role="tuned", cell=run.name)
        if own.is_empty():
            lines.append(Origin(run, different, "", run.error or run.state, False))
            continue
        withheld = own["withheld"].is_not_null().any()
        lines.append(Origin(run, different, own["decoder_fingerprint"][0], _proof(own), withheld))
    return lines


def common_overrides(runs: Sequence[RunFolder]) -> list[str]:
    """The overrides that every one of several cells has."""
    if len(runs) < 2:
        return []
    return [override for override in runs[0].overrides if all(override in run.overrides for run in runs)]


def _proof(rows: pl.DataFrame) -> str:
    """What the rows of a cell say of its decoder: what was claimed, which checks ran, what they found."""
    first = rows.row(0, named=True)
    claim = f"decoder {first['decoder_claim'] or 'not told of'}"
    if reasons := Counter(rows["withheld"].drop_nulls().to_list()):
        found = "; ".join(f"withheld, {count} of {len(rows)} files: {why}" for why, count in reasons.items())
    elif not first["decoder_checks"]:
        return claim
    else:
        found = "; ".join(f"{n} of {len(rows)} files {f}" for f, n in Counter(rows["decoder_found"]).items())
    return f"{claim}; {first['decoder_checks'] or 'checks not told of'}: {found}"


def lacking_classic(runs: Sequence[RunFolder], rows: pl.DataFrame) -> list[str]:
    """Classic codecs that a run asked for and that no row has: the machine lacked them."""
    done = [run.config.get("evaluation") or {} for run in runs if run.state == "done"]
    asked = {name for evaluation in done for name in evaluation.get("classic") or ()}
    return sorted(asked - set(rows.filter(role="classic")["codec"]))


def packages(runs: Sequence[RunFolder]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Versions that all runs share, and those that differ, as lists."""
    versions: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.packages.items():
            versions.setdefault(name, set()).add(version)
    shared = {name: next(iter(found)) for name, found in sorted(versions.items()) if len(found) == 1}
    return shared, {name: sorted(found) for name, found in sorted(versions.items()) if len(found) > 1}
