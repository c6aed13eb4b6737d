"""Perceptual metrics: by their own names, with their own weights, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data
from torch import Tensor

from lic_lightning.metrics.distances import NETWORKS, TRUNKS, FeatureDistance
from lic_lightning.metrics.image import build_metrics
from lic_lightning.metrics.table import MetricError, computed

NOWHERE = ("lpips", "lpips_vgg", "dists")  # their weights come from hubs
HERE = ("st_lpips", "st_lpips_vgg", "ssimulacra2")


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(1,3,192,192) in [0, 255]."""
    return torch.from_numpy(skimage_data.coffee()[:192, :192].copy()).permute(2, 0, 1)[None].float()


def as_jpeg(image: Tensor, quality: int) -> Tensor:
    """What JPEG makes of an image."""
    file = BytesIO()
    Image.fromarray(image[0].byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("column", NOWHERE)
def test_a_metric_without_its_weights_says_which_file_goes_where(
    column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MetricError, match=rf"no file {tmp_path}/checkpoints/(alexnet|vgg16)-.*\.pth"):
        build_metrics([column])


@pytest.mark.parametrize("column", HERE)
def test_less_jpeg_is_worse(column: str, photograph: Tensor) -> None:
    metric = build_metrics([column])[column]
    values = [metric(photograph, as_jpeg(photograph, quality)) for quality in (5, 30, 90)]
    assert values == sorted(values, reverse=not computed()[column].more_is_better)
    assert metric(photograph, photograph) == (100 if column == "ssimulacra2" else 0)


def test_ssimulacra2_is_that_of_its_package() -> None:
    kodim05 = np.asarray(Image.open(BytesIO(_png(skimage_data.astronaut()))))
    image = torch.from_numpy(kodim05.copy()).permute(2, 0, 1)[None].float()
    from ssimulacra2 import compute_ssimulacra2

    decoded = as_jpeg(image, 20)
    file = BytesIO(_png(decoded[0].byte().permute(1, 2, 0).numpy()))
    expected = compute_ssimulacra2(BytesIO(_png(kodim05)), file)
    assert build_metrics(["ssimulacra2"])["ssimulacra2"](image, decoded) == expected


def test_st_lpips_hardly_minds_a_shift_of_one_pixel(photograph: Tensor) -> None:
    image = photograph / 255
    distance = FeatureDistance("st-lpips")
    shifted, coded = image.roll(1, 3), as_jpeg(photograph, 10) / 255
    assert distance(image, shifted) < distance(image, coded) / 3


def test_distances_have_a_gradient_and_no_trained_weights(photograph: Tensor) -> None:
    decoded = (as_jpeg(photograph, 10) / 255).requires_grad_()
    distance = FeatureDistance("st-lpips")
    distance(photograph / 255, decoded).sum().backward()
    assert decoded.grad is not None
    assert decoded.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in distance.network.parameters())


def test_lpips_takes_the_trunk_that_it_is_given(tmp_path: Path, photograph: Tensor) -> None:
    from torchvision.models import alexnet

    torch.manual_seed(0)
    torch.save(alexnet().state_dict(), tmp_path / TRUNKS["alex"])
    lpips = build_metrics(["lpips"], str(tmp_path / TRUNKS["alex"]))["lpips"]
    assert lpips(photograph, photograph) == 0
    assert lpips(photograph, photograph.flip(3)) > 0


def test_an_unknown_distance_is_named() -> None:
    with pytest.raises(MetricError, match=r"elpips.*known: lpips, "):
        FeatureDistance("elpips")
    assert set(NETWORKS) == {"lpips", "lpips-vgg", "st-lpips", "st-lpips-vgg"}


def _png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
