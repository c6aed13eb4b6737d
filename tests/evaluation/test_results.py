"""Result files: the schema is explicit, a file is whole or absent, and repeats are dropped."""

from __future__ import annotations

import errno
import os

import polars as pl
import pytest

from lic_lightning.evaluation.results import SCHEMA, ResultsError, read_rows, write_rows


def test_rows_come_back_as_written(tmp_path, row):
    write_rows(tmp_path / "results.parquet", [row()])
    assert read_rows(tmp_path).to_dicts() == [row()]


def test_columns_that_are_null_in_every_row_keep_their_type(tmp_path, row):
    write_rows(tmp_path / "results.parquet", [row(lpips=None, withheld=None)])
    assert dict(pl.read_parquet(tmp_path / "results.parquet").schema) == SCHEMA


@pytest.mark.parametrize("change", [{"psnrr": 1.0}, {"bpp": "many"}])
def test_a_row_that_does_not_fit_is_refused(tmp_path, row, change):
    with pytest.raises(ResultsError, match=r"psnrr|schema"):
        write_rows(tmp_path / "results.parquet", [row(**change)])


def test_a_row_without_a_column_is_refused(tmp_path, row):
    with pytest.raises(ResultsError, match="bpp_estimated"):
        write_rows(tmp_path / "results.parquet", [{k: v for k, v in row().items() if k != "bpp_estimated"}])


def test_a_full_disk_leaves_nothing_behind(tmp_path, row, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_rows(tmp_path / "cell" / "results.parquet", [row()])
    assert list((tmp_path / "cell").iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, row, monkeypatch):
    write_rows(tmp_path / "results.parquet", [row()])
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_rows(tmp_path / "results.parquet", [row(bpp=9.0)])
    assert read_rows(tmp_path)["bpp"].to_list() == [0.5]


def test_a_reference_that_two_runs_carry_counts_once(tmp_path, row):
    for cell in ("a", "b"):
        rows = [row(role="reference", curve="r", cell="r"), row(cell=cell, curve=cell)]
        write_rows(tmp_path / cell / "results.parquet", rows)
    assert read_rows(tmp_path)["role"].to_list() == ["reference", "tuned", "tuned"]


def test_domains_are_not_taken_for_repeats(tmp_path, row):
    write_rows(tmp_path / "results.parquet", [row(), row(domain="float")])
    assert len(read_rows(tmp_path)) == 2


def test_a_corrupt_file_is_named(tmp_path, row):
    write_rows(tmp_path / "good" / "results.parquet", [row()])
    bad = tmp_path / "bad" / "results.parquet"
    bad.parent.mkdir()
    bad.write_bytes((tmp_path / "good" / "results.parquet").read_bytes()[:-40])
    with pytest.raises(ResultsError, match=str(bad)):
        read_rows(tmp_path)


def test_a_foreign_parquet_file_is_named(tmp_path):
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "results.parquet")
    with pytest.raises(ResultsError, match=r"results\.parquet is not one of our results files"):
        read_rows(tmp_path / "results.parquet")


def test_a_folder_without_results_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no results\.parquet under"):
        read_rows(tmp_path)


def test_files_from_before_there_was_a_choice_of_padding_say_zeros(tmp_path, row):
    rows = [{k: v for k, v in row(role=role).items() if k != "padding"} for role in ("tuned", "reference", "classic")]
    write_rows(tmp_path / "results.parquet", rows)
    old = pl.read_parquet(tmp_path / "results.parquet").drop("padding")
    old.write_parquet(tmp_path / "results.parquet")
    assert read_rows(tmp_path)["padding"].to_list() == ["zeros", "zeros", None]
