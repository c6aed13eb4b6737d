"""A file of a wanted size or quality under one decoder: the λ of its refinement moves, real bytes and pixels tell."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from lic_lightning.bitstream.errors import OutOfReachError
from lic_lightning.bitstream.file_codec import FileCodec
from lic_lightning.codecs.latents import TransformCut
from lic_lightning.codecs.shipped import shipped_lmbdas
from lic_lightning.codecs.weights import load_codec
from lic_lightning.metrics.image import psnr

REACH = 2  # octaves of λ up and down; further off a neighbouring codec is better (docs/concepts/refinement.md)
PROBES = 8
TOLERANCE = {"bpp": 0.01, "psnr": 0.02}  # a share below the target, dB above it


class Probe(NamedTuple):
    """A file, where on the target's scale it lies, and the λ by which it was refined."""

    value: float
    lmbda: float
    content: bytes


@dataclass(frozen=True)
class Target:
    """What a file is to be: at most so many bits per pixel, its header counted, or at least so many dB of PSNR.

    Attributes:
        name: what is wanted.
        wanted: above 0.
        shipped: True if the codec is the shipped one, whose neighbours an error may name.
    """

    name: Literal["bpp", "psnr"]
    wanted: float
    shipped: bool

    def __call__(self, codec: FileCodec, image: Tensor) -> Probe:
        """The file of a picture (3,H,W) uint8 that comes nearest to the target on its right side.

        Each probe is refined; λ starts at that of the codec's refinement, and is interpolated between two probes.

        Raises:
            OutOfReachError: no λ within REACH leads there.
        """
        probes: dict[float, Probe] = {}
        octave = 0.0
        while len(probes) < PROBES:
            probes[octave] = self._probe(codec, image, octave)
            below = [octave for octave, probe in probes.items() if probe.value < self.low]
            above = [octave for octave, probe in probes.items() if probe.value > self.high]
            if len(below) + len(above) < len(probes):
                break
            if REACH in below or -REACH in above:
                raise OutOfReachError(self._out_of_reach(codec, image, probes))
            octave = self._between(probes, below, above)
        return self._nearest([probe for probe in probes.values() if self.fits(probe.value)])

    @property
    def low(self) -> float:
        """Where what is near enough begins."""
        return self.wanted * (1 - TOLERANCE["bpp"]) if self.name == "bpp" else self.wanted

    @property
    def high(self) -> float:
        """Where it ends."""
        return self.wanted if self.name == "bpp" else self.wanted + TOLERANCE["psnr"]

    def fits(self, value: float) -> bool:
        """True on the right side of the target."""
        return value <= self.high if self.name == "bpp" else value >= self.low

    def said(self, value: float) -> str:
        """With its unit."""
        return f"{value:.4f} bpp" if self.name == "bpp" else f"{value:.2f} dB"

    def _probe(self, codec: FileCodec, image: Tensor, octave: float) -> Probe:
        """At a smaller λ once more, with the z of the refined y: scales of the codec's own λ would be too wide."""
        assert codec.refine is not None
        other, lmbda = copy.copy(codec), codec.refine.objective.lmbda * 2**octave
        other.refine = codec.refine.at(lmbda)
        content = other.encode(image)
        if octave < 0 and isinstance(codec.cut, TransformCut):
            content = other.encode(image, other.latents(content)[1].y_hat)
        return self._measured(other, image, content, lmbda)

    def _measured(self, codec: FileCodec, image: Tensor, content: bytes, lmbda: float) -> Probe:
        if self.name == "bpp":
            value = 8 * len(content) / image[0].numel()
        else:
            value = psnr(image[None].float(), codec.decode(content)[None].float())
        return Probe(value, lmbda, content)

    def _between(self, probes: dict[float, Probe], below: list[float], above: list[float]) -> float:
        """The octave to be tried next: one further out, then by regula falsi, an end that stays counting less."""
        if not above:
            return max(below) + 1
        if not below:
            return min(above) - 1
        left, right = max(below, key=lambda o: probes[o].value), min(above, key=lambda o: probes[o].value)
        aim, sides = (self.low + self.high) / 2, [octave in above for octave in reversed(probes)]
        less = 2 ** (sides.index(not sides[0]) - 1)
        short = (aim - probes[left].value) / (less if sides[0] else 1)
        long = (probes[right].value - aim) / (1 if sides[0] else less)
        return left + (right - left) * min(0.9, max(0.1, short / (short + long)))

    def _nearest(self, fitting: list[Probe]) -> Probe:
        return max(fitting) if self.name == "bpp" else min(fitting)

    def _out_of_reach(self, codec: FileCodec, image: Tensor, probes: dict[float, Probe]) -> str:
        ends = [probes.get(octave) or self._probe(codec, image, octave) for octave in (-REACH, REACH)]
        values = [probe.value for probe in (*probes.values(), *ends)]
        text = (
            f"{self.said(self.wanted)} is out of this decoder's reach: {self.said(min(values))} to "
            f"{self.said(max(values))}, with λ of the refinement from {ends[0].lmbda:.4f} to {ends[1].lmbda:.4f}"
        )
        if not self.shipped:
            return text
        plain = []
        for lmbda in shipped_lmbdas(codec.name):
            loaded = load_codec(codec.name, weights="shipped", lmbda=lmbda)
            other = FileCodec(codec.name, loaded, codec.padding)
            plain.append(self._measured(other, image, other.encode(image), lmbda))
        if not (fitting := [probe for probe in plain if self.fits(probe.value)]):
            return f"{text}; no shipped λ would do"
        value, lmbda, _ = self._nearest(fitting)
        return f"{text}; --lmbda {lmbda:.4f} alone gives {self.said(value)}"
