"""Interactive plots, as plotly's JSON; colours are names that the page's style sheet gives a value by theme."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lic_lightning.evaluation.anchors import PUBLISHED
from lic_lightning.evaluation.curve import Curve
from lic_lightning.evaluation.image_gain import ImageGain
from lic_lightning.metrics.table import Metric
from lic_lightning.runs.folder import RunFolder

TUNED_PAINTS = 8  # then they repeat, with another marker
SYMBOLS = ("circle", "diamond", "triangle-up", "cross")
CLASSIC_SYMBOLS = {"jpeg": "triangle-up", "webp": "triangle-down", "jpeg2000": "hexagon", "avif": "star"}
HEIGHT, LEGEND_LINE = 400, 20  # pixels: the legend stands beneath, one name a line, on a phone too
PUBLISHED_SYMBOLS = ("x", "cross", "star-diamond", "hourglass", "asterisk-open", "bowtie", "square-open")
MOST_DOTS = 4000  # per scatter plot: more make a browser slow


@dataclass(frozen=True)
class Plot:
    """A plot on the page: `figure` is plotly's, `alt` says what it shows to who can't see it."""

    title: str
    alt: str
    figure: dict[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Paint:
    """How one curve looks everywhere on the page: `colour` is a CSS variable without its dashes."""

    colour: str
    symbol: str = "circle"
    dash: str = "solid"


def paints(found: Sequence[Curve]) -> dict[str, Paint]:
    """Curve id → paint, published curves too; a curve has the same on every test set."""
    chosen: dict[str, Paint] = {}
    tuned = dict.fromkeys(curve.id for curve in found if curve.role == "tuned")
    for index, name in enumerate(tuned):
        chosen[name] = Paint(f"tuned-{index % TUNED_PAINTS}", SYMBOLS[index // TUNED_PAINTS % len(SYMBOLS)])
    for curve in found:
        if curve.role == "reference":
            chosen[curve.id] = Paint("reference", "square", "dash")
        if curve.role == "classic":
            chosen[curve.id] = Paint(f"classic-{curve.codec}", CLASSIC_SYMBOLS.get(curve.codec, "pentagon"), "dot")
    for name, symbol in zip(dict.fromkeys(anchor.name for anchor in PUBLISHED), PUBLISHED_SYMBOLS, strict=True):
        chosen[name] = Paint("published", symbol, "dot")
    return chosen


def rd_figure(shown: Sequence[Curve], metric: Metric, chosen: Mapping[str, Paint], title: str) -> Plot | None:
    """Quality over rate, on axes that span the learned codecs; None where no tuned curve has the metric."""
    drawn = [curve for curve in shown if metric.name in curve.quality and len(curve.rate)]
    learned = [curve for curve in drawn if curve.role in ("tuned", "reference")]
    if not any(curve.role == "tuned" for curve in learned):
        return None
    traces = []
    for curve in drawn:
        paint = chosen[curve.id]
        wide = 2.2 if curve.role in ("tuned", "reference") else 1.3
        raw = curve.quality[metric.name]
        traces.append(
            go.Scatter(
                name=_text(curve.name),
                x=curve.rate.tolist(),
                y=metric.axis(raw).tolist(),
                mode="lines+markers",
                line={"width": wide, "dash": paint.dash},
                marker={"size": 8 if wide > 2 else 6, "symbol": paint.symbol},
                customdata=[[_setting(curve, index), float(value)] for index, value in enumerate(raw)],
                hovertemplate=_hover(metric),
                legendgroup=curve.role,
                meta={"colour": paint.colour},
            )
        )
    figure = _figure(traces, "rate (bits per pixel)", metric.axis_label)
    figure.update_xaxes(range=_span(np.concatenate([c.rate for c in learned]), least=0.0))
    figure.update_yaxes(range=_span(np.concatenate([metric.axis(c.quality[metric.name]) for c in learned])))
    alt = (
        f"{metric.axis_label} over bits per pixel of {', '.join(c.name for c in drawn)}. Numbers: the table of points."
    )
    return Plot(title, alt, _json(figure))


def accuracy_figure(shown: Sequence[Curve], chosen: Mapping[str, Paint], title: str) -> Plot:
    """Top-1 over rate with its standard error; originals (no PSNR) are a level, no point."""
    coded = [curve for curve in shown if "psnr" in curve.quality]
    span = _span(np.concatenate([curve.rate for curve in coded or shown]), least=0.0)
    traces = []
    for curve in shown:
        paint, accuracy = chosen[curve.id], curve.quality["top1"]
        error = 100 * np.sqrt(accuracy * (1 - accuracy) / max(len(curve.images), 1))
        style = {"name": _text(curve.name), "meta": {"colour": paint.colour}}
        if curve not in coded:
            level = [100 * float(accuracy.max())] * 2
            traces.append(go.Scatter(x=span, y=level, mode="lines", line={"dash": "dot"}, **style))
            continue
        traces.append(
            go.Scatter(
                x=curve.rate.tolist(),
                y=(100 * accuracy).tolist(),
                error_y={"array": error.tolist(), "thickness": 1},
                mode="lines+markers",
                marker={"size": 8, "symbol": paint.symbol},
                customdata=[[_setting(curve, index)] for index in range(len(accuracy))],
                hovertemplate="%{customdata[0]}%{x:.4f} bpp<br>%{y:.1f} %",
                **style,
            )
        )
    figure = _figure(traces, "rate (bits per pixel)", "top-1 (%), ± one standard error")
    alt = f"Accuracy over bits per pixel of {', '.join(c.name for c in shown)}. Numbers: the table above."
    return Plot(title, alt, _json(figure))


def gain_figure(
    gains: Mapping[str, Sequence[ImageGain]], metric: Metric, names: Mapping[str, str], chosen: Mapping[str, Paint]
) -> Plot:
    """One dot per image and λ: change of the rate at equal quality, over the rate that the reference needs.

    Args:
        gains: by curve id.
        metric: of equal quality.
        names: curve id → name.
        chosen: curve id → paint.
    """
    total = sum(map(len, gains.values()))
    every = -(-total // MOST_DOTS)
    traces = []
    for curve, dots in gains.items():
        kept = dots[::every] if every else dots
        paint = chosen[curve]
        traces.append(
            go.Scatter(
                name=_text(names[curve]),
                x=[dot.gain.reference_rate for dot in kept],
                y=[dot.gain.percent for dot in kept],
                text=[_text(dot.image) for dot in kept],
                customdata=[[dot.lmbda, metric.text(dot.gain.quality), dot.gain.rate] for dot in kept],
                mode="markers",
                marker={"size": 8, "symbol": paint.symbol, "opacity": 0.75},
                hovertemplate="<b>%{text}</b><br>%{y:+.2f} % at %{customdata[1]}<br>%{customdata[2]:.4f} bpp, "
                "the reference %{x:.4f} bpp<br>λ %{customdata[0]}",
                meta={"colour": paint.colour},
            )
        )
    figure = _figure(traces, "reference's rate at equal quality (bpp)", "change of rate (%)")
    figure.update_layout(hovermode="closest")
    figure.add_hline(y=0, line={"width": 1.5, "dash": "dash"})
    alt = f"Change of rate per image at equal {metric.axis_label}. Numbers: the table beneath."
    note = f"Every {every}th of {total} dots is drawn." if every > 1 else ""
    return Plot(f"At equal {metric.label}", alt, _json(figure), note)


def training_figure(runs: Sequence[tuple[RunFolder, str, Paint]], title: str) -> Plot:
    """Losses over steps of runs at one λ, each with its name and paint: thin while training, thick at validation."""
    traces = []
    for run, name, paint in sorted(runs, key=lambda run: run[1]):
        steps, losses = zip(*run.validation, strict=True) if run.validation else ((), ())
        style: dict[str, Any] = {"legendgroup": run.name, "meta": {"colour": paint.colour}}
        traces.append(
            go.Scatter(
                name=_text(name),
                x=steps,
                y=losses,
                mode="lines+markers",
                line={"width": 2.2},
                marker={"symbol": paint.symbol, "size": 7},
                hovertemplate="step %{x}<br>loss %{y:.5f}",
                **style,
            )
        )
        if run.training:
            steps, losses = zip(*run.training, strict=True)
            thin = {"mode": "lines", "line": {"width": 1}, "opacity": 0.5, "hoverinfo": "skip"}
            traces.append(go.Scatter(x=steps, y=losses, showlegend=False, **thin, **style))
    figure = _figure(traces, "step", "loss")
    return Plot(title, f"Loss over steps, {title}: {', '.join(name for _, name, _ in runs)}.", _json(figure))


def _hover(metric: Metric) -> str:
    raw = f" (%{{customdata[1]:.{metric.digits}f}})" if metric.in_db else ""
    return f"%{{customdata[0]}}%{{x:.4f}} bpp<br>%{{y:.4g}} {metric.unit}{raw}"


def _setting(curve: Curve, index: int) -> str:
    value = curve.lmbda[index]
    if np.isnan(value):
        return ""
    return f"setting {value:g}<br>" if curve.role == "classic" else f"λ {value:g}<br>"


def _figure(traces: list[go.Scatter], x: str, y: str) -> go.Figure:
    figure = go.Figure(traces)
    legend = LEGEND_LINE * sum(trace.showlegend is not False for trace in traces)
    figure.update_layout(
        template="none",
        height=HEIGHT + legend,
        margin={"l": 62, "r": 12, "t": 12, "b": 62 + legend},
        legend={"yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        showlegend=True,
    )
    figure.update_xaxes(title_text=x, zeroline=False)
    figure.update_yaxes(title_text=y, zeroline=False)
    return figure


def _span(values: np.ndarray, least: float = -np.inf) -> list[float]:
    values = values[np.isfinite(values)]
    margin = 0.08 * np.ptp(values) or 0.1
    return [max(least, float(values.min() - margin)), float(values.max() + margin)]


def _text(name: str) -> str:
    """A name as plotly shows it: its labels know some HTML."""
    return html.escape(name, quote=False)


def _json(figure: go.Figure) -> dict[str, Any]:
    return json.loads(figure.to_json())  # NaN and infinity become null
