"""Pad, code, crop: pictures of any size."""

import pytest
import torch

from lic_lightning.codecs.padding import Frame, decode, encode


@pytest.mark.parametrize(("height", "width"), [(100, 200), (1, 1), (64, 128), (65, 63)])
def test_what_is_padded_is_cropped_back(height: int, width: int) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    frame = Frame.of(image, 64)
    padded = frame.pad(image)
    assert tuple(padded.shape[1:]) == frame.padded
    assert all(side % 64 == 0 for side in frame.padded)
    assert frame.crop(padded).equal(image)


def test_the_picture_lies_in_the_middle_of_zeros() -> None:
    padded = Frame(100, 200, 64).pad(torch.ones(1, 3, 100, 200))
    assert Frame(100, 200, 64).margins == (28, 28, 14, 14)
    assert padded.sum() == 3 * 100 * 200
    assert padded[..., 14:114, 28:228].min() == 1


def test_cells_of_padding_alone_are_not_visible() -> None:
    features = {"y_hat": torch.rand(1, 12, 8, 16), "scales": torch.rand(1, 12, 8, 16)}
    visible = Frame(100, 200, 64).visible(features)
    assert visible["y_hat"].equal(features["y_hat"][:, :, :, 1:-1])  # 28 px left and right: one whole cell each
    assert visible["scales"].shape == (1, 12, 8, 14)


def test_a_picture_of_any_size_is_coded_and_decoded(spread_out) -> None:
    codec, image = spread_out("mbt2018-mean"), torch.randint(0, 256, (3, 70, 33), dtype=torch.uint8)
    encoded = encode(codec, image, 64)
    decoded = decode(codec, encoded, Frame.of(image, 64))
    padded = torch.nn.functional.pad(image, (15, 16, 29, 29))[None].float() / 255
    with torch.no_grad():
        assert codec.compress(padded)["strings"] == encoded["strings"]
        expected = codec.decompress(encoded["strings"], encoded["shape"])["x_hat"][0, :, 29:99, 15:48]
    assert decoded.equal(expected.mul(255).round().byte())
