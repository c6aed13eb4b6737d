"""The selector's classifier at the end of its training: its threshold, its file, and what it saves."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.markdown import Markdown

from lic_lightning.callbacks.judged import load_best
from lic_lightning.data.squares import Squares
from lic_lightning.files import write_atomically
from lic_lightning.runs.run import LAST
from lic_lightning.selection.answers import ask, choose_threshold
from lic_lightning.selection.classifier import CLASSIFIER, Classifier, ClassifierError, save_classifier
from lic_lightning.selection.report import confusion, write_tables

log = logging.getLogger("lic.selector")

PAGE, TABLE = "selection.md", "selection.csv"


class SelectionPoint(pl.Callback):
    """Chooses the threshold on the val splits, asks about the test splits, writes classifier and tables.

    Args:
        folder: of the files.
        encoders: folder of a sweep of the categories' encoders; None leaves out what choosing saves.
        base: weights that they started from, see `write_tables`.
        learnt: settings that a checkpoint must agree with.

    Raises:
        ClassifierError: the checkpoint that the training would go on from is of other settings.
    """

    def __init__(self, folder: str | Path, encoders: str | None, base: str | None, learnt: Mapping[str, Any]) -> None:
        self.folder, self.encoders, self.base = Path(folder), encoders, base
        self.learnt = learnt

    def state_dict(self) -> dict[str, Any]:
        """The settings, for the checkpoint."""
        return {"learnt": str(self.learnt)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compares the settings with those of the checkpoint."""
        if state["learnt"] != str(self.learnt):
            raise ClassifierError(
                f"a training of other settings was stopped in {self.folder}: {state['learnt']}, now {self.learnt}. "
                "resume=null starts anew, name= takes another folder"
            )

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """On the first process only; an interrupted training leaves its checkpoint and no classifier."""
        if trainer.interrupted or not trainer.is_global_zero:
            return
        load_best(trainer, module)
        classifier: Any = module.get_submodule("head").cpu().eval()
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        batches = list(data.val_dataloader())
        with torch.inference_mode():
            probabilities = torch.cat([classifier(batch.values).softmax(1) for batch in batches])
        threshold = choose_threshold(classifier, probabilities, torch.cat([batch.label for batch in batches]))
        classifier.info = replace(classifier.info, threshold=threshold)
        self.tell(classifier, data)
        shutil.rmtree(self.folder / LAST.parent, ignore_errors=True)  # the same command again trains again

    def tell(self, classifier: Classifier, data: Squares) -> None:
        """Writes the classifier, its answers on the test splits, and what they save."""
        save_classifier(self.folder / CLASSIFIER, classifier)
        answers = ask(classifier, data.tests)
        size = sum(p.numel() for p in classifier.parameters()), (self.folder / CLASSIFIER).stat().st_size
        if self.encoders is None:
            page = confusion(answers, size) + "\n"
        else:
            tests = {name: images for name, images in data.tests.items() if name not in data.rejected}
            page = write_tables(self.folder / TABLE, Path(self.encoders), self.base, tests, answers, size)
        write_atomically(self.folder / PAGE, page.encode())
        Console().print(Markdown(page))
        threshold = classifier.info.threshold
        log.info("wrote %s, threshold %.2f, and %s", self.folder / CLASSIFIER, threshold, self.folder / PAGE)
