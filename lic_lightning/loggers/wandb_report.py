"""The report of a sweep on W&B: tables as Markdown, RD points, losses and comparison images of the sweep's own runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.evaluation.bd_rate import Method
from lic_lightning.evaluation.curve import refined_name, without_doubles
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import file_part
from lic_lightning.reports.page import matrix
from lic_lightning.reports.tables import Entry, as_markdown, bd_table, markdown_table, metrics_of
from lic_lightning.runs.folder import RunFolder, run_folders

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report


class WandbReportError(RuntimeError):
    """No W&B report can be made; the message says what is missing."""


def publish(folder: Path, where: str, method: Method = "pchip", bootstrap: int = 1000) -> str:
    """Makes the report in "entity/project" and returns its address. The sweep's runs must have been logged there.

    Raises:
        WandbReportError: the package or a key is missing, or `where` is not of that form.
        FileNotFoundError: the folder is missing, or has no results.
    """
    import wandb

    entity, _, project = where.partition("/")
    if not (entity and project) or "/" in project:
        raise WandbReportError(f"--wandb {where}: ENTITY/PROJECT is expected, as in my-team/lic_lightning")
    if find_spec("wandb_workspaces") is None:
        raise WandbReportError(
            "W&B reports need the package wandb-workspaces: pip install 'lic-lightning[wandb-report]'"
        )
    runs = run_folders(folder)
    rows, doubles = without_doubles(read_rows(folder))
    entries = bd_table(rows, method, bootstrap)
    if not wandb.login(prompt=False):
        raise WandbReportError(
            "no W&B key: `wandb login`, or set WANDB_API_KEY. `lic report` without --wandb needs none"
        )
    report = build(folder.resolve().name, entity, project, runs, entries, doubles)
    report.save()
    return str(report.url)


def build(
    sweep: str,
    entity: str,
    project: str,
    runs: Sequence[RunFolder],
    entries: Sequence[Entry],
    doubles: Sequence[str] = (),
) -> Report:
    """The report of a sweep, which is W&B's group of that name; nothing is sent. `doubles` are curves left out."""
    import wandb_workspaces.reports.v2 as wr

    def grid(panels: list[Any]) -> Any:
        runset = wr.Runset(entity=entity, project=project, name=sweep, filters=f"Metric('Group') == {sweep!r}")
        return wr.PanelGrid(runsets=[runset], panels=panels)

    finished = sum(run.state == "done" for run in runs)
    blocks: list[Any] = [
        wr.TableOfContents(),
        wr.H1("BD-rate against the reference"),
        wr.P(f"{finished} of {len(runs)} cells finished."),
        wr.MarkdownBlock("\n".join([as_markdown(entries), *(f"- {double}" for double in doubles)])),
    ]
    matrices = [found for metric in metrics_of(entries) if (found := matrix(entries, metric))]
    if matrices:
        blocks += [wr.H1("Category × category"), *(wr.MarkdownBlock(_matrix(found)) for found in matrices)]
    test_sets = sorted({entry.curve.test_set for entry in entries})
    points = sorted({refined_name(entry.curve.test_set, entry.curve.refined) for entry in entries})
    blocks += [
        wr.H1("RD points"),
        grid([_scatter(name, m.column) for name in points for m in metrics_of(entries)]),
        wr.H1("Comparisons"),
        grid([wr.MediaBrowser(media_keys=[f"comparison_{file_part(name)}"]) for name in test_sets]),
        wr.H1("Training"),
        grid([wr.LinePlot(x="Step", y=[key]) for key in ("val/loss", "val/bpp")]),
    ]
    if lost := [run for run in runs if run.state != "done"]:
        lines = "\n".join(f"- {run.name}, {run.state}: {' '.join(run.overrides)} {run.error}" for run in lost)
        blocks += [wr.H1("Without results"), wr.MarkdownBlock(lines)]
    return wr.Report(entity=entity, project=project, title=f"lic_lightning: {sweep}", blocks=blocks, width="fluid")


def _scatter(test_set: str, column: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    x, y = (wr.SummaryMetric(f"rd/{test_set}/{name}") for name in ("bpp", column))
    return wr.ScatterPlot(title=f"{column} on {test_set}", x=x, y=y)


def _matrix(found: dict[str, Any]) -> str:
    header = [f"{found['metric']}: trained for ↓, judged on →", *found["columns"]]
    return markdown_table(header, ([curve.name, *(cell.text for cell in cells)] for curve, cells in found["lines"]))
