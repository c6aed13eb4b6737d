"""`lic evaluate refine=…`: refined rows beside those of a reference that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from lic_lightning.evaluation.curve import curves
from lic_lightning.evaluation.results import read_rows

LMBDA = 0.013


def test_a_refined_run_is_read_against_the_plain_reference(lic_evaluate: Callable[..., Path]) -> None:
    output = lic_evaluate("refine=fast", "reference=start", f"lmbda={LMBDA}", "test_sets=none")
    rows = read_rows(output / "evaluate")
    mse = 255**2 * 10 ** (-pl.col("psnr") / 10)
    costs = rows.select("role", "image", "refined", "padding", cost=pl.col("bpp") + LMBDA * mse).sort("image")
    tuned, reference = (costs.filter(role=role) for role in ("tuned", "reference"))
    assert tuned["refined"].unique().to_list() == ["fast"]
    assert reference["refined"].unique().to_list() == [None]
    assert rows.filter(role="tuned")["decoder_found"].unique().to_list() == ["passed"]
    assert tuned["padding"].equals(reference["padding"])
    assert (tuned["cost"] <= reference["cost"] + 1e-6).all()
    assert [curve.refined for curve in curves(rows)] == ["", "fast"]
    assert curves(rows)[1].name.endswith("refined fast")
