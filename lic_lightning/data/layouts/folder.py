"""Pictures in a folder, flat or nested; Kodak is one."""

from collections.abc import Collection
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.image_files import ImageFiles


class FolderDataset(ImageFiles):
    """Every image file under `root`, however deep; a picture's name is its path below `root`.

    Args:
        root: the folder.
        exclude: names to leave out.
        count: how many images the data set has as published; None does not count.
        get: where a missing data set comes from, for the error.

    Raises:
        DatasetNotFoundError: no such folder, or no image in it.
        MalformedDatasetError: another number of images than `count`.
    """

    def __init__(
        self,
        root: str | Path,
        exclude: Collection[str] = (),
        count: int | None = None,
        get: str = "put photographs there, or choose another category",
    ) -> None:
        pictures = (path for path in Path(root).rglob("*") if path.suffix.lower() in IMG_EXTENSIONS)
        names = {path.relative_to(root).as_posix() for path in pictures if not path.name.startswith(".")}
        super().__init__(root, sorted(names - set(exclude)))
        if not self.names:
            raise not_found(
                "A folder of images", self.root, f"image files ({' '.join(IMG_EXTENSIONS)}), flat or in subfolders", get
            )
        if count not in (None, len(self.names)):
            raise MalformedDatasetError(
                f"{self.root.absolute()} holds {len(self.names)} images instead of {count}. Unpack the archive again, "
                "or set the dataset's count to null if a part is meant"
            )


def kodak(root: str | Path) -> ImageFiles:
    """The 24 Kodak images, 768x512 or 512x768. Evaluation only.

    Raises:
        DatasetNotFoundError: none of kodim01.png to kodim24.png is in the folder.
        MalformedDatasetError: some of them are not.
    """
    expected = [f"kodim{i:02d}.png" for i in range(1, 25)]
    if not any((Path(root) / name).is_file() for name in expected):
        raise not_found("Kodak", Path(root), "kodim01.png … kodim24.png, all 24", "https://r0k.us/graphics/kodak/")
    check_files("Kodak", Path(root), expected, "the set of 24")
    return ImageFiles(root, expected)
