"""Data sets in their official layouts, read in place through their configs: small trees of real photographs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image
from skimage import data as skimage_data

from lic_lightning.data import Category, DatasetNotFoundError, FolderDataset, ImageDataset, ListDataset
from lic_lightning.data.dataset import MalformedDatasetError
from lic_lightning.data.layouts.jpeg_ai import jpeg_ai_test
from lic_lightning.runs.identity import CONF

PHOTOGRAPH = skimage_data.coffee()


def photograph(path: Path, number: int = 0, size: tuple[int, int] = (48, 32)) -> None:
    """A part of a real photograph, another one for each number, as an image file of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left, top = number % 500, number // 500
    Image.fromarray(PHOTOGRAPH[top : top + size[1], left : left + size[0]]).save(path)


@pytest.fixture
def category(tmp_path: Path) -> Callable[[str], Category]:
    """A category of the configurations, its photographs below tmp_path."""
    return lambda name: instantiate(_composed(tmp_path, f"category={name}").category)


@pytest.fixture
def test_set(tmp_path: Path) -> Callable[[str], ImageDataset]:
    """A test set of the configurations, its photographs below tmp_path."""
    return lambda name: instantiate(_composed(tmp_path, f"test_sets={name}").test_sets[name])


def _composed(root: Path, override: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[f"paths.data={root}", override])


def test_ucf_selfie_is_what_its_list_names(tmp_path, category):
    rows = ["b_12 5.01 0 1 -1 1", "a_7 4.2 1 -1 0 0"]
    (tmp_path / "Selfie-dataset").mkdir()
    (tmp_path / "Selfie-dataset/selfie_dataset.txt").write_text("\n".join(rows) + "\n")
    for number, name in enumerate(("a_7", "b_12", "unlisted")):
        photograph(tmp_path / f"Selfie-dataset/images/{name}.jpg", number)
    selfie = category("selfie")
    assert selfie.dataset.names == ["b_12.jpg", "a_7.jpg"]
    assert selfie.dataset[0].image.shape == (3, 32, 48)
    assert selfie.split == {"train": 8000, "val": 1000, "test": 1000}


def test_flickr_landscape_as_a_folder(tmp_path, category):
    photograph(tmp_path / "flickr_landscape/4601_b.jpg")
    assert category("flickr_landscape").dataset.names == ["4601_b.jpg"]


def test_flickr_landscape_by_a_list_of_ids(tmp_path, category):
    for number in range(3):
        photograph(tmp_path / f"flickr/images/{number}.jpg", number)
    (tmp_path / "flickr/ids_landscape.txt").write_text("# two of three\n2\n\n0\n")
    assert category("flickr_landscape_ids").dataset.names == ["2.jpg", "0.jpg"]


@pytest.mark.parametrize(("kind", "short", "frames", "middle"), [("septuplet", "sep", 7, 4), ("triplet", "tri", 3, 2)])
def test_vimeo_takes_the_middle_frame_by_the_official_lists(tmp_path, category, test_set, kind, short, frames, middle):
    root = tmp_path / f"vimeo_{kind}"
    for number, sequence in enumerate(("00001/0001", "00001/0002", "00007/0266")):
        for frame in range(1, frames + 1):
            photograph(root / f"sequences/{sequence}/im{frame}.png", 10 * number + frame)
    (root / f"{short}_trainlist.txt").write_text("00001/0001\n00007/0266\n")
    (root / f"{short}_testlist.txt").write_text("00001/0002\n")
    assert category(f"vimeo_{kind}").dataset.names == [f"{s}/im{middle}.png" for s in ("00001/0001", "00007/0266")]
    assert test_set(f"vimeo_{kind}").names == [f"00001/0002/im{middle}.png"]


def test_vimeo_takes_every_frame_that_is_asked_for(tmp_path):
    for frame in range(1, 4):
        photograph(tmp_path / f"sequences/00001/0001/im{frame}.png", frame)
    (tmp_path / "tri_trainlist.txt").write_text("00001/0001\n")
    frames = ["{}/im1.png", "{}/im3.png"]
    dataset = ListDataset(tmp_path / "sequences", tmp_path / "tri_trainlist.txt", frames, get="-")
    assert dataset.names == ["00001/0001/im1.png", "00001/0001/im3.png"]
    assert dataset.digest(0) != dataset.digest(1)


def test_real_septuplets(real):
    root = real / "vimeo_septuplet"
    dataset = ListDataset(root / "sequences", root / "sep_trainlist.txt", ["{}/im4.png"], get="-")
    assert dataset[0].name == "00001/0001/im4.png"
    assert dataset[0].image.shape == (3, 256, 448)


def test_clic_is_its_three_folders(tmp_path, category, test_set):
    photograph(tmp_path / "clic/train/abc.png", 0)
    photograph(tmp_path / "clic/valid/def.png", 1)
    photograph(tmp_path / "clic/test/professional/ghi.png", 2)
    assert category("clic").dataset.names == ["abc.png"]
    assert test_set("clic_valid").names == ["def.png"]
    assert test_set("clic_test").names == ["professional/ghi.png"]


def test_div2k_is_800_and_100_images(tmp_path, category, test_set):
    for number in range(1, 901):
        part = "train" if number <= 800 else "valid"
        photograph(tmp_path / f"DIV2K/DIV2K_{part}_HR/{number:04d}.png", number, (8, 8))
    assert (len(category("div2k").dataset), len(test_set("div2k"))) == (800, 100)


def test_half_an_archive_is_told_by_its_count(tmp_path):
    photograph(tmp_path / "0001.png")
    with pytest.raises(MalformedDatasetError, match="holds 1 images instead of 800"):
        FolderDataset(tmp_path, count=800)


@pytest.fixture
def jpeg_ai(tmp_path: Path) -> Path:
    """The folder of 50 images named and numbered as JPEG AI's."""
    for number in range(1, 51):
        width, height = 40 + number, 24 + number % 7
        name = f"{number:05d}_TE_{width}x{height}_8bit_sRGB.png"
        photograph(tmp_path / "jpeg_ai_test" / name, number, (width, height))
    return tmp_path / "jpeg_ai_test"


def test_jpeg_ai_test_set_is_50_numbered_images(jpeg_ai, test_set):
    photograph(jpeg_ai / "00007_decoded.png")
    dataset = test_set("jpeg_ai")
    assert len(dataset) == 50
    assert dataset[34].name.startswith("00035_TE_")
    assert dataset[34].image.shape == (3, 24, 75)


def test_a_jpeg_ai_image_that_is_missing_is_named(jpeg_ai):
    next(jpeg_ai.glob("00012_*")).unlink()
    with pytest.raises(MalformedDatasetError, match=r"holds 49 .* 00012"):
        jpeg_ai_test(jpeg_ai)


def test_a_jpeg_ai_image_of_another_size_is_named(jpeg_ai):
    name = next(jpeg_ai.glob("00012_*"))
    photograph(name, 12, (20, 20))
    with pytest.raises(MalformedDatasetError, match=r"00012_TE_.* measures 20x20"):
        jpeg_ai_test(jpeg_ai)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1\n2\n9\n8\n", r"2 of 4 files that .*ids\.txt names .*: 9\.png, 8\.png"),
        ("1\n2\n1\n", r"ids\.txt names 1\.png 2 times"),
        ("# nothing\n\n", r"ids\.txt lists no images"),
    ],
)
def test_a_list_that_does_not_fit_its_folder_says_what_is_wrong(tmp_path, content, complaint):
    for number in (1, 2):
        photograph(tmp_path / f"{number}.png", number)
    (tmp_path / "ids.txt").write_text(content)
    with pytest.raises(MalformedDatasetError, match=complaint):
        ListDataset(tmp_path, tmp_path / "ids.txt", ["{}.png"], get="-")


def test_a_missing_list_says_where_what_and_how(tmp_path, test_set):
    photograph(tmp_path / "flickr30k/flickr30k-images/1.jpg")
    with pytest.raises(Exception, match=r"selfies\.txt.* Expected layout: .* How to get it: .*selfies\.py") as error:
        test_set("flickr30k_selfie")
    assert isinstance(error.value.__cause__, DatasetNotFoundError)
