"""Tables 1 and 2 of the category paper beside what a sweep measured here, cell by cell.

    python experiments/category_dependent_lic/compare.py outputs/category_dependent_segpic --markdown segpic.md

Beside a category's encoder stands the control arm (category=general), where the sweep has it: what it gains is more
training, not the category. A published cell without a curve says what is missing; a refused BD-rate says why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.markdown import Markdown

from lic_lightning.evaluation.bd_rate import BDRate
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.reports.tables import bd_table, percent

PUBLISHED = Path(__file__).parent / "published.csv"
CONTROL = "general"
NOT_CTC = "jpeg_ai"  # points of fixed λ, not of matched rates
STAND_INS = {  # ours: the paper's
    "portrait": "selfie",
    "flickr_landscape": "landscape",
    "food101": "food",
    "mbt2018-mean": "mbt2018",
}
SCHEMA = {"codec": pl.String, "category": pl.String, "test_set": pl.String, "metric": pl.String, "here": pl.String}
CELL = ["codec", "category", "test_set", "metric"]
HEAD = ("codec", "encoder tuned on", "test set", "metric", "paper, %", "here, % [95 %]", "control arm, % [95 %]")


def compare(rows: pl.DataFrame) -> pl.DataFrame:
    """One line per published cell of the codecs that were run, and per cell that only we have.

    Returns:
        codec, category, test_set, metric in the paper's names; bd_rate (published), here, control.
    """
    measured = pl.DataFrame(list(_measured(rows)), SCHEMA, orient="row")
    control = measured.filter(category=CONTROL).select("codec", "test_set", "metric", control="here")
    own = measured.filter(pl.col("category") != CONTROL)
    published = pl.read_csv(PUBLISHED).drop("table").filter(pl.col("codec").is_in(measured["codec"].unique().to_list()))
    table = published.join(own, on=CELL, how="full", coalesce=True)
    table = table.join(control, on=["codec", "test_set", "metric"], how="left")
    tuned, tested = own["category"].unique().to_list(), own["test_set"].unique().to_list()
    reason = (
        pl.when(~pl.col("category").is_in(tuned))
        .then(pl.lit("not run: no finished ") + pl.col("category"))
        .when(~pl.col("test_set").is_in(tested))
        .then(pl.lit("not run: nothing evaluated on ") + pl.col("test_set"))
        .otherwise(pl.lit("not run: this encoder was not evaluated on it"))
    )
    return table.with_columns(pl.col("here").fill_null(reason)).sort(CELL)


def main() -> int:
    """Prints the table; writes it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    rows = read_rows(arguments.folder)
    table = compare(rows)
    page = as_markdown(table, rows)
    if arguments.csv:
        write_atomically(arguments.csv, table.write_csv().encode())
    if arguments.markdown:
        write_atomically(arguments.markdown, page.encode())
    Console().print(Markdown(page))
    return 0


def as_markdown(table: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The table, and what stands in for what."""
    lines = [HEAD, ["---"] * len(HEAD), *map(_line, table.iter_rows(named=True))]
    there = {name for column in ("codec", "category", "test_set") for name in rows[column].unique()}
    stand_ins = [f"{ours} for {theirs}" for ours, theirs in STAND_INS.items() if ours in there]
    notes = [
        "BD-rate against the pretrained weights, pchip, on means over the test set [paired bootstrap over images].",
        f"{NOT_CTC} is measured at the codec's own λ, not at the rates of the common test conditions (CTC).",
        *([f"Standing in: {', '.join(stand_ins)}."] if stand_ins else []),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + " ".join(notes) + "\n"


def _measured(rows: pl.DataFrame) -> Iterator[tuple[str, str, str, str, str]]:
    trained = pl.col("decoder_claim").is_null() | (pl.col("role") != "tuned") | (pl.col("decoder_claim") != "untrained")
    for entry in bd_table(rows.filter(trained, pl.col("refined").is_null())):  # the paper refines nothing
        curve = entry.curve
        codec, category, test_set = (STAND_INS.get(n, n) for n in (curve.codec, curve.category, curve.test_set))
        for metric, answer in entry.answers.items():
            yield codec, category, test_set, metric, _cell(answer)


def _cell(answer: object) -> str:
    if not isinstance(answer, BDRate):
        return f"none: {answer}"
    if answer.interval is None:
        return percent(answer.bd_rate)
    low, high = answer.interval
    return f"{percent(answer.bd_rate)} [{percent(low)}, {percent(high)}]"


def _line(row: dict) -> list[str]:
    paper = "" if row["bd_rate"] is None else percent(row["bd_rate"])
    test_set = f"{row['test_set']} (not CTC)" if row["test_set"] == NOT_CTC else row["test_set"]
    return [row["codec"], row["category"], test_set, row["metric"], paper, row["here"], row["control"] or ""]


if __name__ == "__main__":
    sys.exit(main())
