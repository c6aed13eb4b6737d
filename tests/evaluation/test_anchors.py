"""Published curves: the numbers give the BD-rates that are known of them."""

from __future__ import annotations

import pytest

from lic_lightning.evaluation.anchors import published
from lic_lightning.evaluation.bd_rate import bd_rate

CURVES = {curve.name: curve for curve in published("kodak", 24)}


@pytest.mark.parametrize(
    ("anchor", "test", "known"),
    [
        ("bmshj2018-hyperprior (CompressAI)", "mbt2018-mean (CompressAI)", -6.833),
        ("bmshj2018-hyperprior (CompressAI)", "mbt2018 (CompressAI)", -14.255),
        ("WACNN", "SegPIC", -5.454),
    ],
)
def test_the_curves_give_the_known_bd_rates(anchor, test, known):
    assert bd_rate(CURVES[anchor], CURVES[test], bootstrap=0).bd_rate == pytest.approx(known, abs=2e-3)


def test_another_selection_of_images_has_no_published_curves():
    assert published("kodak", 4) == []


def test_a_curve_for_ms_ssim_alone_has_no_psnr():
    assert list(CURVES["bmshj2018-hyperprior for MS-SSIM (CompressAI)"].quality) == ["ms-ssim"]
