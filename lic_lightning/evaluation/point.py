"""The rows of one run: a codec and its reference on the same test sets, the reference's from a cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lic_lightning.codecs.analysis import analysis_of
from lic_lightning.codecs.fingerprint import codec_fingerprint, combine
from lic_lightning.evaluation import classic
from lic_lightning.evaluation.curve import WHOLE_SET
from lic_lightning.evaluation.evaluate import Settings, evaluate, rate_gap
from lic_lightning.evaluation.image_row import Row
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.evaluation.sets import with_sets
from lic_lightning.metrics.image import build_metrics, of_sets
from lic_lightning.parallel import Images, over_images

if TYPE_CHECKING:
    from lic_lightning.runs.run import Run

log = logging.getLogger("lic.evaluation")

Show = Callable[[str, Images, list[Row]], None]  # is given a test set with its rows as `image_rows` makes them


def judge(
    run: Run,
    codec: nn.Module,
    claimed: Row,
    decoder: nn.Module | None,
    reference: nn.Module | None,
    test_sets: Mapping[str, Images],
    settings: Settings,
    cache: Path,
    show: Show | None = None,
) -> None:
    """Writes the rows of a run, as analysed and refined, and of its reference at the same λ, on all test sets.

    Args:
        run: what the rows say of themselves, and where they go.
        codec: the one that is judged.
        claimed: columns on the codec's decoder: `decoder_fingerprint`, what was claimed of it, which checks ran.
        decoder: the untouched codec that must read the strings under a fixed decoder, or None.
        reference: what the run is judged against, or None.
        test_sets: whole images by name.
        settings: how they are coded.
        cache: folder of the reference's rows, one file per (weights, images, settings).
        show: what makes pictures of the run's rows, before they are written.
    """
    columns = {**run.columns(), **claimed}
    rows = tuned_rows(codec, test_sets, run.codec, settings, decoder, columns, show)
    rows = [{**row, "curve": run.refined_curve} if row["refined"] else row for row in rows]
    if reference is not None:
        padded = replace(settings, padding=run.reference_padding)
        rows += reference_rows(reference, test_sets, run.reference_codec, padded, cache, run.reference_columns())
    rows += classic_codec_rows(test_sets, settings, cache)
    write_rows(run.results, rows)


def tuned_rows(
    codec: nn.Module,
    test_sets: Mapping[str, Images],
    name: str,
    settings: Settings,
    decoder: nn.Module | None,
    columns: dict[str, Any],
    show: Show | None = None,
) -> list[Row]:
    """Rows of the codec of that name on all test sets; `decoder` is the untouched one that must read its strings."""
    rows: list[Row] = []
    of_set = of_sets(build_metrics(settings.metrics, settings.lpips_trunk))
    for test_set, images in test_sets.items():
        coded = evaluate(codec, images, name, settings, decoder)
        for row in coded:
            if gap := rate_gap(row):
                log.warning("real and estimated rate differ on %s, %s", test_set, gap)
        if show:
            show(test_set, images, coded)
        about = {**_with_analysis(columns, codec), "test_set": test_set, "test_set_digest": digest(images)}
        found = [{**about, "decoder_found": _found(about, row), **row} for row in _without_strings(images, coded)]
        rows += with_sets(found, of_set)
    return rows


def untrained(fingerprint: str, checks: str = "") -> Row:
    """What rows say of the decoder of a codec that nothing was trained of."""
    return {"decoder_fingerprint": fingerprint, "decoder_claim": "untrained", "decoder_checks": checks}


def _with_analysis(columns: dict[str, Any], codec: nn.Module) -> dict[str, Any]:
    """What rows say of a codec whose g_a may be another network."""
    if (analysis := analysis_of(codec)) is None:
        return columns
    return {**columns, "analysis": analysis, "curve_name": f"{columns['curve_name']} {analysis}"}


def _without_strings(images: Images, coded: list[Row]) -> Iterator[Row]:
    """Rows with the content of their images."""
    contents = dict(zip(images.names, image_digests(images), strict=True))
    for row in coded:
        yield {"image_digest": contents[row["image"]], **{name: row[name] for name in row.keys() - {"encoded"}}}


def _found(columns: Row, row: Row) -> str | None:
    return row["withheld"] or ("passed" if columns["decoder_checks"] else None)


def reference_rows(
    reference: nn.Module,
    test_sets: Mapping[str, Images],
    name: str,
    settings: Settings,
    cache: Path,
    columns: dict[str, Any],
) -> list[Row]:
    """Rows of the reference, a codec of that name, on all test sets.

    They are made once per (weights, images, settings) and kept in `cache`. None is refined: what refinement gains is
    read off against them.
    """
    settings = replace(settings, refine=None)
    weights = codec_fingerprint(reference)
    rows = []
    for test_set, images in test_sets.items():
        own = {**_with_analysis(columns, reference), "test_set": test_set, "test_set_digest": digest(images)}

        def code(images: Images = images, own: dict[str, Any] = own) -> list[Row]:
            coded = evaluate(reference, images, name, settings)
            of_set = of_sets(build_metrics(settings.metrics, settings.lpips_trunk))
            return with_sets([{**own, **row} for row in _without_strings(images, coded)], of_set)

        coder = getattr(reference, "coder", None)  # an autoregressive codec has two stream syntaxes
        key = ["reference", weights, coder, own["test_set_digest"], settings.protocol, torch.__version__]
        rows += [{**row, **own} for row in _cached(cache, key, images, code)]
    return rows


def classic_codec_rows(test_sets: Mapping[str, Images], settings: Settings, cache: Path) -> list[Row]:
    """Rows of classic codecs on all test sets, computed once per (images, codec) and kept in `cache`.

    A codec that this machine lacks is left out, and named in the log.
    """
    rows = []
    for codec in settings.classic:
        if not classic.is_here(codec):
            log.warning("no %s on this machine: left out (pip install 'lic-lightning[codecs]')", codec)
            continue
        for name, images in test_sets.items():

            def code(name: str = name, images: Images = images, codec: str = codec) -> list[Row]:
                log.info("coding %d images of %s with %s, once for all runs", len(images), name, codec)
                metrics = build_metrics(settings.metrics, settings.lpips_trunk)
                found = over_images(
                    partial(classic.classic_rows, format=codec, metrics=metrics), images, settings.workers
                )
                about = {"test_set": name, "test_set_digest": digest(images)}
                own = [
                    {**about, "image": image, "image_digest": content}
                    for image, content in zip(images.names, image_digests(images), strict=True)
                ]
                rows = [{**image, **row} for image, rows in zip(own, found, strict=True) for row in rows]
                return with_sets(rows, of_sets(metrics))

            key = ["classic", digest(images), settings.metrics, *classic.identity(codec)]
            rows += [{**row, "test_set": name} for row in _cached(cache, key, images, code)]
    return rows


def digest(images: Images) -> str:
    """Content identity of a test set: SHA-256 over the digests of its images, 16 hex digits."""
    return combine(images.digest(index) for index in range(len(images)))[:16]


def image_digests(images: Images) -> list[str]:
    """The content of each image, 16 hex digits; a second image of one content has its number behind them."""
    seen: Counter[str] = Counter()
    digests = []
    for index in range(len(images)):
        content = images.digest(index)[:16]
        seen[content] += 1
        digests.append(content if seen[content] == 1 else f"{content}-{seen[content]}")
    return digests


def _cached(cache: Path, key: list[Any], images: Images, code: Callable[[], list[Row]]) -> list[Row]:
    """Rows from the cache, under the names that their images have today."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    path, names = cache / f"{name}.parquet", dict(zip(image_digests(images), images.names, strict=True))
    rows = read_rows(path).to_dicts() if path.is_file() else []
    # None yet, or from before rows had a column
    of_images = [row for row in rows if row["image"] != WHOLE_SET]
    if {row["image_digest"] for row in of_images} != set(names) or any(row["file_bytes"] is None for row in of_images):
        write_rows(path, code())
        rows = read_rows(path).to_dicts()
    return [{**row, "image": names.get(row["image_digest"], WHOLE_SET)} for row in rows]
