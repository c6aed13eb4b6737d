"""The three ways to pick an encoder when a file is written: by name, by a classifier, by trying all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from lic_lightning.bitstream import FileCodec
from lic_lightning.selection.encoders import REFERENCE, EncodersError

if TYPE_CHECKING:
    from lic_lightning.selection.classifier import Classifier

Pick = Callable[[Tensor], tuple[str, bytes]]  # a picture (3,H,W) uint8 → the encoder's name, and its file


@dataclass(frozen=True)
class Named:
    """Always the same encoder."""

    name: str
    encoders: Mapping[str, FileCodec]

    def __post_init__(self) -> None:
        if self.name not in self.encoders:
            raise EncodersError(f"no encoder {self.name!r}; there are {', '.join(self.encoders)}, best and auto")

    def __call__(self, image: Tensor) -> tuple[str, bytes]:
        return self.name, self.encoders[self.name].encode(image)


@dataclass(frozen=True)
class Best:
    """The exact selector: each encoder codes; the smallest R + λD stays, as the deployed decoder gives it.

    A tie goes to the reference, which has the decoder that reads every file.
    """

    encoders: Mapping[str, FileCodec]
    lmbda: float

    def __call__(self, image: Tensor) -> tuple[str, bytes]:
        decoder = self.encoders[REFERENCE]
        files = {name: encoder.encode(image) for name, encoder in self.encoders.items()}
        costs = {name: rd_cost(file, image, decoder.decode(file), self.lmbda) for name, file in files.items()}
        name = min(costs, key=lambda name: (costs[name], name != REFERENCE))
        return name, files[name]


@dataclass(frozen=True)
class Classified:
    """A classifier looks at the picture; where it is unsure, the reference codes."""

    classifier: Classifier
    encoders: Mapping[str, FileCodec]

    def __post_init__(self) -> None:
        lacking = [name for name in self.classifier.info.choices if name not in self.encoders]
        if lacking:
            raise EncodersError(
                f"the classifier may choose {', '.join(lacking)}, of which there is no encoder; "
                f"there are {', '.join(name for name in self.encoders if name != REFERENCE)}"
            )

    def __call__(self, image: Tensor) -> tuple[str, bytes]:
        name = self.classifier.choose(image)
        return name, self.encoders[name].encode(image)


def rd_cost(content: bytes, image: Tensor, decoded: Tensor, lmbda: float) -> float:
    """R + λD of a coded picture, both (3,H,W) uint8.

    R is the file's bits per pixel, D = 255²·MSE of values in [0, 1]: the mean squared error of 8-bit values.
    """
    _, height, width = image.shape
    distortion = (image.double() - decoded.double()).square().mean().item()
    return 8 * len(content) / (height * width) + lmbda * distortion
