"""Gain per image: rate change against the image's own reference curve."""

from __future__ import annotations

import polars as pl
import pytest

from lic_lightning.evaluation.curve import Curve, curves
from lic_lightning.evaluation.gain import image_gains
from lic_lightning.evaluation.results import SCHEMA, without_repeats


def pair(rows: list[dict]) -> tuple[Curve, Curve]:
    found = {curve.role: curve for curve in curves(without_repeats(pl.DataFrame(rows, schema=SCHEMA)))}
    return found["reference"], found["tuned"]


def test_each_image_and_point_has_the_saving_that_its_rows_say(sweep):
    gains, without = image_gains(*pair(sweep()))
    assert [dot.gain.percent for dot in gains] == pytest.approx([-3] * 24)
    assert {dot.image for dot in gains} == {"0.png", "1.png", "2.png", "3.png"}
    assert without == 0


def test_nothing_is_extrapolated(sweep):
    rows = sweep()
    for row in rows:
        if row["role"] == "tuned":
            row["psnr"] += 1  # the last point of each image is beyond its reference
    gains, without = image_gains(*pair(rows))
    assert (len(gains), without) == (20, 4)


def test_without_the_metric_there_are_none(sweep):
    assert image_gains(*pair(sweep(ms_ssim=None)), "ms-ssim") == ([], 0)
