"""A figure for the page, as what plotly.js draws; colours are names, which the page's style gives a value by theme."""

import html
import math
from collections.abc import Iterable
from typing import Any

from lic_lightning.reports.figure import Figure, Series

HEIGHT, LEGEND_LINE = 400, 20  # pixels: the legend stands beneath, one name a line, on a phone too


def as_plotly(figure: Figure) -> dict[str, Any]:
    """The figure's `data` and `layout`, fit for JSON."""
    legend = LEGEND_LINE * sum(series.legend for series in figure.series)
    layout: dict[str, Any] = {
        "height": HEIGHT + legend,
        "margin": {"l": 62, "r": 12, "t": 12, "b": 62 + legend},
        "legend": {"yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "showlegend": True,
        "hovermode": "closest",
        "xaxis": _axis(figure.x, figure.x_range),
        "yaxis": _axis(figure.y, figure.y_range),
    }
    if figure.zero:
        line = {"width": 1.5, "dash": "dash"}
        layout["shapes"] = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "line": line}]
    return {"data": [_trace(series, figure) for series in figure.series], "layout": layout}


def _trace(series: Series, figure: Figure) -> dict[str, Any]:
    x, y = (figure.x_range, [*series.y, *series.y]) if series.level else (series.x, series.y)
    modes = [mode for mode, drawn in (("lines", series.width), ("markers", series.size and not series.level)) if drawn]
    trace: dict[str, Any] = {
        "type": "scatter",
        "name": _text(series.name),
        "x": _numbers(x or ()),
        "y": _numbers(y),
        "mode": "+".join(modes),
        "line": {"width": series.width, "dash": "dot" if series.level else series.paint.dash},
        "marker": {"size": series.size, "symbol": series.paint.symbol},
        "opacity": series.opacity,
        "legendgroup": _text(series.name),
        "showlegend": series.legend,
        "meta": {"colour": series.paint.colour},
    }
    if series.error:
        trace["error_y"] = {"array": _numbers(series.error), "thickness": 1}
    if series.hover:
        trace["text"] = ["<br>".join(map(_text, lines)) for lines in series.hover]
        trace["hovertemplate"] = "%{text}"
    else:
        trace["hoverinfo"] = "skip"
    return trace


def _axis(title: str, span: tuple[float, float] | None) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": _text(title)}, "zeroline": False}
    return {**axis, "range": list(span)} if span else axis


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]  # JSON knows no infinity


def _text(name: str) -> str:
    """A name as plotly shows it: its labels know some HTML."""
    return html.escape(name, quote=False)
