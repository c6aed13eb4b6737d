"""Gain of R + λD as written against CPU seconds a megapixel, of the presets or of others.

OMP_NUM_THREADS=1 python experiments/refinement/bench.py $LIC_DATA/kodak $LIC_DATA/food --search 11,0.5
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.images import read_image
from lic_lightning.objectives import MSE, MSSSIM
from lic_lightning.refinement import PRESETS
from lic_lightning.refinement.mean_field import Descent
from lic_lightning.refinement.problem import problem_of
from lic_lightning.refinement.refinement import Refinement, written, written_cost

LAMBDAS = {0.0067: 8.73, 0.025: 31.73}  # of MSE, and the one of MS-SSIM that CompressAI pairs with it
HEIGHT, WIDTH, TOP, LEFT = 320, 384, 60, 80  # of the crops


def main() -> None:
    """Prints a line a search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path, help="photographs; of a folder of them, two")
    parser.add_argument("--search", nargs="*", default=[], metavar="STEPS,MOMENTUM", help="or the presets")
    parser.add_argument("--ms-ssim", action="store_true", help="the objective, in place of MSE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    objectives = {lmbda: MSSSIM(other) if args.ms_ssim else MSE(lmbda) for lmbda, other in LAMBDAS.items()}
    given = {text: parsed(text) for text in args.search}
    crops = [cropped(file) for path in args.pictures for file in (two_of(path) if path.is_dir() else [path])]
    for name, search in (given or PRESETS).items():
        PRESETS[name] = search
        gains, seconds = zip(
            *(gain(name, lmbda, objective, crops) for lmbda, objective in objectives.items()), strict=True
        )
        megapixels = len(LAMBDAS) * len(crops) * HEIGHT * WIDTH / 1e6
        changes = " / ".join(f"{100 * value:+.2f} %" for value in gains)
        print(f"{name:20} {changes}   {sum(seconds) / megapixels:.2f} s/MP", flush=True)


def parsed(text: str) -> Descent:
    """STEPS,MOMENTUM."""
    steps, momentum = text.split(",")
    return Descent(int(steps), float(momentum))


def two_of(folder: Path) -> list[Path]:
    """The 41st and 51st photograph, or the 5th and 13th where there are few."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    return [files[40], files[50]] if len(files) > 50 else [files[4], files[12]]


def cropped(file: Path) -> Tensor:
    """(3,320,384) uint8 of a photograph."""
    return read_image(file, srgb=True)[:, TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH].contiguous()


@torch.no_grad()
def gain(preset: str, lmbda: float, objective: MSE | MSSSIM, crops: list[Tensor]) -> tuple[float, float]:
    """Mean change of R + λD as written, and CPU seconds of a refinement, its acceptance included."""
    codec = load_codec("mbt2018-mean", weights="shipped", lmbda=lmbda).eval()
    own, changes, seconds = cut(codec), [], 0.0
    for image in crops:
        frame = Frame.of(image, 64)
        plain = own.analyse(to_float(frame.pad(image)))
        problem = problem_of(own, plain, image, frame, objective)
        start = time.process_time()
        refined = Refinement(preset, objective)(own, plain, image, frame)
        seconds += time.process_time() - start
        changes.append(written_cost(problem, refined) / written_cost(problem, written(own, plain)) - 1)
    return sum(changes) / len(changes), seconds


if __name__ == "__main__":
    main()
