"""Curves: means over images, whole points only, CompressAI's JSON both ways."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lic_lightning.evaluation.bd_rate import bd_rate
from lic_lightning.evaluation.curve import (
    WHOLE_SET,
    CurveError,
    anchor_of,
    as_compressai_json,
    curves,
    read_compressai_json,
)
from lic_lightning.evaluation.results import SCHEMA
from lic_lightning.metrics.table import METRICS


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def tuned(rows):
    return next(curve for curve in curves(frame(rows)) if curve.role == "tuned")


def test_one_curve_per_id_and_test_set(sweep):
    rows = sweep() + [row for row in sweep(test_set="food", test_set_digest="e") if row["role"] == "tuned"]
    found = [(curve.role, curve.test_set) for curve in curves(frame(rows))]
    assert found == [("reference", "kodak"), ("tuned", "food"), ("tuned", "kodak")]


def test_points_are_means_over_images(row):
    curve = tuned([row(bpp=0.2, psnr=30.0), row(bpp=0.4, psnr=33.0, image="1.png")])
    assert (curve.rate.tolist(), curve.quality["psnr"].tolist()) == ([pytest.approx(0.3)], [31.5])


def test_the_db_of_ms_ssim_is_that_of_the_mean(row):
    curve = tuned([row(ms_ssim=0.9), row(ms_ssim=0.99, image="1.png")])
    assert METRICS["ms-ssim"].axis(curve.quality["ms-ssim"])[0] == pytest.approx(-10 * np.log10(1 - 0.945))


def test_points_are_sorted_by_rate(sweep):
    assert (np.diff(tuned(sweep()[::-1]).rate) > 0).all()


def test_one_withheld_image_leaves_the_point_out_and_names_it(sweep):
    rows = sweep()
    rows[-1]["withheld"] = "cross-decode: 3 values differ"
    curve = tuned(rows)
    assert len(curve.rate) == 5
    assert curve.withheld == ("λ 0.0483: cross-decode: 3 values differ",)


def test_a_point_that_lacks_an_image_is_left_out(sweep):
    assert tuned(sweep()[:-1]).withheld == ("λ 0.0483: 3 of 4 images",)


def test_every_point_withheld_gives_an_empty_curve(row):
    curve = tuned([row(withheld="cross-decode")])
    assert len(curve.rate) == 0


def test_ms_ssim_of_some_images_is_left_out(sweep):
    rows = sweep()
    rows[1]["ms_ssim"] = None
    assert set(tuned(rows).quality) == {"psnr"}


def test_a_metric_of_the_whole_set_has_a_row_of_its_own(sweep, row, monkeypatch):
    monkeypatch.setitem(METRICS, "fid", replace(METRICS["lpips"], name="fid", of="set"))
    rows = sweep()
    lambdas = sorted({one["lmbda"] for one in rows})
    of_set = [row(lmbda=lmbda, image=WHOLE_SET, bpp=None, lpips=50.0 - 5 * i) for i, lmbda in enumerate(lambdas)]
    curve = tuned(rows + of_set)
    assert curve.quality["fid"].tolist() == [50.0, 45.0, 40.0, 35.0, 30.0, 25.0]
    assert (len(curve.images), "fid" in curve.image_quality) == (4, False)
    assert "fid" not in tuned(rows + of_set[1:]).quality  # a point without it


def test_the_anchor_is_the_named_reference_on_the_same_images(sweep):
    found = curves(frame(sweep()))
    assert anchor_of(found[1], found) is found[0]


def test_another_reference_on_the_same_images_is_no_anchor(sweep):
    found = curves(frame(sweep(reference="another")))
    assert anchor_of(found[1], found) is None


def test_a_reference_on_other_images_is_no_anchor(sweep):
    found = curves(frame(sweep(test_set_digest="e")))
    assert anchor_of(found[1], found) is None


def test_curves_of_one_name_are_told_apart(sweep):
    rows = sweep() + [row for row in sweep(curve="other-seed") if row["role"] == "tuned"]
    names = [curve.name for curve in curves(frame(rows)) if curve.role == "tuned"]
    assert names == ["tuned food [other-se]", "tuned food [t]"]


def test_rows_to_bd_rate_is_the_saving(sweep):
    reference, test = curves(frame(sweep()))
    assert bd_rate(reference, test, bootstrap=20).bd_rate == pytest.approx(-3, abs=1e-6)


def write_json(path, **results):
    path.write_text(json.dumps({"name": "mbt2018", "results": results}))
    return path


@pytest.mark.parametrize("suffix", ["", "-rgb"])
def test_compressai_json_is_read(tmp_path, suffix):
    path = write_json(
        tmp_path / "a.json", bpp=[0.2, 0.1], **{f"psnr{suffix}": [31, 29], f"ms-ssim{suffix}": [0.96, 0.9]}
    )
    curve = read_compressai_json(path)
    assert curve.rate.tolist() == [0.1, 0.2]
    assert (curve.quality["psnr"].tolist(), curve.quality["ms-ssim"].tolist()) == ([29, 31], [0.9, 0.96])


def test_a_curve_survives_its_json(tmp_path, sweep):
    curve = tuned(sweep())
    (tmp_path / "a.json").write_bytes(as_compressai_json(curve))
    again = read_compressai_json(tmp_path / "a.json")
    assert (again.name, again.test_set, again.domain) == (curve.name, "kodak", "8bit")
    for a, b in (
        (again.rate, curve.rate),
        (again.lmbda, curve.lmbda),
        (again.quality["psnr"], curve.quality["psnr"]),
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "is not JSON"),
        ("[1, 2]", "not a CompressAI results file"),
        ('{"results": {"bpp": 0.3, "psnr": 30}}', "not a list of numbers"),
        ('{"results": {"bpp": [0.3], "psnr": [30, 31]}}', "lists of 1 and 2 points"),
        ('{"results": {"bpp": [0.3]}}', "none of psnr"),
        ('{"results": {"bpp": [0.3], "ms-ssim": [12.5]}}', "not dB"),
    ],
)
def test_a_foreign_json_is_named(tmp_path, content, reason):
    (tmp_path / "foreign.json").write_text(content)
    with pytest.raises(CurveError, match=rf"foreign\.json.*{reason}"):
        read_compressai_json(tmp_path / "foreign.json")
