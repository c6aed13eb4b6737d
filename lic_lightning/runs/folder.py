"""A run's folder, read as data: what it was made from, how far it is, what it left.

It may come from somebody else: nothing in it is instantiated, no path that it names is followed out of the sweep, and a
codec is built from its plain settings alone.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import yaml

from lic_lightning.runs.cells import Cell, read_plan
from lic_lightning.runs.lock import is_held
from lic_lightning.runs.progress import Progress, read_progress
from lic_lightning.runs.run import FAILED, LAST, RESULTS, WEIGHTS

if TYPE_CHECKING:
    from lic_lightning.codecs.delta import Delta

State = Literal["done", "running", "failed", "stopped", "missing"]
STATES: tuple[State, ...] = get_args(State)
REPORT = "report"
CONFIG = "config.yaml"
OF_LOAD_CODEC = {"name", "weights", "lmbda", "metric", "quality", "N", "M", "analysis", "coder"}
BY_NAME = ("none", "shipped", "zoo")  # weights that no path leads to
RUN = re.compile(r"run:(?:(?P<sweep>[\w.-]+)/)?(?P<cell>[0-9a-f]{12})")

Losses = tuple[tuple[int, float], ...]


class RunFolderError(ValueError):
    """A folder that is not what was asked for; the message names it and says what it lacks."""


@dataclass(frozen=True)
class RunFolder:
    """One run and its folder, which need not be there yet. All is read when it is first asked for.

    Attributes:
        path: of the folder; its name is the run's cell.
        planned: the cell as a start planned it, or None.
    """

    path: Path
    planned: Cell | None = None

    @property
    def name(self) -> str:
        """The cell."""
        return self.path.resolve().name

    @cached_property
    def state(self) -> State:
        """done: it has its rows; running: a process holds it; stopped: half done, by a checkpoint; failed; missing."""
        if self.rows:
            return "done"
        if is_held(self.path):
            return "running"
        if (self.path / FAILED).is_file():
            return "failed"
        return "stopped" if (self.path / LAST).is_file() else "missing"

    @property
    def error(self) -> str:
        """The last line of the last start's failure: of a failed run, or of a done one that refused a start."""
        lines = _text(self.path / FAILED).strip().splitlines() if self.state != "running" else []
        return lines[-1] if lines else ""

    @cached_property
    def progress(self) -> Progress | None:
        """How far training is; None before its first validation."""
        return read_progress(self.path)

    @cached_property
    def overrides(self) -> tuple[str, ...]:
        """What makes the run, as on the command line: as planned, or as Hydra recorded it (a YAML list of strings)."""
        if self.planned:
            return self.planned.overrides
        lines = _text(self.path / ".hydra" / "overrides.yaml").splitlines()
        return tuple(line.removeprefix("- ") for line in lines if line.startswith("- "))

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """As it was resolved, plain data; empty before the run got that far."""
        content = yaml.safe_load(_text(self.path / CONFIG)) or {}
        if not isinstance(content, dict):
            raise RunFolderError(f"{self.path / CONFIG} is no configuration: it holds a {type(content).__name__}")
        return content

    def setting(self, key: str) -> Any:
        """The setting at a dotted key.

        Raises:
            RunFolderError: no config.yaml, or no such setting in it.
        """
        value: Any = self.config
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise RunFolderError(f"{self.path / CONFIG} does not say {key}: not the folder of a run")
            value = value[part]
        return value

    @property
    def codec(self) -> str:
        """The codec's registered name."""
        return self.planned.codec if self.planned and self.planned.codec else str(self.setting("codec.name"))

    @property
    def category(self) -> str:
        """What it trained on: a category, or the data set of a recognition run."""
        if "category" in self.config:
            return str(self.setting("category.name"))
        dataset = self.setting("dataset")
        return str(dataset.get("name") or str(dataset["_target_"]).rpartition(".")[2])

    @property
    def lmbda(self) -> float:
        """λ."""
        return float(self.setting("lmbda"))

    @property
    def rows(self) -> Path | None:
        """Its rows, for `evaluation.results.read_rows`; None before it is done."""
        return self.path / RESULTS if (self.path / RESULTS).is_file() else None

    @property
    def weights(self) -> Path:
        """The codec that was judged.

        Raises:
            RunFolderError: there is none.
        """
        if not (self.path / WEIGHTS).is_file():
            raise RunFolderError(f"{self.path} has no {WEIGHTS}: not the folder of a finished run")
        return self.path / WEIGHTS

    def codec_settings(self, key: str = "codec", weights: str | None = None) -> dict[str, Any]:
        """What `load_codec` needs for the codec that a setting describes, each value of a plain type.

        Args:
            key: `codec`, or `reference.codec`.
            weights: where its weights are now; None takes those that the folder names, if they lie in the sweep or
                come with the package or the zoo.

        Raises:
            RunFolderError: a setting that `load_codec` lacks or that is no number or name, or weights elsewhere.
        """
        node = self.setting(key)
        settings = {name: value for name, value in node.items() if name != "_target_"}
        plain = {name for name, value in settings.items() if isinstance(value, str | int | float | None)}
        if odd := sorted(settings.keys() - (plain & OF_LOAD_CODEC)):
            raise RunFolderError(f"{self.path / CONFIG}: {key}.{odd[0]} is no setting of a codec")
        return {**settings, "weights": weights or self._weights_within(str(settings["weights"]))}

    def delta(self, base_weights: str | None = None) -> Delta:
        """What the run changed in the codec that it started from.

        Args:
            base_weights: where the start's weights are now, if they are files of their own.

        Raises:
            RunFolderError: no finished run, or `base_weights` is needed.
            WeightsError: its start can't be loaded.
            DeltaError: the run moved its decoder, or started from nothing, or from another analysis than the codec's.
        """
        from lic_lightning.codecs.delta import DeltaError, delta
        from lic_lightning.codecs.weights import load_codec

        tuned, settings = str(self.weights), self.codec_settings(weights=base_weights)
        if settings["weights"] == "none":
            raise DeltaError(
                f"{self.path} started from nothing: there is no codec that its encoder could be a delta of"
            )
        base = load_codec(**{**settings, "analysis": None})
        return delta(settings["name"], base, load_codec(**{**settings, "weights": tuned}), self.category, self.lmbda)

    @cached_property
    def packages(self) -> dict[str, str]:
        """Name → version."""
        return dict(line.split("==", 1) for line in _text(self.path / "packages.txt").splitlines())

    @cached_property
    def machine(self) -> dict[str, str]:
        """Python, system and processor."""
        return json.loads(_text(self.path / "machine.json") or "{}")

    @cached_property
    def commit(self) -> str:
        """Of the platform; ends in "+" where the checkout had changes."""
        commit, _, diff = _text(self.path / "git.txt").partition("\n")
        return commit + ("+" if diff.strip() else "")

    @cached_property
    def validation(self) -> Losses:
        """(step, loss) at each validation."""
        return self._logged("val/loss")

    @cached_property
    def training(self) -> Losses:
        """(step, loss) at each logged training step."""
        return self._logged("train/loss_step")

    def _logged(self, key: str) -> Losses:
        """From the CSV logger's files, one a start of the run; of a step that is there twice the later start counts."""
        files = sorted(
            self.path.glob("csv/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1])
        )
        lines = [line for file in files for line in csv.DictReader(file.read_text().splitlines())]
        return tuple(sorted({int(line["step"]): float(line[key]) for line in lines if line.get(key)}.items()))

    def _weights_within(self, weights: str) -> str:
        if weights in BY_NAME:
            return weights
        folder = self.path.resolve()
        if run := RUN.fullmatch(weights):
            sweep = folder.parent.parent / run["sweep"] if run["sweep"] else folder.parent
            return str(RunFolder(sweep / run["cell"]).weights)
        if (file := (folder / weights).resolve()).is_relative_to(folder.parent) and file.is_file():
            return str(file)
        raise RunFolderError(
            f"{self.path} started from {weights}, outside of its sweep: name that file (--base, or base=)"
        )


def run_folders(folder: Path) -> list[RunFolder]:
    """Every run of a sweep: as planned, in the order of the plan, then those whose folders are there.

    `folder` may be one run's own.

    Raises:
        FileNotFoundError: no such folder.
        RunFolderError: the results are deeper than a sweep's are.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no sweep folder {folder}")
    if (folder / RESULTS).is_file() or (folder / ".hydra").is_dir():
        return [RunFolder(folder)]
    planned = {cell.name: cell for cell in read_plan(folder)}
    if not planned and not any(folder.glob(f"*/{RESULTS}")) and (deeper := sorted(folder.glob(f"*/*/{RESULTS}"))):
        raise RunFolderError(f"{folder} is no sweep, but holds some: name one of them, as in {deeper[0].parent.parent}")
    names = (path.name for path in sorted(folder.iterdir()) if path.is_dir() and path.name != REPORT)
    found = [name for name in names if name[0] != "." and name not in planned]
    return [RunFolder(folder / name, planned.get(name)) for name in (*planned, *found)]


def without_results(runs: Iterable[RunFolder]) -> str:
    """Markdown: a list of the runs of a sweep that have no results, each with what made it; empty where all have."""
    lacking = [(run.name, ", ".join(run.overrides)) for run in sorted(runs, key=lambda r: r.name) if not run.rows]
    lines = [f"- {name} ({overrides})" if overrides else f"- {name}" for name, overrides in lacking]
    return "\n".join(["Without results:\n", *lines]) if lines else ""


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
