"""Peak memory and time of the full SegPIC, each image encoded and decoded in fresh processes.

    python experiments/segpic_memory/measure.py 768x512 1152x864 2000x1500 4000x3000

Weights are random but spread out, so that the streams carry something: times and memory are those of trained weights,
rates are not. One line per image: pixels, bytes, seconds, peak resident memory (getrusage), less that of the process
with the network loaded, per megapixel; and whether the decoder's latents are the encoder's, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT = "coded.pt"


def main() -> None:
    """Measures each size given, in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sizes", nargs="+", metavar="WxH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", choices=("encode", "decode"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(measure(args.step, args.sizes[0], args.folder, args.threads)))
        return
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            found = {step: _fresh(step, size, folder, args.threads) for step in ("encode", "decode")}
        print(size, json.dumps(found), flush=True)


def measure(step: str, size: str, folder: Path, threads: int) -> dict[str, Any]:
    """One step on one image in this process."""
    import torch
    import torch.nn.functional as F
    from compressai.ops import compute_padding

    torch.set_num_threads(threads)
    codec = _codec()
    width, height = map(int, size.split("x"))
    base = _peak()
    if step == "encode":
        x = F.pad(_photograph(width, height), compute_padding(height, width, min_div=64)[0])
        latents = _record(codec)
        coded, seconds = _timed(lambda: codec.compress(x))
        peak = _peak()
        torch.save({**coded, "shape": tuple(coded["shape"]), "latents": latents}, folder / KEPT)
        extra: dict[str, Any] = {"bytes": [len(strings[0]) for strings in coded["strings"]]}
    else:
        coded = torch.load(folder / KEPT, weights_only=True)
        expected = coded.pop("latents")
        latents = _record(codec)
        _, seconds = _timed(lambda: codec.decompress(**coded))
        peak = _peak()
        extra = {"same_latents": torch.equal(latents[0], expected[0])}
    pixels = width * height / 1e6
    return {
        "megapixels": round(pixels, 3),
        **seconds,
        "peak_mib": round(peak),
        "mib_per_megapixel": round((peak - base) / pixels),
        **extra,
    }


def _codec() -> Any:
    import torch

    from lic_lightning.codecs.weights import load_codec

    torch.manual_seed(0)
    codec = load_codec("segpic", lmbda=0.0130)
    with torch.no_grad():
        for weight in (codec.g_a2[1].sal.affine[2].weight, codec.h_a[-1].weight, codec.g_ab[-1].weight):
            weight.mul_(40)
    return codec


def _record(codec: Any) -> list[Any]:
    """ŷ of the walk through the slices, kept for the comparison of encoder and decoder."""
    found: list[Any] = []
    walk = codec.charm._walk

    def recorded(*args: Any) -> Any:
        latents = walk(*args)
        found.append(latents[0])
        return latents

    codec.charm._walk = recorded
    return found


def _photograph(width: int, height: int) -> Any:
    import torch
    from PIL import Image
    from skimage import data
    from torchvision.transforms.functional import pil_to_tensor

    image = Image.fromarray(data.coffee()).resize((width, height), Image.Resampling.BICUBIC)
    return pil_to_tensor(image).float().div(255).unsqueeze(0).to(torch.float32)


def _timed(code: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What `code` returns, with its seconds by the clock and of the processor, which other work lengthens less."""
    clock, processor = time.perf_counter(), time.process_time()
    result = code()
    return result, {
        "seconds": round(time.perf_counter() - clock, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _fresh(step: str, size: str, folder: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, size, "--step", step, "--folder", folder, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
