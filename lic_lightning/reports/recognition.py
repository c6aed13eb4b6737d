"""Recognition in a report: accuracy beside rate, PSNR, time and work, its BD-rate, and what heads saw in images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from lic_lightning.evaluation.bd_rate import BDRateRefused, bd_rate
from lic_lightning.evaluation.curve import Curve, curves, same_images
from lic_lightning.metrics.table import METRICS
from lic_lightning.reports.crops import data_uri
from lic_lightning.reports.figure import Figure, Paint
from lic_lightning.reports.figures import accuracy_figure
from lic_lightning.reports.latents_figure import FIGURE
from lic_lightning.reports.tables import bd_text, markdown_table

ACCURACY = METRICS["top1"]
HEADER = ("curve", "test set", "λ", "images", "bpp", "PSNR", "top-1", "top-5", "ms to label", "kMAC/pixel")
PIXELS = "decoded"  # in the name of a curve that decodes, then classifies: the anchor
PICTURES = 4  # of latents on a page


@dataclass(frozen=True)
class Recognition:
    """Accuracies of a sweep's heads.

    Attributes:
        lines: of the table under `HEADER`.
        chance: what naming the largest class would give.
        answers: BD-rates on accuracy, or why there are none.
        figures: test set → accuracy over rate.
        pictures: image, ŷ, σ̂ and prediction: title and data URI.
    """

    lines: list[tuple[str, ...]]
    chance: str
    answers: list[str]
    figures: dict[str, Figure]
    pictures: list[tuple[str, str]]

    @property
    def markdown(self) -> str:
        """Table and BD-rates."""
        answers = "\n".join(f"- {answer}" for answer in self.answers)
        return f"{_table(self.lines, self.chance)}\n\n{answers}"


def recognition(folder: Path, rows: pl.DataFrame, chosen: Mapping[str, Paint]) -> Recognition | None:
    """Of a sweep, or of one run; None where nothing was recognised."""
    seen = [curve for curve in curves(rows) if ACCURACY.name in curve.quality and len(curve.rate)]
    if not seen:
        return None
    by_set: dict[str, list[Curve]] = {}
    for curve in seen:
        by_set.setdefault(curve.place, []).append(curve)
    return Recognition(
        lines=recognition_lines(rows),
        chance=chance(rows),
        answers=_answers(seen),
        figures={s: accuracy_figure(by_set[s], ACCURACY, chosen, f"Top-1 on {s}") for s in sorted(by_set)},
        pictures=_pictures(folder.resolve(), rows),
    )


def recognition_table(rows: pl.DataFrame) -> str:
    """Markdown: one line per curve, test set and λ; top-1 with its standard error, times as medians over images.

    Beneath, per test set, the accuracy of always naming its most frequent class.
    """
    return f"{_table(recognition_lines(rows), chance(rows))}\n"


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


def _table(lines: list[tuple[str, ...]], chance: str) -> str:
    return f"{markdown_table(HEADER, lines, left=2)}\n\n{chance}"


def _answers(seen: list[Curve]) -> list[str]:
    """BD-rate on accuracy of each curve on latents against decode-then-classify, or the reason why not."""
    coded = [curve for curve in seen if "psnr" in curve.quality]
    return [
        f"{curve.name} against {anchor.name} on {curve.place}: {_answer(anchor, curve)}"
        for curve in coded
        for anchor in coded
        if PIXELS not in curve.name and PIXELS in anchor.name and same_images(curve, anchor)
    ]


def _answer(anchor: Curve, curve: Curve) -> str:
    try:
        answer = bd_rate(anchor, curve, ACCURACY.name)
    except BDRateRefused as refusal:
        return f"none: {refusal}"
    return "; ".join([bd_text(answer), *answer.warnings])


def _pictures(folder: Path, rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Of at most `PICTURES` runs, one a curve, each curve's lowest λ."""
    points = rows.filter(role="tuned").unique("cell").sort("lmbda", "curve_name").unique("curve", maintain_order=True)
    pictures: list[tuple[str, str]] = []
    for name, cell, lmbda in points.select("curve_name", "cell", "lmbda").iter_rows():
        path = next((p for p in (folder / Path(cell).name / FIGURE, folder / FIGURE) if p.is_file()), None)
        if path and len(pictures) < PICTURES:
            with Image.open(path) as picture:
                pictures.append((f"{name}, λ {lmbda:g}", data_uri(picture, quality=85)))
    return pictures
