"""Freeze policies: which roles, or named module groups, of a codec train; all else is frozen."""

from collections.abc import Sequence

from compressai.entropy_models import EntropyBottleneck, EntropyModel
from torch import nn

from lic_lightning.codecs.roles import ROLES, RoleTable, named_tensors, tensor_roles


class FreezeError(ValueError):
    """A freeze policy that names what the codec does not have."""


class FreezePolicy:
    """Trains the roles and modules in `train`, freezes the rest, and keeps it frozen.

    Args:
        name: how runs and tables call the policy.
        train: roles ("encoder", "decoder", "entropy") and module prefixes ("g_a.6", "h_a").
        deployed: the deployed decoder is claimed to read the streams although the policy moves it: the claim is
            measured, by having the decoder as it was loaded read them. A policy that fixes the decoder is always held
            to it.

    The policy is applied anew by `hold` after each `.train()`, so neither Lightning's mode switches nor a resumed
    checkpoint can lift it.
    """

    def __init__(self, name: str, train: Sequence[str], deployed: bool = False) -> None:
        self.name = name
        self.train = tuple(train)
        self.deployed = deployed

    def apply(self, codec: nn.Module, table: RoleTable) -> None:
        """Sets `requires_grad` of every parameter; quantiles never train by gradient (they are solved).

        Raises:
            FreezeError: `train` names neither a role nor a module of the codec.
        """
        roles = tensor_roles(codec, table)
        for group in self.train:
            if group not in ROLES and not any(_within(name, group) for name in roles):
                modules = ", ".join(sorted(table))
                raise FreezeError(f"freeze.train names {group!r}; known: roles {', '.join(ROLES)}; modules {modules}")
        for name, parameter in codec.named_parameters():
            parameter.requires_grad_(self._covers(name, roles[name]) and not name.endswith(".quantiles"))
        self.hold(codec)

    def frozen(self, codec: nn.Module, table: RoleTable) -> set[str]:
        """Names of the parameters and buffers that may not move once the policy is applied: what no group covers.

        The quantiles and CDFs of a bottleneck that trains follow its density, whichever part of it was named.
        """
        moves = {name for name, role in tensor_roles(codec, table).items() if self._covers(name, role)}
        for prefix, module in codec.named_modules():
            if isinstance(module, EntropyBottleneck) and any(p.requires_grad for p in module.parameters()):
                moves |= {f"{prefix}.{name}" for name in ("quantiles", "_quantized_cdf", "_offset", "_cdf_length")}
        return {name for name, _ in named_tensors(codec)} - moves

    def hold(self, codec: nn.Module) -> None:
        """Keeps modules that hold only frozen parameters in eval mode while the rest trains.

        Entropy models are left in the mode of the codec: their training flag chooses additive noise instead of
        rounding, and rounding would give the encoder no gradient.
        """
        for module in codec.modules():
            parameters = list(module.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        for module in codec.modules():
            if isinstance(module, EntropyModel):
                module.train(codec.training)

    def fixes_decoder(self, codec: nn.Module, table: RoleTable) -> bool:
        """True if no decoder-side (decoder or entropy) parameter trains: the deployed decoder must still decode."""
        roles = tensor_roles(codec, table)
        return not any(p.requires_grad and roles[n] != "encoder" for n, p in codec.named_parameters())

    def claim(self, codec: nn.Module, table: RoleTable) -> str:
        """What a run says of its decoder: it is "fixed"; it moves, but the "deployed" one shall read; it "moves"."""
        if self.fixes_decoder(codec, table):
            return "fixed"
        return "deployed" if self.deployed else "moves"

    def _covers(self, name: str, role: str) -> bool:
        return any(group == role or _within(name, group) for group in self.train)


def trains_bottleneck(codec: nn.Module) -> bool:
    """True if a factorised density trains, so that its quantiles must be solved anew before coding."""
    bottlenecks = [module for module in codec.modules() if isinstance(module, EntropyBottleneck)]
    return any(p.requires_grad for module in bottlenecks for p in module.parameters())


def trainable_by_role(codec: nn.Module, table: RoleTable) -> dict[str, tuple[int, int]]:
    """Per role the numbers of (trainable, frozen) parameters."""
    roles = tensor_roles(codec, table)
    counts = {role: [0, 0] for role in ROLES}
    for name, parameter in codec.named_parameters():
        counts[roles[name]][0 if parameter.requires_grad else 1] += parameter.numel()
    return {role: (trainable, frozen) for role, (trainable, frozen) in counts.items()}


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")
