"""Serial coding of autoregressive codecs: exact, at CompressAI's rate, and in CompressAI's own syntax on demand."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from compressai.models import JointAutoregressiveHierarchicalPriors
from compressai.zoo.image import model_architectures as architectures
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents, cut
from lic_lightning.codecs.layers.fronts import fronts
from lic_lightning.codecs.networks.autoregressive import Mbt2018, set_coder
from lic_lightning.codecs.padding import Frame
from lic_lightning.codecs.quantization import set_quantizer
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.data.images import read_image

TINY = {"mbt2018": {"N": 12, "M": 12}, "cheng2020-anchor": {"N": 12}, "cheng2020-attn": {"N": 12}}


def spread_codec(name: str = "mbt2018", **settings: object) -> nn.Module:
    """An untrained codec whose latents are spread out, so that its symbols cost bits, some outside their tables."""
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=0.013, **{**TINY[name], **settings})  # type: ignore[arg-type]
    *_, last = (layer for layer in codec.g_a if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        last.weight.mul_(60)
    entropy.solve_quantiles(codec)
    return codec


def photograph(height: int, width: int) -> Tensor:
    from skimage import data

    return (
        torch.from_numpy(data.coffee()[100 : 100 + height, 200 : 200 + width].copy()).permute(2, 0, 1)[None].float()
        / 255
    )


@torch.no_grad()
def decoded_latents(codec: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the encoder quantizes y to, and what the decoder reads."""
    analysed = cut(codec).analyse(x)
    return analysed.y_hat, cut(codec).read(**codec.compress(x)).y_hat


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [(64, 64), (64, 192), (192, 64), (128, 192)])
def test_the_decoder_reads_what_the_encoder_wrote_bit_for_bit(name: str, size: tuple[int, int]) -> None:
    codec = spread_codec(name)
    written, read = decoded_latents(codec, photograph(*size))
    assert written.equal(read)
    assert written.abs().max() > 5


def test_another_instance_with_the_same_weights_reads_the_strings() -> None:
    codec, other = spread_codec(), spread_codec()
    x = photograph(128, 128)
    encoded = codec.compress(x)
    assert other.decompress(**encoded)["x_hat"].equal(codec.decompress(**encoded)["x_hat"])


def test_the_number_of_threads_changes_nothing() -> None:
    codec, x = spread_codec(), photograph(128, 192)
    encoded = codec.compress(x)
    torch.set_num_threads(2)
    try:
        assert codec.compress(x) == encoded
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def symbols_of(codec: nn.Module, latents: Latents) -> Tensor:
    return entropy.symbols(codec.gaussian_conditional, latents.y_hat, latents.scales, latents.means)


@pytest.mark.parametrize(("height", "width"), [(192, 256), (241, 187)])
@pytest.mark.parametrize("name", TINY)
@torch.no_grad()
def test_both_syntaxes_have_the_same_symbols(name: str, height: int, width: int) -> None:
    """Up to where y − μ lies on a half within rounding error: the layout of g_a decides its last bits.

    The decoded images may differ by more than ŷ does: the synthesis of cheng2020 has three inverse GDNs, which make
    numbers in the thousands of random latents, so that a last bit of those is 1e-3 of an image's range.
    """
    codec, x = spread_codec(name), Frame(height, width, 64).pad(photograph(height, width), "zeros")
    ours = cut(codec).analyse(x)
    strings = cut(codec).write(ours)["strings"]
    set_coder(codec, "compressai")
    theirs = cut(codec).analyse(x)
    their_strings = cut(codec).write(theirs)["strings"]
    assert theirs.means is not None
    assert strings[1] == their_strings[1]
    assert strings[0] != their_strings[0]
    differ = (symbols_of(codec, ours) != symbols_of(codec, theirs)).any(dim=1).flatten()
    if differ.any():  # on another processor, perhaps
        first = differ.int().argmax()
        offset = (codec.g_a(x) - theirs.means).flatten(2)[0, :, first]
        assert (offset.frac().abs() - 0.5).abs().min() < 1e-4
        return
    torch.testing.assert_close(ours.y_hat, theirs.y_hat, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.scales, theirs.scales, rtol=1e-4, atol=1e-5)
    assert len(strings[0][0]) == pytest.approx(len(their_strings[0][0]), abs=4)  # one word of rANS


@torch.no_grad()
def test_another_process_with_another_number_of_threads_reads_the_strings(tmp_path: Path) -> None:
    expected = {}
    for name in TINY:
        codec = spread_codec(name)
        latents = cut(codec).analyse(photograph(128, 192))
        save_state(codec, tmp_path / f"{name}.pth.tar")
        expected[name] = cut(codec).write(latents), latents.y_hat
    assert torch.get_num_threads() == 1
    torch.save(expected, tmp_path / "expected")
    reads = """
import sys, torch
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.weights import load_codec
torch.set_num_threads(2)
with torch.no_grad():
    for name, (encoded, y_hat) in torch.load("expected", weights_only=False).items():
        codec = load_codec(name, weights=f"{name}.pth.tar", lmbda=0.013)
        print(cut(codec).read(**encoded).y_hat.equal(y_hat))
"""
    done = subprocess.run([sys.executable, "-c", reads], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"] * len(TINY), done.stderr


@pytest.mark.parametrize("coder", ["serial", "compressai"])
@pytest.mark.parametrize("name", TINY)
@torch.no_grad()
def test_the_image_of_a_forward_in_eval_is_the_decoded_one_bit_for_bit(name: str, coder: str) -> None:
    codec = spread_codec(name, coder=coder)
    x = torch.cat([photograph(64, 128), photograph(64, 128).flip(3)])
    assert codec(x)["x_hat"].clamp(0, 1).equal(codec.decompress(**codec.compress(x))["x_hat"])


@pytest.mark.parametrize("name", TINY)
def test_mixed_training_sees_the_values_that_the_decoder_gets(name: str) -> None:
    """CompressAI's forward differs from its decoder by whole steps of ŷ; an element in a thousand may lie on a tie."""
    codec = spread_codec(name)
    set_quantizer(codec, "mixed")
    x = torch.cat([photograph(128, 192), photograph(128, 192).flip(2)])
    with torch.no_grad():
        decoded = cut(codec).analyse(x)
    trained = cut(codec.train()).analyse(x)
    for ours, theirs in ((trained.y_hat, decoded.y_hat), (trained.means, decoded.means)):
        assert ours is not None
        assert theirs is not None
        assert ((ours - theirs).abs() > 1e-3).float().mean() < 1e-3
    assert not trained.likelihoods["y"].equal(decoded.likelihoods["y"])
    plain = architectures[name].from_state_dict(codec.state_dict()).eval()
    with torch.no_grad():
        y = plain.g_a(x)
    assert (y.round() - decoded.y_hat).abs().mean() > 0.02


@pytest.mark.parametrize("name", TINY)
def test_noise_training_is_compressais_to_the_bit(name: str) -> None:
    codec = spread_codec(name).train()
    plain = architectures[name].from_state_dict(codec.state_dict()).train()
    x = photograph(64, 128)
    outputs = []
    for each in (codec, plain):
        torch.manual_seed(1)
        output = each(x)
        (output["x_hat"].sum() - output["likelihoods"]["y"].log().sum()).backward()
        outputs.append([output["x_hat"], *output["likelihoods"].values(), each.h_a[0].weight.grad])
    assert all(ours.equal(theirs) for ours, theirs in zip(*outputs, strict=True))


@pytest.mark.parametrize("name", TINY)
def test_on_demand_the_stream_is_compressais(name: str) -> None:
    codec, x = spread_codec(name, coder="compressai"), photograph(64, 128)
    network = architectures[name].from_state_dict(codec.state_dict()).eval()
    encoded = codec.compress(x)
    with torch.no_grad():
        assert encoded == network.compress(x)
        assert network.decompress(**encoded)["x_hat"].equal(codec.decompress(**encoded)["x_hat"])


def test_indexes_are_those_of_the_entropy_model() -> None:
    gaussian = spread_codec().gaussian_conditional
    scales = torch.cat([gaussian.scale_table, gaussian.scale_table * 1.001, torch.tensor([-1.0, 0.0, 0.11, 1e3])])
    assert torch.bucketize(scales, gaussian.scale_table[:-1]).equal(gaussian.build_indexes(scales).long())


@pytest.mark.parametrize(("height", "width"), [(4, 4), (4, 12), (12, 4), (8, 20)])
def test_fronts_meet_every_position_once_and_after_its_context(height: int, width: int) -> None:
    when = torch.full((height * width,), -1)
    for time, front in enumerate(fronts(height, width)):
        assert (when[front.positions(width)] == -1).all()
        when[front.positions(width)] = time
    when = when.view(height, width)
    assert (when >= 0).all()
    for row in range(height):
        for column in range(width):
            above = when[max(0, row - 2) : row, max(0, column - 2) : column + 3]
            left = when[row, max(0, column - 2) : column]
            assert (torch.cat([above.flatten(), left]) < when[row, column]).all()


def test_a_batch_has_a_string_for_each_image() -> None:
    codec = spread_codec()
    x = torch.cat([photograph(64, 64), photograph(64, 64).flip(3)])
    encoded = codec.compress(x)
    both = codec.decompress(**encoded)["x_hat"]
    for index, string in enumerate(encoded["strings"][0]):
        assert codec.compress(x[index : index + 1])["strings"][0] == [string]
    assert both.shape == x.shape


def test_the_coder_survives_a_pickle() -> None:
    codec = spread_codec(coder="compressai")
    assert pickle.loads(pickle.dumps(codec)).coder == "compressai"
    assert Mbt2018.coder == "serial"


@pytest.mark.parametrize(
    ("name", "coder", "message"),
    [("mbt2018", "fast", "serial, compressai"), ("mbt2018-mean", "serial", "isn't autoregressive")],
)
def test_an_impossible_coder_is_refused(name: str, coder: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_codec(name, lmbda=0.013, N=8, M=12, coder=coder)


def test_kodak_at_the_papers_size() -> None:
    folder = Path(os.environ.get("LIC_DATA", "/nonexistent")) / "kodak"
    if not folder.is_dir():
        pytest.skip("needs LIC_DATA with a folder kodak")
    codec = spread_codec(N=192, M=192)
    image = read_image(sorted(folder.glob("*.png"))[0])[None, :, :256, :384].float() / 255
    written, read = decoded_latents(codec, image)
    assert written.equal(read)
    assert isinstance(codec, JointAutoregressiveHierarchicalPriors)
