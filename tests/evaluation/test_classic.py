"""Pillow's codecs as rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lic_lightning.evaluation.classic import classic_row, classic_rows
from lic_lightning.evaluation.results import read_rows, write_rows

KODAK = Path(os.environ.get("LIC_DATA", "")) / "kodak"


def photograph(height: int = 176, width: int = 192) -> np.ndarray:
    """Smooth structure plus noise, as photographs have."""
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 90, width))[..., None] * (1.0, 0.8, 0.6)
    noise = np.random.default_rng(0).normal(0, 8, ramp.shape)
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def test_rows_fit_the_schema(tmp_path):
    rows = classic_rows([("a.png", photograph())], "kodak", "d", qualities=(10, 50))
    write_rows(tmp_path / "results.parquet", rows)
    assert read_rows(tmp_path)["codec"].to_list() == ["jpeg", "jpeg", "webp", "webp"]


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_quality_and_rate_rise_together(format):
    low, high = (classic_row(photograph(), format, quality) for quality in (10, 80))
    assert low["bytes"] < high["bytes"]
    assert low["psnr"] < high["psnr"]


def test_bpp_is_of_the_whole_file():
    row = classic_row(photograph(), "jpeg", 30)
    assert row["bpp"] == 8 * row["bytes"] / (176 * 192)


def test_ms_ssim_is_absent_for_small_images():
    assert classic_row(photograph(160, 200), "jpeg", 30)["ms_ssim"] is None


@pytest.mark.skipif(not KODAK.is_dir(), reason="LIC_DATA has no kodak folder")
def test_jpeg_on_kodak_is_what_was_measured_before():
    images = [(path.name, np.asarray(Image.open(path))) for path in sorted(KODAK.glob("*.png"))]
    rows = classic_rows(images, "kodak", "d", formats=("jpeg",), qualities=(20,))
    assert np.mean([row["bpp"] for row in rows]) == pytest.approx(0.4491, abs=5e-4)
    assert np.mean([row["psnr"] for row in rows]) == pytest.approx(29.1445, abs=5e-3)
