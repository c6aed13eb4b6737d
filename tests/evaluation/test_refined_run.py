"""`lic evaluate refine=…`: rows as analysed and refined, beside those of a reference that is not refined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl

from lic_lightning.callbacks.rd_report import point_metrics
from lic_lightning.evaluation.curve import curves, without_doubles
from lic_lightning.evaluation.results import read_rows
from lic_lightning.reports.tables import bd_table

LMBDA = 0.013


def test_a_refined_run_is_read_with_and_without_against_the_plain_reference(lic_evaluate: Callable[..., Path]) -> None:
    start = ("codec=mbt2018-mean", "codec.weights=shipped", "reference=start", f"lmbda={LMBDA}", "test_sets=none")
    rows = read_rows(lic_evaluate("refine=fast", *start) / "evaluate")
    mse = 255**2 * 10 ** (-pl.col("psnr") / 10)
    costs = rows.select("role", "image", "refined", "padding", cost=pl.col("bpp") + LMBDA * mse).sort("image")
    plain, refined, reference = (
        costs.filter(role=role).filter(pl.col("refined").eq_missing(preset))
        for role, preset in (("tuned", None), ("tuned", "fast"), ("reference", None))
    )
    assert len(plain) == len(refined) == len(reference) == len(rows) / 3
    assert rows.filter(role="tuned")["decoder_found"].unique().to_list() == ["passed"]
    assert plain["padding"].equals(reference["padding"])
    assert plain["cost"].equals(reference["cost"])
    assert (refined["cost"] < plain["cost"]).all()

    entries = bd_table(rows)
    assert {entry.curve.refined: entry.curve.name.endswith("refined fast") for entry in entries} == {
        "": False,
        "fast": True,
    }
    assert all(entry.anchor and not entry.anchor.refined for entry in entries)
    # As two runs, of which one refines: what is analysed is one curve, and no point vanishes or stands twice
    both = read_rows(lic_evaluate(*start) / "evaluate")
    assert both["cell"].n_unique() == 3
    assert without_doubles(both)[1] == []
    assert [(c.refined, len(c.rate), len(c.images)) for c in curves(both)] == [
        (c.refined, len(c.rate), len(c.images)) for c in curves(rows)
    ]


def test_what_is_logged_of_a_run_tells_both(lic_evaluate: Callable[..., Path]) -> None:
    folder = lic_evaluate("refine=fast", f"lmbda={LMBDA}", "test_sets=none") / "evaluate"
    rows = read_rows(folder)
    run = SimpleNamespace(cell=rows.filter(role="tuned")["cell"][0])
    logged = point_metrics(run, rows)
    assert logged["rd/food/bpp"] == rows.filter(pl.col("refined").is_null())["bpp"].mean()
    assert logged["rd/food refined fast/bpp"] == rows.filter(refined="fast")["bpp"].mean()
