"""What each way of choosing saves, from the rows of the encoders' runs: nothing is coded again."""

from collections.abc import Mapping
from pathlib import Path

from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.codecs.work import kmac_per_pixel
from lic_lightning.evaluation.point import digest
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.parallel import Images
from lic_lightning.runs.folder import RunFolder, run_folders
from lic_lightning.selection.answers import Answers
from lic_lightning.selection.choices import ChoicesError, candidates, choose
from lic_lightning.selection.report import Deployed, as_markdown, summary


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
