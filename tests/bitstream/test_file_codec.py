"""Pictures to bytes and back: what is exact, what is small, what a tuned encoder may do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from torch import Tensor, nn

from lic_lightning.bitstream import Container, DecoderNotFoundError, FileCodec, LatentsError, TooLargeError, parse
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import PADDINGS, Frame, to_float
from lic_lightning.codecs.registry import names

OVERHEAD = 64
MakeCodec = Callable[[str], nn.Module]


def padded(image: Tensor) -> Tensor:
    """As evaluation gives a picture to a codec."""
    return to_float(Frame.of(image, 64).pad(image))


def cropped(x_hat: Tensor, image: Tensor) -> Tensor:
    """The 8-bit picture of a codec's output, without its padding."""
    _, unpad = compute_padding(*image.shape[1:], min_div=64)
    return F.pad(x_hat, unpad)[0].clamp(0, 1).mul(255).round().byte()


@pytest.mark.parametrize("name", names())
def test_every_registered_codec_codes_to_a_file_and_back(make_codec: MakeCodec, name: str, photograph: Tensor) -> None:
    codec = make_codec(name)
    file_codec = FileCodec(name, codec)
    content = file_codec.encode(photograph)
    streams = parse(content).streams
    assert len(content) - sum(map(len, streams)) <= OVERHEAD
    with torch.no_grad():
        encoded = codec.compress(padded(photograph))
        expected = codec.decompress(encoded["strings"], encoded["shape"])["x_hat"]
    assert file_codec.decode(content).equal(cropped(expected, photograph))
    assert sum(map(len, streams)) <= sum(len(string) for [string] in encoded["strings"])


def test_streams_are_those_of_the_codec(mean: FileCodec, photograph: Tensor) -> None:
    with torch.no_grad():
        strings = mean.codec.compress(padded(photograph))["strings"]
    assert parse(mean.encode(photograph)).streams == tuple(string for [string] in strings)


def test_one_decoder_reads_the_files_of_every_padding(mean: FileCodec, photograph: Tensor) -> None:
    contents = {name: FileCodec("mbt2018-mean", mean.codec, name).encode(photograph) for name in PADDINGS}
    assert len(set(contents.values())) == len(PADDINGS)
    assert {tuple(mean.decode(content).shape) for content in contents.values()} == {tuple(photograph.shape)}
    assert {parse(content).fingerprint for content in contents.values()} == {mean.fingerprint}


def test_a_photograph_of_any_supported_size_has_a_small_header() -> None:
    for name in names():
        streams = (bytes(2_000_000), *[bytes(20_000)] * (3 if name == "segpic" else 1))
        file = Container(name, bytes(12), 8000, 6000, 0, streams)
        assert len(file.pack()) - sum(map(len, streams)) <= OVERHEAD


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (64, 64), (65, 63)])
def test_any_size_comes_back(size: tuple[int, int], mean: FileCodec) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    assert mean.decode(mean.encode(image)).shape == image.shape


def test_the_base_decoder_reads_what_a_tuned_encoder_writes(mean: FileCodec, photograph: Tensor) -> None:
    tuned = copy.deepcopy(mean.codec)
    with torch.no_grad():
        for key, parameter in tuned.named_parameters():
            if key.startswith(("g_a", "h_a")):
                parameter.add_(0.2 * torch.randn_like(parameter))
    own = FileCodec("mbt2018-mean", tuned)
    content = own.encode(photograph)
    assert content != mean.encode(photograph)
    assert mean.decode(content).equal(own.decode(content))


def test_a_moved_decoder_is_another_decoder(mean: FileCodec, photograph: Tensor) -> None:
    moved = copy.deepcopy(mean.codec)
    with torch.no_grad():
        next(moved.g_s.parameters()).view(-1)[0].add_(1e-6)
    with pytest.raises(DecoderNotFoundError, match=mean.fingerprint.hex()):
        mean.decode(FileCodec("mbt2018-mean", moved).encode(photograph))


def test_another_codec_is_another_decoder(make_codec: MakeCodec, mean: FileCodec, photograph: Tensor) -> None:
    other = FileCodec("bmshj2018-hyperprior", make_codec("bmshj2018-hyperprior"))
    with pytest.raises(DecoderNotFoundError, match="written for bmshj2018-hyperprior"):
        mean.decode(other.encode(photograph))


def test_entropy_decoding_that_went_wrong_is_seen(mean: FileCodec, photograph: Tensor) -> None:
    """What another machine's arithmetic does: a scale that falls on the other side of a table's border."""
    content = mean.encode(photograph)
    drifted = FileCodec("mbt2018-mean", copy.deepcopy(mean.codec))
    with torch.no_grad():
        drifted.codec.h_s[-1].bias.mul_(1.5)
    drifted.fingerprint = mean.fingerprint
    with pytest.raises(LatentsError, match="arithmetic differs"):
        drifted.decode(content)


def test_a_mean_whose_last_bit_differs_does_no_harm(mean: FileCodec, photograph: Tensor) -> None:
    content = mean.encode(photograph)
    drifted = FileCodec("mbt2018-mean", copy.deepcopy(mean.codec))
    with torch.no_grad():
        means = drifted.codec.h_s[-1].bias[len(drifted.codec.h_s[-1].bias) // 2 :]
        means.add_(1e-7)
    drifted.fingerprint = mean.fingerprint
    difference = drifted.decode(content).int() - mean.decode(content).int()
    assert difference.abs().max() <= 1


def test_more_pixels_than_the_streams_can_hold_are_refused(mean: FileCodec, photograph: Tensor) -> None:
    file = parse(mean.encode(photograph))
    with pytest.raises(TooLargeError, match="can't hold the declared 11000×11000"):
        mean.decode(replace(file, width=11000, height=11000).pack())


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "mbt2018-mean", "mbt2018", "elic2022-official"])
def test_latents_are_read_without_the_synthesis(make_codec: MakeCodec, name: str, photograph: Tensor) -> None:
    codec = make_codec(name)
    file_codec = FileCodec(name, codec)
    content = file_codec.encode(photograph)
    with torch.no_grad():
        encoded = codec.compress(padded(photograph))
        expected = cut(codec).read(encoded["strings"], encoded["shape"])
    codec.g_s.register_forward_hook(lambda *_: pytest.fail("g_s ran"))
    frame, latents = file_codec.latents(content)
    assert (frame.height, frame.width) == photograph.shape[1:]
    assert latents.y_hat.equal(expected.y_hat)
    assert latents.scales.equal(expected.scales)


def test_a_file_that_is_coded_while_another_is_does_not_disturb_it(make_codec: MakeCodec, photograph: Tensor) -> None:
    """Nothing that coding changes is seen by another codec: no class is patched, no coder is shared."""
    codec = make_codec("mbt2018-mean")
    outer, inner = FileCodec("mbt2018-mean", codec), FileCodec("mbt2018-mean", make_codec("mbt2018-mean"))
    expected = outer.encode(photograph)
    other: list[bytes] = []
    codec.h_a.register_forward_hook(lambda *_: other.append(inner.encode(photograph.flip(2))) if not other else None)
    codec.h_s.register_forward_hook(lambda *_: other.append(inner.encode(photograph)))
    assert outer.encode(photograph) == expected
    assert outer.decode(expected).equal(inner.decode(expected))


def test_the_codec_stays_as_it_was(mean: FileCodec, photograph: Tensor) -> None:
    before = dict(mean.codec.named_children())
    mean.decode(mean.encode(photograph))
    assert dict(mean.codec.named_children()) == before
    with torch.no_grad():
        mean.codec.compress(padded(photograph))
    assert torch.is_grad_enabled()
