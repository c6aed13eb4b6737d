"""Results: one Parquet file a run, written whole or not at all; everything else is derived from them by query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

RESULTS = "results.parquet"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "role": pl.String,
    "cell": pl.String,
    "curve": pl.String,
    "curve_name": pl.String,
    "reference": pl.String,
    "codec": pl.String,
    "category": pl.String,
    "freeze": pl.String,
    "objective": pl.String,
    "lmbda": pl.Float64,
    "seed": pl.Int64,
    "decoder_fingerprint": pl.String,
    "test_set": pl.String,
    "test_set_digest": pl.String,
    "image": pl.String,
    "width": pl.Int64,
    "height": pl.Int64,
    "stream_bytes": pl.List(pl.Int64),
    "bytes": pl.Int64,
    "bpp": pl.Float64,
    "bpp_estimated": pl.Float64,
    "psnr": pl.Float64,
    "ms_ssim": pl.Float64,
    "ms_ssim_db": pl.Float64,
    "lpips": pl.Float64,
    "encode_s": pl.Float64,
    "decode_s": pl.Float64,
    "digest": pl.String,
    "domain": pl.String,
    "withheld": pl.String,
}


class ResultsError(RuntimeError):
    """A results file that can't be read as one."""


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows (see `SCHEMA`) to a temporary name, then renames; a full disk leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with part.open("wb") as file:
            pl.DataFrame(list(rows), schema=SCHEMA).write_parquet(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_rows(place: Path) -> pl.DataFrame:
    """Rows of one file, or of all `results.parquet` under a folder, each (role, curve, test set, λ, image) once.

    Raises:
        ResultsError: nothing there, or a file that is no result of ours; names it.
    """
    files = [place] if place.is_file() else sorted(place.glob(f"**/{RESULTS}"))
    if not files:
        raise ResultsError(f"no {RESULTS} at or under {place.absolute()}")
    rows = pl.concat([_read(file) for file in files])
    return rows.unique(["role", "curve", "test_set_digest", "lmbda", "image"], keep="first", maintain_order=True)


def _read(file: Path) -> pl.DataFrame:
    try:
        rows = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ResultsError(f"{file} can't be read as Parquet: {str(error).splitlines()[0]}") from error
    if missing := [name for name in SCHEMA if name not in rows.columns]:
        raise ResultsError(f"{file} is no result of lic_lightning: it has no column {', '.join(missing)}")
    return rows.select(list(SCHEMA)).cast(SCHEMA)  # type: ignore[arg-type]
