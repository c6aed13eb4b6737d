"""RD plots: per category and test set the reference, the tuned curves, and the classic codecs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lic_lightning.evaluation.curve import Curve, curves
from lic_lightning.metrics.table import Metric
from lic_lightning.metrics.table import shown as shown_metrics

REFERENCE_STYLE = {"color": "#222222", "marker": "s", "linestyle": "--", "zorder": 3}
CLASSIC_STYLES = {
    "classic-jpeg": {"color": "#9a9a9a", "marker": "^", "linestyle": ":"},
    "classic-webp": {"color": "#c2a36b", "marker": "v", "linestyle": ":"},
    "classic-jpeg2000": {"color": "#6f8f7a", "marker": "h", "linestyle": ":"},
    "classic-avif": {"color": "#9a7b8f", "marker": "*", "linestyle": ":"},
}
# Okabe and Ito's colours: told apart with colour-blind eyes
TUNED_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


def rd_plots(rows: pl.DataFrame, current_lmbda: float | None = None) -> dict[str, bytes]:
    """PNG images by file name, `rd_<category>_<test set>_<metric>.png`, where a tuned curve has the metric.

    Args:
        rows: as `results.read_rows` gives them.
        current_lmbda: λ of the run that just ended; its point is circled.
    """
    found = curves(rows)
    tuned = [curve for curve in found if curve.role == "tuned"]
    images = {}
    for category, test_set in sorted({(curve.category, curve.test_set) for curve in tuned}):
        group = [curve for curve in tuned if (curve.category, curve.test_set) == (category, test_set)]
        for metric in shown_metrics(curve.quality for curve in tuned):
            shown = [
                curve for curve in (*_company(group, found), *group) if metric.name in curve.quality and len(curve.rate)
            ]
            if any(curve.role == "tuned" for curve in shown):
                name = "_".join(map(file_part, ("rd", category, test_set, metric.name)))
                images[f"{name}.png"] = rd_plot(shown, metric, f"{category} on {test_set}", current_lmbda)
    return images


def rd_plot(shown: Sequence[Curve], metric: Metric, title: str, current_lmbda: float | None = None) -> bytes:
    """One RD plot as PNG; the axes span the learned codecs, so that classic ones don't squeeze them."""
    figure = Figure(figsize=(7, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # no pyplot: it keeps global state and may look for a display
    axes = figure.add_subplot()
    colours = cycle(TUNED_COLOURS)
    for curve in shown:
        style = _style(curve, colours)
        quality = metric.axis(curve.quality[metric.name])
        axes.plot(curve.rate, quality, label=curve.name, markersize=5, linewidth=1.6, **style)
        if curve.role == "tuned" and current_lmbda is not None:
            _circle(axes, curve, quality, current_lmbda, style["color"])
    _limit(axes, [curve for curve in shown if curve.role != "classic"], metric)
    axes.set(xlabel="rate (bits per pixel)", ylabel=metric.axis_label, title=title)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _company(group: Sequence[Curve], found: Sequence[Curve]) -> list[Curve]:
    """The classic codecs and the references that belong beside a group of tuned curves."""
    digests = {curve.test_set_digest for curve in group}
    references = {(curve.reference, curve.test_set_digest, curve.domain) for curve in group}
    classic = [c for c in found if c.role == "classic" and c.test_set_digest in digests]
    anchors = [c for c in found if c.role == "reference" and (c.id, c.test_set_digest, c.domain) in references]
    return classic + anchors


def _style(curve: Curve, colours: Iterator[str]) -> dict[str, Any]:
    if curve.role == "reference":
        return dict(REFERENCE_STYLE)
    if curve.role == "classic":
        return dict(CLASSIC_STYLES.get(curve.id, {"color": "#bbbbbb", "linestyle": ":"}))
    return {"color": next(colours), "marker": "o", "linestyle": "-", "zorder": 4}


def _circle(axes: Axes, curve: Curve, quality: np.ndarray, lmbda: float, colour: str) -> None:
    now = np.isclose(curve.lmbda, lmbda)
    axes.scatter(curve.rate[now], quality[now], s=140, facecolors="none", edgecolors=colour, linewidths=1.6, zorder=5)


def _limit(axes: Axes, learned: Sequence[Curve], metric: Metric) -> None:
    rates = np.concatenate([curve.rate for curve in learned])
    quality = np.concatenate([metric.axis(curve.quality[metric.name]) for curve in learned])
    quality = quality[np.isfinite(quality)]
    if len(rates) > 1 and np.ptp(rates) > 0:
        axes.set_xlim(max(0.0, rates.min() - 0.08 * np.ptp(rates)), rates.max() + 0.08 * np.ptp(rates))
    if len(quality) > 1 and np.ptp(quality) > 0:
        axes.set_ylim(quality.min() - 0.08 * np.ptp(quality), quality.max() + 0.08 * np.ptp(quality))


def file_part(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-." else "-" for character in text)
