"""The report at the end of a multirun."""

from __future__ import annotations

import polars as pl
import pytest

from lic_lightning.evaluation.results import ResultsError, read_rows, write_rows
from lic_lightning.reports.sweep import write_report
from lic_lightning.runs.cells import Cell, write_plan


def test_the_report_has_tables_points_and_plots(sweep):
    names = {path.name for path in write_report(sweep, bootstrap=0)}
    assert {"bd_rate.md", "bd_rate.csv", "rd_points.csv", "rd_food_kodak-8bit_psnr.png"} <= names


def test_without_labels_there_is_no_report_of_recognition(sweep):
    assert "recognition.md" not in {path.name for path in write_report(sweep, bootstrap=0)}


def test_labels_get_a_report_of_their_own_and_plots_beside_the_other(sweep):
    for path in sweep.glob("food-*/results.parquet"):
        rows = read_rows(path).with_columns(
            top1=pl.col("role") == "tuned", label=pl.lit("cat"), label_s=pl.lit(0.1), label_kmac=pl.lit(1.0)
        )
        write_rows(path, rows.with_columns(pl.when(pl.col("role") == "tuned").then("top1").alias("top1")).to_dicts())
    names = [path.name for path in write_report(sweep, bootstrap=0)]
    assert names[:2] == ["recognition.md", "bd_rate.md"]
    assert {"rate_accuracy_food.png", "rate_accuracy_kodak-8bit.png", "rd_food_food_psnr.png"} <= set(names)
    text = (sweep / "report" / "recognition.md").read_text()
    assert "| mbt2018-mean food encoder_only | food | 0.0018 | 5 | 0.115 | 27.40 | 100.0 ± 0.0 % |" in text
    assert "![rate_accuracy_food.png](rate_accuracy_food.png)" in text


def test_where_all_that_there_is_are_labels_no_bd_rate_is_asked_for(sweep):
    for path in sweep.glob("*/results.parquet"):
        rows = (
            read_rows(path)
            .filter(role="tuned")
            .with_columns(
                top1=pl.lit(True), reference=pl.lit(None, pl.String), label=pl.lit("cat"), label_s=0.1, label_kmac=1.0
            )
        )
        write_rows(path, rows.to_dicts())
    names = {path.name for path in write_report(sweep, bootstrap=0)}
    assert {"recognition.md", "report.html", "rd_points.csv"} <= names
    assert not [name for name in names if name.startswith(("bd_rate", "rd_food"))]


def test_returned_files_are_all_there_and_nothing_else(sweep):
    files = (path for path in (sweep / "report").rglob("*") if path.is_file())
    assert sorted(write_report(sweep, bootstrap=0)) == sorted(files)


def test_writing_it_again_does_not_read_itself(sweep):
    first = write_report(sweep, bootstrap=0)[0].read_text()
    assert write_report(sweep, bootstrap=0)[0].read_text() == first


def test_cells_without_results_are_named(sweep):
    (sweep / "half-done").mkdir()
    assert "- half-done" in write_report(sweep, bootstrap=0)[0].read_text()


def test_expected_cells_that_never_started_are_named(sweep):
    write_plan(sweep, [Cell("classic", ()), Cell("never-started", ())])
    text = write_report(sweep, bootstrap=0)[0].read_text()
    assert text.rstrip().endswith("Without results:\n\n- never-started")


def test_a_sweep_of_which_nothing_finished_says_so(tmp_path):
    (tmp_path / "cell").mkdir()
    (report,) = write_report(tmp_path)
    assert "No cell has results yet" in report.read_text()
    assert "- cell" in report.read_text()


def test_a_corrupt_cell_is_named(sweep):
    (sweep / "classic" / "results.parquet").write_bytes(b"half a fi")
    with pytest.raises(ResultsError, match="classic"):
        write_report(sweep, bootstrap=0)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_report(tmp_path / "nowhere")
