"""The report at the end of a multirun: whatever finished is aggregated, what did not is named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lic_lightning.evaluation.bd_rate import Method
from lic_lightning.evaluation.curve import as_compressai_json, curves, without_doubles
from lic_lightning.evaluation.results import read_rows, result_files
from lic_lightning.files import write_atomically
from lic_lightning.reports.html import PAGE, render
from lic_lightning.reports.plots import file_part, rd_plots
from lic_lightning.reports.tables import as_csv, as_markdown, bd_table, points_csv
from lic_lightning.runs.folder import REPORT, run_folders, without_results


def write_report(
    folder: Path | str, cells: Iterable[str] | None = None, method: Method = "pchip", bootstrap: int = 1000
) -> list[Path]:
    """Writes `report/` in a sweep's folder: bd_rate.md, bd_rate.csv, rd_points.csv, RD plots as PNG,
    each curve as CompressAI's results JSON, and all of it on one page, report.html.

    Args:
        folder: a sweep, with one folder per cell, each with its results once it is finished.
        cells: the cells that should be there; None takes every folder of the sweep that isn't hidden.
        method: of the BD-rates.
        bootstrap: resamples for the intervals; each BD-rate takes about a second with 1000.

    Returns:
        The files written, the Markdown first.

    Raises:
        FileNotFoundError: no such folder.
        ResultsError: a results file is corrupt; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no sweep folder {folder}")
    files: dict[str, bytes] = {}
    markdown = [f"# {folder.resolve().name}", "No cell has results yet."]
    if result_files(folder):
        everything = read_rows(folder)
        rows, doubles = without_doubles(everything)
        entries = bd_table(rows, method, bootstrap)
        plots = rd_plots(rows)
        markdown[1] = as_markdown(entries).strip()
        markdown += ["\n".join(f"- {double}" for double in doubles), *(f"![{name}]({name})" for name in plots)]
        files = {"bd_rate.csv": as_csv(entries).encode(), "rd_points.csv": points_csv(rows).encode(), **plots}
        for curve in curves(rows):
            files[f"curves/{file_part(f'{curve.name}_{curve.test_set}')}.json"] = as_compressai_json(curve)
        files[PAGE] = render(folder, run_folders(folder), everything, entries).encode()
    markdown.append(without_results(folder, cells))
    files = {"bd_rate.md": ("\n\n".join(part for part in markdown if part) + "\n").encode(), **files}
    for name, content in files.items():
        write_atomically(folder / REPORT / name, content)
    return [folder / REPORT / name for name in files]
