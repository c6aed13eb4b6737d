"""BD-rate tables: the number, its interval, or the reason why there is none."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest

from lic_lightning.evaluation.results import read_rows
from lic_lightning.reports.tables import as_csv, as_markdown, as_rich, bd_table, percent, points_csv


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_entry_per_tuned_curve_and_test_set(sweep):
    entries = bd_table(read_rows(sweep), bootstrap=0)
    found = [(entry.curve.category, entry.curve.test_set) for entry in entries]
    assert found == [("food", "food"), ("food", "kodak"), ("hands", "kodak"), ("portrait", "kodak")]


def test_the_saving_is_what_the_rows_say(sweep):
    values = [entry.answers["psnr"].bd_rate for entry in bd_table(read_rows(sweep), bootstrap=0)]
    assert values == pytest.approx([-4, 1, -2, -1], abs=1e-6)


def test_markdown_has_sign_two_decimals_and_interval(sweep):
    assert "| -4.00 % [-4.00, -4.00] |" in as_markdown(bd_table(read_rows(sweep), bootstrap=20))


def test_markdown_states_method_and_domain(sweep):
    text = as_markdown(bd_table(read_rows(sweep), "akima", bootstrap=0))
    assert "akima" in text
    assert "8bit, dB of mean MS-SSIM" in text


def test_too_few_points_show_the_reason(sweep):
    rows = read_rows(sweep).filter(pl.col("lmbda") < 0.01)
    assert "| 3 of 4 points | 3 of 4 points |" in as_markdown(bd_table(rows, bootstrap=0))


def test_a_withheld_point_is_named(sweep):
    cross = pl.when((pl.col("role") == "tuned") & (pl.col("lmbda") == 0.013)).then(pl.lit("cross-decode: 1 value"))
    text = as_markdown(bd_table(read_rows(sweep).with_columns(withheld=cross), bootstrap=0))
    assert text.count("mbt2018-mean food encoder_only on food: point left out, λ 0.013: cross-decode: 1 value") == 1


def test_a_curve_without_a_reference_says_so(sweep):
    rows = read_rows(sweep).filter(pl.col("role") == "tuned")
    assert "no reference on these images" in as_markdown(bd_table(rows, bootstrap=0))


def test_csv_has_a_line_per_metric_with_full_precision(sweep):
    lines = records(as_csv(bd_table(read_rows(sweep), bootstrap=20)))
    assert [line["metric"] for line in lines] == ["psnr", "ms-ssim"] * 4
    assert float(lines[0]["bd_rate"]) == pytest.approx(-4, abs=1e-6)
    assert float(lines[0]["low"]) <= float(lines[0]["bd_rate"]) + 1e-9


def test_csv_keeps_the_refusal(sweep):
    rows = read_rows(sweep).filter(pl.col("lmbda") < 0.01)
    line = records(as_csv(bd_table(rows, bootstrap=0)))[0]
    assert (line["bd_rate"], line["refused"]) == ("", "3 of 4 points")


def test_the_terminal_table_has_a_row_per_entry(sweep):
    assert as_rich(bd_table(read_rows(sweep), bootstrap=0)).row_count == 4


def test_rd_points_cover_all_roles(sweep):
    lines = records(points_csv(read_rows(sweep)))
    assert {role: sum(line["role"] == role for line in lines) for role in ("reference", "tuned", "classic")} == {
        "reference": 30,
        "tuned": 24,
        "classic": 6,
    }


@pytest.mark.parametrize(("value", "text"), [(-4.4175, "-4.42"), (0.651, "+0.65"), (-0.001, "0.00")])
def test_percent_as_papers_print_it(value, text):
    assert percent(value) == text
