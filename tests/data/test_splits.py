"""Splits are fixed by the seed, as large as asked, disjoint, and come back from their file."""

import json

import pytest

from lic_lightning.data.splits import draw_splits, read_splits, write_splits

NAMES = [f"n{i:03d}" for i in range(100)]


def sizes(splits):
    return {part: len(names) for part, names in splits.items()}


def test_counts_are_met_exactly():
    splits = draw_splits(NAMES, {"train": 60, "val": 10, "test": 20}, seed=0)
    assert sizes(splits) == {"train": 60, "val": 10, "test": 20}


def test_fractions_cover_everything():
    splits = draw_splits(NAMES, {"train": 0.7, "val": 0.1, "test": 0.2}, seed=0)
    assert sizes(splits) == {"train": 70, "val": 10, "test": 20}
    assert sorted(name for names in splits.values() for name in names) == NAMES


def test_a_small_fraction_still_gets_one_picture():
    assert sizes(draw_splits(NAMES[:3], {"train": 0.9, "val": 0.05, "test": 0.05}, 0))["val"] == 1


def test_the_order_of_names_does_not_matter():
    split = {"train": 0.7, "val": 0.1, "test": 0.2}
    assert draw_splits(NAMES, split, 3) == draw_splits(NAMES[::-1], split, 3)


def test_another_seed_draws_another_split():
    split = {"train": 0.7, "val": 0.1, "test": 0.2}
    assert draw_splits(NAMES, split, 0)["test"] != draw_splits(NAMES, split, 1)["test"]


def test_fewer_training_pictures_leave_test_and_val_alone():
    many = draw_splits(NAMES, {"train": 60, "val": 10, "test": 20}, 0)
    few = draw_splits(NAMES, {"train": 5, "val": 10, "test": 20}, 0)
    assert (few["val"], few["test"]) == (many["val"], many["test"])


def test_too_few_pictures_says_how_many_there_are_and_are_needed():
    with pytest.raises(ValueError, match=r"needs 10000 images .*train 8000.* there are 100"):
        draw_splits(NAMES, {"train": 8000, "val": 1000, "test": 1000}, 0)


@pytest.mark.parametrize(
    "split",
    [
        {"train": 0.7, "test": 0.3},
        {"train": 0.9, "val": 0.1, "test": 0.2},
        {"train": 20, "val": 0.5, "test": 1},
        {"train": -1, "val": 1, "test": 1},
    ],
)
def test_a_senseless_split_is_refused(split):
    with pytest.raises(ValueError, match="split"):
        draw_splits(NAMES, split, 0)


def test_splits_come_back_from_their_file(tmp_path):
    splits = draw_splits(NAMES, {"train": 0.7, "val": 0.1, "test": 0.2}, seed=0)
    write_splits(tmp_path / "splits.json", {"category": "x", **splits})
    assert read_splits(tmp_path / "splits.json", NAMES) == splits
    assert [path.name for path in tmp_path.iterdir()] == ["splits.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": ["n000"], "val": [], "test": ["elsewhere"]}, "elsewhere"),
        ({"train": ["n000"], "val": [], "test": ["n000"]}, "n000 more than once"),
        ({"train": ["n000"], "val": []}, "no list named test"),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path, content, message):
    (tmp_path / "splits.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_splits(tmp_path / "splits.json", NAMES)
