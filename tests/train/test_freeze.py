"""Freeze policies: what trains, what stays, and that nothing lifts them."""

from __future__ import annotations

import pytest
import torch
from compressai.entropy_models import EntropyModel
from torch import nn

from lic_lightning.codecs.freeze import FreezeError, FreezePolicy, trainable_by_role
from lic_lightning.codecs.registry import names, spec
from lic_lightning.codecs.roles import tensor_roles
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.objectives import MSE

ENCODER_ONLY = FreezePolicy("encoder_only", ["encoder"])
NONE = FreezePolicy("none", ["encoder", "decoder", "entropy"])


def small(name: str = "mbt2018-mean") -> nn.Module:
    sizes = {"elic2022-official": {"N": 8, "M": 144}, "segpic": {"N": 16, "M": 32}}.get(name, {"N": 8, "M": 12})
    return load_codec(name, lmbda=0.0130, **{k: v for k, v in sizes.items() if k in spec(name).sizes[1]})


def module(codec: nn.Module, policy: FreezePolicy, name: str = "mbt2018-mean") -> CodecModule:
    return CodecModule(codec, name, policy, MSE(0.0130), torch.optim.Adam)


@pytest.mark.parametrize("name", names())
def test_encoder_only_trains_the_encoder_and_nothing_else(name: str) -> None:
    codec = small(name)
    ENCODER_ONLY.apply(codec, spec(name).roles)
    roles = tensor_roles(codec, spec(name).roles)
    trains = {n for n, p in codec.named_parameters() if p.requires_grad}
    assert trains == {n for n, _ in codec.named_parameters() if roles[n] == "encoder"}


@pytest.mark.parametrize("name", names())
def test_every_encoder_parameter_gets_a_gradient_through_the_frozen_decoder(name: str) -> None:
    codec = small(name)
    trained = module(codec, ENCODER_ONLY, name)
    batch = Batch(image=torch.rand(1, 3, 64, 64), name=["noise"])
    MSE(1.0)(trained(batch.image), batch)["loss"].backward()
    encoder = {n: p.grad for n, p in codec.named_parameters() if p.requires_grad}
    assert [name for name, gradient in encoder.items() if gradient is None] == []
    assert next(iter(encoder.values())).any(), "the first layer of g_a does not learn"


def test_module_groups_can_be_named() -> None:
    codec = small()
    FreezePolicy("last_layers", ["g_a.6", "h_a.4"]).apply(codec, spec("mbt2018-mean").roles)
    trains = {n for n, p in codec.named_parameters() if p.requires_grad}
    assert trains == {"g_a.6.weight", "g_a.6.bias", "h_a.4.weight", "h_a.4.bias"}


def test_an_unknown_group_is_named_with_what_there_is() -> None:
    with pytest.raises(FreezeError, match=r"'g_b'; known: roles encoder, decoder, entropy; modules .*g_a"):
        FreezePolicy("typo", ["g_b"]).apply(small(), spec("mbt2018-mean").roles)


def test_a_policy_that_trains_nothing_is_an_error() -> None:
    with pytest.raises(FreezeError, match="trains nothing"):
        module(small(), FreezePolicy("all", [])).configure_optimizers()


def test_train_mode_does_not_lift_the_freeze() -> None:
    codec = small()
    trained = module(codec, ENCODER_ONLY)
    trained.eval()
    trained.train()
    assert codec.g_a.training
    assert not any(m.training for m in codec.g_s.modules())
    assert not any(m.training for m in codec.h_s.modules())


def test_a_compiled_codec_stays_frozen() -> None:
    codec = small()
    codec.compile(backend="eager")
    trained = module(codec, ENCODER_ONLY)
    before = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in codec.parameters() if p.requires_grad], lr=1.0)
    batch = Batch(image=torch.rand(1, 3, 64, 64), name=["noise"])
    MSE(1.0)(trained(batch.image), batch)["loss"].backward()
    optimizer.step()
    moved = {name.split(".")[0] for name, tensor in codec.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"g_a", "h_a"}


@pytest.mark.parametrize("name", names())
def test_none_trains_every_parameter_and_moves_every_role(name: str) -> None:
    codec = small(name)
    trained = module(codec, NONE, name)
    before = {n: p.detach().clone() for n, p in codec.named_parameters()}
    batch = Batch(image=torch.rand(2, 3, 64, 64), name=["noise"] * 2)
    optimizer = trained.configure_optimizers()
    MSE(1.0)(trained(batch.image), batch)["loss"].backward()
    optimizer.step()
    without = {n for n, p in codec.named_parameters() if p.grad is None and not n.endswith(".quantiles")}
    roles = tensor_roles(codec, spec(name).roles)
    moved = {roles[n] for n, p in codec.named_parameters() if not p.equal(before[n])}
    assert (without, moved) == (set(), {"encoder", "decoder", "entropy"})


def test_frozen_entropy_models_still_add_noise_in_training() -> None:
    codec = small()
    module(codec, ENCODER_ONLY)
    assert all(m.training for m in codec.modules() if isinstance(m, EntropyModel))


def test_quantiles_never_train_by_gradient() -> None:
    codec = small()
    NONE.apply(codec, spec("mbt2018-mean").roles)
    assert [n for n, p in codec.named_parameters() if not p.requires_grad] == ["entropy_bottleneck.quantiles"]


def test_the_policy_says_whether_the_decoder_is_fixed() -> None:
    roles = spec("mbt2018-mean").roles
    expected = {"encoder_only": True, "none": False, "g_s": False, "h_a": True}
    policies = [ENCODER_ONLY, NONE, FreezePolicy("g_s", ["g_s"]), FreezePolicy("h_a", ["h_a"])]
    found = {}
    for policy in policies:
        codec = small()
        policy.apply(codec, roles)
        found[policy.name] = policy.fixes_decoder(codec, roles)
    assert found == expected


def test_the_table_counts_each_parameter_once() -> None:
    codec = small()
    ENCODER_ONLY.apply(codec, spec("mbt2018-mean").roles)
    table = trainable_by_role(codec, spec("mbt2018-mean").roles)
    assert sum(map(sum, table.values())) == sum(p.numel() for p in codec.parameters())
    assert table["encoder"][1] == table["decoder"][0] == table["entropy"][0] == 0
