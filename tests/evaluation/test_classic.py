"""Pillow's codecs as rows."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lic_lightning.evaluation import classic
from lic_lightning.evaluation.classic import CODECS, ClassicError
from lic_lightning.evaluation.evaluate import Settings
from lic_lightning.evaluation.point import classic_codec_rows
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.metrics.image import build_metrics
from lic_lightning.metrics.table import defaults

METRICS = build_metrics(defaults())
KODAK = Path(os.environ.get("LIC_DATA", "")) / "kodak"


def classic_row(*coding):
    return classic.classic_row(*coding, METRICS)


def photograph(height: int = 176, width: int = 192) -> np.ndarray:
    """Smooth structure plus noise, as photographs have."""
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 90, width))[..., None] * (1.0, 0.8, 0.6)
    noise = np.random.default_rng(0).normal(0, 8, ramp.shape)
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def test_rows_fit_the_schema(tmp_path):
    rows = classic_codec_rows({"kodak": Photographs(1)}, Settings(classic=("jpeg", "webp")), tmp_path / "cache")
    write_rows(tmp_path / "results.parquet", rows)
    written = read_rows(tmp_path / "results.parquet")
    assert written["codec"].to_list() == ["jpeg"] * 10 + ["webp"] * 10
    assert written["lmbda"].to_list() == 2 * list(classic.QUALITIES)


def test_parallel_processes_give_the_same_rows(tmp_path):
    one, two = (
        classic_codec_rows(
            {"set": Photographs(3)}, Settings(classic=("jpeg",), workers=workers), tmp_path / str(workers)
        )
        for workers in (1, 2)
    )
    assert [(row["image"], row["digest"]) for row in one] == [(row["image"], row["digest"]) for row in two]
    assert len(one) == 30


@pytest.fixture(params=CODECS)
def here(request):
    """Each classic codec that this machine has."""
    if not classic.is_here(request.param):
        pytest.skip(f"no {request.param} here: pip install 'lic-lightning[codecs]'")
    return request.param


def test_quality_and_rate_rise_together(here):
    settings = CODECS[here].settings
    low, high = (classic_row(photograph(), here, setting) for setting in (settings[1], settings[-2]))
    assert low["bytes"] < high["bytes"]
    assert low["psnr"] < high["psnr"]


def test_bpp_is_of_the_whole_file():
    row = classic_row(photograph(), "jpeg", 30)
    assert row["bpp"] == 8 * row["bytes"] / (176 * 192)


def test_rows_are_known_by_version_and_settings(here):
    format, version, options = classic.identity(here)
    assert format == CODECS[here].format
    assert version[0].isdigit()
    assert len(options) == len(CODECS[here].settings)


def test_jpeg2000_keeps_to_its_ratio():
    row = classic_row(photograph(), "jpeg2000", 24)
    assert 0.9 < row["bpp"] <= 1


def test_a_classic_codec_that_nobody_knows_is_refused():
    with pytest.raises(ClassicError, match=r"'jpg'.*known: jpeg, webp, jpeg2000, avif, heic, jpegxl"):
        Settings(classic=("jpg",))


class Photographs:
    """A test set of so many pictures."""

    def __init__(self, count):
        self.names = [f"{index}.png" for index in range(count)]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        return SimpleNamespace(image=torch.from_numpy(photograph(width=192 + 16 * index)).permute(2, 0, 1))

    def digest(self, index):
        return "d"


def test_a_codec_that_the_machine_lacks_is_left_out_and_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(classic, "is_here", lambda name: name != "avif")
    settings = Settings(classic=("jpeg", "avif"))
    rows = classic_codec_rows({"one": Photographs(1)}, settings, tmp_path)
    assert {row["codec"] for row in rows} == {"jpeg"}
    assert "no avif on this machine" in caplog.text


def test_a_codec_is_coded_once_for_all_runs(tmp_path, monkeypatch):
    sets = {"one": Photographs(1)}
    first = classic_codec_rows(sets, Settings(classic=("jpeg",)), tmp_path)
    monkeypatch.setattr(classic, "classic_rows", lambda *_, **__: pytest.fail("coded again"))
    assert classic_codec_rows({"other name": sets["one"]}, Settings(classic=("jpeg",)), tmp_path) == [
        {**row, "test_set": "other name"} for row in first
    ]


def test_ms_ssim_is_absent_for_small_images():
    assert classic_row(photograph(160, 200), "jpeg", 30)["ms_ssim"] is None


@pytest.mark.skipif(not KODAK.is_dir(), reason="LIC_DATA has no kodak folder")
def test_jpeg_on_kodak_is_what_was_measured_before():
    rows = [classic_row(np.asarray(Image.open(path)), "jpeg", 20) for path in sorted(KODAK.glob("*.png"))]
    assert np.mean([row["bpp"] for row in rows]) == pytest.approx(0.4491, abs=5e-4)
    assert np.mean([row["psnr"] for row in rows]) == pytest.approx(29.1445, abs=5e-3)
