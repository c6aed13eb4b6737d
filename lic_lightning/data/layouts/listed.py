"""Pictures that a text file lists: lists of ids, and the official train and test lists of Vimeo-90k."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.images import read_image


class ListDataset:
    """The pictures that a list names; a picture's name is its path below `root`, in the list's order.

    Args:
        root: the folder of the pictures.
        list_file: one entry a line: its first word. Empty lines and lines that start with `#` are none.
        files: paths below `root` that an entry stands for, `{}` being the entry: `["{}.jpg"]` for ids,
            `["{}/im4.png"]` for the middle frame of a septuplet.
        get: where a missing data set comes from, for the error.

    Raises:
        DatasetNotFoundError: no such folder, or no such list.
        MalformedDatasetError: the list is empty, names a picture twice, or names one that is not there.
    """

    def __init__(self, root: str | Path, list_file: str | Path, files: Sequence[str] = ("{}",), *, get: str) -> None:
        self.root, self.list_file = Path(root), Path(list_file)
        for what, path, there in (
            ("A folder of images", self.root, self.root.is_dir()),
            ("A list of images", self.list_file, self.list_file.is_file()),
        ):
            if not there:
                raise not_found(what, path, f"{self.list_file.name}, and {' '.join(files)} of each entry {{}}", get)
        self.names = [file.replace("{}", entry) for entry in read_entries(self.list_file) for file in files]
        if not self.names:
            raise MalformedDatasetError(f"{self.list_file.absolute()} lists no images")
        name, times = Counter(self.names).most_common(1)[0]
        if times > 1:
            raise MalformedDatasetError(f"{self.list_file.absolute()} names {name} {times} times")
        check_files("A listed data set", self.root, self.names, self.list_file.absolute())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(read_image(self.root / self.names[index]), self.names[index])

    def nbytes(self, index: int) -> int:
        return (self.root / self.names[index]).stat().st_size

    def digest(self, index: int) -> str:
        return sha256((self.root / self.names[index]).read_bytes()).hexdigest()


def read_entries(path: Path) -> list[str]:
    """The first word of each line that is neither empty nor a comment."""
    words = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [first for first, *_ in filter(None, words) if not first.startswith("#")]
