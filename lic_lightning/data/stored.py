"""Data sets from a configuration that was found in a run's folder, which may come from somebody else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lic_lightning.data.dataset import Category, Concat
from lic_lightning.data.layouts.coco import CocoPanoptic
from lic_lightning.data.layouts.embedded import DemoTiles
from lic_lightning.data.layouts.folder import FolderDataset, kodak
from lic_lightning.data.layouts.food101 import Food101
from lic_lightning.data.layouts.jpeg_ai import jpeg_ai_test
from lic_lightning.data.layouts.listed import ListDataset

CLASSES: dict[str, Callable[..., Any]] = {
    f"lic_lightning.data.{made.__name__}": made
    for made in (Category, CocoPanoptic, Concat, DemoTiles, FolderDataset, Food101, ListDataset, jpeg_ai_test, kodak)
}


class StoredDatasetError(ValueError):
    """A stored configuration of data that is not followed; the message says why."""


@dataclass(frozen=True)
class Stored:
    """Makes data sets and categories of this package, and no others, below a folder of the user's own.

    Attributes:
        recorded: `paths.data` of the configuration; what lay below it is looked for below `here`.
        here: the folder of photographs now.
    """

    recorded: str
    here: Path

    def make(self, node: Any) -> Any:
        """What a part of the configuration describes.

        Raises:
            StoredDatasetError: another class, or a path elsewhere.
            DatasetNotFoundError: no such photographs.
        """
        if isinstance(node, Mapping):
            settings = {key: self.make(value) for key, value in node.items() if key != "_target_"}
            target = node.get("_target_")
            if target is not None and target not in CLASSES:
                raise StoredDatasetError(
                    f"the photographs are made by {target}, which no stored configuration may call"
                )
            return CLASSES[target](**settings) if target else settings
        if isinstance(node, list):
            return [self.make(value) for value in node]
        return self._path(node) if isinstance(node, str) else node

    def _path(self, text: str) -> str:
        path = Path(text)
        if ".." in path.parts:
            raise StoredDatasetError(f"{text} leads out of the folder of photographs")
        if path.is_relative_to(self.recorded):
            return str(self.here / path.relative_to(self.recorded))
        if path.is_absolute() and not path.is_relative_to(self.here):
            raise StoredDatasetError(
                f"{text} is neither below the run's own paths.data, {self.recorded}, nor {self.here}"
            )
        return text
