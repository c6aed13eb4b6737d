"""The seam: one function for every codec's ŷ and σ̂, from images and from strings, without the synthesis."""

import pytest
import torch
from compressai.ops import compute_padding
from skimage import data as skimage_data
from torch import nn

from lic_lightning.codecs.latents import (
    LatentsError,
    decode_latents,
    latents,
    model_latents,
    pad,
    synthesize,
    without_padding,
)
from lic_lightning.codecs.registry import spec

CODECS = ["bmshj2018-hyperprior", "mbt2018-mean", "mbt2018", "cheng2020-anchor", "elic2022-official", "segpic"]


@pytest.fixture
def images() -> torch.Tensor:
    crops = [skimage_data.astronaut()[t : t + 128, t : t + 64] for t in (0, 100)]
    return torch.stack([torch.from_numpy(crop.copy()).permute(2, 0, 1) for crop in crops]).float() / 255


def parts(codec: nn.Module, name: str, role: str) -> list[nn.Module]:
    return [codec.get_submodule(prefix) for prefix, of in spec(name).roles.items() if of == role]


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_latents_of_the_bitstream_are_those_of_the_images(small_codec, images, name):
    codec = small_codec(name)
    encoded = codec.compress(images)
    seen, read = latents(codec, images), decode_latents(codec, encoded["strings"], encoded["shape"])
    assert seen["y_hat"].abs().max() > 1
    for part in ("y_hat", "scales"):
        assert read[part].shape[2:] == (8, 4)
        torch.testing.assert_close(read[part], seen[part], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_the_synthesis_of_the_latents_is_the_decoded_image(small_codec, images, name):
    codec = small_codec(name)
    encoded = codec.compress(images[:1])
    read = decode_latents(codec, encoded["strings"], encoded["shape"])
    decoded = codec.decompress(encoded["strings"], encoded["shape"])["x_hat"]
    assert synthesize(codec, read).clamp(0, 1).equal(decoded)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_the_synthesis_never_runs(small_codec, images, name):
    codec = small_codec(name)
    encoded = codec.compress(images[:1])
    ran = []
    for module in parts(codec, name, "decoder"):
        module.register_forward_hook(lambda *_: ran.append(1))
    decode_latents(codec, encoded["strings"], encoded["shape"])
    latents(codec, images[:1])
    assert not ran
    synthesize(codec, decode_latents(codec, encoded["strings"], encoded["shape"]))
    assert ran


@pytest.mark.parametrize("name", CODECS)
def test_gradients_of_both_reach_the_analysis(small_codec, images, name):
    codec = small_codec(name).train()
    for part in ("y_hat", "scales"):
        codec.zero_grad()
        g_a = parts(codec, name, "encoder")[0]
        (-model_latents(codec, images[:, :, :64])[part]).sum().backward()  # a scale under its bound only learns to rise
        assert sum(p.grad.abs().sum() for p in g_a.parameters() if p.grad is not None) > 0


def test_a_codec_without_scales_says_which_have_them(small_codec, images):
    with pytest.raises(LatentsError, match="mbt2018-mean"):
        latents(small_codec("bmshj2018-factorized"), images)


@torch.no_grad()
def test_cells_of_padding_alone_are_cut_away(small_codec):
    codec = small_codec("mbt2018-mean")
    image = torch.rand(1, 3, 100, 200)
    padded = pad(image, 64)
    found = without_padding(latents(codec, padded), 100, 200, 64)
    (left, _, top, _), _ = compute_padding(100, 200, min_div=64)
    assert padded.shape[2:] == (128, 256)
    assert (left, top) == (28, 14)
    assert found["y_hat"].shape == found["scales"].shape == (1, 12, 8, 14)  # 28 px left and right: one whole cell each
