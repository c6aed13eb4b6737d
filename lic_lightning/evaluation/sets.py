"""Rows of metrics that have one value for a whole test set."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from lic_lightning.evaluation.curve import WHOLE_SET
from lic_lightning.evaluation.image_row import Row
from lic_lightning.evaluation.results import OF_IMAGE
from lic_lightning.metrics.image import SetMetric


def with_sets(rows: list[Row], of_set: Mapping[str, SetMetric]) -> list[Row]:
    """The rows of one test set, and one more for each of its points where there are such metrics.

    Args:
        rows: of images, with what a metric of sets gave of each in its column.
        of_set: these metrics by column.
    """
    if not of_set:
        return rows
    points = groupby(sorted(rows, key=_point), key=_point)
    whole = [_whole(list(point), of_set) for _, point in points]
    return [{name: value for name, value in row.items() if name not in of_set} for row in rows] + whole


def _whole(rows: list[Row], of_set: Mapping[str, SetMetric]) -> Row:
    values = {column: metric.of_set([row[column] for row in rows]) for column, metric in of_set.items()}
    return {**rows[0], **dict.fromkeys(OF_IMAGE), "image": WHOLE_SET, **values}


def _point(row: Row) -> tuple[Any, ...]:
    return row["codec"], row["lmbda"], row.get("refined") or ""
