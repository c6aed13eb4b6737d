"""The λ of each quality, as CompressAI's zoo was trained (facts: λ·255²·MSE + bpp, or λ·(1 − MS-SSIM) + bpp).

Of the perceptual objective, which counts the MSE in [0, 1]: the CLIC paper's 128, 256, 1024 and 2048 stand where the
MSE alone would weigh as at the nearest quality (λ/255² is .00197, .00394, .01575, .0315); 512 closes the gap between.
"""

import math

LMBDAS: dict[str, dict[int, float]] = {
    "mse": dict(enumerate((0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800), start=1)),
    "ms-ssim": dict(enumerate((2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220.00), start=1)),
    "perceptual": dict(enumerate((128.0, 256.0, 512.0, 1024.0, 2048.0), start=1)),
}


def lmbda_of(quality: int, metric: str) -> float:
    """The λ that `quality` (1 to 8) stands for under `metric`, a key of `LMBDAS`."""
    table = _table(metric)
    if quality not in table:
        raise ValueError(f"quality must be one of {list(table)}, got {quality}")
    return table[quality]


def quality_of(lmbda: float, metric: str) -> int:
    """The quality whose λ is nearest to `lmbda` on a logarithmic scale."""
    if lmbda <= 0:
        raise ValueError(f"lmbda must be positive, got {lmbda}")
    table = _table(metric)
    return min(table, key=lambda quality: abs(math.log(table[quality] / lmbda)))


def _table(metric: str) -> dict[int, float]:
    if metric not in LMBDAS:
        raise ValueError(f"metric must be one of {list(LMBDAS)}, got {metric!r}")
    return LMBDAS[metric]
