"""The authors' checkpoints by the list of their 919 tensors: each becomes the tensor of ours that it should."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from compressai.models.utils import remap_old_keys
from torch import Tensor, nn

from lic_lightning.codecs.entropy import CDF_BUFFERS
from lic_lightning.codecs.networks.segpic_keys import our_name, rename
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import WeightsError, load_codec

State = dict[str, Tensor]
LIST = Path(__file__).with_name("segpic_checkpoint.tsv")  # their name, its shape, ours or "= their other name"
FIXED = "(fixed)"


def listed() -> list[tuple[str, str, str]]:
    """Their name, shape, our name; ours is the same for both names of a block, and FIXED where it is computed."""
    with LIST.open() as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    ours = {name: mine for name, _, mine in rows}
    return [(name, shape, ours.get(mine.removeprefix("= "), mine)) for name, shape, mine in rows]


@pytest.fixture(scope="module")
def codec() -> nn.Module:
    """Small, with the published ten slices; no two of its tensors are equal."""
    torch.manual_seed(0)
    codec = load_codec("segpic", lmbda=0.0130, N=16, M=40)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.01 * torch.rand_like(parameter))
    codec.update(force=True)
    return codec


@pytest.fixture
def theirs(codec: nn.Module) -> State:
    """A checkpoint of the small codec as the authors would have saved it: all names of the list, in its order."""
    state = codec.state_dict()
    old = {
        name: tensor
        for bottleneck in ("entropy_bottleneck", "bottleneck_p1", "bottleneck_p2")
        for name, tensor in _old_names(bottleneck, state).items()
    }
    known = {**state, **old}
    return {name: torch.zeros(4, 4) if ours == FIXED else known[ours].clone() for name, _, ours in listed()}


def _old_names(bottleneck: str, state: State) -> State:
    """As CompressAI called a bottleneck's tensors when they trained: `_matrix0` for `matrices.0`."""
    old = {}
    for kind, plural in (("matrix", "matrices"), ("bias", "biases"), ("factor", "factors")):
        for i in range(5):
            if (name := f"{bottleneck}.{plural}.{i}") in state:
                old[f"{bottleneck}._{kind}{i}"] = state[name]
    return old


def load(state: State, folder: Path) -> nn.Module:
    torch.save({"state_dict": state}, folder / "theirs.pth.tar")
    return load_codec("segpic", lmbda=0.0130, weights=str(folder / "theirs.pth.tar"))


def test_each_of_their_tensors_has_our_name_and_our_shape() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in build("segpic", 1).state_dict().items()}
    reached = set()
    for name, shape, ours in listed():
        if ours == FIXED:
            continue
        assert our_name(name) == ours
        module = ours.rpartition(".")[0]
        new = next(iter(remap_old_keys(module, {ours: torch.empty(0)})))
        reached.add(new)
        if new.rpartition(".")[2] not in CDF_BUFFERS:
            assert shapes[new] == tuple(map(int, shape.split("x"))), name
    assert len(listed()) == 919
    assert reached == set(shapes)


def test_their_checkpoint_loads_bit_for_bit(codec: nn.Module, theirs: State, tmp_path: Path) -> None:
    loaded = load(theirs, tmp_path).state_dict()
    assert [name for name, tensor in codec.state_dict().items() if not tensor.equal(loaded[name])] == []


def test_the_order_of_their_tensors_means_nothing(codec: nn.Module, theirs: State, tmp_path: Path) -> None:
    loaded = load(dict(reversed(theirs.items())), tmp_path).state_dict()
    assert [name for name, tensor in codec.state_dict().items() if not tensor.equal(loaded[name])] == []


def test_empty_tables_are_built_at_loading(codec: nn.Module, theirs: State, tmp_path: Path) -> None:
    empty = {name: t[:0] if name.rpartition(".")[2] in CDF_BUFFERS else t for name, t in theirs.items()}
    loaded = load(empty, tmp_path).state_dict()
    assert [name for name, tensor in codec.state_dict().items() if not tensor.equal(loaded[name])] == []


def test_a_second_name_of_another_tensor_is_refused(theirs: State, tmp_path: Path) -> None:
    theirs["basic_D.2.conv_groups.0.weight"] = theirs["basic_D.2.conv_groups.0.weight"] + 1
    with pytest.raises(WeightsError, match=r"g_s1\.1\.conv_groups\.0\.weight differs .* our g_s1\.1\.0\.conv\.weight"):
        load(theirs, tmp_path)


def test_a_module_that_is_missing_is_named(theirs: State, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in theirs.items() if not name.startswith("dyn_enc_hyper.")}
    with pytest.raises(WeightsError, match=r"missing rat_hyp\.embed"):
        load(state, tmp_path)


def test_a_tensor_more_than_ours_is_named(theirs: State, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"unexpected h_a\.99\.weight"):
        load({**theirs, "h_a.99.weight": torch.zeros(7, 7)}, tmp_path)
    with pytest.raises(WeightsError, match=r"discriminator\.0\.weight belongs to no module of ours"):
        load({**theirs, "discriminator.0.weight": torch.zeros(7, 7)}, tmp_path)


def test_our_own_weights_keep_their_names(codec: nn.Module) -> None:
    state = codec.state_dict()
    assert rename(codec, state) is state
