"""A synthetic sweep folder: three categories on two test sets in two domains, two references, and JPEG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lic_lightning.evaluation.results import OPTIONAL, SCHEMA, write_rows

LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483)
# What each curve's bits are of its own reference's: (curve, test set, domain)
SAVING = {
    ("food", "food", "8bit"): 0.96,
    ("food", "kodak", "8bit"): 1.01,
    ("portrait", "kodak", "8bit"): 0.99,
    ("hands", "kodak", "float"): 0.98,
}
# Food's costs less than the other, which comes first by name and by the order of the rows
REFERENCES = {
    "food": ({"role": "reference", "curve": "r", "curve_name": "mbt2018-mean shipped (reference)"}, 1.0),
    "portrait": ({"role": "reference", "curve": "q", "curve_name": "cheng2020-anchor zoo (reference)"}, 1.5),
    "hands": ({"role": "reference", "curve": "r", "curve_name": "mbt2018-mean shipped (reference)"}, 0.9),
}
CLASSIC = {"role": "classic", "curve": "classic-jpeg", "curve_name": "JPEG (Pillow)"}


def point(test_set: str, step: int, scale: float, **columns: Any) -> list[dict[str, Any]]:
    """Rows of one point over five images; the bits are `scale` times the reference's, scattered by image."""
    empty = {column: "" if str(kind) == "String" else 0 for column, kind in SCHEMA.items()} | dict.fromkeys(OPTIONAL)
    empty |= {"reference": None, "withheld": None, "stream_bytes": [], "domain": "8bit"}
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
    """Finished cells of food (on food and kodak), portrait (on kodak) and hands (on kodak in float), and JPEG on kodak.

    Both references stand on food and kodak in 8 bits, whoever asked for them; one of them on kodak in float too.
    """
    folder = tmp_path / "main"
    for step, lmbda in enumerate(LAMBDAS):
        for category in ("portrait", "food", "hands"):
            rows = []
            for test_set, domain in (on for trained, *on in SAVING if trained == category):
                own, bits = REFERENCES[category]
                tuned = {"role": "tuned", "curve": category, "curve_name": f"mbt2018-mean {category} encoder_only"}
                tuned |= {"category": category, "freeze": "encoder_only", "reference": own["curve"], "domain": domain}
                rows += point(test_set, step, bits * SAVING[category, test_set, domain], **tuned)
                for asked, (reference, cost) in REFERENCES.items():
                    if domain == ("float" if asked == "hands" else "8bit"):
                        rows += point(test_set, step, cost, **reference, domain=domain)
            write_rows(folder / f"{category}-{lmbda}" / "results.parquet", rows)
    classic = [row for step in range(6) for row in point("kodak", step, 1.8, **CLASSIC)]
    write_rows(folder / "classic" / "results.parquet", classic)
    return folder
