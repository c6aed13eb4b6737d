"""BD-rate tables as papers print them (two decimals and a sign), and the RD points behind them."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from lic_lightning.evaluation.bd_rate import BDRate, BDRateRefused, Method, bd_rate
from lic_lightning.evaluation.curve import Curve, anchor_of, curves
from lic_lightning.metrics.table import METRICS, Metric, shown


@dataclass(frozen=True)
class Entry:
    """A row of the table: one tuned curve on one test set.

    Attributes:
        anchor: the reference that the curve names, on the same images; None where there is none.
        answers: name of a metric → BD-rate against the anchor, or the reason why there is none.
    """

    curve: Curve
    anchor: Curve | None
    answers: Mapping[str, BDRate | BDRateRefused]


def bd_table(rows: pl.DataFrame, method: Method = "pchip", bootstrap: int = 1000) -> list[Entry]:
    """One entry per tuned curve and test set, each against the reference that it names (see `results`)."""
    found = curves(rows)
    tuned = [curve for curve in found if curve.role == "tuned"]
    metrics = [metric.name for metric in shown(curve.quality for curve in tuned)]
    anchors = [anchor_of(curve, found) for curve in tuned]
    return [
        Entry(curve, anchor, {metric: _answer(curve, anchor, metric, method, bootstrap) for metric in metrics})
        for curve, anchor in zip(tuned, anchors, strict=True)
    ]


def metrics_of(entries: Sequence[Entry]) -> list[Metric]:
    """The metrics that the entries of one table have answers for."""
    return [METRICS[name] for name in entries[0].answers] if entries else shown([])


def as_rich(entries: Sequence[Entry], title: str = "BD-rate against the reference") -> Table:
    """The table for a terminal."""
    table = Table(title=title, caption=protocol(entries))
    for heading in _header(entries):
        right = heading.startswith(("BD", "points"))
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for cells in map(_cells, entries):
        table.add_row(*map(Text, cells))  # Text: a bracket in a name is no markup
    return table


def as_markdown(entries: Sequence[Entry]) -> str:
    """The table for a README, with method, metric domain and warnings beneath."""
    table = markdown_table(_header(entries), map(_cells, entries), left=2)
    notes = "\n".join(f"- {note}" for note in warnings(entries))
    return "\n\n".join(part for part in (table, protocol(entries), notes) if part) + "\n"


def as_csv(entries: Sequence[Entry]) -> str:
    """The table with full precision: one line per curve, test set and metric; `refused` holds the reason."""
    return _csv([_record(entry, *answer) for entry in entries for answer in entry.answers.items()])


def points_csv(rows: pl.DataFrame) -> str:
    """Every RD point: means over one test set at one λ, of tuned, reference and classic codecs."""
    return _csv([_point(curve, index) for curve in curves(rows) for index in range(len(curve.rate))])


def protocol(entries: Sequence[Entry]) -> str:
    """How the numbers came about, in one line; empty where there are none."""
    answers = [a for entry in entries for a in entry.answers.values() if isinstance(a, BDRate)]
    if not answers:
        return ""
    sides = [entry.curve for entry in entries], [entry.anchor for entry in entries if entry.anchor]
    paddings, of_anchors, refined = (
        "; ".join(sorted({value for curve in curves if (value := getattr(curve, key))}))
        for key, curves in (("padding", sides[0]), ("padding", sides[1]), ("refined", sides[0]))
    )
    methods, domains = ("; ".join(sorted({getattr(a, key) for a in answers})) for key in ("method", "domain"))
    return (
        f"BD-rate in percent against the reference, negative is better; {methods} on means over the test set "
        f"[95 % paired bootstrap over images]; metric domain: {domains}"
        + (f"; padding: {paddings}" if paddings else "")
        + (f", of the reference {of_anchors}" if of_anchors not in ("", paddings) else "")
        + (f"; refined: {refined}, the reference is not." if refined else ".")
    )


def warnings(entries: Iterable[Entry]) -> list[str]:
    """What to know before quoting a number, each once; withheld points among them."""
    notes = []
    for entry in entries:
        title = f"{entry.curve.name} on {entry.curve.place}"
        notes += [f"{title}: point left out, {point}" for point in entry.curve.withheld]
        for metric, answer in entry.answers.items():
            if isinstance(answer, BDRate):
                own = (f"{entry.curve.name} lacks {point}" for point in entry.curve.withheld)
                notes += [f"{title}, {METRICS[metric].label}: {w}" for w in answer.warnings if w not in set(own)]
    return list(dict.fromkeys(notes))


def bd_text(answer: BDRate | BDRateRefused, unit: str = " %") -> str:
    """A cell of a table: the number with its interval, or the reason why there is none."""
    if isinstance(answer, BDRateRefused):
        return str(answer)
    return f"{percent(answer.bd_rate)}{unit}{interval_text(answer.interval, ' ')}"


def interval_text(interval: tuple[float, float] | None, before: str = "") -> str:
    """ "[-4.42, -3.98]" in percent, empty where there is none."""
    return f"{before}[{percent(interval[0])}, {percent(interval[1])}]" if interval else ""


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown; columns from the `left`-th are numbers, on the right."""
    rules = ["---" if index < left else "---:" for index in range(len(header))]
    lines = (header, rules, *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def percent(value: float) -> str:
    """Percent as papers print it: two decimals and a sign, and no sign for what rounds to zero."""
    return "0.00" if math.isclose(round(value, 2), 0) else f"{value:+.2f}"


def _answer(curve: Curve, anchor: Curve | None, metric: str, method: Method, bootstrap: int) -> BDRate | BDRateRefused:
    if anchor is None:
        return BDRateRefused("no reference on these images" if curve.reference else "no reference asked for")
    try:
        return bd_rate(anchor, curve, metric, method, bootstrap)
    except BDRateRefused as refusal:
        return refusal


def _header(entries: Sequence[Entry]) -> list[str]:
    return ["curve", "test set", "points", *(f"BD-rate {metric.label}" for metric in metrics_of(entries))]


def _cells(entry: Entry) -> list[str]:
    curve = entry.curve
    return [curve.name, curve.place, str(len(curve.rate)), *map(bd_text, entry.answers.values())]


def _record(entry: Entry, metric: str, answer: BDRate | BDRateRefused) -> dict[str, Any]:
    number = answer if isinstance(answer, BDRate) else None
    low, high = (number and number.interval) or ("", "")
    return {
        **_curve(entry.curve),
        "metric": metric,
        "points": len(entry.curve.rate),
        **{key: getattr(number, key, "") for key in ("method", "domain", "bd_rate")},
        "padding": entry.curve.padding,
        "refined": entry.curve.refined,
        "low": low,
        "high": high,
        "overlap": number.overlap if number else "",
        "refused": "" if number else str(answer),
        "warnings": "; ".join(number.warnings) if number else "",
    }


def _point(curve: Curve, index: int) -> dict[str, Any]:
    return {
        "role": curve.role,
        **_curve(curve),
        "domain": curve.domain,
        "padding": curve.padding,
        "refined": curve.refined,
        "images": len(curve.images),
        "lmbda": curve.lmbda[index],
        "weights": curve.weights[index],
        "bpp": curve.rate[index],
        "bpp_file": "" if curve.file_rate is None else curve.file_rate[index],
        **_means({metric: values[index] for metric, values in curve.quality.items()}),
    }


def _curve(curve: Curve) -> dict[str, str]:
    keys = {"curve": "id", "name": "name", "category": "category", "freeze": "freeze", "test_set": "place"}
    return {column: getattr(curve, key) for column, key in keys.items()}


def _means(quality: Mapping[str, float]) -> dict[str, float | str]:
    """Columns of a point: every metric's raw mean, and the mean on the axis where that is another scale."""
    columns: dict[str, float | str] = {}
    for metric in METRICS.values():
        if metric.of == "answer":
            continue
        mean = quality.get(metric.name)
        columns[metric.column] = "" if mean is None else mean
        if metric.axis_column:
            columns[f"{metric.axis_column}_of_mean"] = "" if mean is None else float(metric.axis(mean))
    return columns


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    if not records:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
