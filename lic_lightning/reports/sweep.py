"""The report at the end of a multirun: whatever finished is aggregated, what did not is named."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from lic_lightning.evaluation.bd_rate import Method
from lic_lightning.evaluation.curve import as_compressai_json, curves, without_doubles
from lic_lightning.evaluation.results import read_rows, result_files
from lic_lightning.files import file_part, write_atomically
from lic_lightning.reports.figure import paints
from lic_lightning.reports.html import PAGE, render
from lic_lightning.reports.png import as_png, rd_plots
from lic_lightning.reports.recognition import ACCURACY, recognition
from lic_lightning.reports.tables import as_csv, as_markdown, bd_table, points_csv
from lic_lightning.runs.folder import REPORT, RunFolder, run_folders, without_results


def write_report(folder: Path | str, method: Method = "pchip", bootstrap: int = 1000) -> list[Path]:
    """Writes `report/` in a sweep's folder, of what the rows have.

    bd_rate.md, bd_rate.csv and RD plots as PNG, unless all that there is are labels; recognition.md and plots of
    accuracy, where something was recognised; rd_points.csv, each curve as CompressAI's results JSON, and all of it on
    one page, report.html.

    Args:
        folder: a sweep, with one folder per cell, each with its results once it is finished.
        method: of the BD-rates.
        bootstrap: resamples for the intervals; each BD-rate takes about a second with 1000.

    Returns:
        The files written, those in Markdown first.

    Raises:
        FileNotFoundError: no such folder.
        ResultsError: a results file is corrupt; the message names it.
    """
    folder = Path(folder)
    runs = run_folders(folder)
    texts: dict[str, list[str]] = {"bd_rate.md": ["No cell has results yet."]}
    others: dict[str, bytes] = {}
    if result_files(folder):
        texts, others = _contents(folder, runs, read_rows(folder), method, bootstrap)
    title, missing = f"# {folder.resolve().name}", without_results(runs)
    files = {name: _markdown([title, *parts, missing]) for name, parts in texts.items()} | others
    for name, content in files.items():
        write_atomically(folder / REPORT / name, content)
    return [folder / REPORT / name for name in files]


def _contents(
    folder: Path, runs: Sequence[RunFolder], everything: pl.DataFrame, method: Method, bootstrap: int
) -> tuple[dict[str, list[str]], dict[str, bytes]]:
    """The parts of each Markdown file, and the other files, by name."""
    rows, doubles = without_doubles(everything)
    entries, found = bd_table(rows, method, bootstrap), curves(rows)
    texts: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    notes = "\n".join(f"- {double}" for double in doubles)
    if recognised := recognition(folder, rows, paints(found)):
        plots = {f"rate_accuracy_{file_part(s)}.png": as_png(figure) for s, figure in recognised.figures.items()}
        texts["recognition.md"] = [recognised.markdown, notes, *_images(plots)]
        files |= plots
    judged = [entry for entry in entries if entry.anchor or ACCURACY.name not in entry.curve.quality]
    if judged or not recognised:
        plots = rd_plots(rows, judged)
        texts["bd_rate.md"] = [as_markdown(judged), notes, *_images(plots)]
        files |= {"bd_rate.csv": as_csv(judged).encode(), **plots}
    files["rd_points.csv"] = points_csv(rows).encode()
    for curve in found:
        files[f"curves/{file_part(f'{curve.name}_{curve.place}')}.json"] = as_compressai_json(curve)
    files[PAGE] = render(folder, runs, everything, entries).encode()
    return texts, files


def _markdown(parts: Iterable[str]) -> bytes:
    return ("\n\n".join(part.strip() for part in parts if part.strip()) + "\n").encode()


def _images(names: Iterable[str]) -> list[str]:
    return [f"![{name}]({name})" for name in names]
