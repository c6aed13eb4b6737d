"""A cell's split is drawn once; later starts find the same photographs, or say which are others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lic_lightning.data import Category, DataModule, FolderDataset
from lic_lightning.data import splits as splits_module
from lic_lightning.data.latent_store import Identity
from lic_lightning.data.layouts.class_folders import Resized, class_folders
from lic_lightning.data.recognition import RecognitionData
from lic_lightning.data.splits import PARTS, PhotographsChangedError
from lic_lightning.data.squares import Squares
from lic_lightning.heads.view import View


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(256, size=(16, 16, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders of photographs: ten of a category, three of another test set."""
    for index in range(10):
        draw(tmp_path / "food" / f"{index}.png", index)
    for index in range(3):
        draw(tmp_path / "kodak" / f"k{index}.png", 100 + index)
    return tmp_path


def data(folder: Path, **settings: object) -> DataModule:
    category = Category("food", FolderDataset(folder / "food"), {"train": 0.6, "val": 0.2, "test": 0.2})
    return DataModule(category, {"kodak": FolderDataset(folder / "kodak")}, workers=0, **settings)  # type: ignore[arg-type]


def started(folder: Path, **settings: object) -> DataModule:
    module = data(folder, **settings)
    module.keep_splits(folder / "cell" / "splits.json")
    return module


def test_the_same_photographs_have_the_same_split_at_every_start(folder: Path) -> None:
    first = started(folder)
    assert started(folder).splits == first.splits == data(folder).splits
    assert set(json.loads((folder / "cell" / "splits.json").read_text())["photographs"]) == {"split", "test set kodak"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: draw(folder / "food" / "new.png", 50), r"split: 1 added, new\.png"),
        (lambda folder: (folder / "food" / "3.png").unlink(), r"split: 1 gone, 3\.png"),
        (lambda folder: draw(folder / "food" / "3.png", 50), r"split: 1 changed, 3\.png"),
        (lambda folder: draw(folder / "kodak" / "k1.png", 50), r"test set kodak: 1 changed, k1\.png"),
        (lambda folder: draw(folder / "kodak" / "k9.png", 50), r"test set kodak: 1 added, k9\.png"),
    ],
)
def test_other_photographs_than_at_the_first_start_are_refused_by_name(change, words: str, folder: Path) -> None:
    before = started(folder).splits
    change(folder)
    with pytest.raises(PhotographsChangedError, match=words):
        started(folder)
    assert {part: json.loads((folder / "cell" / "splits.json").read_text())[part] for part in PARTS} == before


def test_many_changes_are_counted_and_a_few_named(folder: Path) -> None:
    started(folder)
    for index in range(20, 26):
        draw(folder / "food" / f"{index}.png", index)
    with pytest.raises(PhotographsChangedError, match=r"6 added, 20\.png, 21\.png, 22\.png …\)"):
        started(folder)


def test_another_folder_with_the_same_photographs_is_no_change(folder: Path, tmp_path: Path) -> None:
    first = started(folder).splits
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert started(tmp_path / "elsewhere").splits == first


def test_renamed_photographs_stay_in_their_parts(folder: Path) -> None:
    first = started(folder)
    trained = [first.category.dataset.digest(int(name[0])) for name in first.splits["train"]]
    for index in range(10):
        (folder / "food" / f"{index}.png").rename(folder / "food" / f"holiday-{9 - index}.png")
    again = started(folder)
    now = {name: again.category.dataset.digest(i) for i, name in enumerate(again.category.dataset.names)}
    assert [now[name] for name in again.splits["train"]] == trained


def test_another_split_file_than_at_the_first_start_is_refused(folder: Path) -> None:
    first = started(folder)
    other = {**first.splits, "train": first.splits["test"], "test": first.splits["train"]}
    (folder / "other.json").write_text(json.dumps(other))
    with pytest.raises(PhotographsChangedError, match="other splits"):
        started(folder, split_file=folder / "other.json")
    assert started(folder, split_file=folder / "cell" / "splits.json").splits == first.splits


def test_a_cell_made_from_a_split_file_is_not_met_without_it(folder: Path) -> None:
    drawn = data(folder).splits
    other = {**drawn, "train": drawn["test"], "test": drawn["train"]}
    (folder / "other.json").write_text(json.dumps(other))
    assert started(folder, split_file=folder / "other.json").splits == other
    with pytest.raises(PhotographsChangedError, match="those that are drawn"):
        started(folder)


def test_of_many_pictures_sizes_stand_for_contents(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits_module, "HASHED", 5)
    monkeypatch.setattr(FolderDataset, "digest", lambda dataset, index: pytest.fail("read") if len(dataset) > 5 else "")
    started(folder)
    (folder / "food" / "3.png").write_bytes(b"longer than it was" * 100)
    with pytest.raises(PhotographsChangedError, match=r"1 changed, 3\.png"):
        started(folder)


def recognition(folder: Path) -> RecognitionData:
    split = {"train": 0.5, "val": 0.25, "test": 0.25}
    classification = class_folders("birds", folder / "birds", split)
    return RecognitionData(classification, "originals", 16, View(size=16, crop=16))


def test_a_recognition_run_keeps_its_images_too(folder: Path) -> None:
    for index in range(8):
        draw(folder / "birds" / ("owl" if index % 2 else "tit") / f"{index}.png", index)
    first = recognition(folder)
    first.keep_splits(folder / "cell" / "splits.json")
    draw(folder / "birds" / "owl" / "new.png", 50)
    with pytest.raises(PhotographsChangedError, match=r"1 added, owl/new\.png"):
        recognition(folder).keep_splits(folder / "cell" / "splits.json")


def test_a_latent_store_is_of_the_contents_of_its_images(folder: Path) -> None:
    from lic_lightning.codecs.registry import build

    codec = build("mbt2018-mean", 1, N=8, M=12)
    identities = []
    for seed in (1, 2):
        picture = np.random.default_rng(seed).integers(256, size=(16, 16, 3), dtype=np.uint8)
        (folder / "birds" / "owl").mkdir(parents=True, exist_ok=True)
        for index in range(4):
            Image.fromarray(picture + index).save(
                folder / "birds" / "owl" / f"{index}.bmp"
            )  # of one size, whatever is in it
        images = Resized(
            class_folders("birds", folder / "birds", {"train": 0.5, "val": 0.25, "test": 0.25}).dataset, 16
        )
        identities.append(Identity.of("birds", "mbt2018-mean", codec, images).folder)
    assert len(set(identities)) == 2


def test_a_picture_moved_to_another_class_is_another(folder: Path) -> None:
    for index in range(8):
        draw(folder / "birds" / ("owl" if index % 2 else "tit") / f"{index}.png", index)
    recognition(folder).keep_splits(folder / "cell" / "splits.json")
    (folder / "birds" / "owl" / "1.png").rename(folder / "birds" / "tit" / "1.png")
    with pytest.raises(PhotographsChangedError, match=r"1 added, tit/1\.png, 1 gone, owl/1\.png"):
        recognition(folder).keep_splits(folder / "cell" / "splits.json")


def test_a_classifier_of_encoders_keeps_the_splits_of_its_categories(folder: Path) -> None:
    def squares() -> Squares:
        split = {"train": 0.6, "val": 0.2, "test": 0.2}
        parts = {name: Category(name, FolderDataset(folder / name), split) for name in ("food", "more")}
        return Squares(parts, {}, lambda picture, size: picture, 16, lambda picture: picture)

    for index in range(10):
        draw(folder / "more" / f"{index}.png", 200 + index)
    first = squares()
    first.keep_splits(folder / "cell" / "splits.json")
    assert first.parts["food"].splits == data(folder).splits
    (folder / "food" / "1.png").rename(folder / "more" / "new.png")
    with pytest.raises(PhotographsChangedError, match=r"1 added, more/new\.png, 1 gone, food/1\.png"):
        squares().keep_splits(folder / "cell" / "splits.json")
