"""Peak memory and time of `lic encode` and `lic decode` over megapixels, each in a fresh process.

    python experiments/memory_curve/measure.py PHOTOGRAPHS [lic encode options]

Pictures are mosaics of the photographs in a folder (Kodak's), saved as JPEG.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((1152, 896), (2048, 1536), (4000, 3000), (8000, 6000))
LIC = (sys.executable, "-m", "lic_lightning.cli")


def mosaic(photographs: list[Path], width: int, height: int) -> Image.Image:
    """Photographs side by side and below each other, cut at the right and the bottom."""
    picture = Image.new("RGB", (width, height))
    following = cycle(photographs)
    for top in range(0, height, 512):
        for left in range(0, width, 768):
            with Image.open(next(following)) as image:
                turned = image if image.width > image.height else image.rotate(90, expand=True)
                picture.paste(turned, (left, top))
    return picture


def measured(*command: str) -> tuple[float, float]:
    """Peak resident memory in MB and seconds of wall-clock time of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def main() -> None:
    """Prints a Markdown table."""
    photographs, *options = sys.argv[1:]
    files = sorted(Path(photographs).glob("*.png"))
    print("| megapixels | file, bytes | encode: MB | bytes/pixel | s | decode: MB | bytes/pixel | s | PSNR, dB |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        small, coded, decoded = (Path(scratch) / name for name in ("photo.jpg", "photo.lic", "photo.png"))
        floor = [0.0, 0.0]
        for width, height in ((64, 64), *SIZES):  # the first shows what a process takes without a picture
            mosaic(files, width, height).save(small, quality=95)
            encode = measured(*LIC, "encode", str(small), "-o", str(coded), "--force", *options)
            decode = measured(*LIC, "decode", str(coded), "-o", str(decoded), "--force")
            pixels = width * height
            if pixels < 10_000:
                floor = [encode[0], decode[0]]
                print(f"(a process without a picture: encode {floor[0]:.0f} MB, decode {floor[1]:.0f} MB)")
                continue
            one, other = (np.asarray(Image.open(path)).astype(np.float32) for path in (small, decoded))
            psnr = 10 * np.log10(255**2 / np.mean((one - other) ** 2))
            cells = [f"{pixels / 1e6:.1f}", f"{coded.stat().st_size:,}"]
            for (peak, seconds), base in zip((encode, decode), floor, strict=True):
                cells += [f"{peak:.0f}", f"{(peak - base) * 2**20 / pixels:.1f}", f"{seconds:.0f}"]
            print("|", " | ".join([*cells, f"{psnr:.2f}"]), "|", flush=True)


if __name__ == "__main__":
    main()
