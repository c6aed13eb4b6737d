"""Crops that runs left in their folders: the same pixels original, reference, tuned and refined, for a slider."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

CROPS = "crops"
SIDES = ("original", "reference", "tuned", "refined")
CROP = "crop.json"  # beside a picture of each side; written last


@dataclass(frozen=True)
class Side:
    """One picture of a comparison: PSNR in dB and rate of the whole image, None for the original."""

    name: str
    uri: str
    psnr: float | None = None
    bpp: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A crop of one image at one λ; `sides` are original, tuned, and where there are ones reference and refined."""

    curve: str
    test_set: str
    image: str
    lmbda: float
    width: int
    height: int
    sides: tuple[Side, ...]
    withheld: str | None


def comparisons(folder: Path, rows: pl.DataFrame, most: int) -> tuple[list[Comparison], int]:
    """At most `most` comparisons of a sweep or a run, spread over curves, test sets and λ, and how many there are.

    Each curve's lowest λ comes first, where the eye sees most. PSNR and rate come from the rows.
    """
    tuned = rows.filter(role="tuned")
    points = tuned.select("cell", "curve", "curve_name", "lmbda")
    by_cell = {p["cell"]: p for p in points.unique("cell", keep="first", maintain_order=True).to_dicts()}
    found: dict[tuple[str, str], list[tuple[float, str, Path]]] = {}
    in_run = f"{CROPS}/*/*/{CROP}"
    for sidecar in sorted([*folder.resolve().glob(in_run), *folder.resolve().glob(f"*/{in_run}")]):
        cell = sidecar.parents[3].name
        if point := by_cell.get(cell):
            group = (point["curve"], sidecar.parent.parent.name)
            found.setdefault(group, []).append((point["lmbda"], cell, sidecar))
    queues = [sorted(group) for _, group in sorted(found.items())]
    turns = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    made = [_comparison(sidecar, tuned.filter(cell=cell), rows) for _, cell, sidecar in turns[:most]]
    chosen = [comparison for comparison in made if comparison]
    return sorted(chosen, key=lambda c: (c.curve, c.test_set, c.lmbda, c.image)), len(turns)


def _comparison(sidecar: Path, tuned: pl.DataFrame, rows: pl.DataFrame) -> Comparison | None:
    """None where no row has the image. Only sides' pictures are read, and none from outside the run's folder."""
    content = json.loads(sidecar.read_text())
    known = (pl.col("image") == content["image"]) | (pl.col("image_digest") == content.get("image_digest", ""))
    about = tuned.filter(known, test_set=content["test_set"])
    files = {name: sidecar.parent / f"{name}.png" for name in SIDES if name in content["sides"]}
    files = {name: f for name, f in files.items() if f.is_file() and f.resolve().is_relative_to(sidecar.parents[3])}
    if about.is_empty() or "tuned" not in files:
        return None
    own = about.row(0, named=True)
    same = {key: own[key] for key in ("test_set_digest", "image", "lmbda", "domain")}
    reference = rows.filter(role="reference", curve=own["reference"] or "", **same).to_dicts()
    refined = about.drop_nulls("refined").to_dicts()
    numbers = {"tuned": own, "reference": reference[0] if reference else {}, "refined": refined[0] if refined else {}}
    pictures = {name: Image.open(file) for name, file in files.items()}
    return Comparison(
        curve=own["curve_name"],
        test_set=content["test_set"],
        image=content["image"],
        lmbda=own["lmbda"],
        width=pictures["tuned"].width,
        height=pictures["tuned"].height,
        sides=tuple(
            Side(name, data_uri(picture), *(numbers.get(name, {}).get(key) for key in ("psnr", "bpp")))
            for name, picture in pictures.items()
        ),
        withheld=own["withheld"],
    )


def data_uri(picture: Image.Image, **quality: Any) -> str:
    """A picture as WebP, which every browser reads; lossless (a quarter smaller than PNG) unless a quality is given."""
    content = io.BytesIO()
    picture.save(content, format="WEBP", **quality or {"lossless": True})
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
