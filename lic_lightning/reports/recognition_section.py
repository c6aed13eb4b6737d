"""Recognition on the report page: the table, accuracy over rate, and what a head saw in single images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from lic_lightning.evaluation.curve import curves
from lic_lightning.reports.figures import Paint, Plot, accuracy_figure
from lic_lightning.reports.latents_figure import FIGURE
from lic_lightning.reports.recognition import accuracy_bd_rates, chance, recognition_lines

FIGURES = 4  # pictures of latents on a page


@dataclass(frozen=True)
class Recognition:
    """Accuracies of a sweep's heads.

    Attributes:
        lines: of the table under `recognition.HEADER`.
        chance: what naming the largest class would give.
        answers: BD-rates on accuracy, or why there are none.
        plots: top-1 over rate, one a test set.
        pictures: image, ŷ, σ̂ and prediction: title and data URI.
    """

    lines: list[tuple[str, ...]]
    chance: str
    answers: list[str]
    plots: list[Plot]
    pictures: list[tuple[str, str]]


def recognition(folder: Path, rows: pl.DataFrame, chosen: Mapping[str, Paint]) -> Recognition | None:
    """The section of a sweep, or of one run; None where nothing was recognised."""
    found = [curve for curve in curves(rows) if "top1" in curve.quality and len(curve.rate)]
    if not found:
        return None
    sets = sorted({curve.test_set for curve in found})
    return Recognition(
        lines=recognition_lines(rows),
        chance=chance(rows),
        answers=accuracy_bd_rates(rows),
        plots=[accuracy_figure([c for c in found if c.test_set == s], chosen, f"Top-1 on {s}") for s in sets],
        pictures=_pictures(folder.resolve(), rows),
    )


def _pictures(folder: Path, rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Of at most `FIGURES` runs, one a curve, each curve's lowest λ."""
    points = rows.filter(role="tuned").unique("cell").sort("lmbda", "curve_name").unique("curve", maintain_order=True)
    pictures: list[tuple[str, str]] = []
    for name, cell, lmbda in points.select("curve_name", "cell", "lmbda").iter_rows():
        path = next((p for p in (folder / cell / FIGURE, folder / FIGURE) if p.is_file()), None)
        if path and len(pictures) < FIGURES:
            pictures.append((f"{name}, λ {lmbda:g}", _uri(path)))
    return pictures


def _uri(path: Path) -> str:
    content = io.BytesIO()
    with Image.open(path) as picture:
        picture.save(content, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
