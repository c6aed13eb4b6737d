"""Recognition in tables and plots: accuracy beside rate, PSNR, time and work; rate-accuracy curves, their BD-rate."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lic_lightning.evaluation.bd_rate import BDRateRefused, bd_rate
from lic_lightning.evaluation.curve import Curve, curves, same_images, without_doubles
from lic_lightning.evaluation.results import read_rows, result_files
from lic_lightning.files import write_atomically
from lic_lightning.reports.plots import TUNED_COLOURS, file_part
from lic_lightning.reports.tables import percent
from lic_lightning.runs.folder import REPORT, without_results

HEADER = ("curve", "test set", "λ", "images", "bpp", "PSNR", "top-1", "top-5", "ms to label", "kMAC/pixel")
PIXELS = "decoded"  # in the name of a curve that decodes, then classifies: the anchor


def recognition_table(rows: pl.DataFrame) -> str:
    """Markdown: one line per curve, test set and λ; top-1 with its standard error, times as medians over images.

    Beneath, per test set, the accuracy of always naming its most frequent class.
    """
    rules = ["---" if index < 2 else "---:" for index in range(len(HEADER))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in (HEADER, rules, *recognition_lines(rows)))
    return f"{table}\n\n{chance(rows)}\n"


def recognition_lines(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    """The table's lines under `HEADER`; a withheld point's has its reason in place of its numbers."""
    points = (
        rows.filter(pl.col("top1").is_not_null())
        .group_by("curve_name", "curve", "test_set", "lmbda")
        .agg(
            pl.len().alias("images"),
            pl.col("bpp", "psnr", "top1", "top5", "label_kmac").mean(),
            pl.col("label_s").median(),
            pl.col("withheld").drop_nulls().first(),
        )
        .sort("test_set", "curve_name", "lmbda")
    )
    lines: list[tuple[str, ...]] = []
    for p in points.iter_rows(named=True):
        of = (p["curve_name"], p["test_set"], f"{p['lmbda']:g}")
        if p["withheld"]:
            lines.append((*of, f"withheld: {p['withheld']}"))
            continue
        error = math.sqrt(p["top1"] * (1 - p["top1"]) / p["images"])
        lines.append(
            (
                *of,
                str(p["images"]),
                f"{p['bpp']:.3f}",
                "" if p["psnr"] is None else f"{p['psnr']:.2f}",
                f"{100 * p['top1']:.1f} ± {100 * error:.1f} %",
                "" if p["top5"] is None else f"{100 * p['top5']:.1f} %",
                f"{1000 * p['label_s']:.1f}",
                f"{p['label_kmac']:.2f}",
            )
        )
    return lines


def chance(rows: pl.DataFrame) -> str:
    """The accuracy on each test set of always naming its most frequent class."""
    images = rows.filter(pl.col("top1").is_not_null()).unique(["test_set", "image"])
    largest = images.group_by("test_set").agg(pl.col("label").value_counts().struct.field("count").max() / pl.len())
    told = (f"{100 * share:.1f} % on {test_set}" for test_set, share in largest.sort("test_set").iter_rows())
    return f"Chance (always the largest class): {', '.join(told)}."


def accuracy_bd_rates(rows: pl.DataFrame) -> list[str]:
    """BD-rate on top-1 of each curve on latents against decode-then-classify, or the reason why not."""
    found = [curve for curve in curves(rows) if {"top1", "psnr"} <= curve.quality.keys()]
    return [
        f"{curve.name} against {anchor.name} on {curve.test_set}: {_answer(anchor, curve)}"
        for curve in found
        for anchor in found
        if PIXELS not in curve.name and PIXELS in anchor.name and same_images(curve, anchor)
    ]


def accuracy_plots(rows: pl.DataFrame) -> dict[str, bytes]:
    """PNG by file name, `rate_accuracy_<test set>.png`: all labelled curves of a test set."""
    found = [curve for curve in curves(rows) if "top1" in curve.quality and len(curve.rate)]
    sets = sorted({curve.test_set for curve in found})
    return {f"rate_accuracy_{file_part(s)}.png": _plot([c for c in found if c.test_set == s], s) for s in sets}


def _answer(anchor: Curve, curve: Curve) -> str:
    try:
        result = bd_rate(anchor, curve, "top1")
    except BDRateRefused as refusal:
        return f"none: {refusal}"
    interval = f" [{percent(result.interval[0])}, {percent(result.interval[1])}]" if result.interval else ""
    return f"{percent(result.bd_rate)} %{interval}{''.join(f'; {warning}' for warning in result.warnings)}"


def _plot(shown: Sequence[Curve], title: str) -> bytes:
    figure = Figure(figsize=(7, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for curve, colour in zip(shown, cycle(TUNED_COLOURS), strict=False):
        accuracy = 100 * curve.quality["top1"]
        if "psnr" not in curve.quality:  # originals: a file's rate as found is no operating point
            axes.axhline(accuracy.max(), label=curve.name, color=colour, linestyle=":")
            continue
        error = [100 * math.sqrt(a * (1 - a) / max(len(curve.images), 1)) for a in curve.quality["top1"]]
        axes.errorbar(curve.rate, accuracy, error, label=curve.name, color=colour, marker="o", capsize=2)
    axes.set(xlabel="rate (bits per pixel)", ylabel="top-1 (%), ± one standard error", title=title)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def write_report(folder: Path, cells: Sequence[str]) -> list[Path]:
    """Writes `report/` in the folder of a sweep of `lic recognize`: recognition.md and rate-accuracy plots.

    Args:
        folder: a sweep, with one folder per cell, each with its results once it is finished.
        cells: the cells that should be there.

    Returns:
        The files written, the Markdown first.
    """
    parts, plots = ["No cell has results yet."], {}
    if result_files(folder):
        rows, doubles = without_doubles(read_rows(folder))
        plots = accuracy_plots(rows)
        answers = "\n".join(f"- {line}" for line in (*accuracy_bd_rates(rows), *doubles))
        parts = [recognition_table(rows), answers, *(f"![{name}]({name})" for name in plots)]
    parts.append(without_results(folder, cells))
    files = {"recognition.md": ("\n\n".join(part.strip() for part in parts if part) + "\n").encode(), **plots}
    for name, content in files.items():
        write_atomically(folder / REPORT / name, content)
    return [folder / REPORT / name for name in files]
