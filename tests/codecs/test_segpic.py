"""SegPIC: the published sizes, exact round trips with real bytes, and the same result in strips (facts, section 1)."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from skimage import data
from torch import Tensor, nn

from lic_lightning.codecs.layers import strips
from lic_lightning.codecs.layers.charm import ChARM
from lic_lightning.codecs.layers.regions import MaskError
from lic_lightning.codecs.layers.wam import WindowAttention
from lic_lightning.codecs.registry import build, spec
from lic_lightning.codecs.roles import parameters_by_role
from lic_lightning.codecs.weights import load_codec
from lic_lightning.evaluation.image_row import image_rows

PARAMETERS = {
    "g_a1.0.0": 162_816,
    "g_a1.0.1": 1_070_016,
    "g_a1.1": 908_232,
    "g_a2.0": 1_070_016,
    "g_a2.1": 1_947_200,
    "g_a2.2": 2_514_632,
    "g_s0.0": 2_514_632,
    "g_s0.1": 1_881_408,
    "g_s0.2": 1_070_016,
    "g_s1.0": 908_232,
    "g_s1.1.0": 1_070_016,
    "g_s1.1.1": 265_856,
    "g_s1.1.2": 99,
    "h_a": 3_319_040,
    "h_mean_s": 5_882_624,
    "h_scale_s": 5_882_624,
    "g_ab": 72_224,
    "g_sb": 127_808,
    "g_ab2": 152_288,
    "g_sb2": 152_512,
    "charm.mean": 15_212_640,
    "charm.scale": 15_212_640,
    "charm.residual": 15_857_760,
    "rat_enc": 608_448,
    "rat_dec": 608_448,
    "rat_hyp": 1_669_440,
    "rat_mean": 1_669_440,
    "rat_scale": 1_669_440,
    "entropy_bottleneck": 11_712,
    "bottleneck_p1": 5_856,
    "bottleneck_p2": 5_856,
}


@pytest.fixture(scope="module")
def full() -> nn.Module:
    return build("segpic", 1)


@pytest.fixture(scope="module")
def codec() -> nn.Module:
    """A small SegPIC with random weights, spread out so that its streams carry something."""
    torch.manual_seed(0)
    codec = load_codec("segpic", lmbda=0.0130, N=16, M=32)
    with torch.no_grad():
        for layer in (codec.g_a2[1].sal.affine[2], codec.h_a[-1], codec.g_ab[-1], codec.g_ab2[-1]):
            layer.weight.mul_(40)
        for net in codec.charm.scale:
            net[-1].bias.fill_(4)
    return codec


def photograph(height: int, width: int) -> Tensor:
    return torch.from_numpy(data.astronaut()[:height, :width].copy()).permute(2, 0, 1)


def padded(image: Tensor) -> Tensor:
    return F.pad(image[None].float() / 255, compute_padding(*image.shape[1:], min_div=64)[0])


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_module_has_the_published_size(full: nn.Module, name: str) -> None:
    assert sum(parameter.numel() for parameter in full.get_submodule(name).parameters()) == PARAMETERS[name]


def test_the_published_total_and_the_encoder_side(full: nn.Module) -> None:
    counts = parameters_by_role(full, spec("segpic").roles)
    assert (counts["total"], counts["encoder"]) == (83_503_971, 13_494_352)


def test_the_table_of_sizes_leaves_nothing_out(full: nn.Module) -> None:
    assert sum(PARAMETERS.values()) == sum(parameter.numel() for parameter in full.parameters())


def test_the_decoder_of_segpic_divides_in_its_gdn(full: nn.Module) -> None:
    blocks = [full.g_s0[1], full.g_s0[2], full.g_s1[1][0], full.g_s1[1][1]]
    assert not any(block.gdn.inverse for block in blocks)


@pytest.mark.parametrize(("height", "width"), [(128, 192), (100, 77)])
def test_the_decoder_reads_what_the_encoder_wrote(codec: nn.Module, height: int, width: int) -> None:
    (row,) = image_rows(photograph(height, width), codec, copy.deepcopy(codec), name="segpic", metrics={})
    assert row["withheld"] is None
    assert len(row["stream_bytes"]) == 4
    assert all(size > 50 for size in row["stream_bytes"]), "a stream carries nothing, so nothing was shown"


def test_encoder_and_decoder_see_the_same_latents(codec: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    walk, seen = ChARM._walk, []
    monkeypatch.setattr(ChARM, "_walk", lambda *args: seen.append(walk(*args)) or seen[-1])
    x = padded(photograph(128, 192))
    coded = codec.compress(torch.cat([x, x.flip(3)]))
    assert [len(strings) for strings in coded["strings"]] == [2] * 4
    codec.decompress(**coded)
    written, read = seen
    for of_encoder, of_decoder in zip(written[:4], read[:4], strict=True):  # all but the likelihoods
        assert torch.equal(of_encoder, of_decoder)
        assert of_encoder.unique().numel() > 50


@torch.no_grad()
def test_the_estimate_is_the_size_of_each_stream(codec: nn.Module) -> None:
    x = padded(photograph(256, 256))
    likelihoods = codec(x)["likelihoods"]
    for name, strings in zip(("y", "z", "p1", "p2"), codec.compress(x)["strings"], strict=True):
        estimated = -likelihoods[name].log2().sum().item() / 8
        assert len(strings[0]) == pytest.approx(estimated, rel=0.03, abs=64), name  # likelihoods end at 1e-9


@torch.no_grad()
def test_the_estimate_in_evaluation_decodes_to_the_decoded_image(codec: nn.Module) -> None:
    x = padded(photograph(128, 192))
    decoded = codec.decompress(**codec.compress(x))["x_hat"]
    torch.testing.assert_close(codec(x)["x_hat"].clamp(0, 1), decoded, rtol=0, atol=1e-4)


@torch.no_grad()
def test_strips_change_nothing(codec: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    x = padded(photograph(320, 192))
    whole = codec(x)
    monkeypatch.setattr(strips, "STRIP", 2**9)
    calls = []
    cut = strips.by_strips
    monkeypatch.setattr("lic_lightning.codecs.layers.rat.by_strips", lambda *a, **k: calls.append(1) or cut(*a, **k))
    in_strips = codec(x)
    assert calls
    torch.testing.assert_close(in_strips["x_hat"], whole["x_hat"], rtol=0, atol=1e-4)


def test_gradients_flow_through_the_whole_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "STRIP", 1)
    maps = []
    x = torch.rand(1, 1, 8, 8, requires_grad=True)
    strips.by_strips(lambda part: maps.append(part.shape) or part * 2, x).sum().backward()
    assert maps == [x.shape]
    assert x.grad is not None


def test_attention_stays_within_shifted_windows() -> None:
    """A change of one position reaches its window alone; what the cyclic shift brings together stays apart."""
    torch.manual_seed(0)
    attention = WindowAttention(8, window=4, shift=2)
    x = torch.rand(1, 8, 12, 12)
    changed = x.clone()
    changed[:, :, 0, 0] += 1
    moved = (attention(x) - attention(changed)).abs().amax((0, 1)) > 1e-7
    expected = torch.zeros(12, 12, dtype=torch.bool)
    expected[:2, :2] = True
    assert torch.equal(moved, expected)


def test_later_slices_lean_on_the_first_five() -> None:
    charm = ChARM(320)
    assert [net[0].in_channels for net in charm.mean] == [320 + 32 * min(i, 5) for i in range(10)]
    assert [net[0].in_channels for net in charm.residual] == [320 + 32 * min(i + 1, 6) for i in range(10)]
    assert [layer.out_channels for layer in charm.mean[0][::2]] == [224, 176, 128, 64, 32]


@pytest.mark.parametrize("method", ["forward", "compress"])
def test_an_image_that_was_not_padded_is_refused(codec: nn.Module, method: str) -> None:
    with pytest.raises(ValueError, match=r"multiples of 64, got 100×64: pad first"):
        getattr(codec, method)(torch.zeros(1, 3, 100, 64))


def test_coding_with_a_mask_is_refused(codec: nn.Module) -> None:
    with pytest.raises(MaskError, match="compress takes no mask"):
        codec.compress(torch.zeros(1, 3, 64, 64), mask=torch.zeros(1, 64, 64, dtype=torch.long))


def test_channels_that_the_heads_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="8 heads: its channels must be a multiple, got 12"):
        build("segpic", 1, N=16, M=12)


def test_an_image_of_several_strips_is_judged_like_any_other(codec: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluation takes the transforms' work from coding: a block that ran several times must not be taken for once."""
    monkeypatch.setattr(strips, "STRIP", 2**9)
    image = photograph(360, 190)
    (row,) = image_rows(image, codec, None, name="segpic", metrics={})
    with torch.no_grad():
        likelihoods = codec(padded(image))["likelihoods"]
    bits = -sum(likelihood.log2().sum().item() for likelihood in likelihoods.values())
    assert row["bpp_estimated"] == pytest.approx(bits / (360 * 190), rel=1e-4)
