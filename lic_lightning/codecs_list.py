"""`lic codecs`: the codecs at their paper's sizes, with parameters and work by role, and the weights found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import torch
from compressai.zoo.image import model_urls
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lic_lightning.codecs.registry import CodecSpec, Sizes, names, spec
from lic_lightning.codecs.roles import ROLES, RoleTable, parameters_by_role
from lic_lightning.codecs.weights import shipped_lmbdas, zoo_path

SIDE = 64  # pixels; the work per pixel does not depend on it

CONVENTION = (
    "kMAC per pixel: multiply-accumulates of convolutions and matrix products (FLOPs / 2), counted densely over one "
    "parallel pass. Encoding = encoder + entropy, decoding = entropy + decoder; a serial context model does the same "
    "work one position at a time."
)


def describe(codec_spec: CodecSpec) -> Iterator[dict[str, Any]]:
    """One entry for each size of a codec: name, sizes, qualities, parameters, kmac_per_pixel, weights."""
    for sizes, qualities in _by_sizes(codec_spec):
        codec = codec_spec.build(**sizes).eval()
        work = kmac_per_pixel(codec, codec_spec.roles)
        yield {
            "name": codec_spec.name,
            "sizes": sizes,
            "qualities": qualities,
            "parameters": parameters_by_role(codec, codec_spec.roles),
            "kmac_per_pixel": {
                "encoding": work["encoder"] + work["entropy"],
                "decoding": work["entropy"] + work["decoder"],
            },
            "weights": {
                "shipped": shipped_lmbdas(codec_spec.name),  # of a smaller network
                "zoo": _zoo_found(codec_spec.name, qualities),
            },
        }


@torch.no_grad()
def kmac_per_pixel(codec: nn.Module, table: RoleTable) -> dict[str, float]:
    """Thousand multiply-accumulates per image pixel by role, in one forward pass."""
    with FlopCounterMode(display=False) as counter:
        codec(torch.zeros(1, 3, SIDE, SIDE))
    work = dict.fromkeys(ROLES, 0.0)
    for prefix, role in table.items():
        flops = counter.flop_counts.get(f"{type(codec).__name__}.{prefix}", {})
        work[role] += sum(flops.values()) / 2 / SIDE**2 / 1000
    return work


def _by_sizes(codec_spec: CodecSpec) -> list[tuple[Sizes, list[int]]]:
    groups: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for quality, sizes in codec_spec.sizes.items():
        groups.setdefault(tuple(sizes.items()), []).append(quality)
    return [(dict(sizes), qualities) for sizes, qualities in groups.items()]


def _zoo_found(name: str, qualities: list[int]) -> dict[str, list[int]]:
    return {
        metric: [q for q in qualities if q in urls and zoo_path(name, metric, q).is_file()]
        for metric, urls in model_urls.get(name, {}).items()
    }


def _table(entries: list[dict[str, Any]]) -> Table:
    table = Table(caption=CONVENTION, caption_justify="left")
    table.add_column("codec")
    table.add_column("sizes")
    table.add_column("q")
    for column in (*ROLES, "total", "kMAC/px enc", "kMAC/px dec"):
        table.add_column(column, justify="right")
    table.add_column("weights found")
    for entry in entries:
        table.add_row(
            entry["name"],
            " ".join(f"{key}={value}" for key, value in entry["sizes"].items()),
            _range(entry["qualities"]),
            *(f"{count:,}" for count in entry["parameters"].values()),
            *(f"{work:.1f}" for work in entry["kmac_per_pixel"].values()),
            _weights(entry["weights"]),
        )
    return table


def _weights(found: dict[str, Any]) -> str:
    shipped = [f"shipped λ {', '.join(f'{lmbda:g}' for lmbda in found['shipped'])}"] if found["shipped"] else []
    zoo = [f"zoo {metric} q {', '.join(map(str, q))}" for metric, q in found["zoo"].items() if q]
    return "; ".join(shipped + zoo) or "none"


def _range(qualities: list[int]) -> str:
    first, last = qualities[0], qualities[-1]
    return str(first) if first == last else f"{first}-{last}"


def main(argv: list[str]) -> int:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(prog="lic codecs", description=__doc__, epilog=CONVENTION)
    parser.add_argument("--json", action="store_true", help="a list of objects: name, parameters, kmac_per_pixel, …")
    args = parser.parse_args(argv)
    entries = [entry for name in names() for entry in describe(spec(name))]
    if args.json:
        print(json.dumps(entries, indent=2))
    else:
        Console().print(_table(entries))
    return 0
