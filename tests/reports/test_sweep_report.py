"""The report at the end of a multirun."""

from __future__ import annotations

import pytest

from lic_lightning.evaluation.results import ResultsError
from lic_lightning.reports.sweep import write_report
from lic_lightning.runs.cells import Cell, write_plan


def test_the_report_has_tables_points_and_plots(sweep):
    names = {path.name for path in write_report(sweep, bootstrap=0)}
    assert {"bd_rate.md", "bd_rate.csv", "rd_points.csv", "rd_food_kodak_psnr.png"} <= names


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
