"""The exact selector: code with every encoder, keep the smallest R + λD as the deployed decoder gives it."""

from collections.abc import Mapping

from torch import Tensor

from lic_lightning.bitstream import FileCodec
from lic_lightning.selection.encoders import REFERENCE


def rd_cost(content: bytes, image: Tensor, decoded: Tensor, lmbda: float) -> float:
    """R + λD of a coded picture, both (3,H,W) uint8.

    R is the file's bits per pixel, D = 255²·MSE of values in [0, 1]: the mean squared error of 8-bit values.
    """
    _, height, width = image.shape
    distortion = (image.double() - decoded.double()).square().mean().item()
    return 8 * len(content) / (height * width) + lmbda * distortion


def best(encoders: Mapping[str, FileCodec], image: Tensor, lmbda: float) -> tuple[str, bytes]:
    """Name of the encoder with the smallest R + λD, and the file it wrote; a tie goes to the reference.

    Args:
        encoders: by name; `reference` among them has the decoder that reads every file.
        image: (3,H,W) uint8.
        lmbda: λ of the trade.
    """
    decoder = encoders[REFERENCE]
    files = {name: encoder.encode(image) for name, encoder in encoders.items()}
    costs = {name: rd_cost(file, image, decoder.decode(file), lmbda) for name, file in files.items()}
    name = min(costs, key=lambda name: (costs[name], name != REFERENCE))
    return name, files[name]
