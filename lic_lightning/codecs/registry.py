"""The codecs by name, and the networks that may stand for their g_a. Each is one file that registers it; nothing else
lists it.

Files are found in `networks/` and `analyses/`, among the entry points of installed packages (group
`lic_lightning.codecs`, each a module), and by the environment variable LIC_PLUGINS, which names modules with commas
between them. Not by a config or a .lic file: these come from other people too, and importing runs code.
"""

import difflib
import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from torch import Tensor, nn

from lic_lightning.codecs import analyses, networks
from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.quantization import convert_entropy_models
from lic_lightning.codecs.roles import RoleTable, tensor_roles

ENTRY_POINTS, PLUGINS = "lic_lightning.codecs", "LIC_PLUGINS"

Sizes = dict[str, int]
Named = TypeVar("Named")


@dataclass(frozen=True)
class CodecSpec:
    """What the platform must know of a codec.

    Attributes:
        build: constructor, called with the sizes as keywords (`N`, and `M` where the codec has one).
        sizes: per quality (1 = lowest rate) the sizes of the paper or zoo.
        sizes_of: the sizes that a state dict was trained with, by its decoder: g_a may be another network.
        roles: module prefixes to roles (see `roles.tensor_roles`).
        stride: height and width must be multiples of it; evaluation pads to it.
        zoo: CompressAI publishes weights under this name.
        conditions: fields of a batch (`mask`) that `forward` takes in training, by keyword, where the batch has them.
        rename: called with the codec and a state dict, gives one of the authors' checkpoints our names; None where
            they are the same.
    """

    name: str
    build: Callable[..., nn.Module]
    sizes: Mapping[int, Sizes]
    sizes_of: Callable[[Mapping[str, Tensor]], Sizes]
    roles: RoleTable = field(hash=False)
    stride: int = 64
    zoo: bool = False
    conditions: tuple[str, ...] = ()
    rename: Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]] | None = None


Analysis = Callable[[Any, int, int], nn.Module]  # of the codec's own g_a, its size N and the channels M of y

_SPECS: dict[str, CodecSpec] = {}
_ANALYSES: dict[str, Analysis] = {}


def register(spec: CodecSpec) -> CodecSpec:
    """Adds a codec; a second one of the same name is an error."""
    if spec.name in _SPECS:
        raise ValueError(f"a codec named {spec.name!r} is registered already")
    _SPECS[spec.name] = spec
    return spec


def register_analysis(name: str, build: Analysis) -> None:
    """Adds a network for `codec.analysis=NAME`, see `codecs.analysis`; a second one of the same name is an error.

    Args:
        name: without a dot, as tensors are named after it.
        build: called with the codec's own g_a, which has its weights and may be taken up, and with N and M.
    """
    if name in _ANALYSES:
        raise ValueError(f"an analysis named {name!r} is registered already")
    _ANALYSES[name] = build


@cache
def _import_all() -> None:
    for package in (networks, analyses):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    plugins = [entry.value for entry in entry_points(group=ENTRY_POINTS)]
    for plugin in [*plugins, *filter(None, os.environ.get(PLUGINS, "").split(","))]:
        try:
            importlib.import_module(plugin)
        except ImportError as error:
            raise ValueError(f"no codec from {plugin!r} ({PLUGINS}, or an installed package): {error}") from error


def names() -> list[str]:
    """Names of all codecs, sorted.

    Raises:
        ValueError: a plugin can't be imported.
    """
    _import_all()
    return sorted(_SPECS)


def spec(name: str) -> CodecSpec:
    """The codec registered as `name`.

    Raises:
        ValueError: there is none; the message lists the names and the nearest one.
    """
    _import_all()
    return _named("codec", name, _SPECS)


def analysis_names() -> list[str]:
    """Names of all analyses, sorted."""
    _import_all()
    return sorted(_ANALYSES)


def analysis(name: str) -> Analysis:
    """What builds the analysis registered as `name`.

    Raises:
        ValueError: there is none; the message lists the names and the nearest one.
    """
    _import_all()
    return _named("analysis", name, _ANALYSES)


def _named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown {kind} {name!r}{hint}; known: {', '.join(sorted(known))}")
    return known[name]


def build(name: str, quality: int, N: int | None = None, M: int | None = None) -> nn.Module:
    """An untrained codec at the sizes of `quality`, `N` and `M` overriding them, with our entropy models.

    Its roles are checked, and that its file declares a cut at its latents.
    """
    codec_spec = spec(name)
    if quality not in codec_spec.sizes:
        raise ValueError(f"{name} has qualities {list(codec_spec.sizes)}, got {quality}")
    sizes = dict(codec_spec.sizes[quality])
    for key, value in (("N", N), ("M", M)):
        if value is None:
            continue
        if key not in sizes:
            raise ValueError(f"{name} has no size {key}; it has {list(sizes)}")
        sizes[key] = value
    codec = codec_spec.build(**sizes)
    convert_entropy_models(codec)
    tensor_roles(codec, codec_spec.roles)
    cut(codec)
    return codec
