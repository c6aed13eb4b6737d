"""Other encoders for the same decoder: a network in the place of a codec's g_a that ends in the same latents.

    picture ─► the analysis NAME ─► y ─► h_a, rounding, coding, g_s: the codec's own

Its tensors are called `g_a.analysis_NAME.…`, so that whatever holds them, a run's file, a checkpoint or a delta, says
by their names which network they are of.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from lic_lightning.codecs.latents import TransformCut, cut
from lic_lightning.codecs.registry import analysis, spec

PREFIX = "g_a.analysis_"


class AnalysisError(ValueError):
    """A codec whose g_a can't be another network, or a network that ends in other latents; the message says which."""


def analysis_in(names: Iterable[str]) -> str | None:
    """The analysis that tensors of these names are of; None where g_a is the codec's own."""
    foreign = (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    return next((name.partition(".")[0] for name in foreign), None)


def analysis_of(codec: nn.Module) -> str | None:
    """The name of a codec's analysis; None where it is the codec's own."""
    return analysis_in(name for name, _ in codec.named_parameters())


@torch.no_grad()
def put_analysis(name: str, codec_name: str, codec: Any) -> None:
    """Replaces g_a of a codec registered as `codec_name` by a new network, which torch's generator initialises.

    Raises:
        ValueError: no such analysis.
        AnalysisError: not for this codec.
    """
    build = analysis(name)
    if "g_a" not in spec(codec_name).roles or not isinstance(cut(codec), TransformCut):
        raise AnalysisError(f"codec.analysis={name}: {codec_name} has no g_a that another network could stand for")
    pixels = torch.zeros(1, 3, spec(codec_name).stride, spec(codec_name).stride)
    own = codec.g_a(pixels).shape
    network = build(codec.g_a, spec(codec_name).sizes_of(codec.state_dict())["N"], own[1]).eval()
    if (ends := network(pixels).shape) != own:
        raise AnalysisError(f"codec.analysis={name} ends in latents {tuple(ends)}, {codec_name} has {tuple(own)}")
    codec.g_a = nn.Sequential(OrderedDict([(f"analysis_{name}", network)]))
