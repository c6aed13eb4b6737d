"""`lic codecs`: the codecs at their papers' sizes: parameters and work by role, weights found."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from compressai.zoo.image import model_urls
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lic_lightning.codecs.analysis import put_analysis
from lic_lightning.codecs.registry import CodecSpec, Sizes, analysis_names, build, names, spec
from lic_lightning.codecs.roles import parameters_by_role
from lic_lightning.codecs.shipped import shipped_lmbdas, shipped_path
from lic_lightning.codecs.weights import read_state, zoo_path
from lic_lightning.codecs.work import kmac_per_pixel

CONVENTION = (
    "kMAC per pixel: multiply-accumulates of convolutions and matrix products (FLOPs / 2), counted densely "
    "over one parallel pass. Encoding = encoder + entropy, decoding = entropy + decoder; a serial context "
    "model does the same work one position at a time. Shipped weights are of a smaller network than these."
)


def describe(codec_spec: CodecSpec) -> Iterator[dict[str, Any]]:
    """One entry for each size of a codec: name, sizes, qualities, parameters, kmac_per_pixel, weights, analyses."""
    analyses = list(_analyses(codec_spec))
    for sizes, qualities in _by_sizes(codec_spec):
        codec = build(codec_spec.name, qualities[0]).eval()
        work = kmac_per_pixel(codec, codec_spec.roles)
        yield {
            "name": codec_spec.name,
            "sizes": sizes,
            "qualities": qualities,
            "parameters": parameters_by_role(codec, codec_spec.roles),
            "kmac_per_pixel": {
                "encoding": round(work["encoder"] + work["entropy"], 3),
                "decoding": round(work["entropy"] + work["decoder"], 3),
            },
            "weights": {"shipped": shipped_lmbdas(codec_spec.name), "zoo": _zoo_found(codec_spec.name, qualities)},
            "analyses": analyses,
        }


def _analyses(codec_spec: CodecSpec) -> Iterator[dict[str, Any]]:
    """What encoders of one decoder cost, at each size of which weights are shipped; "" is the codec's own analysis."""
    states = (read_state(shipped_path(codec_spec.name, lmbda)) for lmbda in shipped_lmbdas(codec_spec.name))
    for sizes in sorted({tuple(codec_spec.sizes_of(state).items()) for state in states}):
        for name in ("", *analysis_names()):
            codec = build(codec_spec.name, min(codec_spec.sizes), **dict(sizes)).eval()
            if name:
                put_analysis(name, codec_spec.name, codec)
            parameters = parameters_by_role(codec, codec_spec.roles)["encoder"]
            work = round(kmac_per_pixel(codec, codec_spec.roles)["encoder"], 3)
            yield {"name": name, "sizes": dict(sizes), "parameters": parameters, "kmac_per_pixel": work}


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
    table = Table(title="Parameters in millions by role", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("codec", "N, M", "q"):
        table.add_column(column, no_wrap=True)
    for column in ("enc.", "dec.", "entr.", "total", "kMAC encode", "kMAC decode"):
        table.add_column(column, justify="right")
    table.add_column("found")
    for entry in entries:
        table.add_row(
            entry["name"],
            ", ".join(map(str, entry["sizes"].values())),
            f"{min(entry['qualities'])}-{max(entry['qualities'])}",
            *(f"{count / 1e6:.2f}" for count in entry["parameters"].values()),
            *(f"{work:.1f}" for work in entry["kmac_per_pixel"].values()),
            _weights(entry["weights"]),
        )
    return table


def _encoders(entries: list[dict[str, Any]]) -> Table:
    table = Table(title="Encoders of the shipped decoders (codec.analysis)", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("codec", "N, M", "analysis"):
        table.add_column(column, no_wrap=True)
    for column in ("enc.", "kMAC encoder"):
        table.add_column(column, justify="right")
    for name, found in {entry["name"]: entry["analyses"] for entry in entries}.items():
        for one in found:
            numbers = f"{one['parameters'] / 1e6:.2f}", f"{one['kmac_per_pixel']:.1f}"
            table.add_row(name, ", ".join(map(str, one["sizes"].values())), one["name"] or "its own", *numbers)
    return table


def _weights(found: dict[str, Any]) -> str:
    shipped = [f"shipped: {len(found['shipped'])} λ"] if found["shipped"] else []
    zoo = [f"zoo {metric}: q{','.join(map(str, q))}" for metric, q in found["zoo"].items() if q]
    return "; ".join(shipped + zoo) or "–"


def main(argv: list[str]) -> int:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(prog="lic codecs", description=__doc__, epilog=CONVENTION)
    parser.add_argument("--json", action="store_true", help="a list of objects: name, parameters, kmac_per_pixel, …")
    args = parser.parse_args(argv)
    entries = [entry for name in names() for entry in describe(spec(name))]
    if args.json:
        print(json.dumps(entries, indent=2))
    else:
        console = Console(highlight=False)
        console.print(_table(entries))
        console.print(_encoders(entries))
        console.print(CONVENTION)
    return 0
