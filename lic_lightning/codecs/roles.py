"""Roles: which side of the bitstream every parameter and buffer of a codec serves."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from torch import Tensor, nn

Role = Literal["encoder", "decoder", "entropy"]
RoleTable = Mapping[str, Role]
ROLES: tuple[Role, ...] = get_args(Role)


class RoleError(ValueError):
    """A role table that does not cover each tensor of its codec exactly once."""


def named_tensors(codec: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer with its name, each once, buffers that are not saved included."""
    return itertools.chain(codec.named_parameters(), codec.named_buffers())


def tensor_roles(codec: nn.Module, table: RoleTable) -> dict[str, Role]:
    """Role of each parameter and buffer by name.

    `table` maps module prefixes ("g_a", "latent_codec.hyper.h_s") to roles.

    Raises:
        RoleError: a tensor is covered by no prefix or by several, or a prefix covers nothing.
    """
    roles: dict[str, Role] = {}
    used = set()
    for name, _ in named_tensors(codec):
        prefixes = [prefix for prefix in table if name == prefix or name.startswith(prefix + ".")]
        if len(prefixes) != 1:
            found = f"is covered by {prefixes}" if prefixes else "is covered by no prefix"
            raise RoleError(f"{name} {found} of the role table {dict(table)}; it must be covered exactly once")
        roles[name] = table[prefixes[0]]
        used.add(prefixes[0])
    if unused := set(table) - used:
        raise RoleError(f"the role table names {sorted(unused)}, which cover no parameter or buffer")
    return roles


def parameters_by_role(codec: nn.Module, table: RoleTable) -> dict[str, int]:
    """Number of parameters per role, and their total."""
    roles = tensor_roles(codec, table)
    counts: dict[str, int] = dict.fromkeys(ROLES, 0)
    for name, parameter in codec.named_parameters():
        counts[roles[name]] += parameter.numel()
    return {**counts, "total": sum(counts.values())}
