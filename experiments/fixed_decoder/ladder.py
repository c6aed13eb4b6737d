"""The ladder: how much better files a deployed decoder reads, rung by rung, from the rows of `lic chain fixed_decoder`.

    cd experiments/fixed_decoder
    python ladder.py ../../outputs/fixed_decoder --markdown ladder.md --csv ladder.csv --figure ladder.png

All rates are against the deployed codec's own encoder with zeros as padding, and against the rung before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.markdown import Markdown
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.evaluation.bd_rate import BDRate, BDRateRefused, bd_rate
from lic_lightning.evaluation.curve import WHOLE_SET, Curve, curves, same_images
from lic_lightning.evaluation.gain import image_gains
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement
from lic_lightning.refinement.refinement import PRESETS
from lic_lightning.reports.png import canvas, png
from lic_lightning.reports.tables import bd_text, markdown_table
from lic_lightning.runs.folder import RunFolder

# The column `freeze` of a rung's rows → what the encoder is called, in the order of the ladder
ENCODERS = {
    "padding": "shipped encoder",
    "category": "{} encoder",
    "wide": "wide encoder",
    "wide_category": "wide {} encoder",
}
BEST = "best of all encoders"
CONTROL, NONE = "general", "none"
METRICS = ("psnr", "ms-ssim")
SIDE = 64  # pixels of the picture on which work is counted: per pixel it does not depend on that
HEAD = (
    "photographs", "encoder", "refined", "PSNR, % against zeros", "MS-SSIM, % against zeros", "against",
    "PSNR, %", "MS-SSIM, %", "s/MP", "kMAC/pixel", "MB",
)  # fmt: skip


@dataclass(frozen=True)
class Rung:
    """One encoder, refined or not, on one test set.

    Attributes:
        encoder: what it is called.
        zeros: the deployed codec's own encoder on the same photographs, padding zeros.
        before: the rung that it is compared with, and its name; the first one's is `zeros`.
    """

    encoder: str
    curve: Curve
    zeros: Curve
    before: Curve
    before_name: str


def rungs(rows: pl.DataFrame) -> list[Rung]:
    """Test set by test set the rungs that there are rows of, from the lowest to the highest."""
    found = curves(pl.concat([rows, best(rows)]))
    zeros = [c for c in found if c.role == "reference" and c.padding == "zeros" and c.test_set != CONTROL]
    return [rung for anchor in zeros for rung in _rungs(anchor, [c for c in found if same_images(c, anchor)])]


def best(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each photograph the row of the smallest R + λD, of all encoders but the control arm's, refined alike or not.

    Choosing takes that all of them code, and decode to compare: their seconds are summed.
    """
    choices = rows.filter(pl.col("freeze").is_in(list(ENCODERS)), pl.col("category") != CONTROL)
    choices = choices.filter(pl.col("image") != WHOLE_SET)
    alike = ["refined", "lmbda", "test_set_digest", "image"]
    choices = choices.unique(["curve", *alike], maintain_order=True)
    cost = pl.col("bpp") + pl.col("lmbda") * 255**2 * 10 ** (-pl.col("psnr") / 10)
    chosen = choices.with_columns(
        freeze=pl.lit(BEST),
        curve=pl.concat_str(pl.lit(BEST), pl.col("refined").fill_null("")),
        **{name: pl.lit("") for name in ("curve_name", "category", "cell", "weights")},
        encode_s=(pl.col("encode_s") + pl.col("decode_s")).sum().over(alike),
        cost=cost,
    )
    return chosen.sort("cost", maintain_order=True).unique(alike, keep="first", maintain_order=True).drop("cost")


def _rungs(zeros: Curve, found: Sequence[Curve]) -> Iterator[Rung]:
    by = {(c.freeze, c.category, c.refined): c for c in found if c.role == "tuned"}
    categories = {c.category for c in by.values()} - {NONE, "", CONTROL}
    own = sorted({zeros.test_set} & categories or categories)  # all encoders on photographs of no category

    def steps(freeze: str, category: str, name: str, under: tuple[str, str]) -> Iterator[Rung]:
        """The encoder as it analyses after the one `under` it, then each preset after the one before."""
        before, before_name = by.get((*under, ""), zeros), ENCODERS.get(under[0], "zeros").format(under[1])
        for preset in ("", *PRESETS):
            if curve := by.get((freeze, category, preset)):
                yield Rung(name, curve, zeros, before, before_name)
                before, before_name = curve, f"refined {preset}" if preset else "as analysed"

    shipped, wide = ("padding", NONE), ("wide", NONE)
    yield from steps(*shipped, ENCODERS["padding"], ("", ""))
    for category in (*own, CONTROL):
        name = ENCODERS["category"].format(category) + (" (control arm)" if category == CONTROL else "")
        yield from steps("category", category, name, shipped)
    yield from steps(*wide, ENCODERS["wide"], shipped)
    for category in own:
        yield from steps("wide_category", category, ENCODERS["wide_category"].format(category), wide)
    yield from steps(BEST, "", BEST, ("category", own[0]) if len(own) == 1 else shipped)


class Cost:
    """What the encoders of a sweep's folder cost: seconds from the rows, work and size from the encoders themselves."""

    def __init__(self, folder: Path, rows: pl.DataFrame) -> None:
        self.folder = folder
        self.rows = pl.concat([rows, best(rows)]).filter(role="tuned")
        self._mb, self._kmac = cache(self._mb_of), cache(self._kmac_of)

    def columns(self, curve: Curve) -> dict[str, float]:
        """Seconds per megapixel, kMAC per pixel and MB of the deltas that the decoder's owner needs, means over λ."""
        rows = self.rows.filter(curve=curve.id, test_set_digest=curve.test_set_digest)
        seconds, pixels = rows["encode_s"].sum(), (rows["width"] * rows["height"]).sum()
        if curve.freeze == BEST:
            encoders = self.rows.filter(pl.col("freeze").is_in(list(ENCODERS)), pl.col("category") != CONTROL)
        else:
            encoders = self.rows.filter(freeze=curve.freeze, category=curve.category)
        cells = encoders.filter(pl.col("refined").eq_missing(curve.refined or None)).unique(
            ["freeze", "category", "lmbda"], keep="first", maintain_order=True
        )
        points = cells["lmbda"].n_unique()
        return {
            "seconds_per_megapixel": 1e6 * seconds / pixels,
            "kmac_per_pixel": sum(self._kmac(cell, curve.refined) for cell in cells["cell"]) / points,
            "megabytes": sum(self._mb(weights) for weights in cells["weights"]) / points,
        }

    def _kmac_of(self, cell: str, preset: str) -> float:
        run = RunFolder(self.folder / cell)
        codec, refine = load_codec(**run.codec_settings()), Refinement(preset, MSE(run.lmbda)) if preset else None
        return work(codec, refine, spec(run.codec).stride)

    def _mb_of(self, weights: str) -> float:
        """Of the delta of the run, in any sweep, that the encoder comes from; none where it is the shipped one."""
        _, trained, cell = weights.rpartition("run:")
        folders = sorted(self.folder.resolve().parent.glob(f"*/{cell}")) if trained else []
        return len(RunFolder(folders[0]).delta().pack()) / 1e6 if folders else 0.0


@torch.no_grad()
def work(codec: nn.Module, refine: Refinement | None, stride: int) -> float:
    """Thousand multiply-accumulates per pixel to get at the latents that are written, counted on a picture of noise."""
    image = torch.randint(256, (3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        plain = cut(codec).analyse(to_float(image))
        if refine is not None:
            refine(cut(codec), plain, image, Frame.of(image, stride))
    return counter.get_total_flops() / 2 / SIDE**2 / 1000


def table(ladder: Sequence[Rung], cost: Cost) -> list[dict[str, Any]]:
    """A record a rung: BD-rates with their intervals (or why there are none), and what it costs."""
    return [
        {
            "test_set": rung.curve.test_set,
            "images": len(rung.curve.images),
            "encoder": rung.encoder,
            "refined": rung.curve.refined,
            "before": rung.before_name,
            **{
                f"{metric}_{against}": _answer(anchor, rung.curve, metric)
                for against, anchor in (("zeros", rung.zeros), ("before", rung.before))
                for metric in METRICS
            },
            **cost.columns(rung.curve),
        }
        for rung in ladder
    ]


def as_markdown(records: Sequence[dict[str, Any]], missing: Sequence[str]) -> str:
    """The table, and how to read it."""
    lines = [
        [
            f"{r['test_set']}, {r['images']}",
            r["encoder"],
            r["refined"],
            *(_text(r[f"{metric}_zeros"]) for metric in METRICS),
            r["before"],
            *(_text(r[f"{metric}_before"]) for metric in METRICS),
            f"{r['seconds_per_megapixel']:.1f}",
            f"{r['kmac_per_pixel']:.0f}",
            f"{r['megabytes']:.1f}",
        ]
        for r in records
    ]
    notes = (
        "BD-rate in percent, negative is better (pchip on means over photographs [95 % paired bootstrap over them]; "
        "bytes of strings, 8-bit pictures), every file read by the deployed decoder. Seconds are those of encoding, "
        "choosing included; kMAC are those of what comes before the bitstream, refinement included; MB are the deltas' "
        "of an encoder for one λ. All three are means over λ."
    )
    return "\n\n".join([markdown_table(HEAD, lines, left=3), notes, *missing]) + "\n"


def as_csv(records: Sequence[dict[str, Any]]) -> str:
    """The same with full precision; a BD-rate with its interval in three columns, or the reason why there is none."""
    return pl.DataFrame([_flat(record) for record in records], infer_schema_length=None).write_csv()


def figure(ladder: Sequence[Rung]) -> bytes:
    """PNG: for each test set a panel, for each rung a line of dots: a photograph's change of rate at equal PSNR."""
    by_set: dict[str, list[Rung]] = {}
    for rung in ladder:
        by_set.setdefault(rung.curve.test_set, []).append(rung)
    most = max(map(len, by_set.values()))
    lines = -(-len(by_set) // 2)
    drawing = canvas(14, lines * (1.2 + 0.28 * most), dpi=100)
    for place, (test_set, own) in enumerate(by_set.items(), 1):
        axes = drawing.add_subplot(lines, 2, place)
        changes = [_changes(rung) for rung in own]
        axes.boxplot(changes, orientation="horizontal", showfliers=False, medianprops={"color": "#d55e00"}, widths=0.6)
        for line, values in enumerate(changes, 1):
            scatter = np.random.default_rng(0).uniform(-0.2, 0.2, len(values))
            axes.scatter(values, line + scatter, s=8, color="#0072b2", alpha=0.6, linewidths=0)
        axes.axvline(0, color="#8a949e", linestyle="--", linewidth=1)
        names = [f"{r.encoder}, {r.curve.refined}" if r.curve.refined else r.encoder for r in own]
        axes.set_yticks(range(1, len(own) + 1), names, fontsize=8)
        axes.invert_yaxis()
        axes.set(title=test_set, xlabel="change of a photograph's rate at equal PSNR, %")
        axes.spines[["top", "right"]].set_visible(False)
    return png(drawing)


def _changes(rung: Rung) -> list[float]:
    """Of each photograph, mean over λ where its own curve with zeros has the quality."""
    gains, _ = image_gains(rung.zeros, rung.curve)
    by_image: dict[str, list[float]] = {}
    for one in gains:
        by_image.setdefault(one.image, []).append(one.gain.percent)
    return [float(np.mean(values)) for values in by_image.values()]


def missing_rungs(ladder: Sequence[Rung]) -> list[str]:
    """One line on each kind of encoder that no cell has."""
    there = {rung.curve.freeze for rung in ladder}
    return [
        f"Skipped: {name.format('category').strip()}, as the folder has no finished cell with rows.freeze={freeze}."
        for freeze, name in ENCODERS.items()
        if freeze not in there
    ]


def main() -> int:
    """Prints the table; writes what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("--markdown", "--csv", "--figure"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    rows = read_rows(arguments.folder)
    ladder = rungs(rows)
    if not ladder:
        print(f"{arguments.folder} has no rung with zeros to stand against: lic chain fixed_decoder", file=sys.stderr)
        return 1
    records = table(ladder, Cost(arguments.folder, rows))
    page = as_markdown(records, missing_rungs(ladder))
    if arguments.markdown:
        write_atomically(arguments.markdown, page.encode())
    if arguments.csv:
        write_atomically(arguments.csv, as_csv(records).encode())
    if arguments.figure:
        write_atomically(arguments.figure, figure(ladder))
    Console(width=220).print(Markdown(page))
    return 0


def _answer(anchor: Curve, curve: Curve, metric: str) -> BDRate | BDRateRefused:
    try:
        return bd_rate(anchor, curve, metric)
    except BDRateRefused as refusal:
        return refusal


def _text(answer: BDRate | BDRateRefused) -> str:
    return bd_text(answer, unit="") if isinstance(answer, BDRate) else f"none: {answer}"


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, BDRate):
            low, high = value.interval or (None, None)
            flat |= {name: value.bd_rate, f"{name}_low": low, f"{name}_high": high, f"{name}_refused": None}
        elif isinstance(value, BDRateRefused):
            flat |= {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_refused": str(value)}
        else:
            flat[name] = value
    return flat


if __name__ == "__main__":
    sys.exit(main())
