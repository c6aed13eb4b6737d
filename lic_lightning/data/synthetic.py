"""Pictures made by code, of what photographs hardly ever show: flat saturated colours, with and without something on
them. A codec that never saw them may code them at any rate (experiments/shipped_reference/README.md).

Whole numbers all the way, so that a picture has the same pixels on every machine.
"""

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import torch

from lic_lightning.data.batch import Sample

Draw = np.random.Generator
Pixels = np.ndarray  # (3, H, W) int64 in 0…255
OCTAVES = 6  # of a texture, squares of 1 to 32 pixels


class Synthetic:
    """Flat colours, gradients, discs of flat colour, and a texture on a flat ground, in turns.

    Most colours lie on the faces of the RGB cube. A picture depends on `size`, `seed` and its index alone.

    Args:
        count: of pictures.
        size: height and width, pixels.
        seed: pictures of another seed share none with these.
    """

    def __init__(self, count: int, size: tuple[int, int] = (256, 384), seed: int = 0) -> None:
        self.size, self.seed = (int(size[0]), int(size[1])), seed
        self.names = [f"{KINDS[index % len(KINDS)].__name__}_{index:03d}" for index in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        pixels = KINDS[index % len(KINDS)](np.random.default_rng([self.seed, index]), *self.size)
        return Sample(torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.uint8)), name)

    def nbytes(self, index: int) -> int:
        return 3 * self.size[0] * self.size[1]

    def digest(self, index: int) -> str:
        return sha256(self[index].image.numpy().tobytes()).hexdigest()


def flat(draw: Draw, height: int, width: int) -> Pixels:
    """One colour."""
    return np.broadcast_to(_colour(draw), (3, height, width))


def gradient(draw: Draw, height: int, width: int) -> Pixels:
    """From one colour to another, in one direction of eight."""
    rows, columns = np.ogrid[:height, :width]
    down, right = ((3, 0), (2, 1), (1, 1), (1, 2), (0, 3), (-1, 2), (-1, 1), (-2, 1))[draw.integers(8)]
    way = down * rows + right * columns
    way = way - way.min()
    start, end = _colour(draw), _colour(draw)
    return start + (end - start) * way // way.max()


def discs(draw: Draw, height: int, width: int) -> Pixels:
    """Twelve discs of flat colours over one another, as a posterised picture has them."""
    pixels = np.array(flat(draw, height, width))
    for _ in range(12):
        pixels = np.where(_disc(draw, height, width), _colour(draw), pixels)
    return pixels


def subject(draw: Draw, height: int, width: int) -> Pixels:
    """A texture in a disc on a flat colour: a portrait before a coloured wall, as a codec sees it."""
    return np.where(_disc(draw, height, width), _texture(draw, height, width), _colour(draw))


KINDS: tuple[Callable[[Draw, int, int], Pixels], ...] = (flat, gradient, discs, subject)


def _colour(draw: Draw) -> Pixels:
    """(3, 1, 1); each channel at either end of its range in two of three draws."""
    ends, between = 255 * draw.integers(0, 2, 3), draw.integers(0, 256, 3)
    return np.where(draw.integers(0, 3, 3) > 0, ends, between)[:, None, None]


def _disc(draw: Draw, height: int, width: int) -> np.ndarray:
    rows, columns = np.ogrid[:height, :width]
    radius = draw.integers(min(height, width) // 8, min(height, width) // 2)
    return (rows - draw.integers(height)) ** 2 + (columns - draw.integers(width)) ** 2 < radius**2


def _texture(draw: Draw, height: int, width: int) -> Pixels:
    """Squares of all sizes, the larger the stronger, mostly grey: 1/f, as photographs have it."""
    pixels = np.full((3, height, width), 128)
    for octave in range(OCTAVES):
        side = 2**octave
        rows, columns = -(-height // side), -(-width // side)
        grey = draw.integers(-2 * side - 4, 2 * side + 5, (1, rows, columns))
        colour = draw.integers(-side // 2 - 1, side // 2 + 2, (3, rows, columns))
        pixels += np.kron(grey + colour, np.ones((1, side, side), dtype=np.int64))[:, :height, :width]
    return pixels.clip(0, 255)
