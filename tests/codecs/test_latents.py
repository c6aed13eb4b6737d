"""The cut: what is written is what is given, what is read is what was analysed, and the strings are CompressAI's."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from compressai.models import Elic2022Official
from compressai.zoo.image import model_architectures
from torch import Tensor, nn

from lic_lightning.codecs.latents import Latents, LatentsError, cut, features
from lic_lightning.codecs.registry import names, spec
from lic_lightning.codecs.weights import save_state

CODECS = names()
AUTOREGRESSIVE = ["mbt2018", "cheng2020-anchor", "cheng2020-attn"]
COMPRESSAIS = [name for name in CODECS if name != "segpic"]
Make = Callable[..., nn.Module]


def equal(read: Latents, analysed: Latents) -> bool:
    """Bit for bit, all that both have."""
    pairs = [(read.y_hat, analysed.y_hat), (read.scales, analysed.scales), (read.means, analysed.means)]
    pairs += [(read.side[name], analysed.side[name]) for name in read.side if name != "regions"]
    return all(a is b is None or a.equal(b) for a, b in pairs)


def plain(name: str, codec: nn.Module) -> nn.Module:
    """CompressAI's own network with the same weights."""
    network = {**model_architectures, "elic2022-official": Elic2022Official}[name](
        **spec(name).sizes_of(codec.state_dict())
    )
    network.load_state_dict(codec.state_dict())
    return network.eval()


@pytest.mark.parametrize("name", COMPRESSAIS)
@torch.no_grad()
def test_strings_are_compressais_own(spread_out: Make, pictures: dict[str, Tensor], name: str) -> None:
    syntax = {"coder": "compressai"} if name in AUTOREGRESSIVE else {}
    codec = spread_out(name, **syntax)
    network = plain(name, codec)
    for x in pictures.values():
        expected = network.compress(x)
        encoded = cut(codec).write(cut(codec).analyse(x))
        assert encoded["strings"] == expected["strings"]
        assert encoded["shape"] == cut(codec).shape(*x.shape[2:]) == expected["shape"]
        assert sum(len(string) for [string] in encoded["strings"]) > 100
        read = cut(codec).read(expected["strings"], expected["shape"])
        decoded = network.decompress(expected["strings"], expected["shape"])["x_hat"]
        assert cut(codec).synthesise(read).clamp(0, 1).equal(decoded)


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
        assert cut(codec).synthesise(read).equal(cut(codec).synthesise(analysed))
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
    # Other values are the context of later ones, and so of their means
    if name in ("elic2022-official", "segpic"):
        change[:, : -latents.y_hat.size(1) // 10] = 0
    if name == "elic2022-official":
        change[:, :, 0::2, 0::2] = change[:, :, 1::2, 1::2] = 0
    if name in AUTOREGRESSIVE:
        change[:, :, :-1] = change[..., :-1] = 0
    assert change.any()
    if name == "segpic":
        latents.side["written"] += change
        read = cut(codec).read(**cut(codec).write(latents))
        torch.testing.assert_close(read.side["written"], latents.side["written"], rtol=0, atol=1e-4)
        return
    refined = replace(latents, y_hat=latents.y_hat + change)
    read = cut(codec).read(**cut(codec).write(refined))
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
        first, *_ = (prefix for prefix, role in spec(name).roles.items() if role == "encoder")
        gradients = [p.grad for p in codec.get_submodule(first).parameters() if p.grad is not None]
        assert sum(gradient.abs().sum() for gradient in gradients) > 0


@pytest.mark.parametrize("name", CODECS)
@torch.no_grad()
def test_the_synthesis_runs_only_where_it_is_asked_for(
    spread_out: Make, pictures: dict[str, Tensor], name: str
) -> None:
    codec, ran = spread_out(name), []
    for prefix, role in spec(name).roles.items():
        if role == "decoder":
            codec.get_submodule(prefix).register_forward_hook(lambda *_: ran.append(1))
    read = cut(codec).read(**cut(codec).write(cut(codec).analyse(pictures["small"])))
    assert not ran
    cut(codec).synthesise(read)
    assert ran


@torch.no_grad()
def test_streams_of_one_thread_decode_with_two_in_another_process(
    spread_out: Make, pictures: dict[str, Tensor], tmp_path: Path
) -> None:
    analysed, written = {}, {}
    for name in CODECS:
        codec = spread_out(name)
        save_state(codec, tmp_path / f"{name}.safetensors")
        analysed[name] = cut(codec).analyse(pictures["wide"])
        written[name] = cut(codec).write(analysed[name])
    (tmp_path / "written").write_bytes(pickle.dumps(written))
    subprocess.run([sys.executable, "-c", READ_WITH_TWO_THREADS, tmp_path], check=True)
    read = torch.load(tmp_path / "read")
    assert [name for name in CODECS if not read[name].equal(analysed[name].y_hat)] == []


READ_WITH_TWO_THREADS = """
import pickle, sys, torch
from pathlib import Path
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.weights import load_codec
torch.set_num_threads(2)
folder, read = Path(sys.argv[1]), {}
for name, encoded in pickle.loads((folder / "written").read_bytes()).items():
    codec = load_codec(name, weights=str(folder / f"{name}.safetensors"), lmbda=1.0)
    with torch.no_grad():
        read[name] = cut(codec).read(**encoded).y_hat
torch.save(read, folder / "read")
"""


def test_a_codec_without_scales_says_which_have_them(spread_out: Make, pictures: dict[str, Tensor]) -> None:
    codec = spread_out("bmshj2018-factorized")
    with pytest.raises(LatentsError, match="mbt2018-mean"):
        features(cut(codec).analyse(pictures["small"]))


def test_a_network_without_a_cut_says_where_to_declare_it() -> None:
    with pytest.raises(LatentsError, match=r"Linear declares no cut.*@cut\.register"):
        cut(nn.Linear(1, 1))
