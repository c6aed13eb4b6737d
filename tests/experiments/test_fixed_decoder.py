"""The ladder's table: which rung is held against which, what is missing, and the best of all encoders."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from lic_lightning.evaluation.results import OPTIONAL, SCHEMA

LMBDAS = (0.0035, 0.0067, 0.013, 0.025)
ZEROS = {"role": "reference", "curve": "zeros", "padding": "zeros", "category": "", "freeze": ""}


@pytest.fixture(scope="module")
def ladder() -> ModuleType:
    path = Path(__file__).parents[2] / "experiments" / "fixed_decoder" / "ladder.py"
    spec: Any = importlib.util.spec_from_file_location("ladder", path)
    module = sys.modules["ladder"] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def encoder(freeze: str, category: str, refined: str | None = None) -> dict[str, Any]:
    name = f"{freeze}-{category}-{refined or ''}"
    return {"role": "tuned", "curve": name, "cell": f"cell-{name}", "freeze": freeze, "category": category} | {
        "refined": refined,
        "padding": "blurred-edge",
    }


def rows(of: dict[str, Any], rate: float, odd: float | None = None) -> list[dict[str, Any]]:
    """Three photographs of two test sets; `rate` times zeros' rate, of the first photograph `odd` times."""
    empty = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items()} | dict.fromkeys(OPTIONAL)
    empty |= {"reference": None, "withheld": None, "stream_bytes": [], "domain": "8bit", "width": 10, "height": 10}
    return [
        empty
        | {"test_set": test_set, "test_set_digest": test_set, "image": f"{image}", "lmbda": lmbda, "curve_name": ""}
        | {"bpp": (odd if odd and not image else rate) * 0.1 * 2**step * (1 + image), "psnr": 28.0 + 3 * step}
        | {"encode_s": 2.0, "decode_s": 1.0}
        | of
        for test_set in ("food", "kodak")
        for step, lmbda in enumerate(LMBDAS)
        for image in range(3)
    ]


@pytest.fixture(scope="module")
def sweep() -> pl.DataFrame:
    content = [
        *rows(ZEROS, 1.0),
        *rows(encoder("padding", "none"), 0.9),
        *rows(encoder("padding", "none", "medium"), 0.85),
        *rows(encoder("category", "food"), 0.88, odd=0.95),
        *rows(encoder("category", "food", "medium"), 0.8),
        *rows(encoder("category", "general"), 0.7),
        *rows({**encoder("encoder_only", "food"), "decoder_claim": "fixed"}, 0.5),  # as it was trained: no rung
    ]
    return pl.DataFrame(content, SCHEMA)


def test_each_rung_stands_against_zeros_and_the_one_before(ladder: ModuleType, sweep: pl.DataFrame) -> None:
    found = [
        (r.encoder, r.curve.refined, r.before_name, round(100 * (r.curve.rate / r.zeros.rate - 1)[0]))
        for r in ladder.rungs(sweep)
        if r.curve.test_set == "kodak"
    ]
    assert found == [
        ("shipped encoder", "", "zeros", -10),
        ("shipped encoder", "medium", "as analysed", -15),
        ("food encoder", "", "shipped encoder", -11),
        ("food encoder", "medium", "as analysed", -20),
        ("general encoder (control arm)", "", "shipped encoder", -30),
        ("best of all encoders", "", "food encoder", -12),
        ("best of all encoders", "medium", "as analysed", -20),
    ]


def test_the_best_of_all_takes_each_photographs_cheapest_and_spends_the_time_of_all(
    ladder: ModuleType, sweep: pl.DataFrame
) -> None:
    best = ladder.best(sweep).filter(test_set="food", lmbda=0.013).filter(pl.col("refined").is_null()).sort("image")
    assert [round(bpp / 0.4 / (1 + image), 2) for image, bpp in enumerate(best["bpp"])] == [0.9, 0.88, 0.88]
    assert best["encode_s"].to_list() == [6.0] * 3  # two encoders, the control arm is none


def test_rungs_without_cells_are_named(ladder: ModuleType, sweep: pl.DataFrame) -> None:
    lines = ladder.missing_rungs(ladder.rungs(sweep))
    assert [line.partition(",")[0] for line in lines] == ["Skipped: wide encoder", "Skipped: wide category encoder"]


def test_work_counts_the_refinement(ladder: ModuleType) -> None:
    from lic_lightning.codecs.registry import build
    from lic_lightning.objectives import MSE
    from lic_lightning.refinement import Refinement

    codec = build("mbt2018-mean", 1, N=8, M=12).eval()
    codec.update(force=True)
    plain, refined = (ladder.work(codec, refine, 64) for refine in (None, Refinement("fast", MSE(0.013))))
    assert 0 < 2 * plain < refined
