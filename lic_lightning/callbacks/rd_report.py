"""What a person reads after a run: the curve so far, its points beside the reference's, and BD-rate or why not yet."""

import io
import logging
from collections.abc import Iterable, Sequence

import polars as pl
from PIL import Image
from pytorch_lightning.loggers import Logger, WandbLogger
from rich.console import Console
from rich.table import Table

from lic_lightning.evaluation.bd_rate import BDRate
from lic_lightning.evaluation.curve import Curve, refined_name, without_doubles
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.metrics.table import METRICS, Metric, shown
from lic_lightning.reports.tables import Entry, as_markdown, as_rich, bd_table, metrics_of, points_csv
from lic_lightning.runs.run import Run

log = logging.getLogger("lic.evaluation")


def report(run: Run, loggers: Iterable[Logger]) -> None:
    """Prints the run's curve so far on each test set, writes it into the run's folder, and sends it to the loggers."""
    rows = read_rows(run.folder.parent)
    shown = filter(None, (run.curve, run.refined_curve, run.reference))
    rows = rows.filter(pl.col("curve").is_in(list(shown)))
    own = point_metrics(run, rows)
    rows, doubles = without_doubles(rows)
    for double in doubles:
        log.warning("%s", double)
    entries = bd_table(rows)
    console = Console()
    for table in (*map(points_table, entries), as_rich(entries)):
        console.print(table)
    write_atomically(run.folder / "rd_curve.md", as_markdown(entries).encode())
    write_atomically(run.folder / "rd_points.csv", points_csv(rows).encode())
    metrics = {**own, **bd_metrics(entries)}
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            _to_wandb(logger, run, rows, entries, metrics)
        else:
            logger.log_metrics(metrics)
            logger.save()


def points_table(entry: Entry) -> Table:
    """The points of a tuned curve on a test set, beside its reference's at the same λ."""
    curve, metrics = entry.curve, shown([entry.curve.quality])
    table = Table(title=f"{curve.name} on {curve.place}")
    sides = [("", curve)] + ([("reference ", entry.anchor)] if entry.anchor else [])
    columns = ["bpp", *(metric.label for metric in metrics)]
    for heading in ("λ", *(f"{side}{column}" for side, _ in sides for column in columns)):
        table.add_column(heading, justify="right")
    for lmbda in curve.lmbda:
        cells = [cell for _, side in sides for cell in _point(side, lmbda, metrics)]
        table.add_row(f"{lmbda:g}", *cells)
    return table


def point_metrics(run: Run, rows: pl.DataFrame) -> dict[str, float]:
    """The run's own points: `rd/<test set>/<bpp, psnr, ms_ssim, …>`, means over images; refined ones as
    `rd/<test set> refined <preset>/…`."""
    own = rows.filter(pl.col("cell") == run.cell, pl.col("role") == "tuned")
    columns = ["bpp", "bpp_estimated", *(m.column for m in METRICS.values()), "encode_s", "decode_s"]
    means = own.group_by("test_set", "refined").agg(pl.col(columns).mean()).to_dicts()
    return {
        f"rd/{refined_name(m['test_set'], m['refined'])}/{c}": m[c] for m in means for c in columns if m[c] is not None
    }


def bd_metrics(entries: Sequence[Entry]) -> dict[str, float]:
    """The BD-rates that there are, in percent: `bd_rate/<test set>/<metric>`, of refined curves as points are named."""
    return {
        f"bd_rate/{refined_name(entry.curve.place, entry.curve.refined)}/{metric}": answer.bd_rate
        for entry in entries
        for metric, answer in entry.answers.items()
        if isinstance(answer, BDRate)
    }


def _point(curve: Curve, lmbda: float, metrics: Sequence[Metric]) -> list[str]:
    at = [index for index, value in enumerate(curve.lmbda) if value == lmbda]
    if not at:
        return [""] * (1 + len(metrics))
    means = [m.plain(curve.quality[m.name][at[0]]) if m.name in curve.quality else "" for m in metrics]
    return [f"{curve.rate[at[0]]:.4f}", *means]


def _to_wandb(
    logger: WandbLogger, run: Run, rows: pl.DataFrame, entries: Sequence[Entry], metrics: dict[str, float]
) -> None:
    import wandb

    from lic_lightning.reports.png import rd_plots  # imports matplotlib

    means = rows.group_by("role", "curve_name", "refined", "test_set", "lmbda", maintain_order=True).agg(
        pl.col("bpp", *(metric.column for metric in metrics_of(entries))).mean()
    )
    table = wandb.Table(columns=list[str | int](means.columns), data=[list(row) for row in means.rows()])
    images = {path.stem: wandb.Image(str(path)) for path in sorted(run.folder.glob("comparison_*.png"))}
    for name, png in rd_plots(rows, entries, run.lmbda).items():
        images[name.removesuffix(".png")] = wandb.Image(Image.open(io.BytesIO(png)))
    logger.experiment.log({"rd_table": table, **images})
    logger.experiment.summary.update(metrics)
