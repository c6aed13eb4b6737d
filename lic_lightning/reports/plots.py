"""RD plots as PNG: per category and test set the references, the tuned curves, and the classic codecs."""

from collections.abc import Sequence

import polars as pl

from lic_lightning.evaluation.curve import curves
from lic_lightning.files import file_part
from lic_lightning.reports.figure import paints
from lic_lightning.reports.figures import company, rd_figure
from lic_lightning.reports.png import as_png
from lic_lightning.reports.tables import Entry, metrics_of


def rd_plots(rows: pl.DataFrame, entries: Sequence[Entry], current_lmbda: float | None = None) -> dict[str, bytes]:
    """PNG images by file name, `rd_<category>_<test set>_<metric>.png`, where a tuned curve has the metric.

    Args:
        rows: as `results.read_rows` gives them.
        entries: whose curves are drawn, each with its anchor and the classic codecs.
        current_lmbda: λ of the run that just ended; its point is circled.
    """
    found = curves(rows)
    chosen = paints(found)
    images = {}
    for category, place in sorted({(entry.curve.category, entry.curve.place) for entry in entries}):
        group = [entry for entry in entries if (entry.curve.category, entry.curve.place) == (category, place)]
        for metric in metrics_of(entries):
            figure = rd_figure(company(group, found), metric, chosen, f"{category} on {place}", current_lmbda)
            if figure:
                name = "_".join(map(file_part, ("rd", category, place, metric.name)))
                images[f"{name}.png"] = as_png(figure)
    return images
