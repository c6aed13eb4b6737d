"""Entropy models in training: what stands in for rounding, and likelihoods in float32 under mixed precision."""

import copy
import pickle

import pytest
import torch
from compressai.entropy_models import EntropyModel
from compressai.models import MeanScaleHyperprior
from torch import nn

from lic_lightning.codecs.quantization import Bottleneck, Gaussian, set_quantizer, straight_through
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import load_codec


def codec_in_float32_entropy() -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    set_quantizer(codec, "mixed")
    return codec


def test_likelihoods_are_float32_under_autocast() -> None:
    codec = codec_in_float32_entropy()
    with torch.autocast("cpu", torch.bfloat16):
        output = codec(torch.rand(1, 3, 64, 64))
    assert output["x_hat"].dtype == torch.bfloat16
    assert {likelihood.dtype for likelihood in output["likelihoods"].values()} == {torch.float32}


def test_autocast_is_on_again_behind_the_entropy_models() -> None:
    codec = codec_in_float32_entropy()
    with torch.autocast("cpu", torch.bfloat16):
        codec.entropy_bottleneck(torch.rand(1, 8, 2, 2))
        assert torch.is_autocast_enabled("cpu")


def test_conversion_keeps_names_tensors_and_the_random_state() -> None:
    """A reduced run must draw the noise that it drew, and a checkpoint keep its keys."""
    torch.manual_seed(0)
    plain = MeanScaleHyperprior(8, 12)
    state = torch.get_rng_state()
    torch.manual_seed(0)
    codec = build("mbt2018-mean", 1, N=8, M=12)
    assert torch.get_rng_state().equal(state)
    assert list(codec.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in codec.named_modules()] == [name for name, _ in plain.named_modules()]
    assert all(tensor.equal(plain.state_dict()[name]) for name, tensor in codec.state_dict().items())


@pytest.mark.parametrize("name", ["mbt2018", "elic2022-official", "segpic"])
def test_every_entropy_model_of_a_built_codec_is_ours_and_takes_the_quantizer(name: str) -> None:
    codec = load_codec(name, lmbda=0.0130, **{"elic2022-official": {"N": 8, "M": 144}}.get(name, {"N": 8, "M": 16}))
    set_quantizer(codec, "mixed")
    models = [module for module in codec.modules() if isinstance(module, EntropyModel)]
    assert {type(model) for model in models} == {Bottleneck, Gaussian}
    assert {model.quantizer for model in copy.deepcopy(models)} == {"mixed"}
    assert (Bottleneck.quantizer, Gaussian.quantizer) == ("noise", "noise")


def test_without_autocast_nothing_changes() -> None:
    plain = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    changed = copy.deepcopy(plain)
    set_quantizer(changed, "mixed")
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(plain(image)["likelihoods"]["z"], changed(image)["likelihoods"]["z"])


def test_the_codec_can_still_be_pickled_for_parallel_coding() -> None:
    codec = codec_in_float32_entropy()
    again = pickle.loads(pickle.dumps(codec))
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(codec(image)["x_hat"], again(image)["x_hat"])


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean"])
def test_mixed_synthesis_sees_in_training_what_it_sees_in_validation(name: str) -> None:
    torch.manual_seed(0)
    codec = load_codec(name, lmbda=0.0130, N=8, M=12)
    set_quantizer(codec, "mixed")
    image = torch.rand(2, 3, 64, 64)
    training, validation = codec.train()(image), codec.eval()(image)
    torch.testing.assert_close(training["x_hat"], validation["x_hat"], rtol=0, atol=1e-6)
    assert not torch.equal(training["likelihoods"]["y"], validation["likelihoods"]["y"])


def test_noise_is_compressai_s_own_training() -> None:
    plain = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12).train()
    prepared = copy.deepcopy(plain)
    set_quantizer(prepared, "noise")
    image = torch.rand(1, 3, 64, 64)
    outputs = []
    for codec in (plain, prepared):
        torch.manual_seed(1)
        outputs.append(codec(image))
    assert torch.equal(outputs[0]["x_hat"], outputs[1]["x_hat"])
    assert torch.equal(outputs[0]["likelihoods"]["y"], outputs[1]["likelihoods"]["y"])


def test_mixed_rounding_has_the_gradient_of_the_identity() -> None:
    x = torch.tensor([0.2, 0.7, -1.4], requires_grad=True)
    rounded = straight_through(x, torch.tensor([0.5, 0.0, 0.0]))
    assert torch.equal(rounded, torch.tensor([0.5, 1.0, -1.0]))
    rounded.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones(3))


def test_a_codec_can_be_prepared_anew() -> None:
    codec = codec_in_float32_entropy().train()
    set_quantizer(codec, "noise")
    y = torch.rand(1, 12, 4, 4)
    assert not codec.gaussian_conditional(y, torch.ones_like(y))[0].equal(y.round())


def test_an_unknown_quantizer_is_named() -> None:
    with pytest.raises(ValueError, match="quantizer=ste: it is one of noise, mixed"):
        set_quantizer(nn.Sequential(), "ste")  # type: ignore[arg-type]
