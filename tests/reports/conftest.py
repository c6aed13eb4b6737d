"""A synthetic sweep folder: two categories on two test sets, their reference, and JPEG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lic_lightning.evaluation.results import SCHEMA, write_rows

LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483)
SAVING = {("food", "food"): 0.96, ("food", "kodak"): 1.01, ("portrait", "kodak"): 0.99}
REFERENCE = {"role": "reference", "curve": "r", "curve_name": "mbt2018-mean shipped (reference)"}
CLASSIC = {"role": "classic", "curve": "classic-jpeg", "curve_name": "JPEG (Pillow)"}


def point(test_set: str, step: int, scale: float, **columns: Any) -> list[dict[str, Any]]:
    """Rows of one point over five images; the bits are `scale` times the reference's, scattered by image."""
    empty = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items()}
    empty |= {"reference": None, "withheld": None, "lpips": None, "stream_bytes": [], "domain": "8bit"}
    quality = {"ms_ssim": 1 - 0.08 / 1.6**step}
    return [
        {
            **empty,
            **quality,
            "test_set": test_set,
            "test_set_digest": f"digest of {test_set}",
            "image": f"{index}.png",
            "lmbda": LAMBDAS[step],
            "bpp": scale * 0.1 * 1.6**step * (1 + 0.1 * index) * (1 + 0.01 * (index - 2)),
            "psnr": 28.0 + 1.8 * step - 0.3 * index,
            **columns,
        }
        for index in range(5)
    ]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Finished cells of food (on food and kodak) and portrait (on kodak), a reference, and JPEG on kodak."""
    folder = tmp_path / "main"
    for category in ("food", "portrait"):
        for step, lmbda in enumerate(LAMBDAS):
            rows = []
            for test_set in (name for trained, name in SAVING if trained == category):
                tuned = {
                    "curve": category,
                    "curve_name": f"mbt2018-mean {category} encoder_only",
                    "reference": "r",
                }
                tuned |= {"role": "tuned", "category": category, "freeze": "encoder_only"}
                rows += point(test_set, step, SAVING[category, test_set], **tuned)
                rows += point(test_set, step, 1.0, **REFERENCE)
            write_rows(folder / f"{category}-{lmbda}" / "results.parquet", rows)
    classic = [row for step in range(6) for row in point("kodak", step, 1.8, **CLASSIC)]
    write_rows(folder / "classic" / "results.parquet", classic)
    return folder
