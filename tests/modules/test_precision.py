"""Mixed precision: networks in bf16, likelihoods in float32."""

import copy
import pickle

import torch
from torch import nn

from lic_lightning.codecs.weights import load_codec
from lic_lightning.modules.precision import keep_entropy_in_float32


def codec_in_float32_entropy() -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    keep_entropy_in_float32(codec)
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


def test_without_autocast_nothing_changes() -> None:
    plain = load_codec("mbt2018-mean", lmbda=0.0130, N=8, M=12)
    changed = copy.deepcopy(plain)
    keep_entropy_in_float32(changed)
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(plain(image)["likelihoods"]["z"], changed(image)["likelihoods"]["z"])


def test_the_codec_can_still_be_pickled_for_parallel_coding() -> None:
    codec = codec_in_float32_entropy()
    again = pickle.loads(pickle.dumps(codec))
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(codec(image)["x_hat"], again(image)["x_hat"])
