"""The authors' SegPIC checkpoints under our names.

**Unverified**: written without their checkpoints or code. From the facts: the modules, their shapes, and that blocks
are registered under two names. From memory of WACNN, which SegPIC extends: the names of the ChARM nets. Assumed: the
other names in `GROUPS`, and that within a group tensors of one shape are listed in the order of the data flow, which
shapes leave open for a RAT's five 1×1 convolutions of C channels, a WAM's two trunks, and equal layers in a chain.
A name that is wrong is refused; an order that is wrong would show on Kodak, where the published points are .120 .194
.288 .439 .633 .861 bpp at 29.24 30.76 32.25 34.23 36.01 37.81 dB.
"""

from __future__ import annotations

from collections import defaultdict

from torch import Tensor, nn

from lic_lightning.codecs.weights import State, WeightsError

SIGN = "cc_mean_transforms."  # theirs have it, ours never
GROUPS = {  # ours: theirs
    **{name: name for name in ("g_a1", "g_a2", "g_s0", "g_s1", "h_a", "h_mean_s", "h_scale_s")},
    **{name: name for name in ("g_ab", "g_sb", "g_ab2", "g_sb2", "entropy_bottleneck")},
    **{f"rat_{place}": f"RAT_{place}" for place in ("enc", "dec", "hyp", "mean", "scale")},
    "bottleneck_p1": "entropy_bottleneck1",
    "bottleneck_p2": "entropy_bottleneck2",
    "charm.mean": "cc_mean_transforms",
    "charm.scale": "cc_scale_transforms",
    "charm.residual": "lrp_transforms",
    "charm.gaussian_conditional": "gaussian_conditional",
}
KEPT_NAMES = ("entropy_bottleneck", "bottleneck_p1", "bottleneck_p2", "charm.gaussian_conditional")  # CompressAI's own
COMPUTED = ".relative_position_index"  # Swin's buffer, which follows from the window


def rename(codec: nn.Module, state: State) -> State:
    """A state dict of theirs under our names; one that is ours already comes back as it is.

    Tensors beside the groups must be second names of ones in them, bit for bit.

    Raises:
        WeightsError: a group is missing or of other shapes, or a tensor belongs to none.
    """
    if not any(name.startswith(SIGN) for name in state):
        return state
    state = {name: tensor for name, tensor in state.items() if not name.endswith(COMPUTED)}
    renamed: State = {}
    used: set[str] = set()
    for ours, theirs in GROUPS.items():
        group = {name: tensor for name, tensor in state.items() if name.startswith(f"{theirs}.")}
        used |= group.keys()
        if ours in KEPT_NAMES:
            renamed |= {ours + name.removeprefix(theirs): tensor for name, tensor in group.items()}
            continue
        expected = {name: t for name, t in codec.state_dict().items() if name.startswith(f"{ours}.")}
        renamed |= _by_shape(expected, group, theirs)
    _check_second_names({name: state[name] for name in state.keys() - used}, renamed)
    return renamed


def _by_shape(expected: State, group: State, theirs: str) -> State:
    """Our names for a group: tensors of one shape (and kind) in their order."""
    waiting = defaultdict(list)
    for name, tensor in group.items():
        waiting[_kind(name, tensor)].append(tensor)
    found = {}
    for name, tensor in expected.items():
        if not waiting[_kind(name, tensor)]:
            raise WeightsError(
                f"the checkpoint's {theirs!r} has no tensor of shape {tuple(tensor.shape)} for our {name}; "
                f"it has {len(group)} tensors, ours {len(expected)}. The names are in codecs/segpic_keys.py"
            )
        found[name] = waiting[_kind(name, tensor)].pop(0)
    if left := [shape for shape, tensors in waiting.items() if tensors]:
        raise WeightsError(f"the checkpoint's {theirs!r} has tensors more than ours, of shapes {left}")
    return found


def _kind(name: str, tensor: Tensor) -> tuple[object, ...]:
    """What tells a tensor from others of its group: its shape, and for vectors and scalars their role too."""
    kind = "" if tensor.dim() > 1 else name.rpartition(".")[2]
    reparametrised = next((part for part in name.split(".") if part.endswith("_reparam")), "")
    return (*tensor.shape, kind, reparametrised)


def _check_second_names(second: State, renamed: State) -> None:
    known = defaultdict(list)
    for tensor in renamed.values():
        known[tuple(tensor.shape)].append(tensor)
    strange = [n for n, tensor in second.items() if not any(tensor.equal(k) for k in known[tuple(tensor.shape)])]
    if strange:
        raise WeightsError(
            f"the checkpoint has {len(strange)} tensors that belong to no module of ours, first {sorted(strange)[0]}: "
            "the names are in codecs/segpic_keys.py"
        )
