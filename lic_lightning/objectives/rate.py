"""The rate term that all objectives share."""

from collections.abc import Mapping

import torch
from torch import Tensor


def bits_per_pixel(likelihoods: Mapping[str, Tensor], image: Tensor) -> Tensor:
    """Estimated rate in bits per pixel: -log2 of all likelihoods over the pixels of `image` (B,3,H,W)."""
    pixels = image.size(0) * image.size(2) * image.size(3)
    bits = torch.stack([-likelihood.float().log2().sum() for likelihood in likelihoods.values()]).sum()
    return bits / pixels
