"""Synthetic result rows: a reference and a tuned curve that needs 3 % fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lic_lightning.evaluation.results import OPTIONAL, SCHEMA

LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483)


def make_row(**changes: Any) -> dict[str, Any]:
    """One row; unknown strings are empty."""
    row = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items()} | dict.fromkeys(OPTIONAL)
    row |= {
        "role": "tuned",
        "cell": "c",
        "curve": "t",
        "curve_name": "tuned food",
        "reference": "r",
        "lmbda": 0.013,
    }
    row |= {"test_set": "kodak", "test_set_digest": "d", "image": "0.png", "width": 192, "height": 176}
    row |= {
        "bpp": 0.5,
        "psnr": 32.0,
        "ms_ssim": 0.97,
        "lpips": None,
        "domain": "8bit",
        "padding": "zeros",
        "withheld": None,
    }
    return row | {"stream_bytes": [1, 2], **changes}


def make_sweep(lambdas: tuple[float, ...] = LAMBDAS, images: int = 4, **changes: Any) -> list[dict[str, Any]]:
    """Rows of a tuned curve, and of its reference at the same λ; `changes` apply to the tuned ones."""
    reference = {"role": "reference", "cell": "r", "curve": "r", "curve_name": "reference", "reference": None}
    rows = []
    for lmbda in lambdas:
        step = LAMBDAS.index(lmbda)
        for index in range(images):
            common = {"lmbda": lmbda, "image": f"{index}.png", "psnr": 28.0 + 2 * step + index}
            common |= {"ms_ssim": 1 - 0.08 / 1.6**step}
            bpp = 0.1 * 1.6**step * (1 + 0.1 * index)
            rows.append(make_row(**common, **reference, bpp=bpp))
            rows.append(make_row(**{**common, "bpp": 0.97 * bpp, **changes}))
    return rows


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    return make_row


@pytest.fixture
def sweep() -> Callable[..., list[dict[str, Any]]]:
    return make_sweep
