"""Distances between two sets of patches, originals and decoded, in the features of a trained network.

FID and KID are named for Inception, whose weights come from a hub, and FID on the 24 images of Kodak says nothing.
Here they are taken of patches, in the features of ST-LPIPS's AlexNet, and are called so: their values compare with
nothing but themselves. Features are counted in units of the originals' root mean square: KID's kernel adds 1 to a mean
product of theirs, beside which the network's own, far below 1, would drown.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lic_lightning.metrics.distances import FeatureDistance

PATCH = 64  # pixels a side


class Features(NamedTuple):
    """Of the patches of one image and of what it was decoded to: (n,256) each."""

    image: Tensor
    decoded: Tensor


class PatchDistance:
    """KID (Bińkowski 2018) or FID (Heusel 2017) by torchmetrics, between all patches of a set.

    Called with an image and its reconstruction, both (1,3,H,W) in [0, 255], it gives their `Features`; `of_set` takes
    those of a set.

    Args:
        kind: "kid" or "fid". KID's estimate over all patches is unbiased for two sets that know nothing of each other;
            a patch and what it was decoded to do, so identical sets lie below 0, by the less the more patches.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.network = kind, FeatureDistance("st-lpips").network

    @torch.no_grad()
    def __call__(self, image: Tensor, decoded: Tensor) -> Features | None:
        """Means over each patch's positions of the network's last layer; None where no patch fits in."""
        if min(image.shape[2:]) < PATCH:
            return None
        return Features(*(self._features(patches(one.cpu()) / 127.5 - 1) for one in (image, decoded)))

    def of_set(self, parts: Sequence[Features | None]) -> float | None:
        """The distance between the patches of a set's images and those of their reconstructions; None of none."""
        if not (features := [part for part in parts if part]):
            return None
        from torchmetrics import Metric
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        image, decoded = (torch.cat(parts).double() for parts in zip(*features, strict=True))
        image, decoded = (part / image.square().mean().sqrt() for part in (image, decoded))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that features are kept in memory
            network = _AsTheyAre(image.size(1))
            metric: Metric = FrechetInceptionDistance(feature=network)
            if self.kind == "kid":
                metric = KernelInceptionDistance(network, subsets=1, subset_size=len(image))
        metric.update(image, real=True)
        metric.update(decoded, real=False)
        value = metric.compute()
        return float(value[0] if self.kind == "kid" else value)

    def _features(self, batch: Tensor) -> Tensor:
        scaled = self.network.scaling_layer(batch)
        return self.network.net(scaled)[-1].mean(dim=(2, 3))


class _AsTheyAre(nn.Module):
    """Stands where torchmetrics has its network: what it is given are features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def patches(image: Tensor) -> Tensor:
    """(n,3,64,64) of an image (1,3,H,W), side by side from the top left; what is left over at the other edges is not
    looked at.
    """
    tiles = image[0].unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH)
    return tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, PATCH, PATCH)
