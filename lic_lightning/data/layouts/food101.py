"""Food-101 as published: food-101/images/<class>/<id>.jpg with the lists in food-101/meta."""

from pathlib import Path

from torchvision.datasets import Food101 as TorchvisionFood101

from lic_lightning.data.dataset import check_files, not_found
from lic_lightning.data.image_files import ImageFiles


class Food101(ImageFiles):
    """All pictures of Food-101, its train and test lists together (the papers draw their own splits).

    A picture is named `<class>/<id>`; its label is the class's place in `classes`.

    Args:
        root: the folder that contains `food-101`.

    Raises:
        DatasetNotFoundError: no Food-101 under `root`.
        MalformedDatasetError: the lists name pictures that are not there.
    """

    def __init__(self, root: str | Path) -> None:
        base = Path(root) / "food-101"
        if not all((base / part).exists() for part in ("images", "meta/train.json", "meta/test.json")):
            raise not_found(
                "Food-101",
                base,
                "images/<class>/<id>.jpg, meta/train.json, meta/test.json",
                f"torchvision.datasets.Food101({str(root)!r}, download=True), 5 GB",
            )
        lists = [TorchvisionFood101(root, split=split) for split in ("train", "test")]
        self.classes = lists[0].classes
        files = sorted(path for part in lists for path in part._image_files)
        names = [f"{path.parent.name}/{path.stem}" for path in files]
        check_files("Food-101", base / "images", [f"{name}.jpg" for name in names], base / "meta")
        super().__init__(base / "images", names, [self.classes.index(path.parent.name) for path in files])

    def path(self, index: int) -> Path:
        """The file of a picture."""
        return self.root / f"{self.names[index]}.jpg"
