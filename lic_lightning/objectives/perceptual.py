"""The perceptual objective of the CLIC codec (Jiang 2025, eq. 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor

from lic_lightning.metrics.distances import FeatureDistance
from lic_lightning.metrics.table import METRICS
from lic_lightning.objectives.rate import bits_per_pixel

if TYPE_CHECKING:  # the package of data imports Lightning
    from lic_lightning.data.batch import Batch


class Perceptual:
    """`lmbda · (alpha · MSE + beta · (1 − MS-SSIM) + gamma · LPIPS) + bpp`, images in [0, 1].

    Equation 1 prints "beta · MS-SSIM", which rewards what it should punish: 1 − MS-SSIM is our reading. The paper does
    not say which network its LPIPS has: `distance` does.

    The MSE alone would weigh as much at `MSE`'s λ of lmbda · alpha / 255²: the paper's 128, 256, 1024 and 2048 are
    .00197, .00394, .01575 and .0315. The other two terms raise the rate far above those codecs' (at lmbda 128 each is
    worth 12.8 bpp a unit).

    Args:
        lmbda: as the paper counts it.
        distance: see `metrics.distances`.
        alpha: weight of the MSE.
        beta: of 1 − MS-SSIM, five scales; sides of 161 px or more, which crops of 256 have.
        gamma: of the distance.
    """

    def __init__(
        self, lmbda: float, distance: FeatureDistance, alpha: float = 1.0, beta: float = 0.1, gamma: float = 0.1
    ) -> None:
        self.lmbda, self.distance = lmbda, distance
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def __call__(self, output: dict[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Parts "loss", "bpp", "distortion" (the weighed sum), "mse", "ms_ssim" (1 − MS-SSIM) and "feature_distance".

        Raises:
            ValueError: an image is smaller than MS-SSIM's five scales need.
        """
        size, least = tuple(batch.image.shape[2:]), METRICS["ms-ssim"].min_side
        if min(size) < least:
            raise ValueError(f"objective perceptual needs crops of {least} px or more, got {size}: set data.crop")
        bpp, x_hat = bits_per_pixel(output["likelihoods"], batch.image), output["x_hat"].float()
        parts = {
            "mse": F.mse_loss(x_hat, batch.image),
            "ms_ssim": 1 - ms_ssim(x_hat, batch.image, data_range=1.0),
            "feature_distance": self.distance(batch.image, x_hat).mean(),
        }
        weights = (self.alpha, self.beta, self.gamma)
        distortion = sum(weight * part for weight, part in zip(weights, parts.values(), strict=True))
        return {"loss": self.lmbda * distortion + bpp, "bpp": bpp, "distortion": distortion, **parts}
