"""One self-contained HTML page of a sweep: no network, no other file, everything from data escaped."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import jinja2
import polars as pl
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lic_lightning.evaluation.bd_rate import BDRate, Method
from lic_lightning.evaluation.curve import curves, without_doubles
from lic_lightning.evaluation.results import SCHEMA, read_rows, result_files
from lic_lightning.files import write_atomically
from lic_lightning.reports import page
from lic_lightning.reports.crops import comparisons
from lic_lightning.reports.figure import paints, palette_css
from lic_lightning.reports.interactive import as_plotly
from lic_lightning.reports.recognition import HEADER, recognition
from lic_lightning.reports.tables import Entry, bd_table, interval_text, metrics_of, percent
from lic_lightning.runs.folder import REPORT, RunFolder, run_folders

PAGE = "report.html"
CROPS = 12  # comparisons: about 2 MB


def write_page(
    folder: Path | str, out: Path | None = None, method: Method = "pchip", bootstrap: int = 1000, crops: int = CROPS
) -> Path:
    """Writes the page of a sweep, or of one run, to `out` or `report/report.html` in its folder; returns its path.

    Args:
        folder: of the sweep; finished or not.
        out: another place for the page.
        method: of BD-rates.
        bootstrap: resamples per interval.
        crops: comparisons with photographs at most; 0 for a page without any.

    Raises:
        FileNotFoundError: no such folder.
        ResultsError: a results file is corrupt; the message names it.
        ValueError: the folder is no sweep.
    """
    folder = Path(folder)
    runs = run_folders(folder)
    rows = read_rows(folder) if result_files(folder) else pl.DataFrame(schema=SCHEMA)
    entries = bd_table(without_doubles(rows)[0], method, bootstrap)
    path = out or folder / REPORT / PAGE
    write_atomically(path, render(folder, runs, rows, entries, crops).encode())
    return path


def render(
    folder: Path, runs: Sequence[RunFolder], rows: pl.DataFrame, entries: Sequence[Entry], crops: int = CROPS
) -> str:
    """The page as text, of a sweep's folder with its cells, rows and BD-rates."""
    usable, doubles = without_doubles(rows)
    chosen = paints(curves(usable))
    shown, crops_in_all = comparisons(folder, usable, crops)
    shared, differing = page.packages(runs)
    configs = [run.config for run in runs if run.config]
    matrices = [page.matrix(entries, metric) for metric in metrics_of(entries)]
    scripts = [get_plotlyjs(), _source("page.js")]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=folder.resolve().name,
            runs=runs,
            unfinished=[run for run in runs if run.state != "done"],
            sets=page.test_sets(usable, entries, chosen),
            doubles=doubles,
            paints=chosen,
            metrics=metrics_of(entries),
            matrices=[found for found in matrices if found],
            recognition=recognition(folder, usable, chosen),
            recognition_header=HEADER,
            comparisons=shown,
            comparisons_in_all=crops_in_all,
            training=page.training_plots(runs, usable, chosen),
            origins=page.origins(runs, rows),
            common_overrides=page.common_overrides(runs),
            lacking_classic=page.lacking_classic(runs, rows),
            packages=shared,
            differing_packages=differing,
            machines=sorted({", ".join(f"{key} {value}" for key, value in run.machine.items()) for run in runs} - {""}),
            commits=sorted({run.commit for run in runs if run.commit}),
            config=yaml.safe_dump(configs[0], sort_keys=False, allow_unicode=True) if configs else "",
            style=Markup(palette_css() + _source("style.css")),
            scripts=[Markup(script) for script in scripts],
            policy=_policy(scripts),
        )
    )


def _policy(scripts: list[str]) -> str:
    """The page's Content-Security-Policy: no request leaves it, and no script runs but our own."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    ours = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {ours}; style-src 'unsafe-inline'; img-src data: blob:"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lic_lightning.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "interval": interval_text, "plotly": as_plotly}
    environment.tests["bd_rate"] = lambda answer: isinstance(answer, BDRate)
    return environment


def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text()
