"""Pictures that a text file lists: lists of ids, and the official train and test lists of Vimeo-90k."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lic_lightning.data.dataset import MalformedDatasetError, check_files, not_found
from lic_lightning.data.image_files import ImageFiles


class ListDataset(ImageFiles):
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
        root, listing = Path(root), Path(list_file).absolute()
        layout = f"{listing.name}, and {' '.join(files)} of each entry {{}}"
        if not root.is_dir():
            raise not_found("A folder of images", root, layout, get)
        if not listing.is_file():
            raise not_found("A list of images", listing, layout, get)
        names = [file.replace("{}", entry) for entry in read_entries(listing) for file in files]
        if not names:
            raise MalformedDatasetError(f"{listing} lists no images")
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise MalformedDatasetError(f"{listing} names {name} {times} times")
        check_files("A listed data set", root, names, listing)
        super().__init__(root, names)


def read_entries(path: Path) -> list[str]:
    """The first word of each line that is neither empty nor a comment."""
    words = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [first for first, *_ in filter(None, words) if not first.startswith("#")]
