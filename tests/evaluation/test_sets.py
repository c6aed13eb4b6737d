"""Metrics that have one value for a whole test set: one row a point, read as any other metric's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from skimage import data as skimage_data

from lic_lightning.data import Sample
from lic_lightning.evaluation.curve import WHOLE_SET, curves
from lic_lightning.evaluation.evaluate import Settings
from lic_lightning.evaluation.point import classic_codec_rows
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.metrics.sets import PatchDistance, patches

KID = "kid_st_alexnet"


class Photographs:
    """Two photographs, of which one holds no whole patch."""

    names = ("coffee", "chelsea")
    images = (skimage_data.coffee()[:192, :256], skimage_data.chelsea()[:60, :200])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.from_numpy(self.images[index].copy()).permute(2, 0, 1), self.names[index])

    def digest(self, index: int) -> str:
        return self.names[index]


def test_patches_lie_side_by_side_and_keep_their_pixels() -> None:
    image = torch.arange(3 * 130 * 200.0).reshape(1, 3, 130, 200)
    found = patches(image)
    assert found.shape == (6, 3, 64, 64)
    assert torch.equal(found[4], image[0, :, 64:128, 64:128])


@pytest.mark.parametrize("kind", ["kid", "fid"])
def test_more_blur_is_farther(kind: str) -> None:
    image = torch.from_numpy(skimage_data.astronaut()[:256, 100:356].copy()).permute(2, 0, 1)[None].float()
    metric = PatchDistance(kind)

    def distance(side: int) -> float:
        small = torch.nn.functional.interpolate(image, scale_factor=1 / side, mode="area")
        blurred = torch.nn.functional.interpolate(small, size=image.shape[2:], mode="bilinear")
        value = metric.of_set([metric(image, blurred), None])
        assert value is not None
        return value

    assert distance(1) < distance(2) < distance(6)


def test_each_point_has_one_value_that_curves_carry(tmp_path: Path) -> None:
    settings = Settings(metrics=("psnr", KID), classic=("jpeg",))
    rows = classic_codec_rows({"two": Photographs()}, settings, tmp_path / "cache")
    again = classic_codec_rows({"two": Photographs()}, settings, tmp_path / "cache")
    assert [row[KID] for row in again] == [row[KID] for row in rows]
    of_set = [row for row in rows if row["image"] == WHOLE_SET]
    assert len(of_set) == len({row["lmbda"] for row in rows})
    assert all(row[KID] is None for row in rows if row["image"] != WHOLE_SET)
    write_rows(tmp_path / "results.parquet", rows)
    (curve,) = curves(read_rows(tmp_path / "results.parquet"))
    values = dict(zip(curve.lmbda, curve.quality["kid-st-alexnet"], strict=True))
    assert values == {row["lmbda"]: row[KID] for row in of_set}
    assert curve.quality["kid-st-alexnet"][0] > 3 * curve.quality["kid-st-alexnet"][-1]
    assert len(curve.images) == 2
