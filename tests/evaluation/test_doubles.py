"""A curve has one run at each λ: two are an error that names both, and nothing else is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lic_lightning.evaluation.curve import CurveError, curves, without_doubles
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.reports.sweep import write_report


def doubled(sweep: Path, make: Callable) -> None:
    """A sweep whose curve `t` has two runs at λ 0.0130, with other weights, and another curve beside it."""
    write_rows(sweep / "whole" / "results.parquet", make(cell="w", curve="whole", curve_name="tuned portrait"))
    write_rows(sweep / "one" / "results.parquet", make(cell="one", weights="sha256:1"))
    write_rows(sweep / "two" / "results.parquet", make(lambdas=(0.0130,), cell="two", weights="sha256:2"))


def test_two_runs_at_one_lambda_of_a_curve_are_an_error_that_names_both(tmp_path: Path, sweep: Callable) -> None:
    doubled(tmp_path, sweep)
    with pytest.raises(CurveError, match=r"λ 0\.013: cell one \(weights sha256:1\) and cell two \(weights sha256:2\)"):
        curves(read_rows(tmp_path))


def test_a_report_names_the_curve_with_two_runs_at_one_lambda_and_shows_the_others(
    tmp_path: Path, sweep: Callable
) -> None:
    doubled(tmp_path, sweep)
    markdown, *_ = write_report(tmp_path, bootstrap=10)
    page = (markdown.parent / "report.html").read_text()
    for text in (markdown.read_text(), page):
        assert "tuned portrait" in text
        assert "cell one (weights sha256:1) and cell two (weights sha256:2)" in text
    rows, lines = without_doubles(read_rows(tmp_path))
    assert (set(rows["curve"]), len(lines)) == ({"whole", "r"}, 1)


def test_a_reference_whose_weights_changed_between_two_runs_is_named_too(tmp_path: Path, sweep: Callable) -> None:
    for cell, weights in (("a", "sha256:1"), ("b", "sha256:2")):
        rows = [{**row, "cell": row["cell"] if row["role"] == "reference" else cell} for row in sweep(curve=cell)]
        rows = [{**row, "weights": weights} if row["role"] == "reference" else row for row in rows]
        write_rows(tmp_path / cell / "results.parquet", rows)
    _, lines = without_doubles(read_rows(tmp_path))
    assert all(part in lines[0] for part in ("reference", "sha256:1", "sha256:2"))


def test_rows_of_older_files_and_newer_ones_are_one_point(tmp_path: Path, sweep: Callable) -> None:
    for cell, weights in (("a", None), ("b", "sha256:1")):
        rows = [
            row | {"weights": weights if row["role"] == "reference" else None} for row in sweep(cell=cell, curve=cell)
        ]
        write_rows(tmp_path / cell / "results.parquet", rows)
    assert [len(curve.rate) for curve in curves(read_rows(tmp_path))] == [6, 6, 6]
