"""mbt2018: coding front by front beside CompressAI's loop over positions, on the same latents and on whole pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from compressai.models import JointAutoregressiveHierarchicalPriors as Theirs
from pictures import photographs
from sides import CORES, Comparison, take_turns
from torch import Tensor, nn

from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.weights import load_codec


@torch.no_grad()
def compare(quick: bool) -> list[Comparison]:
    """An untrained network, its latents spread out so that they cost as much as a trained network's at high rates."""
    sizes, most = ({"N": 12, "M": 12}, 1) if quick else ({"N": 192, "M": 192}, 3)
    torch.manual_seed(0)
    codec = load_codec("mbt2018", lmbda=0.013, **sizes)  # type: ignore[arg-type]
    codec.g_a[-1].weight.mul_(8)
    codec.update(force=True, update_quantiles=True)
    with tempfile.TemporaryDirectory() as folder:
        images = photographs(Path(folder) / "images", most, quick)
        rows = [row for i in range(most) for row in _of_image(codec, images[i].image[None].float() / 255, sizes)]
    return [_joined([row for row in rows if row.what == what]) for what in dict.fromkeys(row.what for row in rows)]


def _of_image(codec: nn.Module, image: Tensor, sizes: dict[str, int]) -> list[Comparison]:
    height, width = (side // 64 * 64 for side in image.shape[2:])
    x = image[:, :, :height, :width]
    y = codec.g_a(x)
    plain, only_entropy = (Theirs.from_state_dict(codec.state_dict()).eval() for _ in range(2))
    only_entropy.g_a = only_entropy.g_s = nn.Identity()
    strings: dict[str, dict[str, Any]] = {}

    def encode() -> None:
        strings["ours"] = cut(codec).write(cut(codec).quantise(y))

    def their_encode() -> None:
        strings["theirs"] = only_entropy.compress(y)

    def decode() -> None:
        cut(codec).read(**strings["ours"])

    def their_decode() -> None:
        only_entropy.decompress(**strings["theirs"])

    torch.set_num_threads(1)  # more only makes CompressAI's loop slower
    what = f"mbt2018 {tuple(sizes.values())}"
    rows = [
        _row(f"{what}, y to its strings", take_turns({"lic_lightning": encode, "CompressAI": their_encode}, 1)),
        _row(f"{what}, strings to ŷ", take_turns({"lic_lightning": decode, "CompressAI": their_decode}, 1)),
    ]
    ours, theirs = (len(strings[side]["strings"][0][0]) for side in ("ours", "theirs"))
    rate = ours / theirs - 1
    for row in rows:
        bpp = 8 * ours / x[0, 0].numel()
        row.note = f"one thread; y has {bpp:.2f} bpp; rate {rate:+.4%} of CompressAI's"

    torch.set_num_threads(CORES)
    coded: dict[str, dict[str, Any]] = {}

    def whole(side: str, network: nn.Module) -> dict[str, list[float]]:
        def compress() -> None:
            coded[side] = network.compress(x)

        def decompress() -> None:
            network.decompress(**coded[side])

        return take_turns({"compress": compress, "decompress": decompress}, 1)

    by_side = {"lic_lightning": whole("lic_lightning", codec), "CompressAI": whole("CompressAI", plain)}
    for step in ("compress", "decompress"):
        runs = {side: steps[step] for side, steps in by_side.items()}
        rows.append(Comparison(f"{what}, whole {step}", "s", runs, note=f"with g_a or g_s, {CORES} threads"))
    return rows


def _row(what: str, runs: dict[str, list[float]]) -> Comparison:
    return Comparison(what, "s", runs, "ratio 10 or more")


def _joined(rows: list[Comparison]) -> Comparison:
    """The same measurement on several pictures: each is a turn."""
    first = rows[0]
    runs = {side: [value for row in rows for value in row.runs[side]] for side in first.runs}
    assert mean(map(len, runs.values())) == len(rows)
    return Comparison(first.what, first.unit, runs, first.goal, first.note)
