"""The 50 test images of JPEG AI, NNNNN_TE_WxH_8bit_sRGB.png. Evaluation only."""

import re
from pathlib import Path

from PIL import Image

from lic_lightning.data.dataset import MalformedDatasetError, not_found
from lic_lightning.data.image_files import ImageFiles

COUNT = 50
NAME = re.compile(r"(\d{5})_TE_(\d+)x(\d+)_8bit_sRGB\.png")
GET = "the JPEG AI test set, from the JPEG committee (https://jpeg.org/jpegai/)"


def jpeg_ai_test(root: str | Path) -> ImageFiles:
    """The test images 00001 to 00050, of the sizes that their names say; other files are left out.

    Results on them at a codec's own λ are not those of JPEG AI's common test conditions, which match rates.

    Raises:
        DatasetNotFoundError: no such image in the folder.
        MalformedDatasetError: a number is missing or twice there, or an image has another size than its name says.
    """
    found = sorted(path.name for path in Path(root).glob("*.png") if NAME.fullmatch(path.name))
    if not found:
        raise not_found("JPEG AI test set", Path(root), "00001_TE_2096x1400_8bit_sRGB.png …, all 50", GET)
    numbers = [name[:5] for name in found]
    expected = [f"{number:05d}" for number in range(1, COUNT + 1)]
    if numbers != expected:
        odd = sorted(set(expected) ^ set(numbers)) or sorted({n for n in numbers if numbers.count(n) > 1})
        raise MalformedDatasetError(
            f"{Path(root).absolute()} holds {len(found)} JPEG AI test images instead of 00001 to {expected[-1]}: "
            f"missing, or too many, are {', '.join(odd[:5])}{', …' if len(odd) > 5 else ''}"
        )
    for name in found:
        _check_size(Path(root) / name)
    return ImageFiles(root, found)


def _check_size(path: Path) -> None:
    match = NAME.fullmatch(path.name)
    assert match
    with Image.open(path) as image:  # reads the header only
        size = image.size
    if size != (int(match[2]), int(match[3])):
        raise MalformedDatasetError(f"{path.absolute()} measures {size[0]}x{size[1]}, not what its name says")
