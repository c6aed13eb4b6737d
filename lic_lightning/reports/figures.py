"""The figures of a report: quality and accuracy over rate, gain per image, losses."""

from collections.abc import Mapping, Sequence

import numpy as np

from lic_lightning.evaluation.bd_rate import whole_files
from lic_lightning.evaluation.curve import Curve
from lic_lightning.evaluation.gain import ImageGain
from lic_lightning.metrics.table import Metric
from lic_lightning.reports.figure import Figure, Paint, Series
from lic_lightning.reports.tables import Entry
from lic_lightning.runs.folder import RunFolder

RATE = "rate (bits per pixel)"
FILE_RATE = "rate of the whole file, header included (bits per pixel)"
LEARNED = ("tuned", "reference")
MOST_DOTS = 4000  # per scatter plot: more make a browser slow


def company(entries: Sequence[Entry], found: Sequence[Curve]) -> list[Curve]:
    """The curves of a figure on one test set: the anchors of entries, their tuned curves, and the classic codecs."""
    anchors = {entry.anchor.id: entry.anchor for entry in entries if entry.anchor}
    digests = {entry.curve.test_set_digest for entry in entries}
    classic = [curve for curve in found if curve.role == "classic" and curve.test_set_digest in digests]
    return [*anchors.values(), *(entry.curve for entry in entries), *classic]


def rd_figure(
    shown: Sequence[Curve], metric: Metric, chosen: Mapping[str, Paint], title: str, current_lmbda: float | None = None
) -> Figure | None:
    """Quality over rate, on axes that span the learned codecs; None where no tuned curve has the metric.

    Beside classic codecs rates are of whole files on both sides, where the rows say them; published ones stay.

    Args:
        shown: on one test set.
        metric: on whose axis.
        chosen: curve id → paint.
        title: of the figure.
        current_lmbda: λ of the run that just ended, whose point is marked.
    """
    drawn = [curve for curve in shown if metric.name in curve.quality and len(curve.rate)]
    learned = [curve for curve in drawn if curve.role in LEARNED]
    if not any(curve.role == "tuned" for curve in learned):
        return None
    ours = [curve for curve in drawn if curve.role != "published"]
    files = len(ours) > len(learned) and all(curve.file_rate is not None for curve in ours)
    drawn, learned = ([whole_files(curve) if files else curve for curve in curves] for curves in (drawn, learned))
    series = []
    for curve in drawn:
        raw = curve.quality[metric.name]
        values = metric.axis(raw)
        also_raw = [f" ({metric.plain(value)})" if metric.in_db else "" for value in raw]
        hover = [(*_point(curve, i), metric.text(values[i]) + also_raw[i]) for i in range(len(raw))]
        now = [i for i, lmbda in enumerate(curve.lmbda) if curve.role == "tuned" and lmbda == current_lmbda]
        series.append(
            Series(
                name=curve.name,
                x=curve.rate.tolist(),
                y=values.tolist(),
                paint=chosen[curve.id],
                width=2.2 if curve.role in LEARNED else 1.3,
                size=8 if curve.role in LEARNED else 6,
                hover=hover,
                ring=now[0] if now else None,
            )
        )
    return Figure(
        title=title,
        x=FILE_RATE if files else RATE,
        y=metric.axis_label,
        series=series,
        alt=f"{metric.axis_label} over bits per pixel of {_names(drawn)}. Numbers: the table of points.",
        x_range=_span(np.concatenate([c.rate for c in learned]), least=0.0),
        y_range=_span(np.concatenate([metric.axis(c.quality[metric.name]) for c in learned])),
        note="Published curves are of strings, without headers." if files and len(drawn) > len(ours) else "",
    )


def accuracy_figure(shown: Sequence[Curve], metric: Metric, chosen: Mapping[str, Paint], title: str) -> Figure:
    """An accuracy over rate with its standard error; originals (which nobody coded) are a level, no point."""
    coded = [curve for curve in shown if "psnr" in curve.quality]
    series = []
    for curve in shown:
        accuracy = curve.quality[metric.name]
        if curve not in coded:
            series.append(Series(curve.name, [], [float(metric.axis(accuracy.max()))], chosen[curve.id], level=True))
            continue
        error = np.sqrt(accuracy * (1 - accuracy) / max(len(curve.images), 1))
        values = metric.axis(accuracy)
        series.append(
            Series(
                name=curve.name,
                x=curve.rate.tolist(),
                y=values.tolist(),
                paint=chosen[curve.id],
                error=metric.axis(error).tolist(),
                hover=[(*_point(curve, index), metric.text(value)) for index, value in enumerate(values)],
            )
        )
    return Figure(
        title=title,
        x=RATE,
        y=f"{metric.axis_label}, ± one standard error",
        series=series,
        alt=f"{metric.axis_label} over bits per pixel of {_names(shown)}. Numbers: the table above.",
        x_range=_span(np.concatenate([curve.rate for curve in coded or shown]), least=0.0),
    )


def gain_figure(
    gains: Mapping[str, Sequence[ImageGain]], metric: Metric, names: Mapping[str, str], chosen: Mapping[str, Paint]
) -> Figure:
    """One dot per image and λ: change of the rate at equal quality, over the rate that the reference needs.

    Args:
        gains: by curve id.
        metric: of equal quality.
        names: curve id → name.
        chosen: curve id → paint.
    """
    total = sum(map(len, gains.values()))
    every = max(1, -(-total // MOST_DOTS))
    series = []
    for curve, dots in gains.items():
        kept = dots[::every]
        series.append(
            Series(
                name=names[curve],
                x=[dot.gain.reference_rate for dot in kept],
                y=[dot.gain.percent for dot in kept],
                paint=chosen[curve],
                width=0,
                opacity=0.75,
                hover=[_dot(dot, metric) for dot in kept],
            )
        )
    return Figure(
        title=f"At equal {metric.label}",
        x="reference's rate at equal quality (bpp)",
        y="change of rate (%)",
        series=series,
        alt=f"Change of rate per image at equal {metric.axis_label}. Numbers: the table beneath.",
        zero=True,
        note=f"Every {every}th of {total} dots is drawn." if every > 1 else "",
    )


def training_figure(runs: Sequence[tuple[RunFolder, str, Paint]], title: str) -> Figure:
    """Losses over steps of runs at one λ, each with its name and paint: thin while training, thick at validation."""
    series = []
    for run, name, paint in sorted(runs, key=lambda run: run[1]):
        steps, losses = zip(*run.validation, strict=True) if run.validation else ((), ())
        hover = [(f"step {step}", f"loss {loss:.5f}") for step, loss in run.validation]
        series.append(Series(name, steps, losses, paint, size=7, hover=hover))
        if run.training:
            steps, losses = zip(*run.training, strict=True)
            series.append(Series(name, steps, losses, paint, width=1, size=0, opacity=0.5, legend=False))
    alt = f"Loss over steps, {title}: {', '.join(name for _, name, _ in runs)}."
    return Figure(title, "step", "loss", series, alt)


def _point(curve: Curve, index: int) -> list[str]:
    lmbda, rate = curve.lmbda[index], f"{curve.rate[index]:.4f} bpp"
    if np.isnan(lmbda):
        return [rate]
    return [f"setting {lmbda:g}" if curve.role == "classic" else f"λ {lmbda:g}", rate]


def _dot(dot: ImageGain, metric: Metric) -> list[str]:
    gain = dot.gain
    return [
        dot.image,
        f"{gain.percent:+.2f} % at {metric.text(gain.quality)}",
        f"{gain.rate:.4f} bpp, the reference {gain.reference_rate:.4f} bpp",
        f"λ {dot.lmbda:g}",
    ]


def _names(shown: Sequence[Curve]) -> str:
    return ", ".join(curve.name for curve in shown)


def _span(values: np.ndarray, least: float = -np.inf) -> tuple[float, float] | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    margin = 0.08 * np.ptp(values) or 0.1
    return max(least, float(values.min() - margin)), float(values.max() + margin)
