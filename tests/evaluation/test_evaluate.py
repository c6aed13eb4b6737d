"""Evaluation: real bytes, any size, the same numbers as CompressAI, in one process or several."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from compressai.utils.eval_model.__main__ import inference
from torch import nn

from lic_lightning.codecs.latents import LatentsError
from lic_lightning.codecs.networks.hyperprior import ScaleHyperpriorCut
from lic_lightning.codecs.padding import PADDINGS
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data import FolderDataset, Sample
from lic_lightning.evaluation.evaluate import Settings, evaluate, rate_gap
from lic_lightning.evaluation.image_row import image_rows
from lic_lightning.metrics.image import build_metrics, psnr
from lic_lightning.metrics.table import MetricError
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement


class Pictures:
    """Test images cut from one real photograph."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        from skimage import data

        whole = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
        self.images = [whole[:, :height, 100 : 100 + width] for height, width in sizes]
        self.names = [f"{height}x{width}" for height, width in sizes]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(image=self.images[index], name=self.names[index])

    def digest(self, index: int) -> str:
        return self.names[index]


@pytest.fixture(scope="module")
def codec() -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    with torch.no_grad():
        codec.g_a[6].weight.mul_(30)
    codec.update(force=True, update_quantiles=True)
    return codec


@pytest.mark.parametrize("size", [(64, 64), (65, 127), (1, 1), (200, 33), (177, 190)])
def test_any_size_is_coded(codec: nn.Module, size: tuple[int, int]) -> None:
    (row,) = evaluate(codec, Pictures(size), "mbt2018-mean", Settings())
    assert (row["height"], row["width"]) == size
    assert row["bpp"] == row["bytes"] * 8 / (size[0] * size[1])
    assert row["bytes"] == sum(row["stream_bytes"]) > 0


def test_each_transform_runs_once_to_write_and_once_to_read(codec: nn.Module) -> None:
    runs: Counter[str] = Counter()
    hooks = [
        codec.get_submodule(name)[0].register_forward_hook(lambda *_, name=name: runs.update([name]))
        for name in ("g_a", "h_a", "h_s", "g_s")
    ]
    image_rows(Pictures((64, 64))[0].image, codec, None, "mbt2018-mean", {})
    for hook in hooks:
        hook.remove()
    assert runs == {"g_a": 1, "h_a": 1, "h_s": 2, "g_s": 1}


def test_the_estimate_is_of_what_was_written(codec: nn.Module) -> None:
    """The likelihoods of a whole forward of the padded picture, over its visible pixels."""
    (picture,) = [Pictures((100, 90))[0].image]
    (row,) = image_rows(picture, codec, None, "mbt2018-mean", {}, padding="zeros")
    with torch.no_grad():
        likelihoods = codec(F.pad(picture, (19, 19, 14, 14))[None].float() / 255)["likelihoods"]
    bits = -sum(likelihood.log2().sum().item() for likelihood in likelihoods.values())
    assert row["bpp_estimated"] == pytest.approx(bits / (100 * 90), rel=1e-6)


def test_ms_ssim_of_a_small_image_is_left_out(codec: nn.Module) -> None:
    small, large = evaluate(codec, Pictures((160, 200), (161, 200)), "mbt2018-mean", Settings())
    assert small["ms_ssim"] is None
    assert 0 < large["ms_ssim"] < 1


def test_processes_give_the_rows_of_one_process(codec: nn.Module) -> None:
    torch.set_num_threads(1)
    pictures = Pictures((64, 64), (100, 90), (64, 128))

    def rows(workers: int) -> list[dict[str, Any]]:
        found = evaluate(codec, pictures, "mbt2018-mean", Settings(workers=workers))
        return [{k: v for k, v in row.items() if not k.endswith("_s")} for row in found]

    assert rows(2) == rows(1)


def test_processes_start_from_one_that_has_used_threads(codec: nn.Module) -> None:
    torch.set_num_threads(2)
    try:
        codec(torch.rand(1, 3, 256, 256))
        assert len(evaluate(codec, Pictures((64, 64), (64, 128)), "mbt2018-mean", Settings(workers=2))) == 2
    finally:
        torch.set_num_threads(1)


def test_the_domain_changes_the_metrics_and_not_the_bytes(codec: nn.Module) -> None:
    pictures = Pictures((192, 192))
    (eight,), (floating,) = (evaluate(codec, pictures, "mbt2018-mean", Settings(domain=d)) for d in ("8bit", "float"))
    assert (eight["domain"], floating["domain"]) == ("8bit", "float")
    assert eight["psnr"] == pytest.approx(floating["psnr"], abs=0.1)  # one convention is worth hundredths of a dB
    assert eight["psnr"] != floating["psnr"]
    assert eight["digest"] == floating["digest"]
    assert eight["bytes"] == floating["bytes"]


def test_identical_images_have_infinite_psnr() -> None:
    assert psnr(torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)) == float("inf")


def test_one_grey_level_of_error_is_48_db() -> None:
    assert psnr(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)) == pytest.approx(48.1308, abs=1e-4)


@pytest.mark.parametrize("size", [(241, 187), (192, 193), (170, 333)])
def test_zeros_are_the_padding_of_compressai_s_tool(codec: nn.Module, size: tuple[int, int]) -> None:
    (row,) = evaluate(codec, Pictures(size), "mbt2018-mean", Settings(padding="zeros"))
    theirs = inference(codec, Pictures(size)[0].image.float() / 255)
    assert row["padding"] == "zeros"
    assert row["bpp"] == theirs["bpp"]
    assert row["psnr"] == pytest.approx(theirs["psnr-rgb"], abs=1e-4)


def test_rate_and_quality_depend_on_the_padding_of_odd_sizes_only(codec: nn.Module) -> None:
    pictures = Pictures((64, 128), (70, 90))
    rows = {name: evaluate(codec, pictures, "mbt2018-mean", Settings(padding=name)) for name in PADDINGS}
    even, odd = [[row[i]["digest"] for row in rows.values()] for i in (0, 1)]
    assert len(set(even)) == 1
    assert len(set(odd)) == len(PADDINGS)


def test_the_gap_between_real_and_estimated_rate_raises_an_alarm() -> None:
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    (row,) = evaluate(codec, Pictures((192, 192)), "mbt2018-mean", Settings())
    assert rate_gap(row) is None
    assert "estimated" in str(rate_gap({**row, "bytes": int(row["bytes"] * 1.1) + 100}))


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(MetricError, match="vmaf"):
        build_metrics(["vmaf"])


def test_folder_datasets_are_evaluated_in_their_order(codec: nn.Module, photographs: Path) -> None:
    images = FolderDataset(photographs / "food")
    rows = evaluate(codec, images, "mbt2018-mean", Settings(metrics=("psnr",)))
    assert [row["image"] for row in rows] == list(images.names)


def test_refined_latents_cost_less_and_the_plain_decoder_reads_them() -> None:
    codec, objective = load_codec("mbt2018-mean", weights="shipped", lmbda=0.0130), MSE(0.0130)
    settings = Settings(refine=Refinement("fast", objective))
    plain, refined = evaluate(codec, Pictures((70, 90)), "mbt2018-mean", settings, copy.deepcopy(codec))
    assert (plain["refined"], refined["refined"], refined["withheld"]) == (None, "fast", None)
    costs = [row["bpp"] + objective.lmbda * 255**2 * 10 ** (-row["psnr"] / 10) for row in (plain, refined)]
    assert costs[1] < costs[0]
    assert refined["bpp_estimated"] == pytest.approx(refined["bpp"], rel=0.03, abs=8 * 32 / (70 * 90))


def test_a_codec_that_cannot_be_refined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ScaleHyperpriorCut, "coded")
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    with pytest.raises(LatentsError, match="can't be refined"):
        evaluate(codec, Pictures((64, 64)), "mbt2018-mean", Settings(refine=Refinement("fast", MSE(0.0130))))
