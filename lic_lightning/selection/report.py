"""The selector's tables: what each way of choosing saves, how the classifier answers, what deployment costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.codecs.work import kmac_per_pixel
from lic_lightning.evaluation.bd_rate import BDRate
from lic_lightning.evaluation.point import digest
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.parallel import Images
from lic_lightning.reports.tables import bd_table, bd_text, markdown_table, percent
from lic_lightning.runs.folder import RunFolder, run_folders
from lic_lightning.selection.answers import Answers
from lic_lightning.selection.choices import WAYS, ChoicesError, candidates, choose
from lic_lightning.selection.encoders import REFERENCE

ALL = "all"


@dataclass(frozen=True)
class Deployed:
    """What one encoder adds to the one decoder.

    Attributes:
        encoder: its category.
        delta_bytes: of its delta, mean over λ.
        lmbdas: how many λ it comes for.
        kmac_per_pixel: to encode.
    """

    encoder: str
    delta_bytes: float
    lmbdas: int
    kmac_per_pixel: float


def write_tables(
    table: Path, sweep: Path, base: str | None, tests: Mapping[str, Images], answers: Answers, size: tuple[int, int]
) -> str:
    """Writes the means as CSV; returns the page in Markdown.

    Args:
        table: where the CSV goes.
        sweep: folder of the encoders' runs.
        base: weights that they started from, with `{lmbda}`, if not where the runs found them.
        tests: the photographs of the categories that have an encoder.
        answers: of the classifier.
        size: its parameters, and the bytes of its file.

    Raises:
        ChoicesError: the sweep was evaluated on other photographs, or no choice can be made from its rows.
    """
    rows = read_rows(sweep)
    for name, images in tests.items():
        if set(rows.filter(test_set=name)["test_set_digest"]) - {digest(images)}:
            raise ChoicesError(f"{sweep} was evaluated on other photographs of {name} than these test splits")
    possible = candidates(rows, list(tests))
    chosen = choose(possible, answers.of, answers.seconds)
    write_atomically(table, summary(chosen).write_csv().encode())
    cells = possible.filter(role="tuned")["cell"].unique(maintain_order=True).to_list()
    return as_markdown(chosen, answers, size, _deployed(sweep, cells, base))


def _deployed(sweep: Path, cells: list[str], base: str | None) -> list[Deployed]:
    """What each category's encoder costs, from the folders of its runs; `base` is what they started from."""
    deltas: dict[str, list[int]] = {}
    work: dict[str, list[float]] = {}
    for run in run_folders(sweep):
        if run.rows and read_rows(run.rows).filter(role="tuned")["cell"].is_in(cells).any():
            made = run.delta(base and base.replace("{lmbda}", f"{run.lmbda:g}"))
            deltas.setdefault(made.info.category, []).append(len(made.pack()))
            work.setdefault(made.info.category, []).append(_kmac_to_encode(run))
    return [
        Deployed(name, sum(sizes) / len(sizes), len(sizes), sum(work[name]) / len(work[name]))
        for name, sizes in sorted(deltas.items())
    ]


def _kmac_to_encode(run: RunFolder) -> float:
    codec = load_codec(run.codec, weights=str(run.weights), lmbda=1.0)  # with a path, λ picks nothing
    work = kmac_per_pixel(codec, spec(run.codec).roles)
    return work["encoder"] + work["entropy"]


def summary(chosen: pl.DataFrame) -> pl.DataFrame:
    """Means per test set (and over all photographs), λ and way; `saved` is the change of R + λD in percent."""
    both = pl.concat([chosen, chosen.with_columns(test_set=pl.lit(ALL))])
    means = both.group_by("test_set", "lmbda", "way").agg(
        pl.len().alias("images"), *(pl.col(name).mean() for name in ("bpp", "psnr", "cost", "seconds"))
    )
    reference = means.filter(way=REFERENCE).select("test_set", "lmbda", base="cost")
    table = means.join(reference, on=["test_set", "lmbda"]).with_columns(
        saved=100 * (pl.col("cost") / pl.col("base") - 1)
    )
    position = pl.col("way").replace_strict({way: index for index, way in enumerate(WAYS)})
    return table.drop("base").sort(pl.col("test_set") != ALL, "test_set", "lmbda", position)


def as_markdown(
    chosen: pl.DataFrame,
    answers: Answers | None,
    classifier_size: tuple[int, int],
    deployed: Sequence[Deployed],
    bootstrap: int = 1000,
) -> str:
    """The page.

    Args:
        chosen: as `choices.choose` gives it.
        answers: of the classifier on the test splits, or None.
        classifier_size: its parameters and the bytes of its file.
        deployed: one entry per encoder.
        bootstrap: resamples per interval.
    """
    table = summary(chosen)
    parts = [_ways(chosen, table, bootstrap), _picks(chosen)]
    if answers is not None:
        parts.append(confusion(answers, classifier_size))
    return "\n\n".join([*parts, _deployment(table, deployed)]) + "\n"


def confusion(answers: Answers, classifier_size: tuple[int, int]) -> str:
    """The classifier's confusion matrix."""
    parameters, size = classifier_size
    rows = [
        [f"**{name}**", *map(str, counts)]
        for name, counts in zip(answers.choices, answers.confusion.tolist(), strict=True)
    ]
    return "\n\n".join(
        [
            "## The classifier on the test splits",
            markdown_table(["is \\ answered", *answers.choices], rows),
            f"Accuracy {100 * answers.accuracy:.1f} % of {int(answers.confusion.sum())} photographs; {parameters:,} "
            f"parameters, {size / 1e6:.2f} MB, {1000 * answers.seconds:.1f} ms a photograph. Right for a photograph "
            "of no category is the reference.",
        ]
    )


def _ways(chosen: pl.DataFrame, table: pl.DataFrame, bootstrap: int) -> str:
    bd_rates = _bd_rates(chosen, bootstrap)
    means = table.group_by("test_set", "way", maintain_order=True).agg(
        pl.col("saved", "seconds").mean(), pl.col("images").first()
    )
    rows = [
        [
            row["test_set"],
            str(row["images"]),
            row["way"],
            bd_rates.get((row["test_set"], row["way"]), "" if row["way"] == REFERENCE else "–"),
            "" if row["way"] == REFERENCE else f"{percent(row['saved'])} %",
            f"{row['seconds']:.2f}",
        ]
        for row in means.iter_rows(named=True)
    ]
    head = ["test set", "photographs", "encoder chosen by", "BD-rate PSNR", "R + λD", "s to encode"]
    lmbdas = ", ".join(f"{lmbda:g}" for lmbda in sorted(table["lmbda"].unique()))
    return "\n\n".join(
        [
            "## What each way of choosing saves",
            markdown_table(head, rows, left=3),
            f"Against the reference, negative is better. R + λD and seconds are means over λ {lmbdas}; BD-rate (pchip) "
            "needs four of them [95 % paired bootstrap over photographs]. Seconds to encode include choosing: the best "
            "of K codes and decodes with every encoder. Real bytes, decoded by the one reference decoder.",
        ]
    )


def _bd_rates(chosen: pl.DataFrame, bootstrap: int) -> Mapping[tuple[str, str], str]:
    own = chosen.with_columns(
        role=pl.when(way=REFERENCE).then(pl.lit("reference")).otherwise(pl.lit("tuned")),
        curve="way",
        curve_name="way",
        cell=pl.lit(""),  # its points are of several runs
        weights=pl.lit(""),
        reference=pl.lit(REFERENCE),
    )
    pooled = own.with_columns(
        test_set=pl.lit(ALL), test_set_digest=pl.lit(ALL), image=pl.concat_str("test_set", "image", separator="/")
    )
    entries = bd_table(pl.concat([own, pooled]), bootstrap=bootstrap)
    answers = {(entry.curve.test_set, entry.curve.id): entry.answers["psnr"] for entry in entries}
    return {of: bd_text(a) if isinstance(a, BDRate) else f"none: {a}" for of, a in answers.items()}


def _picks(chosen: pl.DataFrame) -> str:
    best = chosen.filter(way="best of K")
    encoders = [*sorted(set(best["test_set"])), REFERENCE]
    rows = []
    for test_set in encoders[:-1]:
        own = best.filter(test_set=test_set)
        rows.append(
            [f"**{test_set}**", *(f"{100 * len(own.filter(encoder=name)) / len(own):.0f} %" for name in encoders)]
        )
    return "\n\n".join(
        [
            "## Which encoder is the best of K",
            markdown_table(["photographs of \\ best", *encoders], rows),
            "Shares over all λ.",
        ]
    )


def _deployment(table: pl.DataFrame, deployed: Sequence[Deployed]) -> str:
    rows = []
    for one in deployed:
        own = table.filter(test_set=one.encoder, way="label")
        saved, megabytes = own["saved"].mean(), one.delta_bytes / 1e6
        assert isinstance(saved, float)
        numbers = [f"{megabytes:.2f}", str(one.lmbdas), f"{one.kmac_per_pixel:.1f}"]
        rows.append([one.encoder, *numbers, f"{percent(saved)} %", f"{percent(saved / megabytes)} %"])
    head = ["encoder", "MB per λ", "λ", "kMAC per pixel", "R + λD on its own", "per MB"]
    return "\n\n".join(
        [
            "## What deployment costs: one decoder, an encoder a category",
            markdown_table(head, rows),
            "MB are those of the delta: the tensors that changed, stored exactly (`lic export --delta`). kMAC per "
            "pixel are those of encoding, the same for every encoder and the reference; the best of K spends "
            "K + 1 times as many, and decodes as often.",
        ]
    )
