"""Demonstration pictures: tiles of the photographs inside the scikit-image and scikit-learn wheels.

Enough to see the platform at work on a machine without data sets; never a basis for a claim.
"""

from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from lic_lightning.data.batch import Sample
from lic_lightning.data.dataset import DatasetNotFoundError
from lic_lightning.data.images import read_image

# Only files that ship in the wheels. Of the motorcycle's stereo pair the left one alone: the right one shows
# the same scene, so its tiles would carry test content into training.
PHOTOS = {
    "astronaut": "skimage/data/astronaut.png",
    "brick": "skimage/data/brick.png",
    "chelsea": "skimage/data/chelsea.png",
    "china": "sklearn/datasets/images/china.jpg",
    "coffee": "skimage/data/coffee.png",
    "flower": "sklearn/datasets/images/flower.jpg",
    "grass": "skimage/data/grass.png",
    "gravel": "skimage/data/gravel.png",
    "hubble": "skimage/data/hubble_deep_field.jpg",
    "moon": "skimage/data/moon.png",
    "motorcycle": "skimage/data/motorcycle_left.png",
    "rocket": "skimage/data/rocket.jpg",
}


class DemoTiles:
    """Photographs cut into a grid of `tile` x `tile` squares that share no pixel, named `<photo>/r0c0`.

    Args:
        photos: keys of PHOTOS.
        tile: side in pixels; a margin that does not fill a tile is left out.

    Raises:
        KeyError: not a key of PHOTOS.
        DatasetNotFoundError: the installed wheels lack the file.
    """

    def __init__(self, photos: Sequence[str], tile: int = 192) -> None:
        self.tiles = {}
        for photo in photos:
            image = read_image(_path(PHOTOS[photo]))
            for row in range(image.shape[1] // tile):
                for column in range(image.shape[2] // tile):
                    top, left = row * tile, column * tile
                    self.tiles[f"{photo}/r{row}c{column}"] = image[:, top : top + tile, left : left + tile]
        self.names = list(self.tiles)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.tiles[self.names[index]].clone(), self.names[index])

    def nbytes(self, index: int) -> int:
        return self.tiles[self.names[index]].numel()

    def digest(self, index: int) -> str:
        return sha256(self.tiles[self.names[index]].numpy().tobytes()).hexdigest()


def _path(file: str) -> Path:
    package, _, rest = file.partition("/")
    spec = find_spec(package)  # finds the package without importing it
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if Path(folder, rest).is_file():
            return Path(folder, rest)
    raise DatasetNotFoundError(
        f"The demonstration photograph {file} is not in the installed package {package}. "
        "Install scikit-image and scikit-learn from their wheels, or choose another category."
    )
