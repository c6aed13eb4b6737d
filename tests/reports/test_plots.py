"""RD plots: one PNG per category, test set and metric."""

from __future__ import annotations

import io

import polars as pl
from PIL import Image

from lic_lightning.evaluation.results import read_rows
from lic_lightning.reports.png import rd_plots
from lic_lightning.reports.tables import bd_table


def plots(rows, *now):
    return rd_plots(rows, bd_table(rows, bootstrap=0), *now)


def test_names_follow_category_test_set_and_metric(sweep):
    assert sorted(plots(read_rows(sweep))) == [
        f"rd_{pair}_{metric}.png"
        for pair in ("food_food", "food_kodak-8bit", "hands_kodak-float", "portrait_kodak-8bit")
        for metric in ("ms-ssim", "psnr")
    ]


def test_plots_are_png_images(sweep):
    png = plots(read_rows(sweep))["rd_food_kodak-8bit_psnr.png"]
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_the_classic_codec_is_drawn(sweep):
    rows = read_rows(sweep).filter(pl.col("test_set") == "kodak")
    without = rows.filter(pl.col("role") != "classic")
    assert plots(rows)["rd_food_kodak-8bit_psnr.png"] != plots(without)["rd_food_kodak-8bit_psnr.png"]


def test_the_current_point_is_marked(sweep):
    rows = read_rows(sweep).filter(pl.col("test_set") == "food")
    assert plots(rows)["rd_food_food_psnr.png"] != plots(rows, 0.013)["rd_food_food_psnr.png"]


def test_a_metric_that_no_tuned_curve_has_gives_no_plot(sweep):
    rows = read_rows(sweep).with_columns(ms_ssim=pl.lit(None, pl.Float64))
    assert not [name for name in plots(rows) if "ms-ssim" in name]


def test_a_single_point_can_be_drawn(sweep):
    rows = read_rows(sweep).filter(pl.col("lmbda") == 0.013)
    assert "rd_food_food_psnr.png" in plots(rows)


def test_names_are_safe_for_file_systems(sweep):
    rows = read_rows(sweep).filter(pl.col("test_set") == "food").with_columns(test_set=pl.lit("a/b c"))
    assert "rd_food_a-b-c_psnr.png" in plots(rows)
