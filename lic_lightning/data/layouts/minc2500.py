"""MINC-2500 as published: minc-2500/{categories.txt, images/<class>/*.jpg, labels/{train,validate,test}<n>.txt}."""

from pathlib import Path

from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.layouts.class_folders import Classification, LabelledFiles

LISTS = {"train": "train", "val": "validate", "test": "test"}
SPLITS = range(1, 6)


def minc2500(name: str, root: str | Path, split: int = 1) -> Classification:
    """23 materials × 2,500 pictures in one of the five official splits: 48,875 train, 2,875 val, 5,750 test.

    Args:
        name: in results.
        root: the folder `minc-2500`.
        split: 1 to 5.

    Raises:
        DatasetNotFoundError: no such folder, or not this layout.
        MalformedDatasetError: a list names pictures that are not there, or a class that categories.txt lacks.
        ValueError: no such split.
    """
    root = Path(root)
    if split not in SPLITS:
        raise ValueError(f"dataset.split must be 1 to 5 for MINC-2500, got {split}")
    lists = {part: root / "labels" / f"{name}{split}.txt" for part, name in LISTS.items()}
    if not all(path.is_file() for path in (root / "categories.txt", *lists.values())):
        raise not_found(
            "MINC-2500",
            root,
            "categories.txt, images/<class>/*.jpg, labels/{train,validate,test}<1 to 5>.txt",
            "http://opensurfaces.cs.cornell.edu/publications/minc/, 2.2 GB",
        )
    splits = {part: path.read_text().split() for part, path in lists.items()}
    class_of = {name: Path(name).parent.name for names in splits.values() for name in names}
    classes = (root / "categories.txt").read_text().split()
    if unknown := sorted(set(class_of.values()) - set(classes)):
        raise MalformedDatasetError(f"{root}/labels name the class {unknown[0]!r}, which categories.txt lacks")
    check_files("MINC-2500", root, list(class_of), f"split {split}")
    return Classification(name, LabelledFiles(root, class_of, classes), splits)
