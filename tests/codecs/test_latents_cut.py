"""The cut: what is written is what is given, what is read is what was analysed, and the strings are CompressAI's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.codecs.latents import Latents, cut

AUTOREGRESSIVE = ["mbt2018", "cheng2020-anchor", "cheng2020-attn"]
CODECS = ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", *AUTOREGRESSIVE, "elic2022-official"]
Make = Callable[..., nn.Module]


def equal(read: Latents, analysed: Latents) -> bool:
    """Bit for bit, all that both have."""
    pairs = [(read.y_hat, analysed.y_hat), (read.scales, analysed.scales), (read.means, analysed.means)]
    pairs += [(read.side[name], analysed.side[name]) for name in read.side]
    return all(a is b is None or a.equal(b) for a, b in pairs)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_strings_are_compressais_own(spread_out: Make, pictures: dict[str, Tensor], name: str) -> None:
    codec = spread_out(name)
    for x in pictures.values():
        expected = codec.compress(x)
        encoded = cut(codec).write(cut(codec).analyse(x))
        assert encoded["strings"] == expected["strings"]
        assert encoded["shape"] == cut(codec).shape(*x.shape[2:]) == expected["shape"]
        assert sum(len(string) for [string] in encoded["strings"]) > 100


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_what_is_read_is_what_was_analysed_and_its_synthesis_the_decoded_image(
    spread_out: Make, pictures: dict[str, Tensor], name: str
) -> None:
    codec = spread_out(name)
    for x in pictures.values():
        analysed = cut(codec).analyse(x)
        encoded = cut(codec).write(analysed)
        read = cut(codec).read(**encoded)
        assert equal(read, analysed)
        assert analysed.y_hat.abs().max() > 3
        decoded = codec.decompress(encoded["strings"], encoded["shape"])["x_hat"]
        assert cut(codec).synthesise(read).clamp(0, 1).equal(decoded)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_the_image_of_a_forward_in_eval_is_the_decoded_one(
    spread_out: Make, pictures: dict[str, Tensor], name: str
) -> None:
    codec = spread_out(name)
    for x in pictures.values():
        decoded = cut(codec).synthesise(cut(codec).read(**cut(codec).write(cut(codec).analyse(x))))
        torch.testing.assert_close(codec(x)["x_hat"], decoded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_a_batch_has_a_string_for_each_image(spread_out: Make, pictures: dict[str, Tensor], name: str) -> None:
    codec = spread_out(name)
    batch = torch.cat([pictures["small"], pictures["small"].flip(3)])
    encoded = cut(codec).write(cut(codec).analyse(batch))
    assert encoded["strings"] == codec.compress(batch)["strings"]
    assert equal(cut(codec).read(**encoded), cut(codec).analyse(batch))


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_likelihoods_of_given_latents_are_those_of_the_forward(
    spread_out: Make, pictures: dict[str, Tensor], name: str
) -> None:
    codec, x = spread_out(name), pictures["wide"]
    expected = codec(x)["likelihoods"]
    latents = cut(codec).analyse(x)
    for found in (latents.likelihoods, cut(codec).likelihoods(cut(codec).read(**cut(codec).write(latents)))):
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            assert found[key].shape == values.shape
            assert found[key].log2().sum().item() == pytest.approx(values.log2().sum().item(), rel=1e-5)


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_what_is_given_is_what_is_written(spread_out: Make, pictures: dict[str, Tensor], name: str) -> None:
    codec = spread_out(name)
    latents = cut(codec).analyse(pictures["small"])
    change = torch.randint_like(latents.y_hat, -1, 2)
    if name == "elic2022-official":  # other values are the context of later ones, and so of their means
        change[:, :-16] = 0
        change[:, :, 0::2, 0::2] = change[:, :, 1::2, 1::2] = 0
    elif name in AUTOREGRESSIVE:
        change[:, :, :-1] = change[..., :-1] = 0
    refined = replace(latents, y_hat=latents.y_hat + change)
    read = cut(codec).read(**cut(codec).write(refined))
    assert change.any()
    torch.testing.assert_close(read.y_hat, refined.y_hat, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", CODECS)
def test_in_training_gradients_of_all_parts_reach_the_analysis(
    spread_out: Make, pictures: dict[str, Tensor], name: str
) -> None:
    codec = spread_out(name).train()
    expected = codec(pictures["small"])["likelihoods"]
    latents = cut(codec).analyse(pictures["small"])
    assert latents.likelihoods.keys() == expected.keys()
    parts = [latents.y_hat, latents.likelihoods["y"].log(), latents.scales]
    for part in (part for part in parts if part is not None):
        codec.zero_grad()
        (-part.sum()).backward(retain_graph=True)
        assert sum(p.grad.abs().sum() for p in codec.g_a.parameters() if p.grad is not None) > 0


def test_a_network_without_a_cut_says_where_to_declare_it() -> None:
    with pytest.raises(TypeError, match=r"Linear declares no cut.*@cut\.register"):
        cut(nn.Linear(1, 1))
