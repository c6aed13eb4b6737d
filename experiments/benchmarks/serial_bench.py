"""mbt2018: coding front by front beside CompressAI's loop over positions, on the same latents and on whole pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from compressai.models import JointAutoregressiveHierarchicalPriors as Theirs
from pictures import photographs
from sides import CORES, Comparison, take_turns
from torch import Tensor, nn

from lic_lightning.codecs.networks import autoregressive as serial
from lic_lightning.codecs.weights import load_codec

BORDER, KERNEL = 2, 5


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
    z_hat = codec.entropy_bottleneck(codec.h_a(y))[0]
    params = codec.h_s(z_hat)
    padded, shape = F.pad(y, [BORDER] * 4), (*y.shape[2:], KERNEL, BORDER)
    strings: dict[str, bytes] = {}
    decoded: dict[str, Tensor] = {}

    def encode() -> None:
        strings["ours"] = serial.encode(codec, y[0], params[0])

    def their_encode() -> None:
        strings["theirs"] = Theirs._compress_ar(codec, padded.clone(), params, *shape)

    def decode() -> None:
        decoded["ours"] = serial.decode(codec, strings["ours"], params[0])

    def their_decode() -> None:
        decoded["theirs"] = torch.zeros_like(padded)
        Theirs._decompress_ar(codec, strings["theirs"], decoded["theirs"], params, *shape)

    torch.set_num_threads(1)  # more only makes CompressAI's loop slower
    what = f"mbt2018 {tuple(sizes.values())}"
    rows = [
        _row(f"{what}, y to its string", take_turns({"lic_lightning": encode, "CompressAI": their_encode}, 1)),
        _row(f"{what}, string to ŷ", take_turns({"lic_lightning": decode, "CompressAI": their_decode}, 1)),
    ]
    rate = len(strings["ours"]) / len(strings["theirs"]) - 1
    for row in rows:
        bpp = 8 * len(strings["ours"]) / x[0, 0].numel()
        row.note = f"one thread; y has {bpp:.2f} bpp; rate {rate:+.4%} of CompressAI's"

    torch.set_num_threads(CORES)
    coded: dict[str, dict] = {}

    def whole(coder: serial.Coder) -> dict[str, list[float]]:
        codec.coder = coder  # type: ignore[assignment]

        def compress() -> None:
            coded[coder] = codec.compress(x)

        def decompress() -> None:
            codec.decompress(**coded[coder])

        return take_turns({"compress": compress, "decompress": decompress}, 1)

    ours, theirs = whole("serial"), whole("compressai")
    for step in ours:
        runs = {"lic_lightning": ours[step], "CompressAI": theirs[step]}
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
