"""ImageNet-1k (ILSVRC 2012) as unpacked: train/<wnid>/*.JPEG, val/*.JPEG flat with the devkit, or val/<wnid>/*.JPEG."""

from pathlib import Path

from lic_lightning.data.dataset import MalformedDatasetError, not_found
from lic_lightning.data.layouts.class_folders import Classification, LabelledFiles, stratified

DEVKIT = Path("ILSVRC2012_devkit_t12") / "data"


def imagenet(name: str, root: str | Path, val_fraction: float = 0.01, seed: int = 0) -> Classification:
    """The official validation set is the test split, its labels being the only public ones; `val` is drawn from train.

    Args:
        name: in results.
        root: the folder that contains `train`, `val` and, where val is flat, ILSVRC2012_devkit_t12.
        val_fraction: of each class of train.
        seed: of that draw.

    Raises:
        DatasetNotFoundError: no such layout.
        MalformedDatasetError: the devkit's list is of another length than val has pictures.
    """
    root = Path(root)
    train = {path.relative_to(root).as_posix(): path.parent.name for path in root.glob("train/*/*.JPEG")}
    sorted_val = {path.relative_to(root).as_posix(): path.parent.name for path in root.glob("val/*/*.JPEG")}
    test = sorted_val or _flat(root)
    if not train or not test:
        raise not_found(
            "ImageNet-1k",
            root,
            f"train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, or val/*.JPEG with {DEVKIT}",
            "https://image-net.org (account), ILSVRC2012 train, val and devkit",
        )
    drawn = stratified(train, {"train": 1 - val_fraction, "val": val_fraction, "test": 0}, seed)
    dataset = LabelledFiles(root, {**train, **test}, sorted(set(train.values())))
    return Classification(name, dataset, {**drawn, "test": sorted(test)})


def _flat(root: Path) -> dict[str, str]:
    """The class of each picture of a flat `val`: the n-th picture's number stands in the devkit's n-th line."""
    truth, meta = root / DEVKIT / "ILSVRC2012_validation_ground_truth.txt", root / DEVKIT / "meta.mat"
    pictures = sorted(path.relative_to(root).as_posix() for path in root.glob("val/*.JPEG"))
    if not (pictures and truth.is_file() and meta.is_file()):
        return {}
    from scipy.io import loadmat

    wnid_of = {int(row[0]): str(row[1]) for row in loadmat(meta, squeeze_me=True)["synsets"]}
    numbers = [int(line) for line in truth.read_text().split()]
    if len(numbers) != len(pictures):
        raise MalformedDatasetError(f"{truth} has {len(numbers)} lines for {len(pictures)} pictures in {root / 'val'}")
    return {picture: wnid_of[number] for picture, number in zip(pictures, numbers, strict=True)}
