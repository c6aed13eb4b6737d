"""Crops, flips and enlargement, of pictures and of what belongs to them."""

import pytest
import torch

from lic_lightning.codecs.padding import Frame
from lic_lightning.data import Sample, collate
from lic_lightning.data.crops import Crops, crop, enlarge, flip


class Ramp:
    """One 20x30 picture whose red is the row and green the column; its mask is the row."""

    names = ("ramp",)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        rows, columns = torch.meshgrid(torch.arange(20), torch.arange(30), indexing="ij")
        image = torch.stack([rows, columns, rows]).to(torch.uint8)
        boxes = torch.tensor([[2.0, 4.0, 12.0, 10.0], [28.0, 18.0, 30.0, 20.0]])
        return Sample(image, "ramp", mask=rows.clone(), boxes=boxes)

    def nbytes(self, index):
        return 0

    def digest(self, index):
        return ""


def test_a_random_crop_is_a_function_of_its_seed():
    crops = Crops(Ramp(), 8)
    assert torch.equal(crops[0, 5].image, crops[0, 5].image)
    assert len({tuple(crops[0, seed].image.flatten().tolist()) for seed in range(50)}) > 25


def test_random_crops_reach_every_border():
    corners = {tuple(crops_corner(seed)) for seed in range(2000)}
    assert {row for row, _ in corners} == set(range(13))
    assert {column for _, column in corners} == set(range(23))


def crops_corner(seed):
    image = Crops(Ramp(), 8, hflip=False)[0, seed].image
    return image[:2, 0, 0].tolist()


def test_flips_happen_half_the_time():
    crops = Crops(Ramp(), 8)
    flipped = sum(bool(crops[0, s].image[1, 0, 0] > crops[0, s].image[1, 0, 1]) for s in range(400))
    assert 150 < flipped < 250


def test_switching_flips_keeps_the_crop():
    for seed in range(20):
        plain, both = Crops(Ramp(), 8, hflip=False)[0, seed], Crops(Ramp(), 8, vflip=True)[0, seed]
        assert sorted(plain.image[1].flatten().tolist()) == sorted(both.image[1].flatten().tolist())


def test_a_plain_index_gives_the_central_crop():
    assert Crops(Ramp(), 8)[0].image[:2, 0, 0].tolist() == [6, 11]


def test_mask_is_cropped_with_the_picture_and_renumbered():
    sample = Crops(Ramp(), 8)[0]
    assert torch.equal(sample.mask, torch.arange(8)[:, None].expand(8, 8))


def test_boxes_are_shifted_clipped_and_dropped():
    sample = crop(Ramp()[0], top=6, left=4, size=8)
    assert sample.boxes.tolist() == [[0, 0, 8, 4]]


@pytest.mark.parametrize(("axis", "expected"), [(-1, [18, 4, 28, 10]), (-2, [2, 10, 12, 16])])
def test_flip_carries_mask_and_boxes(axis, expected):
    sample, flipped = Ramp()[0], flip(Ramp()[0], axis)
    assert flipped.boxes[0].tolist() == expected
    assert torch.equal(flipped.mask, flipped.image[0].long())
    assert torch.equal(flipped.image, sample.image.flip(axis))


def test_a_small_picture_is_enlarged_to_the_crop():
    sample = enlarge(Ramp()[0], 40)
    assert sample.image.shape == (3, 40, 60)
    assert sample.image.dtype == torch.uint8
    assert sample.mask.shape == (40, 60)
    assert set(sample.mask.unique().tolist()) == set(range(20))
    assert sample.boxes[0].tolist() == [4, 8, 24, 20]


def test_a_large_picture_keeps_its_pixels():
    assert torch.equal(enlarge(Ramp()[0], 20).image, Ramp()[0].image)


def test_collate_scales_to_unit_range():
    white = Sample(torch.full((3, 4, 4), 255, dtype=torch.uint8), "white")
    grey = Sample(torch.full((3, 4, 4), 51, dtype=torch.uint8), "grey")
    batch = collate([white, grey])
    assert batch.image.dtype == torch.float32
    assert batch.image[:, 0, 0, 0].tolist() == pytest.approx([1.0, 0.2])
    assert batch.name == ["white", "grey"]


def test_collate_keeps_annotations_that_all_samples_have():
    sample = Ramp()[0]
    sample.label = 7
    batch = collate([sample, sample])
    assert batch.mask.shape == (2, 20, 30)
    assert batch.mask.dtype == torch.int64
    assert [b.shape for b in batch.boxes] == [(2, 4), (2, 4)]
    assert batch.label.tolist() == [7, 7]


def test_collate_drops_annotations_that_some_samples_lack():
    batch = collate([Ramp()[0], Sample(Ramp()[0].image, "bare")])
    assert batch.mask is None
    assert batch.boxes is None


def test_batch_moves_all_its_tensors():
    batch = collate([Ramp()[0]]).to("meta")
    assert {batch.image.device.type, batch.mask.device.type, batch.boxes[0].device.type} == {"meta"}
    assert batch.name == ["ramp"]


class Whole:
    """One 70x100 picture of noise whose frame at stride 64 is 128x128: margins of 29 and 14 pixels."""

    names = ("noise",)
    image = torch.randint(1, 256, (3, 70, 100), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return 1

    def __getitem__(self, index):
        boxes = torch.tensor([[0.0, 0.0, 100.0, 70.0]])
        return Sample(self.image, "noise", mask=torch.ones(70, 100, dtype=torch.int64), boxes=boxes)


def test_padded_crops_are_cut_from_the_picture_as_the_codec_sees_it():
    frame = Frame(70, 100, 64)
    padded = frame.pad(Whole.image, "edge")
    windows = padded.unfold(1, 64, 1).unfold(2, 64, 1)  # (3, 65, 65, 64, 64)
    crops = Crops(Whole(), 64, hflip=False, padding="edge")
    for seed in range(30):
        image = crops[0, seed].image
        assert (windows == image[:, None, None]).all(dim=(0, 3, 4)).sum() == 1


def test_what_a_crop_shows_of_the_margins_is_not_visible_and_flips_with_it():
    crops = Crops(Whole(), 64, vflip=True, padding="zeros")
    hidden = 0
    for seed in range(30):
        sample = crops[0, seed]
        shown = (sample.image > 0).all(dim=0)
        assert (shown if sample.visible is None else sample.visible).equal(shown)
        x0, y0, x1, y1 = sample.boxes[0].int().tolist()
        assert shown[y0:y1, x0:x1].all()
        assert shown.sum() == (x1 - x0) * (y1 - y0)
        assert sample.mask.shape == (64, 64)
        hidden += sample.visible is not None
    assert hidden


def test_crops_that_meet_no_border_are_those_within_the_picture():
    inside = {tuple(Crops(Ramp(), 8, hflip=False)[0, seed].image.flatten().tolist()) for seed in range(2000)}
    framed = [Crops(Ramp(), 8, hflip=False, padding="edge", stride=16)[0, seed] for seed in range(200)]
    unseen = [sample for sample in framed if sample.visible is None]
    assert 0 < len(unseen) < 200
    assert all(tuple(sample.image.flatten().tolist()) in inside for sample in unseen)


def test_an_objective_takes_the_margins_for_right():
    one, two = (Sample(torch.zeros(3, 4, 4, dtype=torch.uint8), name) for name in "ab")
    assert collate([one, two]).visible is None
    one.visible = torch.zeros(4, 4, dtype=torch.bool)
    one.visible[:2] = True
    batch = collate([one, two])
    seen = batch.seen(torch.ones(2, 3, 4, 4))
    assert seen[0].sum() == 3 * 8
    assert seen[1].sum() == 3 * 16
