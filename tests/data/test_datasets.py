"""Each dataset reads its official layout, and says so where it is missing."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from lic_lightning.data import (
    CocoPanoptic,
    Concat,
    DatasetNotFoundError,
    DemoTiles,
    FolderDataset,
    Food101,
    MalformedDatasetError,
    kodak,
)


def test_folder_lists_nested_images_in_a_stable_order(photos):
    (photos / "deep" / "er").mkdir(parents=True)
    shutil.copy(photos / "p3.png", photos / "deep" / "er" / "Q.PNG")
    (photos / "notes.txt").write_text("no image")
    (photos / "._p0.png").write_text("what macOS leaves behind")
    names = FolderDataset(photos).names
    assert names == ["deep/er/Q.PNG", *(f"p{i}.png" for i in range(10))]


def test_folder_leaves_out_what_is_excluded(photos):
    assert FolderDataset(photos, exclude=["p0.png"]).names[0] == "p1.png"


def test_folder_yields_the_picture_under_its_name(photos):
    sample = FolderDataset(photos)[4]
    assert sample.name == "p4.png"
    assert torch.equal(sample.image.permute(1, 2, 0), torch.tensor(np.asarray(Image.open(photos / "p4.png"))))


def test_digest_follows_content_not_name(photos):
    shutil.copy(photos / "p0.png", photos / "zz.png")
    dataset = FolderDataset(photos)
    assert dataset.digest(0) == dataset.digest(10)
    assert dataset.digest(0) != dataset.digest(1)


@pytest.mark.parametrize("build", [FolderDataset, kodak, Food101, CocoPanoptic])
def test_a_missing_dataset_says_where_what_and_how(tmp_path, build):
    with pytest.raises(DatasetNotFoundError, match=r"Expected layout: .* How to get it: .* LIC_DATA") as error:
        build(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(error.value)


def test_kodak_wants_all_24(tmp_path):
    for i in range(1, 24):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"kodim{i:02d}.png")
    with pytest.raises(MalformedDatasetError, match=r"1 of 24 files .* kodim24\.png"):
        kodak(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "kodim24.png")
    assert len(kodak(tmp_path)) == 24


def test_food101_joins_both_lists_with_labels(tmp_path):
    base = tmp_path / "food-101"
    (base / "meta").mkdir(parents=True)
    train = {"apple_pie": ["apple_pie/2"], "sushi": ["sushi/1"]}
    test = {"apple_pie": ["apple_pie/9"], "sushi": []}
    (base / "meta" / "train.json").write_text(json.dumps(train))
    (base / "meta" / "test.json").write_text(json.dumps(test))
    for name in ("apple_pie/2", "apple_pie/9", "sushi/1"):
        (base / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4)).save(base / "images" / f"{name}.jpg")
    dataset = Food101(tmp_path)
    assert dataset.names == ["apple_pie/2", "apple_pie/9", "sushi/1"]
    assert [dataset[i].label for i in range(3)] == [0, 0, 1]


@pytest.fixture
def coco(tmp_path):
    for folder in ("val2017", "annotations/panoptic_val2017"):
        (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (4, 2)).save(tmp_path / "val2017" / "000000000007.jpg")
    # ids R + 256 G + 65536 B: 0 (void), 256, 256, 65536
    mask = np.array([[[0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]] * 2, np.uint8)
    Image.fromarray(mask).save(tmp_path / "annotations/panoptic_val2017/000000000007.png")
    index = {
        "images": [{"id": 7, "file_name": "000000000007.jpg"}],
        "annotations": [{"image_id": 7, "file_name": "000000000007.png"}],
    }
    (tmp_path / "annotations/panoptic_val2017.json").write_text(json.dumps(index))
    return tmp_path


def test_coco_regions_are_numbered_from_zero(coco):
    sample = CocoPanoptic(coco, "val2017")[0]
    assert sample.name == "000000000007.jpg"
    assert sample.mask.dtype == torch.int64
    assert sample.mask.tolist() == [[0, 1, 1, 2]] * 2


def test_coco_mask_of_another_size_is_named(coco):
    Image.new("RGB", (3, 2)).save(coco / "annotations/panoptic_val2017/000000000007.png")
    with pytest.raises(ValueError, match=r"000000000007\.png"):
        CocoPanoptic(coco, "val2017")[0]


def test_concat_keeps_names_apart(photos):
    both = Concat({"a": FolderDataset(photos), "b": FolderDataset(photos)})
    assert len(both) == len(set(both.names)) == 20
    assert both[13].name == "b/p3.png"
    assert torch.equal(both[13].image, both[3].image)
    assert both.digest(13) == both.digest(3) != both.digest(4)


def test_concat_ends_where_it_ends(photos):
    assert len(list(Concat({"a": FolderDataset(photos)}))) == 10


def test_demo_tiles_share_no_pixel():
    whole = DemoTiles(["astronaut"], tile=512)[0].image
    tiles = DemoTiles(["astronaut"], tile=256)
    rows = [torch.cat([tiles[0].image, tiles[1].image], 2), torch.cat([tiles[2].image, tiles[3].image], 2)]
    assert torch.equal(torch.cat(rows, 1), whole)


def test_demo_tiles_are_distinct():
    tiles = DemoTiles(["chelsea", "flower", "hubble"])
    assert len({tiles.digest(i) for i in range(len(tiles))}) == len(tiles)


def test_an_unknown_demo_photograph_is_an_error():
    with pytest.raises(KeyError, match="lenna"):
        DemoTiles(["lenna"])
