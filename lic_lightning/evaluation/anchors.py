"""RD curves as their authors published them: company in plots, never the anchor of a BD-rate of ours.

CompressAI's are its results for Kodak: real bytes, means over images, metrics on float images. SegPIC's and WACNN's
come with SegPIC's code, which does not state the metrics' domain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lic_lightning.evaluation.curve import UNSTATED, Curve

KODAK = ("kodak", 24)
CLIC = ("clic_valid", 41)  # CLIC 2020's professional validation images


@dataclass(frozen=True)
class Published:
    """Means over one test set, (name, number of images): bits per pixel, PSNR in dB, raw MS-SSIM where published."""

    name: str
    test_set: tuple[str, int]
    bpp: tuple[float, ...]
    psnr: tuple[float, ...] = ()
    ms_ssim: tuple[float, ...] = ()
    domain: str = "float"


def published(test_set: str, images: int) -> list[Curve]:
    """The published curves on a test set, with role "published"; none where the number of images is another."""
    return [_curve(anchor) for anchor in PUBLISHED if anchor.test_set == (test_set, images)]


def _curve(anchor: Published) -> Curve:
    quality = {"psnr": anchor.psnr, "ms-ssim": anchor.ms_ssim}
    return Curve(
        name=anchor.name,
        test_set=anchor.test_set[0],
        lmbda=np.full(len(anchor.bpp), math.nan),
        rate=np.array(anchor.bpp),
        quality={metric: np.array(values) for metric, values in quality.items() if values},
        domain=anchor.domain,
        id=anchor.name,
        role="published",
    )


PUBLISHED = (
    Published(
        "bmshj2018-hyperprior (CompressAI)",
        KODAK,
        bpp=(0.131293, 0.208893, 0.319858, 0.478356, 0.668688, 0.938826, 1.259172, 1.660224),
        psnr=(27.58154, 29.1967, 30.97216, 32.83818, 34.52626, 36.74335, 38.58385, 40.55687),
        ms_ssim=(0.91737, 0.94206, 0.96106, 0.97487, 0.98356, 0.98925, 0.99287, 0.99549),
    ),
    Published(
        "mbt2018-mean (CompressAI)",
        KODAK,
        bpp=(0.123922, 0.197981, 0.307244, 0.460612, 0.661665, 0.914405, 1.234209, 1.61909),
        psnr=(27.69947, 29.35882, 31.12892, 32.95068, 34.9683, 36.91109, 38.83751, 40.63331),
        ms_ssim=(0.91784, 0.94306, 0.96149, 0.9752, 0.98358, 0.98925, 0.99305, 0.99535),
    ),
    Published(
        "mbt2018 (CompressAI)",
        KODAK,
        bpp=(0.110531, 0.186971, 0.287696, 0.432339, 0.638767, 0.885305, 1.200365, 1.587345),
        psnr=(28.08847, 29.6455, 31.36228, 33.08595, 35.09376, 36.98882, 38.9335, 40.63907),
        ms_ssim=(0.9207, 0.94322, 0.96276, 0.97523, 0.98356, 0.98924, 0.99286, 0.99531),
    ),
    Published(
        "bmshj2018-hyperprior for MS-SSIM (CompressAI)",
        KODAK,
        bpp=(0.1094, 0.167, 0.2481, 0.3495, 0.4735, 0.6379, 0.8588, 1.1598),
        ms_ssim=(0.9347, 0.9551, 0.9707, 0.9806, 0.9866, 0.9907, 0.9938, 0.9959),
    ),
    Published(
        "VTM (CompressAI)",
        KODAK,
        bpp=(0.1125, 0.2458, 0.4905, 0.8748),
        psnr=(28.49, 31.20, 34.26, 37.42),
    ),
    Published(
        "SegPIC",
        KODAK,
        bpp=(0.120, 0.194, 0.288, 0.439, 0.633, 0.861),
        psnr=(29.24, 30.76, 32.25, 34.23, 36.01, 37.81),
        domain=UNSTATED,
    ),
    Published(
        "WACNN",
        KODAK,
        bpp=(0.127, 0.199, 0.309, 0.449, 0.649, 0.895),
        psnr=(29.22, 30.59, 32.26, 34.15, 35.91, 37.72),
        domain=UNSTATED,
    ),
    Published(
        "SegPIC",
        CLIC,
        bpp=(0.091, 0.141, 0.207, 0.315, 0.458, 0.636),
        psnr=(31.11, 32.52, 33.83, 35.52, 37.04, 38.55),
        domain=UNSTATED,
    ),
    Published(
        "WACNN",
        CLIC,
        bpp=(0.094, 0.153, 0.229, 0.322, 0.481, 0.671),
        psnr=(30.97, 32.36, 33.85, 35.39, 36.88, 38.43),
        domain=UNSTATED,
    ),
)
