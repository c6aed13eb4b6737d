"""The authors' SegPIC checkpoints under our names: an explicit map, of modules and of the parts within them.

Their order of tensors means nothing here: their up-sampling block registers its convolution before its affine network,
which is not the order of the data. Eight blocks stand under a second name, and must be the same tensors there.
"""

from collections.abc import Mapping

from torch import nn

from lic_lightning.codecs.weights import State, WeightsError

SIGN = "cc_mean_transforms."  # theirs have it, ours never
ALIASES = {
    **{f"basic_E.{i}": block for i, block in enumerate(("g_a1.0", "g_a1.1", "g_a2.0", "g_a2.1"))},
    **{f"basic_D.{i}": block for i, block in enumerate(("g_s0.1", "g_s0.2", "g_s1.1", "g_s1.2"))},
}
MODULES = {  # theirs: ours
    **{f"{name}.{i}": f"{name}.{i}" for name in ("g_a2", "g_s0") for i in range(3)},
    **{name: name for name in ("h_a", "h_mean_s", "h_scale_s", "g_ab", "g_sb", "g_ab2", "g_sb2")},
    **{"g_a1.0": "g_a1.0.0", "g_a1.1": "g_a1.0.1", "g_a1.2": "g_a1.1"},
    **{"g_s1.0": "g_s1.0", "g_s1.1": "g_s1.1.0", "g_s1.2": "g_s1.1.1", "g_s1.3": "g_s1.1.2"},
    **{"dyn_encoder": "rat_enc", "dyn_decoder": "rat_dec", "dyn_enc_hyper": "rat_hyp"},
    **{"dyn_dec_hyper_means": "rat_mean", "dyn_dec_hyper_scales": "rat_scale"},
    **{"cc_mean_transforms": "charm.mean", "cc_scale_transforms": "charm.scale", "lrp_transforms": "charm.residual"},
    "gaussian_conditional": "charm.gaussian_conditional",
    "entropy_bottleneck": "entropy_bottleneck",
    "entropy_bottleneck_b": "bottleneck_p1",
    "entropy_bottleneck_b2": "bottleneck_p2",
}
PARTS = {
    **{"conv_groups.0": "conv", "conv_groups.1": "gdn", "scales_bias": "sal.affine"},  # down- and up-sampling
    **{"conv_a": "trunk", "conv_b.0.attn": "attention", **{f"conv_b.{i + 1}": f"gate.{i}" for i in range(4)}},  # WAM
    "conv_b.0.attn.relative_position_bias_table": "attention.bias",
    **{"conv": "embed", "k_sp_gen": "kernels", "k_ch_gen.1": "gate.0", "k_ch_gen.3": "gate.2", "conv_out": "out"},
}
COMPUTED = ".relative_position_index"  # Swin's buffer, which follows from the window


def rename(codec: nn.Module, state: State) -> State:
    """A state dict of theirs under our names; one that is ours already comes back as it is.

    Raises:
        WeightsError: a tensor belongs to no module of ours, or differs from the one of its second name.
    """
    if not any(name.startswith(SIGN) for name in state):
        return state
    renamed: State = {}
    for name, tensor in state.items():
        if name.endswith(COMPUTED):
            continue
        ours = our_name(name)
        if ours in renamed and not renamed[ours].equal(tensor):
            raise WeightsError(f"the checkpoint's {name} differs from the tensor of its second name, our {ours}")
        renamed[ours] = tensor
    return renamed


def our_name(theirs: str) -> str:
    """Our name of one of their tensors.

    Raises:
        WeightsError: no module of ours has it.
    """
    alias, inside = _longest(theirs, ALIASES)
    name = f"{ALIASES[alias]}.{inside}" if alias else theirs
    module, inside = _longest(name, MODULES)
    if not module:
        raise WeightsError(f"the checkpoint's {theirs} belongs to no module of ours: the names are in {__name__}")
    part, rest = _longest(inside, PARTS)
    within = f"{PARTS[part]}.{rest}".rstrip(".") if part else inside
    return f"{MODULES[module]}.{within}"


def _longest(name: str, table: Mapping[str, str]) -> tuple[str, str]:
    """The longest beginning of a dotted name that is in a table, empty if none is, and what comes after it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        beginning = ".".join(parts[:length])
        if beginning in table:
            return beginning, ".".join(parts[length:])
    return "", name
