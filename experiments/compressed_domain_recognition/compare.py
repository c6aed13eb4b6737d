"""The paper's tables with our columns beside theirs.

    python experiments/compressed_domain_recognition/compare.py RESULTS

RESULTS is a sweep's folder of `lic recognize`. Ours are on the test split, at real bytes; the paper's are on its
validation split. Ours stand in the paper's line where data set, task and quality agree, else in lines of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from lic_lightning.codecs.quality import quality_of
from lic_lightning.evaluation.results import read_rows

HEADER = (
    "table", "method", "data set", "task", "quality", "top-1 published", "top-5 published", "split",
    "ours: λ", "codec", "images", "bpp", "PSNR", "top-1", "top-5",
)  # fmt: skip
KEYS = ("dataset", "task", "quality")


def ours(folder: Path) -> pl.DataFrame:
    """One line per labelled point, with the paper's name for its data set, task and quality."""
    rows = read_rows(folder).filter(pl.col("top1").is_not_null(), pl.col("withheld").is_null())
    points = rows.group_by("curve_name", "codec", "category", "objective", "lmbda").agg(
        pl.len().alias("images"), pl.col("bpp", "psnr", "top1", "top5").mean()
    )
    quality = [quality_of(value, "mse" if value < 1 else "ms-ssim") for value in points["lmbda"]]
    return points.with_columns(
        pl.col("top1", "top5") * 100,
        dataset=pl.col("category").str.split("-").list.first(),
        task=pl.col("objective").str.split(" ").list.first(),
        quality=pl.Series(quality, dtype=pl.Int64),
    )


def table(published: pl.DataFrame, measured: pl.DataFrame) -> str:
    """Markdown: the published cells in their order, then what only we have."""
    joined = published.join(measured, on=KEYS, how="left", suffix="_ours", maintain_order="left")
    rest = measured.join(published, on=KEYS, how="anti").sort(KEYS)
    lines = [HEADER, ["---"] * len(HEADER)]
    lines += [_line(row, row["top1"], row["top5"], row["top1_ours"], row["top5_ours"]) for row in joined.to_dicts()]
    lines += [
        _line({"table": "", "method": "", "split": "", **row}, None, None, row["top1"], row["top5"])
        for row in rest.to_dicts()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: dict, *accuracies: float | None) -> list[str]:
    theirs, ours_ = accuracies[:2], accuracies[2:]
    cells = [
        str(row["table"]),
        row["method"],
        row["dataset"],
        row["task"],
        str(row["quality"]),
        *map(_number, theirs),
        row["split"],
    ]
    if row["codec"] is None:
        return [*cells, *["not run"] + [""] * 6]
    return [*cells, f"{row['lmbda']:g}", row["codec"], str(row["images"]), _number(row["bpp"], 3),
            _number(row["psnr"]), *map(_number, ours_)]  # fmt: skip


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    print(table(pl.read_csv(Path(__file__).with_name("published.csv")), ours(Path(sys.argv[1]))))
