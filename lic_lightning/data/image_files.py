"""Pictures that are files below a folder, as those of most data sets are."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from lic_lightning.data.batch import Sample
from lic_lightning.data.images import read_image


class ImageFiles:
    """The files `names` below `root`, in that order.

    Args:
        root: the folder.
        names: of the pictures, their paths below `root`.
        labels: of the pictures, where they have classes.
    """

    def __init__(self, root: str | Path, names: Sequence[str], labels: Sequence[int] = ()) -> None:
        self.root, self.names, self.labels = Path(root), names, labels

    def path(self, index: int) -> Path:
        """The file of a picture."""
        return self.root / self.names[index]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        label = self.labels[index] if self.labels else None
        return Sample(read_image(self.path(index)), self.names[index], label=label)

    def nbytes(self, index: int) -> int:
        return self.path(index).stat().st_size

    def digest(self, index: int) -> str:
        return sha256(self.path(index).read_bytes()).hexdigest()
