"""A figure as a PNG, for files and W&B; the RD plots of a sweep."""

import io
from collections.abc import Sequence
from typing import Any

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from lic_lightning.evaluation.curve import curves
from lic_lightning.files import file_part
from lic_lightning.reports.figure import PALETTE, SYMBOLS, Figure, Series, paints
from lic_lightning.reports.figures import company, rd_figure
from lic_lightning.reports.tables import Entry, metrics_of

DASHES = {"solid": "-", "dash": "--", "dot": ":"}


def rd_plots(rows: pl.DataFrame, entries: Sequence[Entry], current_lmbda: float | None = None) -> dict[str, bytes]:
    """PNG images by file name, `rd_<category>_<test set>_<metric>.png`, where a tuned curve has the metric.

    Args:
        rows: as `results.read_rows` gives them.
        entries: whose curves are drawn, each with its anchor and the classic codecs.
        current_lmbda: λ of the run that just ended; its point is circled.
    """
    found = curves(rows)
    chosen = paints(found)
    images = {}
    for category, place in sorted({(entry.curve.category, entry.curve.place) for entry in entries}):
        group = [entry for entry in entries if (entry.curve.category, entry.curve.place) == (category, place)]
        for metric in metrics_of(entries):
            figure = rd_figure(company(group, found), metric, chosen, f"{category} on {place}", current_lmbda)
            if figure:
                name = "_".join(map(file_part, ("rd", category, place, metric.name)))
                images[f"{name}.png"] = as_png(figure)
    return images


def as_png(figure: Figure) -> bytes:
    """The figure in the colours of the page's light theme."""
    drawing = canvas(7, 5, dpi=150)
    axes = drawing.add_subplot()
    for series in figure.series:
        _draw(axes, series)
    if figure.zero:
        axes.axhline(0, color=PALETTE["published"][0], linestyle="--", linewidth=1)
    axes.set(xlabel=_text(figure.x), ylabel=_text(figure.y), title=_text(figure.title))
    axes.set(xlim=figure.x_range, ylim=figure.y_range)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return png(drawing)


def canvas(width: float, height: float, dpi: int) -> Canvas:
    """An empty drawing of a size in inches. No pyplot: it keeps global state and may look for a display."""
    drawing = Canvas(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def png(drawing: Canvas) -> bytes:
    """A drawing as the bytes of a PNG file."""
    content = io.BytesIO()
    drawing.savefig(content, format="png")
    return content.getvalue()


def _draw(axes: Any, series: Series) -> None:
    colour, _ = PALETTE[series.paint.colour]
    label = _text(series.name) if series.legend else None
    if series.level:
        axes.axhline(series.y[0], color=colour, linestyle=":", label=label)
        return
    axes.errorbar(
        series.x,
        series.y,
        yerr=series.error or None,
        label=label,
        color=colour,
        alpha=series.opacity,
        linestyle=DASHES[series.paint.dash] if series.width else "none",
        linewidth=0.75 * series.width,
        marker=SYMBOLS[series.paint.symbol] if series.size else None,
        markersize=0.65 * series.size,
        capsize=2,
    )
    if series.ring is not None:
        ringed = series.x[series.ring], series.y[series.ring]
        axes.scatter(*ringed, s=140, facecolors="none", edgecolors=colour, linewidths=1.6, zorder=5)


def _text(name: str) -> str:
    return name.replace("$", r"\$")  # a pair of them would begin a formula
