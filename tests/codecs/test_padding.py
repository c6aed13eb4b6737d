"""Pad, code, crop: pictures of any size."""

import pytest
import torch
from compressai.ops import compute_padding

from lic_lightning.codecs.latents import decode, encode
from lic_lightning.codecs.padding import PADDINGS, Frame, fill

SIZES = [(100, 200), (1, 1), (64, 128), (65, 63)]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_what_is_padded_is_cropped_back(height: int, width: int, padding: str) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    frame = Frame.of(image, 64)
    padded = frame.pad(image, padding)
    assert padded.dtype is torch.uint8
    assert tuple(padded.shape[1:]) == frame.padded
    assert all(side % 64 == 0 for side in frame.padded)
    assert frame.crop(padded).equal(image)


def test_the_picture_lies_in_the_middle_of_zeros() -> None:
    padded = Frame(100, 200, 64).pad(torch.ones(3, 100, 200), "zeros")
    assert Frame(100, 200, 64).margins == (28, 28, 14, 14)
    assert padded.sum() == 3 * 100 * 200
    assert padded[..., 14:114, 28:228].min() == 1


def test_margins_are_those_of_compressai() -> None:
    for height in range(1, 200, 7):
        for width in range(1, 200, 7):
            assert Frame(height, width, 64).margins == compute_padding(height, width, min_div=64)[0]


def test_an_edge_is_the_nearest_pixel() -> None:
    image = torch.randint(0, 256, (3, 70, 100), dtype=torch.uint8)
    replicated = torch.nn.functional.pad(image.float()[None], Frame(70, 100, 64).margins, mode="replicate")[0]
    assert Frame(70, 100, 64).pad(image, "edge").equal(replicated.byte())


def test_a_blurred_edge_is_the_edge_blurred_as_a_whole_picture_would_be() -> None:
    image, frame = torch.randint(0, 256, (3, 70, 100), dtype=torch.uint8), Frame(70, 100, 64)
    blurred = frame.pad(image, "edge")[None].float()
    for _ in range(4):
        blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(blurred, (4,) * 4, mode="replicate"), 9, 1)
    expected, (left, _, top, _) = blurred[0].round().byte(), frame.margins
    expected[:, top : top + 70, left : left + 100] = image
    assert (frame.pad(image, "blurred-edge").int() - expected.int()).abs().max() <= 1  # the order of sums


def test_flat_pictures_stay_flat_but_under_zeros() -> None:
    image = torch.full((3, 30, 90), 77, dtype=torch.uint8)
    assert {name: len(Frame.of(image, 64).pad(image, name).unique()) for name in PADDINGS} == {
        "zeros": 2,
        "edge": 1,
        "blurred-edge": 1,
    }


def test_an_unknown_padding_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown padding 'mirror'; known: zeros, edge, blurred-edge"):
        fill("mirror")


def test_cells_of_padding_alone_are_not_visible() -> None:
    features = {"y_hat": torch.rand(1, 12, 8, 16), "scales": torch.rand(1, 12, 8, 16)}
    visible = Frame(100, 200, 64).visible(features)
    assert visible["y_hat"].equal(features["y_hat"][:, :, :, 1:-1])  # 28 px left and right: one whole cell each
    assert visible["scales"].shape == (1, 12, 8, 14)


def test_a_picture_of_any_size_is_coded_and_decoded(spread_out) -> None:
    codec, image = spread_out("mbt2018-mean"), torch.randint(0, 256, (3, 70, 33), dtype=torch.uint8)
    encoded = encode(codec, image, 64, "zeros")
    decoded = decode(codec, encoded, Frame.of(image, 64))
    padded = torch.nn.functional.pad(image, (15, 16, 29, 29))[None].float() / 255
    with torch.no_grad():
        assert codec.compress(padded)["strings"] == encoded["strings"]
        expected = codec.decompress(encoded["strings"], encoded["shape"])["x_hat"][0, :, 29:99, 15:48]
    assert decoded.equal(expected.mul(255).round().byte())
