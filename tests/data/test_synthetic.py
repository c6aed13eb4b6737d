"""Pictures made by code, and crops in colours that no photograph has."""

from hashlib import sha256

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from lic_lightning.data import Synthetic
from lic_lightning.data.crops import Crops
from lic_lightning.runs.identity import CONF


@pytest.fixture
def pictures():
    return Synthetic(count=8, size=(64, 96))


def colours(picture):
    return picture.flatten(1).T.unique(dim=0)


def test_a_picture_depends_on_its_seed_and_index_alone(pictures):
    assert torch.equal(Synthetic(count=3, size=(64, 96))[2].image, pictures[2].image)
    others = Synthetic(count=8, size=(64, 96), seed=1)
    assert not {pictures.digest(index) for index in range(8)} & {others.digest(index) for index in range(8)}


def test_pictures_are_the_same_on_every_machine(pictures):
    digests = "".join(pictures.digest(index) for index in range(8))
    assert sha256(digests.encode()).hexdigest()[:12] == "e7d1936ed4df"


def test_names_are_unique_and_say_the_kind(pictures):
    assert pictures.names[:5] == ["flat_000", "gradient_001", "discs_002", "subject_003", "flat_004"]
    assert [sample.name for sample in (pictures[index] for index in range(8))] == pictures.names
    assert {tuple(pictures[index].image.shape) for index in range(8)} == {(3, 64, 96)}


def test_a_flat_has_one_colour_and_a_subject_stands_on_one(pictures):
    flat, gradient, discs, subject = (pictures[index].image for index in range(4))
    assert len(colours(flat)) == 1
    assert len(colours(gradient)) > 20
    assert 2 < len(colours(discs)) <= 13
    assert len(colours(subject)) > 100
    most = subject.flatten(1).T.unique(dim=0, return_counts=True)[1].max()
    assert most > 64 * 96 / 5


def test_most_channels_of_its_colours_lie_at_an_end():
    flats = torch.stack([Synthetic(count=400, size=(2, 2))[index].image[:, 0, 0] for index in range(0, 400, 4)])
    assert 0.5 < ((flats == 0) | (flats == 255)).float().mean() < 0.8


@pytest.fixture
def unseen():
    """The transform of `data=colours`, and whole crops of a photograph's colours to change."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        augment = instantiate(compose("train", ["data=colours"]).data.augment, _convert_="all")
    return Crops(Greys(), 32, augment=augment), Crops(Greys(), 32)


class Greys(Synthetic):
    """One picture of dull colours."""

    def __init__(self):
        super().__init__(count=1, size=(48, 48))

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        sample.image = torch.randint(100, 150, (3, 48, 48), generator=torch.Generator().manual_seed(0)).byte()
        return sample


def test_some_crops_are_in_other_colours_by_their_seed_alone(unseen):
    augmented, plain = unseen
    changed = [seed for seed in range(200) if not torch.equal(augmented[0, seed].image, plain[0, seed].image)]
    assert 10 < len(changed) < 60
    assert all(torch.equal(augmented[0, seed].image, augmented[0, seed].image) for seed in changed)
    assert augmented[0, changed[0]].image.dtype == torch.uint8


def test_an_augmentation_leaves_the_generator_and_validation_alone(unseen):
    augmented, plain = unseen
    torch.manual_seed(3)
    first = torch.rand(4)
    torch.manual_seed(3)
    augmented[0, 5]
    assert torch.equal(torch.rand(4), first)
    assert torch.equal(augmented[0].image, plain[0].image)


def test_the_test_set_needs_no_files():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["test_sets=synthetic", "category=demo_objects", "paths.data=/nowhere"])
    pictures = instantiate(config.data).test_sets["synthetic"]
    assert len(pictures) == 24
    assert pictures[0].image.shape == (3, 256, 384)
