"""The DataModule keeps its sides apart, names what is broken, and serves the same pictures every time."""

import json
import shutil

import pytest
import torch

from lic_lightning.data import Category, Concat, CorruptImageError, DataModule, DemoTiles, FolderDataset

SPLIT = {"train": 0.7, "val": 0.1, "test": 0.2}


def noise(photos, split=SPLIT, **options):
    options = {"crop": 16, "batch_size": 2, "workers": 0} | options
    return DataModule(Category("noise", FolderDataset(photos), split), **options)


def images(loader):
    return torch.cat([batch.image for batch in loader])


def test_train_batches_are_crops_of_the_train_split(photos):
    data = noise(photos)
    batches = list(data.train_dataloader())
    assert [tuple(batch.image.shape) for batch in batches] == [(2, 3, 16, 16)] * 3
    assert {name for batch in batches for name in batch.name} < set(data.splits["train"])


def test_a_batch_larger_than_the_set_still_comes(photos):
    (batch,) = noise(photos, batch_size=32).train_dataloader()
    assert len(batch.name) == 7


def test_validation_is_the_same_every_time(photos):
    loader = noise(photos, split={"train": 4, "val": 4, "test": 2}).val_dataloader()
    assert torch.equal(images(loader), images(loader))


def test_test_sets_hold_whole_pictures(photos):
    data = noise(photos, test_sets={"demo": DemoTiles(["chelsea"])})
    assert list(data.test_sets) == ["noise", "demo"]
    assert data.test_sets["noise"].names == data.splits["test"]
    assert data.test_sets["noise"][0].image.shape == (3, 40, 48)


def test_without_a_test_split_only_the_extra_sets_remain(photos):
    data = noise(photos, split={"train": 0.9, "val": 0.1, "test": 0}, test_sets={"demo": DemoTiles(["chelsea"])})
    assert list(data.test_sets) == ["demo"]


def test_the_training_seed_does_not_move_the_split(photos):
    assert noise(photos, seed=1).splits == noise(photos, seed=2).splits
    assert noise(photos, split_seed=1).splits != noise(photos, split_seed=2).splits


def test_the_training_seed_moves_the_crops(photos):
    one, two = (images(noise(photos, seed=seed).train_dataloader()) for seed in (1, 2))
    assert not torch.equal(one, two)


def test_written_splits_are_taken_up_again(photos, tmp_path):
    data = noise(photos, split_seed=5)
    data.keep_splits(tmp_path / "splits.json")
    again = noise(photos, split_file=tmp_path / "splits.json")
    assert again.splits == data.splits
    assert json.loads((tmp_path / "splits.json").read_text())["skipped"] == {}


def test_too_few_pictures_name_the_category(photos):
    with pytest.raises(ValueError, match=r"category noise: the split needs 10000 .* there are 10"):
        noise(photos, split={"train": 8000, "val": 1000, "test": 1000}).setup()


def test_train_and_test_sharing_a_picture_names_both(photos):
    data = noise(photos)
    trained, tested = data.splits["train"][0], data.splits["test"][0]
    shutil.copy(photos / trained, photos / tested)
    with pytest.raises(ValueError, match=f"{trained} .*{tested} "):
        data.setup()


def test_train_and_val_sharing_a_picture_is_an_error(photos):
    data = noise(photos)
    shutil.copy(photos / data.splits["train"][0], photos / data.splits["val"][0])
    with pytest.raises(ValueError, match="train and val share an image"):
        data.setup()


def test_an_extra_test_set_may_not_hold_training_pictures(photos):
    with pytest.raises(ValueError, match="train and test set other share an image"):
        noise(photos, test_sets={"other": FolderDataset(photos)}).setup()


def test_pictures_of_one_size_are_told_apart_by_content():
    tiles = DemoTiles(["chelsea", "flower"])
    DataModule(Category("demo", tiles, {"train": 4, "val": 2, "test": 2})).setup()
    doubled = Concat({"a": tiles, "b": tiles})
    with pytest.raises(ValueError, match="share an image"):
        DataModule(Category("demo", doubled, {"train": 8, "val": 4, "test": 4})).setup()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_picture_stops_training_by_name(photos, workers):
    data = noise(photos, split={"train": 8, "val": 1, "test": 1}, workers=workers)
    bad = data.splits["train"][0]
    (photos / bad).write_bytes((photos / bad).read_bytes()[:500])
    with pytest.raises(CorruptImageError, match=bad):
        list(data.train_dataloader())


def test_skip_leaves_corrupt_pictures_out_and_lists_them(photos, tmp_path):
    (photos / "p3.png").write_bytes(b"")
    (photos / "p5.png").write_bytes(b"nothing")
    data = noise(photos, split={"train": 4, "val": 2, "test": 2}, on_corrupt="skip")
    data.keep_splits(tmp_path / "splits.json")
    stored = json.loads((tmp_path / "splits.json").read_text())
    assert stored["skipped"] == {"noise": ["p3.png", "p5.png"]}
    assert len(list(data.train_dataloader())) == 2
    assert not {"p3.png", "p5.png"} & {*stored["train"], *stored["val"], *stored["test"]}


def test_skip_covers_the_extra_test_sets(photos, tmp_path):
    (photos / "p3.png").write_bytes(b"")
    data = DataModule(
        Category("demo", DemoTiles(["flower"]), {"train": 4, "val": 1, "test": 1}),
        test_sets={"noise": FolderDataset(photos)},
        on_corrupt="skip",
    )
    assert len(data.test_sets["noise"]) == 9


def test_an_unknown_on_corrupt_is_refused(photos):
    with pytest.raises(ValueError, match="error or skip"):
        noise(photos, on_corrupt="ignore")


def test_the_cache_changes_nothing_but_reading(photos):
    plain = images(noise(photos).train_dataloader())
    cached = noise(photos, cache=True)
    loader = cached.train_dataloader()
    shutil.rmtree(photos)
    assert torch.equal(images(loader), plain)
