"""Rates of whole files: rows say how large the `.lic` file is, and classic codecs are met on that footing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from lic_lightning.bitstream.file_codec import FileCodec
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import load_codec
from lic_lightning.evaluation.bd_rate import bd_rate
from lic_lightning.evaluation.curve import Curve, as_compressai_json, read_compressai_json
from lic_lightning.evaluation.image_row import image_rows
from lic_lightning.metrics.table import METRICS
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement
from lic_lightning.reports.figure import paints
from lic_lightning.reports.figures import FILE_RATE, RATE, rd_figure

SIZES = {"N": 8, "M": 12}


def photograph(height: int = 90, width: int = 200) -> Tensor:
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1)[:, :height, 100 : 100 + width]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("bmshj2018-factorized", SIZES),
        ("mbt2018-mean", SIZES),
        ("mbt2018", SIZES),
        ("elic2022-official", {"N": 8, "M": 136}),  # whose strings are more than the streams of its file
    ],
)
def test_a_row_says_the_size_of_the_file(name: str, sizes: dict[str, int]) -> None:
    torch.manual_seed(0)
    codec = build(name, 1, **sizes).eval()
    codec.update(force=True)
    (row,) = image_rows(photograph(), codec, None, name, {})
    assert row["file_bytes"] == len(FileCodec(name, codec).encode(photograph()))


def test_so_does_a_refined_one() -> None:
    codec, refine = load_codec("mbt2018-mean", weights="shipped", lmbda=0.013), Refinement("fast", MSE(0.013))
    plain, refined = image_rows(photograph(), codec, None, "mbt2018-mean", {}, refine=refine)
    assert refined["file_bytes"] == len(FileCodec("mbt2018-mean", codec, refine=refine).encode(photograph()))
    assert refined["file_bytes"] != plain["file_bytes"]


@pytest.fixture
def curves() -> tuple[Curve, Curve]:
    """A classic codec and a learned one whose strings are as long as its files, whose own files are a tenth longer."""
    rate = np.array([0.1, 0.2, 0.4, 0.8])
    common = {"test_set": "kodak", "lmbda": rate, "rate": rate, "quality": {"psnr": np.array([28.0, 31, 34, 37])}}
    return Curve("JPEG", role="classic", id="j", **common, file_rate=rate), Curve(
        "ours", role="tuned", id="o", **common, file_rate=1.1 * rate
    )


def test_whole_files_stand_against_a_classic_codec_and_strings_against_a_learned_one(
    curves: tuple[Curve, Curve], tmp_path
) -> None:
    jpeg, ours = curves
    answer = bd_rate(jpeg, ours)
    assert (answer.bd_rate, answer.rates) == (pytest.approx(10), "files")
    learned = bd_rate(replace(ours, role="reference", file_rate=ours.rate), ours)
    assert (learned.bd_rate, learned.rates) == (pytest.approx(0, abs=1e-9), "strings")
    old = bd_rate(jpeg, replace(ours, file_rate=None))
    assert "ours don't say their files' sizes" in old.warnings[0]

    for curve in curves:  # as files that `lic bd` is given
        (tmp_path / f"{curve.id}.json").write_bytes(as_compressai_json(curve))
    again = [read_compressai_json(tmp_path / f"{curve.id}.json") for curve in curves]
    assert bd_rate(*again).bd_rate == pytest.approx(10)


def test_a_plot_says_whose_rates_it_has(curves: tuple[Curve, Curve]) -> None:
    jpeg, ours = curves
    chosen, psnr = paints(curves), METRICS["psnr"]
    both, alone = rd_figure([jpeg, ours], psnr, chosen, ""), rd_figure([ours], psnr, chosen, "")
    old = rd_figure([jpeg, replace(ours, file_rate=None)], psnr, chosen, "")
    assert [figure.x for figure in (both, alone, old)] == [FILE_RATE, RATE, RATE]
    assert [figure.series[-1].x[0] for figure in (both, alone, old)] == pytest.approx([0.11, 0.1, 0.1])
