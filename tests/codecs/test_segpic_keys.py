"""The authors' checkpoints: a state dict of other names, with blocks twice and computed buffers, loads bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lic_lightning.codecs.networks.segpic_keys import GROUPS, KEPT_NAMES, rename
from lic_lightning.codecs.weights import WeightsError, load_codec

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def codec() -> nn.Module:
    torch.manual_seed(0)
    codec = load_codec("segpic", lmbda=0.0130, N=16, M=32)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.01 * torch.rand_like(parameter))  # no two tensors are equal
    codec.update(force=True)
    return codec


@pytest.fixture
def theirs(codec: nn.Module) -> State:
    """Their names, of no meaning within a module; the parts of a block in another order; blocks under a second name."""
    state: State = {}
    for ours, group in GROUPS.items():
        tensors = {n.removeprefix(f"{ours}."): t for n, t in codec.state_dict().items() if n.startswith(f"{ours}.")}
        if ours not in KEPT_NAMES and not ours.startswith(("g_ab", "g_sb")):
            tensors = {f"part{number}.{_end(name)}": t for number, (name, t) in enumerate(tensors.items())}
        state |= {f"{group}.{name}": tensor for name, tensor in tensors.items()}
    state |= {f"down0.{name}": t.clone() for name, t in codec.g_a1[0][0].state_dict().items()}
    state |= {f"up3.{name}": t.clone() for name, t in codec.g_s1[1][1].state_dict().items()}
    state["g_a1.part99.attn.relative_position_index"] = torch.zeros(64, 64, dtype=torch.long)
    return state


def _end(name: str) -> str:
    parts = name.split(".")
    reparametrised = [part for part in parts if part.endswith("_reparam")]
    return ".".join([*reparametrised, parts[-1]])


def load(state: State, folder: Path) -> nn.Module:
    torch.save({"state_dict": state}, folder / "theirs.pth.tar")
    return load_codec("segpic", lmbda=0.0130, weights=str(folder / "theirs.pth.tar"))


def test_their_checkpoint_loads_bit_for_bit(codec: nn.Module, theirs: State, tmp_path: Path) -> None:
    loaded = load(theirs, tmp_path).state_dict()
    assert [name for name, tensor in codec.state_dict().items() if not tensor.equal(loaded[name])] == []


def test_the_parts_of_a_block_may_stand_in_another_order(codec: nn.Module, theirs: State, tmp_path: Path) -> None:
    names = [name for name in theirs if name.startswith("g_s1.")]
    kernels = [name for name in names if theirs[name].dim() == 4 and theirs[name].size(-1) == 5]
    reordered = {name: theirs[name] for name in kernels} | theirs
    loaded = load(reordered, tmp_path).state_dict()
    assert [name for name, tensor in codec.state_dict().items() if not tensor.equal(loaded[name])] == []


def test_a_second_name_of_another_tensor_is_refused(theirs: State, tmp_path: Path) -> None:
    theirs["down0.conv.weight"] = theirs["down0.conv.weight"] + 1
    with pytest.raises(WeightsError, match=r"belong to no module of ours, first down0\.conv\.weight"):
        load(theirs, tmp_path)


def test_a_group_that_is_missing_is_named(theirs: State, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in theirs.items() if not name.startswith("RAT_hyp.")}
    with pytest.raises(WeightsError, match="the checkpoint's 'RAT_hyp' has no tensor of shape"):
        load(state, tmp_path)


def test_a_group_with_more_tensors_than_ours_is_named(theirs: State, tmp_path: Path) -> None:
    theirs["h_a.part99.weight"] = torch.zeros(7, 7)
    with pytest.raises(WeightsError, match=r"'h_a' has tensors more than ours, of shapes \[\(7, 7"):
        load(theirs, tmp_path)


def test_our_own_weights_keep_their_names(codec: nn.Module) -> None:
    state = codec.state_dict()
    assert rename(codec, state) is state
