"""Figures: what they say of themselves, and that both renderers draw just that."""

from __future__ import annotations

import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from lic_lightning.evaluation.curve import curves
from lic_lightning.evaluation.gain import image_gains
from lic_lightning.evaluation.results import read_rows
from lic_lightning.metrics.table import METRICS
from lic_lightning.reports import png
from lic_lightning.reports.figure import PALETTE, SYMBOLS, Figure, Paint, Series, paints, palette_css
from lic_lightning.reports.figures import accuracy_figure, gain_figure, rd_figure, training_figure
from lic_lightning.reports.interactive import as_plotly
from lic_lightning.runs.folder import RunFolder


@pytest.fixture
def found(sweep):
    return [curve for curve in curves(read_rows(sweep)) if (curve.place, curve.domain) == ("kodak 8bit", "8bit")]


@pytest.fixture
def figures(found, tmp_path) -> dict[str, Figure]:
    """One of each kind, by kind."""
    chosen = paints(found)
    tuned = next(curve for curve in found if curve.role == "tuned")
    reference = next(curve for curve in found if curve.role == "reference" and curve.id == tuned.reference)
    gains, _ = image_gains(reference, tuned)
    top1 = replace(tuned, quality={"psnr": tuned.quality["psnr"], "top1": tuned.rate / 10})
    originals = replace(tuned, name="originals", quality={"top1": tuned.rate[:1] / 5})
    (tmp_path / "csv" / "version_0").mkdir(parents=True)
    lines = "step,val/loss,train/loss_step\n9,0.5,\n10,,0.6\n19,0.4,\n"
    (tmp_path / "csv" / "version_0" / "metrics.csv").write_text(lines)
    run = RunFolder(tmp_path)
    return {
        "psnr": rd_figure(found, METRICS["psnr"], chosen, "PSNR on kodak"),
        "ms-ssim": rd_figure(found, METRICS["ms-ssim"], chosen, "MS-SSIM on kodak", current_lmbda=0.013),
        "accuracy": accuracy_figure([top1, originals], METRICS["top1"], chosen, "Top-1 on kodak"),
        "gain": gain_figure({tuned.id: gains}, METRICS["psnr"], {tuned.id: tuned.name}, chosen),
        "training": training_figure([(run, "food", Paint("tuned-0"))], "λ = 0.013"),
    }


TITLES = {
    "psnr": ("rate (bits per pixel)", "PSNR (dB)"),
    "ms-ssim": ("rate (bits per pixel)", "MS-SSIM of the mean (dB)"),
    "accuracy": ("rate (bits per pixel)", "top-1 (%), ± one standard error"),
    "gain": ("reference's rate at equal quality (bpp)", "change of rate (%)"),
    "training": ("step", "loss"),
}


@pytest.mark.parametrize("kind", TITLES)
def test_the_axes_say_what_lies_on_them(figures, kind):
    assert (figures[kind].x, figures[kind].y) == TITLES[kind]


def test_what_lies_on_the_axes_is_rate_and_quality(figures, found):
    by_name = {curve.name: curve for curve in found}
    for kind in ("psnr", "ms-ssim"):
        for series in figures[kind].series:
            curve = by_name[series.name]
            assert list(series.x) == curve.rate.tolist()
            assert list(series.y) == METRICS[kind].axis(curve.quality[kind]).tolist()
            low, high = figures[kind].x_range
            assert curve.role == "classic" or low <= min(series.x) <= max(series.x) <= high
    accuracy, originals = figures["accuracy"].series
    assert accuracy.y[0] == pytest.approx(10 * accuracy.x[0])  # rate / 10, in percent
    assert (originals.level, len(originals.y)) == (True, 1)
    dots = figures["gain"].series[0]
    assert dots.y == pytest.approx([1.0] * 30)
    assert dots.x[0] == pytest.approx(0.098)


@pytest.mark.parametrize("kind", TITLES)
def test_the_page_s_plot_is_the_figure(figures, kind):
    drawn = as_plotly(figures[kind])
    go.Figure(drawn)  # refuses a property that plotly does not know
    layout = drawn["layout"]
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == TITLES[kind]
    for trace, series in zip(drawn["data"], figures[kind].series, strict=True):
        assert (trace["name"], trace["meta"]["colour"]) == (series.name, series.paint.colour)
        if not series.level:
            assert (trace["x"], trace["y"]) == (list(series.x), list(series.y))


@pytest.mark.parametrize("kind", TITLES)
def test_the_png_is_the_figure(figures, kind, monkeypatch):
    canvases = []
    monkeypatch.setattr(png, "png", lambda drawing: canvases.append(drawing) or b"")
    png.as_png(figures[kind])
    (axes,) = canvases[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == TITLES[kind]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for container in axes.containers:
        lines[container.get_label()] = container.lines[0]
    for series in figures[kind].series:
        if series.legend and not series.level:
            line = lines[series.name]
            assert (list(line.get_xdata()), list(line.get_ydata())) == (list(series.x), list(series.y))
            assert line.get_color() == PALETTE[series.paint.colour][0]


def test_the_point_of_the_run_that_ended_is_marked_on_its_curve_alone(figures):
    assert [series.ring for series in figures["ms-ssim"].series if series.ring is not None] == [3, 3]
    assert all("λ 0.013" in series.hover[3] for series in figures["ms-ssim"].series if series.ring)
    assert not any(series.ring for series in figures["psnr"].series)


def test_every_paint_has_a_colour_and_a_marker_in_both_renderers(found):
    for paint in paints(found).values():
        assert f"--{paint.colour}: " in palette_css()
        assert (paint.colour in PALETTE, paint.symbol in SYMBOLS, paint.dash in png.DASHES) == (True, True, True)
    go.Figure(go.Scatter(x=[0], y=[0], marker={"symbol": list(SYMBOLS)}))  # plotly knows them all


def test_two_references_are_told_apart(found):
    chosen = paints(found)
    assert chosen["r"] != chosen["q"]


def test_colours_of_the_palette_are_told_apart():
    for theme in (0, 1):
        tuned = [both[theme] for name, both in PALETTE.items() if name.startswith("tuned")]
        assert len(set(tuned)) == len(tuned) == 8


def test_names_that_look_like_markup_or_formulas_are_drawn_as_they_are():
    odd = Series("<b>a</b> $x_{", [0.1], [math.inf], Paint("tuned-0"), hover=[("<i>", "b")])
    figure = Figure("$\\frac{", "x", "y", [odd], "alt")
    assert as_plotly(figure)["data"][0]["name"] == "&lt;b&gt;a&lt;/b&gt; $x_{"
    assert as_plotly(figure)["data"][0]["text"] == ["&lt;i&gt;<br>b"]
    assert as_plotly(figure)["data"][0]["y"] == [None]
    assert png.as_png(figure).startswith(b"\x89PNG")
