"""Data sets with a class per picture, and which of their pictures train, validate and test."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms.v2.functional import InterpolationMode, resize

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import ImageDataset, MalformedDatasetError, Subset, not_found
from lic_lightning.data.image_files import ImageFiles
from lic_lightning.data.splits import PARTS


class LabelledFiles(ImageFiles):
    """Pictures with labels: files below `root`, each with the name of its class.

    Args:
        root: the folder.
        class_of: a picture's path below `root` → its class; the paths are the pictures' names.
        classes: all classes, in the order of the labels; None sorts those that occur.
    """

    def __init__(self, root: Path, class_of: Mapping[str, str], classes: Sequence[str] | None = None) -> None:
        self.classes = tuple(classes or sorted(set(class_of.values())))
        position = {name: index for index, name in enumerate(self.classes)}
        names = sorted(class_of)
        super().__init__(root, names, [position[class_of[name]] for name in names])


@dataclass(frozen=True)
class Classification:
    """A classification data set with its splits.

    Attributes:
        name: in results.
        dataset: all its pictures.
        splits: names of the pictures under train, val and test.
    """

    name: str
    dataset: LabelledFiles
    splits: Mapping[str, Sequence[str]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.dataset.classes

    def part(self, part: str) -> Subset:
        """The pictures of train, val or test."""
        position = {name: index for index, name in enumerate(self.dataset.names)}
        return Subset(self.dataset, [position[name] for name in self.splits[part]])


class Resized(Subset):
    """The same pictures with their short side at `side` pixels (bicubic, antialiased): what is coded."""

    def __init__(self, dataset: ImageDataset, side: int) -> None:
        super().__init__(dataset)
        self.side = side

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        if min(sample.image.shape[1:]) == self.side:
            return sample
        return replace(sample, image=resize(sample.image, [self.side], InterpolationMode.BICUBIC, antialias=True))

    def digest(self, index: int) -> str:
        """Of the file and the size: pictures of two sizes are two test sets."""
        return sha256(f"{super().digest(index)}|{self.side}".encode()).hexdigest()


def class_folders(
    name: str,
    root: str | Path,
    split: Mapping[str, float],
    seed: int = 0,
    classes: int | None = None,
    get: str = "one folder of images per class",
) -> Classification:
    """RESISC45, RSSCN7, or any folder with one folder of pictures per class; splits drawn within each class.

    Args:
        name: in results.
        root: the folder that contains the classes' folders.
        split: fractions of each class under train, val and test.
        seed: of the draw; the order of files on the disk does not matter.
        classes: how many the published set has; None does not count.
        get: where a missing set comes from, for the error.

    Raises:
        DatasetNotFoundError: no such folder, or no pictures in folders below it.
        MalformedDatasetError: another number of classes.
        ValueError: a class has too few pictures for the split.
    """
    root = Path(root)
    files = (path for path in root.glob("*/*") if path.suffix.lower() in IMG_EXTENSIONS)
    class_of = {path.relative_to(root).as_posix(): path.parent.name for path in files if path.name[0] != "."}
    if not class_of:
        raise not_found(name, root, "<class>/<picture>, one folder a class", get)
    dataset = LabelledFiles(root, class_of)
    if classes not in (None, len(dataset.classes)):
        raise MalformedDatasetError(f"{root.absolute()} has {len(dataset.classes)} classes, {name} has {classes}")
    return Classification(name, dataset, stratified(class_of, split, seed))


def stratified(class_of: Mapping[str, str], split: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Draws train, val and test within each class: rounded fractions of each, test first, then val.

    Raises:
        ValueError: not three fractions that sum to at most one, or a class that leaves a part empty.
    """
    if set(split) != set(PARTS) or min(split.values()) < 0 or sum(split.values()) > 1 + 1e-9:
        raise ValueError(f"split needs fractions {', '.join(PARTS)} that sum to at most 1, got {dict(split)}")
    splits: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in sorted(set(class_of.values())):
        pictures = sorted(picture for picture, its in class_of.items() if its == name)
        random.Random(f"{seed} {name}").shuffle(pictures)
        counts = {part: round(split[part] * len(pictures)) for part in ("test", "val")}
        counts["train"] = min(round(split["train"] * len(pictures)), len(pictures) - sum(counts.values()))
        if empty := [part for part in PARTS if split[part] and counts[part] < 1]:
            wanted = f"{', '.join(empty)} of {dict(split)}"
            raise ValueError(f"class {name} has {len(pictures)} pictures, too few for {wanted}")
        deck = iter(pictures)
        for part, count in counts.items():
            splits[part] += [next(deck) for _ in range(count)]
    return {part: sorted(names) for part, names in splits.items()}
