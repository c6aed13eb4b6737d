"""Rate-distortion objectives in CompressAI's λ conventions (facts/architectures.md, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor

from lic_lightning.metrics.table import METRICS
from lic_lightning.objectives.rate import bits_per_pixel

if TYPE_CHECKING:  # the package of data imports Lightning
    from lic_lightning.data.batch import Batch


class MSE:
    """`lmbda · 255² · MSE + bpp`, images in [0, 1]."""

    def __init__(self, lmbda: float) -> None:
        self.lmbda = lmbda

    def __call__(self, output: dict[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Parts "loss", "bpp" and "distortion" (MSE in the [0, 1] domain) of a codec's output."""
        bpp = bits_per_pixel(output["likelihoods"], batch.image)
        mse = F.mse_loss(output["x_hat"].float(), batch.image)
        return {"loss": self.lmbda * 255**2 * mse + bpp, "bpp": bpp, "distortion": mse}


class MSSSIM:
    """`lmbda · (1 − MS-SSIM) + bpp`, images in [0, 1]; both sides need the metric's smallest."""

    def __init__(self, lmbda: float) -> None:
        self.lmbda = lmbda

    def __call__(self, output: dict[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Parts "loss", "bpp" and "distortion" (1 − MS-SSIM) of a codec's output.

        Raises:
            ValueError: an image is smaller than MS-SSIM's five scales need.
        """
        size, least = tuple(batch.image.shape[2:]), METRICS["ms-ssim"].min_side
        if min(size) < least:
            raise ValueError(f"objective ms_ssim needs crops of {least} px or more, got {size}: set data.crop")
        bpp = bits_per_pixel(output["likelihoods"], batch.image)
        distortion = 1 - ms_ssim(output["x_hat"].float(), batch.image, data_range=1.0)
        return {"loss": self.lmbda * distortion + bpp, "bpp": bpp, "distortion": distortion}
