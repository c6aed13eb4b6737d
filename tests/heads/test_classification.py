"""Data sets by their published layouts, on small trees of the same shape."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from PIL import Image
from scipy.io import savemat

from lic_lightning.data.dataset import DatasetNotFoundError, MalformedDatasetError
from lic_lightning.data.layouts.class_folders import Resized, class_folders, stratified
from lic_lightning.data.layouts.imagenet import imagenet
from lic_lightning.data.layouts.minc2500 import minc2500
from lic_lightning.runs.identity import CONF

SPLIT = {"train": 0.5, "val": 0.25, "test": 0.25}


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), value, dtype=np.uint8)).save(path, quality=95)


@pytest.fixture
def minc(tmp_path: Path) -> Path:
    root = tmp_path / "minc-2500"
    (root / "labels").mkdir(parents=True)
    (root / "categories.txt").write_text("brick\ncarpet\n")
    names = [f"images/{c}/{c}_{i:06d}.jpg" for c in ("brick", "carpet") for i in range(4)]
    for value, name in enumerate(names):
        picture(root / name, 20 * value)
    for split in range(1, 6):
        for part, some in (("train", (0, 1, 4, 5)), ("validate", (2, 6)), ("test", (3, 7))):
            (root / "labels" / f"{part}{split}.txt").write_text("".join(f"{names[i]}\n" for i in some))
    return root


def test_minc_2500_has_its_official_lists(minc):
    found = minc2500("minc2500-3", minc, split=3)
    assert found.name == "minc2500-3"
    assert found.classes == ("brick", "carpet")
    assert found.splits["val"] == ["images/brick/brick_000002.jpg", "images/carpet/carpet_000002.jpg"]
    assert [found.part("test")[index].label for index in range(2)] == [0, 1]


def test_minc_2500_has_five_splits(minc):
    with pytest.raises(ValueError, match="1 to 5"):
        minc2500("minc2500-6", minc, split=6)


def test_minc_2500_without_a_picture_is_incomplete(minc):
    (minc / "images/brick/brick_000003.jpg").unlink()
    with pytest.raises(MalformedDatasetError, match="brick_000003"):
        minc2500("minc2500-1", minc)


def test_minc_2500_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"labels.*http"):
        minc2500("minc2500-1", tmp_path / "minc-2500")


@pytest.fixture
def ilsvrc(tmp_path: Path) -> Path:
    for value, wnid in enumerate(("n01", "n02")):
        for index in range(4):
            picture(tmp_path / "train" / wnid / f"{wnid}_{index}.JPEG", 60 * value + 5 * index)
    for index in range(3):
        picture(tmp_path / "val" / f"ILSVRC2012_val_{index + 1:08d}.JPEG", 200 + 5 * index)
    devkit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    devkit.mkdir(parents=True)
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n2\n")
    rows = np.array([(1, "n01"), (2, "n02")], dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    savemat(devkit / "meta.mat", {"synsets": rows})
    return tmp_path


def test_imagenet_s_flat_val_is_the_test_split_by_the_devkit(ilsvrc):
    found = imagenet("imagenet", ilsvrc, val_fraction=0.25)
    test = found.part("test")
    assert found.classes == ("n01", "n02")
    assert [test[index].label for index in range(3)] == [1, 0, 1]
    assert {part: len(names) for part, names in found.splits.items()} == {"train": 6, "val": 2, "test": 3}


def test_imagenet_s_sorted_val_needs_no_devkit(ilsvrc):
    for index, path in enumerate(sorted((ilsvrc / "val").iterdir())):
        target = ilsvrc / "val" / ("n02", "n01", "n02")[index] / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    (ilsvrc / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").unlink()
    assert [imagenet("imagenet", ilsvrc, 0.25).part("test")[index].label for index in range(3)] == [0, 1, 1]


def test_imagenet_s_devkit_must_have_a_line_per_picture(ilsvrc):
    picture(ilsvrc / "val" / "ILSVRC2012_val_00000004.JPEG", 250)
    with pytest.raises(MalformedDatasetError, match="3 lines for 4 pictures"):
        imagenet("imagenet", ilsvrc)


def test_each_class_is_split_alike_whatever_the_disk_s_order(classification):
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        names = classification.splits[part]
        assert [sum(name.startswith(c) for name in names) for c in classification.classes] == [count, count]
    class_of = {name: name.partition("/")[0] for name in classification.dataset.names}
    assert stratified(dict(reversed(class_of.items())), SPLIT, 0) == classification.splits
    assert stratified(class_of, SPLIT, 1) != classification.splits


def test_a_class_too_small_for_the_split_is_named():
    with pytest.raises(ValueError, match="class rare has 1 pictures"):
        stratified({"a": "rare", **{f"b{i}": "common" for i in range(9)}}, SPLIT, 0)


def test_counts_are_no_split_of_classes():
    with pytest.raises(ValueError, match="fractions"):
        stratified({"a": "x"}, {"train": 10, "val": 1, "test": 1}, 0)


@pytest.mark.parametrize(("name", "classes"), [("rsscn7", 7), ("resisc45_80", 45)])
def test_a_published_set_has_all_its_classes(labelled_photographs, name, classes):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("recognize", [f"dataset={name}", f"dataset.root={labelled_photographs}"])
    with pytest.raises(InstantiationException, match=f"2 classes.*{classes}"):
        instantiate(cfg.dataset)


def test_an_empty_folder_is_no_data_set(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="one folder"):
        class_folders("birds", tmp_path, SPLIT)


def test_the_short_side_is_what_is_coded(classification):
    small = Resized(classification.dataset, 96)
    assert small[0].image.shape == (3, 96, 96)
    assert small.digest(0) != Resized(classification.dataset, 128).digest(0)
