"""Pictures in a folder, flat or nested; Kodak is one."""

from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.images import read_image


class FolderDataset:
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
        self.root = Path(root)
        found = {
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.suffix.lower() in IMG_EXTENSIONS and not path.name.startswith(".")
        }
        self.names: Sequence[str] = sorted(found - set(exclude))
        if not self.names:
            raise not_found(
                "A folder of images",
                self.root,
                f"image files ({' '.join(IMG_EXTENSIONS)}), flat or in subfolders",
                get,
            )
        if count not in (None, len(self.names)):
            raise MalformedDatasetError(
                f"{self.root.absolute()} holds {len(self.names)} images instead of {count}. Unpack the archive again, "
                "or set the dataset's count to null if a part is meant"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(read_image(self.root / self.names[index]), self.names[index])

    def nbytes(self, index: int) -> int:
        return (self.root / self.names[index]).stat().st_size

    def digest(self, index: int) -> str:
        return sha256((self.root / self.names[index]).read_bytes()).hexdigest()


def kodak(root: str | Path) -> FolderDataset:
    """The 24 Kodak images, 768x512 or 512x768. Evaluation only.

    Raises:
        DatasetNotFoundError: none of kodim01.png to kodim24.png is in the folder.
        MalformedDatasetError: some of them are not.
    """
    expected = [f"kodim{i:02d}.png" for i in range(1, 25)]
    if not any((Path(root) / name).is_file() for name in expected):
        raise not_found("Kodak", Path(root), "kodim01.png … kodim24.png, all 24", "https://r0k.us/graphics/kodak/")
    check_files("Kodak", Path(root), expected, "the set of 24")
    dataset = FolderDataset(root)
    dataset.names = expected
    return dataset
