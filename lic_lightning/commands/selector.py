"""`lic selector`: train a classifier that picks the encoder, and tell what each way of picking saves.

The classifier learns from the train splits of the categories, the same splits as their encoders'. Where `encoders`
names a sweep of these encoders, the tables are made from its rows: nothing is coded again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.markdown import Markdown

from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import load_codec
from lic_lightning.commands.codecs import kmac_per_pixel
from lic_lightning.data import DataModule
from lic_lightning.evaluation.point import digest
from lic_lightning.evaluation.results import read_rows
from lic_lightning.files import write_atomically
from lic_lightning.runs.folder import RunFolder, run_folders
from lic_lightning.runs.identity import CONF
from lic_lightning.runs.job import run_job
from lic_lightning.selection.choices import ChoicesError, candidates, choose
from lic_lightning.selection.classifier import (
    CLASSIFIER,
    Classifier,
    ClassifierError,
    ClassifierInfo,
    load_classifier,
    save_classifier,
)
from lic_lightning.selection.report import Deployed, as_markdown, confusion, summary
from lic_lightning.selection.training import Answers, ask, train

log = logging.getLogger("lic.selector")

PAGE, TABLE = "selection.md", "selection.csv"


def select(cfg: DictConfig, folder: Path) -> None:
    """Trains (or loads) the classifier that `cfg` describes, asks it about the test splits, writes the tables."""
    data = {name: _split(category, cfg.split_seed) for name, category in {**cfg.categories, **cfg.rejected}.items()}
    classifier = _classifier(cfg, data, folder)
    tests = {name: module.test_sets[name] for name, module in data.items()}
    answers = ask(classifier, tests)
    size = sum(p.numel() for p in classifier.parameters()), (folder / CLASSIFIER).stat().st_size
    if cfg.encoders is None:
        page = confusion(answers, size) + "\n"
    else:
        page = _tables(cfg, folder, {name: tests[name] for name in cfg.categories}, answers, size)
    write_atomically(folder / PAGE, page.encode())
    Console().print(Markdown(page))
    log.info("wrote %s, threshold %.2f, and %s", folder / CLASSIFIER, classifier.info.threshold, folder / PAGE)


def _split(category: DictConfig, seed: int) -> DataModule:
    module = DataModule(instantiate(category, _convert_="all"), split_seed=seed)
    module.setup()
    if not module.splits["test"]:
        raise ValueError(f"category {category.name} has no test split for the classifier to be judged on")
    return module


def _classifier(cfg: DictConfig, data: Mapping[str, DataModule], folder: Path) -> Classifier:
    if cfg.classifier is not None:
        classifier = load_classifier(Path(cfg.classifier))
        if set(classifier.info.categories) != set(data):
            raise ClassifierError(
                f"{cfg.classifier} knows {', '.join(classifier.info.categories)}, not {', '.join(data)}"
            )
    else:
        info = ClassifierInfo(tuple(data), tuple(cfg.rejected), cfg.backbone, cfg.size)
        train_sets = {name: module.train_set for name, module in data.items()}
        val_sets = {name: module.val_set for name, module in data.items()}
        classifier = train(info, cfg.pretrained, train_sets, val_sets, instantiate(cfg.training), log.info)
    save_classifier(folder / CLASSIFIER, classifier)
    return classifier


def _tables(cfg: DictConfig, folder: Path, tests: Mapping[str, Any], answers: Answers, size: tuple[int, int]) -> str:
    rows = read_rows(cfg.encoders)
    for name, images in tests.items():
        if set(rows.filter(test_set=name)["test_set_digest"]) - {digest(images)}:
            raise ChoicesError(f"{cfg.encoders} was evaluated on other photographs of {name} than these test splits")
    possible = candidates(rows, list(tests))
    chosen = choose(possible, answers.of, answers.seconds)
    write_atomically(folder / TABLE, summary(chosen).write_csv().encode())
    cells = possible.filter(role="tuned")["cell"].unique(maintain_order=True).to_list()
    return as_markdown(chosen, answers, size, _deployed(Path(cfg.encoders), cells, cfg.base))


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


@hydra.main(config_path=str(CONF), config_name="selector", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Hydra's entry point."""
    torch.set_num_threads(cfg.threads)
    run_job(select, cfg)


if __name__ == "__main__":
    main()
