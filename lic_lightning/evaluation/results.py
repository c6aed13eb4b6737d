"""Results: one row per (role, test set, image), append-only Parquet, one file a run.

Everything else (curves, BD-rates, tables, plots) is derived from these rows and never stored as truth.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lic_lightning.files import write_atomically
from lic_lightning.metrics.table import METRICS

RESULTS = "results.parquet"

# Raw values, and those on a metric's axis where it is another (see `metrics.table`)
QUALITY = {
    column: pl.Boolean if metric.of == "answer" else pl.Float64
    for metric in METRICS.values()
    for column in (metric.column, metric.axis_column)
    if column
}

SCHEMA: dict[str, Any] = {
    "role": pl.String,  # tuned, reference or classic
    "cell": pl.String,
    "curve": pl.String,
    "curve_name": pl.String,
    "reference": pl.String,  # curve id of the anchor
    "codec": pl.String,
    "analysis": pl.String,  # network in the place of g_a; null for the codec's own
    "category": pl.String,
    "freeze": pl.String,
    "objective": pl.String,
    "lmbda": pl.Float64,  # the quality setting for classic codecs
    "seed": pl.Int64,
    "weights": pl.String,  # that the run started from, by content
    "decoder_fingerprint": pl.String,
    "decoder_claim": pl.String,  # fixed, deployed (moved, but said to read), moves, untrained
    "decoder_checks": pl.String,  # which checks of it ran
    "decoder_found": pl.String,  # what they found
    "test_set": pl.String,
    "test_set_digest": pl.String,
    "image": pl.String,
    "image_digest": pl.String,  # its content: two runs may know it by two names
    "width": pl.Int64,
    "height": pl.Int64,
    "stream_bytes": pl.List(pl.Int64),
    "bytes": pl.Int64,
    "bpp": pl.Float64,
    "file_bytes": pl.Int64,  # of the `.lic` file, header included; of classic codecs the same as bytes
    "bpp_estimated": pl.Float64,
    **{column: kind for column, kind in QUALITY.items() if kind is pl.Float64},
    "encode_s": pl.Float64,
    "decode_s": pl.Float64,
    "digest": pl.String,
    "domain": pl.String,  # 8bit or float
    "padding": pl.String,  # of learned codecs, see `codecs.padding`; files from before the column padded zeros
    "refined": pl.String,  # preset of `refinement`; null where latents are written as analysed
    "withheld": pl.String,  # why the point must not count
    "label": pl.String,  # true class
    "predicted": pl.String,  # the head's first choice
    **{column: kind for column, kind in QUALITY.items() if kind is pl.Boolean},
    "label_s": pl.Float64,  # seconds from strings to label
    "label_kmac": pl.Float64,  # thousand multiply-accumulates for that, per coded pixel
}

# Null where a row does not name them, and in files written before they were there
OPTIONAL = (
    *QUALITY, "analysis", "weights", "image_digest", "padding", "refined", "file_bytes", "decoder_claim",
    "decoder_checks", "decoder_found", "label", "predicted", "label_s", "label_kmac",
)  # fmt: skip

# What is of one image, and null in the row of a metric that has one value for a whole set
OF_IMAGE = (
    *QUALITY, "image_digest", "width", "height", "stream_bytes", "bytes", "bpp", "file_bytes", "bpp_estimated",
    "encode_s", "decode_s", "digest",
)  # fmt: skip

# The same measurement: a sweep holds its reference's rows once per run. Tuned rows are of their cell alone.
IDENTITY = ("role", "curve", "weights", "test_set_digest", "domain", "lmbda", "image")
# What two cells have in common where both coded an image alike
MEASURED = (*IDENTITY, "bpp", "digest", "withheld", "predicted", *QUALITY)


class ResultsError(ValueError):
    """A results file that can't be read, or rows that don't fit the schema; the message names it."""


def write_rows(path: Path | str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows of one run, all or nothing, with the explicit schema.

    Raises:
        ResultsError: a row lacks a column or has one too many, or a value has the wrong type.
        OSError: the disk is full or the folder can't be written; nothing is left behind.
    """
    for row in rows:
        if wrong := (set(row) ^ set(SCHEMA)) - set(OPTIONAL):
            raise ResultsError(f"row of image {row.get('image')!r}: missing or unknown columns {sorted(wrong)}")
    try:
        frame = pl.DataFrame(list(rows), schema=SCHEMA)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise ResultsError(f"rows don't fit the schema: {error}") from error
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())


def read_rows(source: Path | str) -> pl.DataFrame:
    """All rows of one file, or of every `results.parquet` under a folder, without repeated measurements.

    Raises:
        FileNotFoundError: no such path, or a folder without results.
        ResultsError: a file is corrupt or not ours; the message names it.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"no file or folder {source}")
    files = result_files(source) if source.is_dir() else [source]
    if not files:
        raise FileNotFoundError(f"no {RESULTS} under {source}: has a run finished there?")
    return without_repeats(pl.concat([_read(file) for file in files]))


def result_files(folder: Path) -> list[Path]:
    """Every results file under a folder, in a fixed order."""
    return sorted(folder.glob(f"**/{RESULTS}"))


def without_repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of each measurement, in the order of the rows."""
    # Files written before there was the column don't say their weights: those of newer ones stand for them
    known = pl.col("weights").max().over("role", "curve", "lmbda", run_of_rows())
    # An image that was renamed between two runs has one name
    name = pl.col("image").first().over("test_set_digest", pl.coalesce("image_digest", "image"))
    rows = rows.with_columns(pl.coalesce("weights", known), run_of_rows(), name)
    return rows.unique(subset=[*IDENTITY, "run"], keep="first", maintain_order=True).drop("run")


def run_of_rows() -> pl.Expr:
    """The column "run": the cell of tuned rows; empty for the reference's and classic ones, which no run owns."""
    return pl.when(pl.col("role") == "tuned").then("cell").otherwise(pl.lit("")).alias("run")


def _read(file: Path) -> pl.DataFrame:
    try:
        rows = pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ResultsError(f"{file} is not a readable Parquet file: {error}") from error
    rows = rows.with_columns(pl.lit(None).alias(c) for c in OPTIONAL if c not in rows.columns)
    classic = pl.col("role") == "classic"
    if missing := [column for column in SCHEMA if column not in rows.columns]:
        raise ResultsError(f"{file} is not one of our results files: no columns {missing}")
    try:
        rows = rows.select(list(SCHEMA)).cast(pl.Schema(SCHEMA))
        return rows.with_columns(
            padding=pl.when(classic).then(None).otherwise(pl.col("padding").fill_null("zeros")),
            file_bytes=pl.when(classic).then("bytes").otherwise("file_bytes"),
        )
    except pl.exceptions.PolarsError as error:
        raise ResultsError(f"{file}: a column has a foreign type: {error}") from error
