"""RD curves: means over one test set, one point per λ, from result rows or from CompressAI's results JSON.

Qualities are raw means. A metric's axis in dB (see `metrics.table`) is taken of the mean, never the mean of the images'
dBs: the two differ, and CompressAI's JSON holds means only, so this is the one scale on which all curves can meet.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lic_lightning.metrics.table import METRICS

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]

UNSTATED = "unstated"
WHOLE_SET = ""  # stands for the image in the row of a metric that has one value for a whole set


class CurveError(ValueError):
    """What makes no RD curve: a file that holds none, or two runs at one λ; the message names it."""


@dataclass(frozen=True, eq=False)
class Curve:
    """An RD curve, sorted by rate.

    Attributes:
        rate: bits per pixel, mean over images, one value per point.
        quality: name of a metric → raw mean over images, or the value of the whole set, one per point. A metric that
            is not defined for every image (MS-SSIM of small ones) is left out, as its mean would be over other images
            than the rate's.
        lmbda: λ of each point; NaN where unknown.
        domain: "8bit" or "float" images under the metrics, or "unstated".
        images: names of the test images; empty where only means are known.
        image_rate, image_quality: the same per image, arrays (points, images), where the metric is of images.
        file_rate, image_file_rate: rate and image_rate of whole files, where every row says their size.
        id, reference: curve ids of this curve and of its anchor.
        withheld: the points left out, each with its λ and the reason.
        place: the test set's name, told apart from others of that name in the same sweep by domain or content.
        weights: what each point's run started from, by content; "" where unknown.
        padding: policy under which the images were coded; "" where unknown.
        refined: preset by which their latents were refined; "" where they were not.
    """

    name: str
    test_set: str
    lmbda: Array
    rate: Array
    quality: Mapping[str, Array]
    domain: str = UNSTATED
    images: tuple[str, ...] = ()
    image_rate: Array | None = None
    image_quality: Mapping[str, Array] = field(default_factory=dict)
    file_rate: Array | None = None
    image_file_rate: Array | None = None
    id: str = ""
    role: str = ""
    reference: str | None = None
    codec: str = ""
    category: str = ""
    freeze: str = ""
    test_set_digest: str = ""
    withheld: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    padding: str = ""
    refined: str = ""
    place: str = ""


def curves(rows: pl.DataFrame) -> list[Curve]:
    """One curve per curve id, test set and metric domain, sorted by role, name and test set.

    A point counts only whole: one withheld image, or one that is missing, leaves the point out and names it.

    Raises:
        CurveError: a curve has two runs at one λ (see `without_doubles`); names both.
    """
    rows, doubles = without_doubles(rows)
    if doubles:
        raise CurveError("; ".join(doubles))
    keys = ["role", "curve", "test_set_digest", "domain"]
    found = [_curve(group) for _, group in rows.group_by(keys, maintain_order=True)]
    return sorted(_placed(_distinct(found)), key=lambda curve: (curve.role, curve.name, curve.test_set, curve.domain))


def without_doubles(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows of the curves that have one run at each λ, and one line on each curve that has not.

    Two runs meet where their configs differ in nothing but what a curve's points may differ in: a file of weights that
    was overwritten between two starts, two qualities at one λ, or a refinement, which a run has beside what was
    analysed. Where two have coded an image alike, that is one row.
    """
    import polars as pl

    from lic_lightning.evaluation.results import MEASURED, run_of_rows

    rows = rows.unique(subset=MEASURED, keep="first", maintain_order=True)
    runs = rows.with_columns(run_of_rows()).unique(["role", "curve", "lmbda", "run", "weights"], maintain_order=True)
    doubled = runs.filter(pl.len().over("role", "curve", "lmbda") > 1)
    lines = []
    for (_, curve, lmbda), pair in doubled.group_by(["role", "curve", "lmbda"], maintain_order=True):
        who = " and ".join(f"cell {c} (weights {w or 'unknown'})" for c, w in pair.select("cell", "weights").rows())
        lines.append(
            f"{pair['curve_name'][0]} [{curve[:8]}] has {len(pair)} runs at λ {lmbda:g}: {who}; "
            "the curve is left out until one of them is moved to another folder"
        )
    return rows.join(doubled.select("role", "curve"), on=["role", "curve"], how="anti"), lines


def anchor_of(test: Curve, candidates: Sequence[Curve]) -> Curve | None:
    """The curve that `test` names as its reference, on the same images in the same metric domain."""
    for curve in candidates:
        if curve.role == "reference" and curve.id == test.reference and same_images(curve, test):
            return curve
    return None


def refined_name(name: str, preset: str | None) -> str:
    """How people call a curve, or what stands for one, where its latents were refined."""
    return f"{name} refined {preset}" if preset else name


def same_images(a: Curve, b: Curve) -> bool:
    """True if both curves were measured on the same images, in the same metric domain."""
    return (a.test_set_digest, a.domain) == (b.test_set_digest, b.domain)


def read_compressai_json(path: Path | str) -> Curve:
    """A curve from CompressAI's results JSON: lists bpp, psnr(-rgb), ms-ssim(-rgb) or ms-ssim-db(-rgb) under `results`.

    Test set, domain and λ are unknown unless this platform wrote the file.

    Raises:
        FileNotFoundError: no such file.
        CurveError: not JSON, or not of that form.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CurveError(f"{path} is not JSON: {error}") from error
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, dict) or "bpp" not in results:
        raise CurveError(f"{path} is not a CompressAI results file: it has no lists under results.bpp, results.psnr …")
    rate = _numbers(path, results, "bpp")
    quality = _qualities(path, results)
    lmbda = _numbers(path, results, "lmbda") if "lmbda" in results else np.full(len(rate), math.nan)
    files = _numbers(path, results, "bpp_file") if "bpp_file" in results else None
    columns = (lmbda, rate if files is None else files, *quality.values())
    if lengths := {len(values) for values in columns} - {len(rate)}:
        raise CurveError(f"{path}: lists of {len(rate)} and {lengths.pop()} points")
    order = np.argsort(rate, kind="stable")
    return Curve(
        name=str(content.get("name") or path.stem),
        test_set=str(content.get("test_set") or UNSTATED),
        lmbda=lmbda[order],
        rate=rate[order],
        quality={metric: values[order] for metric, values in quality.items()},
        domain=str(content.get("domain") or UNSTATED),
        role=str(content.get("role") or ""),
        file_rate=None if files is None else files[order],
        codec=str(content.get("name") or path.stem),
    )


def as_compressai_json(curve: Curve) -> bytes:
    """A curve as CompressAI's results JSON, with λ, rate of the files, role, test set and domain beside its keys."""
    results = {"bpp": curve.rate.tolist(), **{metric: values.tolist() for metric, values in curve.quality.items()}}
    if not np.isnan(curve.lmbda).any():
        results["lmbda"] = curve.lmbda.tolist()
    if curve.file_rate is not None:
        results["bpp_file"] = curve.file_rate.tolist()
    content = {
        "name": curve.name,
        "description": f"{curve.name} on {curve.test_set}: real bytes, mean over images (lic_lightning)",
        "role": curve.role,
        "test_set": curve.test_set,
        "domain": curve.domain,
        "results": results,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _curve(rows: pl.DataFrame) -> Curve:
    first = rows.row(0, named=True)
    of_set = {row["lmbda"]: row for row in rows.filter(image=WHOLE_SET).iter_rows(named=True)}
    rows = rows.filter(rows["image"] != WHOLE_SET)
    rows = rows.with_columns(bpp_file=8 * rows["file_bytes"] / (rows["width"] * rows["height"]))
    images = tuple(rows["image"].unique(maintain_order=True).to_list())
    points, weights, withheld = {}, {}, []
    for (lmbda,), point in rows.group_by(["lmbda"], maintain_order=True):
        if reason := _unusable(point, len(images)):
            withheld.append(f"λ {lmbda:g}: {reason}")
        else:
            points[lmbda] = {row["image"]: row for row in point.iter_rows(named=True)}
            weights[lmbda] = point["weights"][0] or ""

    def matrix(column: str) -> Array:
        # A null in any cell becomes NaN
        cells = [[point[image][column] for image in images] for point in points.values()]
        return np.array(cells, dtype=float).reshape(len(points), len(images))

    rate, file_rate = matrix("bpp"), matrix("bpp_file")
    sized = not np.isnan(file_rate).any()
    order = np.argsort(rate.mean(axis=1), kind="stable")
    quality = {m.name: matrix(m.column)[order] for m in METRICS.values() if m.of != "set"}
    quality = {metric: values for metric, values in quality.items() if not np.isnan(values).any()}
    means = {metric: values.mean(axis=1) for metric, values in quality.items()}
    for metric in METRICS.values():
        if metric.of == "set" and points.keys() <= of_set.keys():
            values = np.array([of_set[lmbda][metric.column] for lmbda in points], dtype=float)[order]
            means |= {} if np.isnan(values).any() else {metric.name: values}
    return Curve(
        name=refined_name(first["curve_name"], first["refined"]),
        test_set=first["test_set"],
        lmbda=np.array(list(points), dtype=float)[order],
        rate=rate.mean(axis=1)[order],
        quality=means,
        domain=first["domain"],
        images=images,
        image_rate=rate[order],
        image_quality=quality,
        file_rate=file_rate.mean(axis=1)[order] if sized else None,
        image_file_rate=file_rate[order] if sized else None,
        id=first["curve"],
        withheld=tuple(withheld),
        weights=tuple(np.array(list(weights.values()), dtype=object)[order]),
        padding=first["padding"] or "",
        refined=first["refined"] or "",
        **{key: first[key] for key in ("role", "reference", "codec", "category", "freeze", "test_set_digest")},
    )


def _unusable(point: pl.DataFrame, images: int) -> str | None:
    if reasons := point["withheld"].drop_nulls().to_list():
        return str(reasons[0])
    return None if len(point) == images else f"{len(point)} of {images} images"


def _distinct(found: list[Curve]) -> list[Curve]:
    """Tells apart curves of one name (they differ in seed or objective, say) by the start of their ids."""
    ids = Counter(name for name, _ in {(curve.name, curve.id) for curve in found})
    return [replace(c, name=f"{c.name} [{c.id[:8]}]") if ids[c.name] > 1 else c for c in found]


def _placed(found: list[Curve]) -> list[Curve]:
    domains, digests = ({(c.test_set, getattr(c, key)) for c in found} for key in ("domain", "test_set_digest"))
    several = [Counter(name for name, _ in pairs) for pairs in (domains, digests)]

    def place(curve: Curve) -> str:
        marks = zip((curve.domain, curve.test_set_digest[:8]), several, strict=True)
        told = [mark for mark, sets in marks if sets[curve.test_set] > 1]
        return " ".join([curve.test_set, *told])

    return [replace(curve, place=place(curve)) for curve in found]


def _qualities(path: Path, results: Mapping[str, Any]) -> dict[str, Array]:
    """Metric → raw values, of the metrics that a results JSON has, raw or on their axis in dB."""
    known, quality = [], {}
    for name, metric in METRICS.items():
        raw, in_db = (name, f"{name}-rgb"), (f"{name}-db", f"{name}-db-rgb") if metric.in_db else ()
        known += [*raw, *in_db] if metric.default else []
        if key := next((key for key in raw if key in results), None):
            quality[name] = _numbers(path, results, key)
            if metric.in_db and np.any(quality[name] > 1):
                raise CurveError(
                    f"{path}: {metric.label} above 1 under results.{key}: raw values in [0, 1] there, not dB"
                )
        elif key := next((key for key in in_db if key in results), None):
            quality[name] = metric.raw(_numbers(path, results, key))
    if not quality:
        raise CurveError(f"{path} has none of {', '.join(known)} under results")
    return quality


def _numbers(path: Path, results: Mapping[str, Any], key: str) -> Array:
    values = results[key]
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise CurveError(f"{path}: results.{key} is not a list of numbers")
    return np.array(values, dtype=float)
