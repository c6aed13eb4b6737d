"""RD curves as their authors published them: company in plots, never the anchor of a BD-rate of ours.

CompressAI's are its results for Kodak: real bytes, means over images, metrics on float images. SegPIC's and WACNN's
come with SegPIC's code, which does not state the metrics' domain; `clic_valid` is CLIC 2020's professional images.
"""

import csv
import math
from functools import cache
from pathlib import Path

import numpy as np

from lic_lightning.evaluation.curve import Curve
from lic_lightning.metrics.table import METRICS

PUBLISHED = Path(__file__).parent / "published.csv"  # a line a point: raw means, by column of the metric


def published(test_set: str, images: int) -> list[Curve]:
    """The published curves on a test set, with role "published"; none where the number of images is another."""
    return [curve for curve, count in _curves() if (curve.test_set, count) == (test_set, images)]


def names() -> list[str]:
    """Of all published curves, each once; a curve's id is its name."""
    return list(dict.fromkeys(curve.name for curve, _ in _curves()))


@cache
def _curves() -> list[tuple[Curve, int]]:
    points: dict[tuple[str, str, int, str], list[dict[str, str]]] = {}
    for line in csv.DictReader(PUBLISHED.read_text().splitlines()):
        key = (line["name"], line["test_set"], int(line["images"]), line["domain"])
        points.setdefault(key, []).append(line)
    return [(_curve(*key, lines), key[2]) for key, lines in points.items()]


def _curve(name: str, test_set: str, _: int, domain: str, lines: list[dict[str, str]]) -> Curve:
    columns = {metric.name: [line.get(metric.column) for line in lines] for metric in METRICS.values()}
    return Curve(
        name=name,
        test_set=test_set,
        lmbda=np.full(len(lines), math.nan),
        rate=np.array([float(line["bpp"]) for line in lines]),
        quality={metric: np.array(values, dtype=float) for metric, values in columns.items() if all(values)},
        domain=domain,
        id=name,
        role="published",
    )
