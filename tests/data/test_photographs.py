"""Real photographs: decoded as CompressAI does, masks that fit, sets that do not leak into one another."""

import numpy as np
import pytest
from PIL import Image

from lic_lightning.data import CocoPanoptic, FolderDataset, kodak, read_image
from lic_lightning.data.crops import Crops
from lic_lightning.data.splits import check_disjoint


@pytest.mark.parametrize("folder", ["kodak", "food", "portrait", "landscape", "general", "RSSCN7"])
def test_decoding_equals_compressais(real, folder):
    root = real / folder
    for name in FolderDataset(root).names[:3]:
        expected = np.asarray(Image.open(root / name).convert("RGB"))
        np.testing.assert_array_equal(read_image(root / name).permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize(("part", "count"), [("train2017", 90), ("val2017", 50)])
def test_coco_masks_fit_their_pictures(real, part, count):
    dataset = CocoPanoptic(real / "coco", part)
    assert len(dataset) == count
    for index in range(5):
        sample = dataset[index]
        assert sample.mask.shape == sample.image.shape[1:]
        assert sample.mask.unique().tolist() == list(range(int(sample.mask.max()) + 1))


def test_coco_crops_number_their_own_regions(real):
    crops = Crops(CocoPanoptic(real / "coco", "val2017"), 256)
    for index in range(5):
        regions = crops[index, 0].mask.unique().tolist()
        assert regions == list(range(len(regions)))


def test_kodak_measures_what_it_should(real):
    sizes = {tuple(kodak(real / "kodak")[index].image.shape[1:]) for index in (0, 3)}
    assert sizes == {(512, 768), (768, 512)}


def test_no_category_shares_a_file_with_kodak_or_general(real):
    for name in ("food", "portrait", "landscape"):
        check_disjoint({n: FolderDataset(real / n) for n in (name, "general", "kodak")})
