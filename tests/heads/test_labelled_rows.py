"""Labels are columns of the one results schema; files from before them still read."""

import polars as pl

from lic_lightning.evaluation.curve import curves
from lic_lightning.evaluation.results import OPTIONAL, QUALITY, SCHEMA, read_rows, write_rows


def row(**changes):
    filled = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items() if column not in OPTIONAL}
    return {**filled, "stream_bytes": [1], "bpp": 0.5, "psnr": 30.0, "withheld": None, **changes}


def test_a_row_need_not_name_labels(tmp_path):
    write_rows(tmp_path / "results.parquet", [row()])
    assert read_rows(tmp_path)["top1"].to_list() == [None]


def test_a_file_from_before_the_labels_reads(tmp_path):
    old = pl.DataFrame([row()], schema={c: kind for c, kind in SCHEMA.items() if c not in OPTIONAL})
    old.write_parquet(tmp_path / "results.parquet")
    rows = read_rows(tmp_path)
    assert dict(rows.schema) == SCHEMA
    assert rows["label"].to_list() == [None]


def test_the_columns_of_metrics_are_named_as_in_files_from_before_the_table():
    before = {"psnr": pl.Float64, "ms_ssim": pl.Float64, "ms_ssim_db": pl.Float64, "lpips": pl.Float64}
    assert {**before, "top1": pl.Boolean, "top5": pl.Boolean}.items() <= QUALITY.items()


def test_accuracy_is_a_quality_of_a_curve_where_every_image_has_it(tmp_path):
    for folder, hits in (("labelled", (True, False)), ("half", (True, None))):
        write_rows(tmp_path / folder / "results.parquet", [row(image=str(i), top1=h) for i, h in enumerate(hits)])
    assert curves(read_rows(tmp_path / "labelled"))[0].quality["top1"].tolist() == [0.5]
    assert "top1" not in curves(read_rows(tmp_path / "half"))[0].quality
