"""Every category and test set composes, and `instantiate(cfg.data)` alone gives the DataModule."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from lic_lightning.data import DataModule, DatasetNotFoundError

CONF = Path(__file__).parents[2] / "conf"
CATEGORIES = sorted(path.stem for path in (CONF / "category").glob("*.yaml") if path.stem != "none")
LOCAL = ("demo_nature", "demo_objects")
ROOT = """
defaults: [_self_, {data: default}, {category: demo_objects}, {test_sets: none}]
hydra: {searchpath: ["file://%s"]}
paths: {data: "%s"}
seed: 3
evaluation: {padding: edge}
"""


@pytest.fixture
def resolve(tmp_path):
    """Compose the data groups with overrides, below a folder of photographs."""

    def composed(*overrides, data="/nowhere"):
        (tmp_path / "root.yaml").write_text(ROOT % (CONF, data))
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return compose("root", [*overrides])

    return composed


@pytest.mark.parametrize("name", LOCAL)
def test_demo_categories_need_no_data(resolve, name):
    data = instantiate(resolve(f"category={name}", "data.crop=128", "data.workers=0").data)
    data.setup()
    assert isinstance(data, DataModule)
    assert data.seed == 3
    assert len(data.test_sets[name]) == 8
    assert next(iter(data.train_dataloader())).image.shape[1:] == (3, 128, 128)


@pytest.mark.parametrize("name", [name for name in CATEGORIES if name not in LOCAL])
def test_a_missing_data_set_is_told_by_its_category(resolve, name):
    config = resolve(f"category={name}")
    with pytest.raises(InstantiationException) as info:
        instantiate(config.data)
    assert isinstance(info.value.__cause__, DatasetNotFoundError)
    assert "/nowhere" in str(info.value.__cause__)


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_category_is_named_as_its_file(resolve, name):
    assert resolve(f"category={name}").category.name == name


@pytest.mark.parametrize("name", ["coco", "food", "general", "landscape", "portrait", "reference_set"])
def test_categories_load_real_photographs(resolve, real, name):
    data = instantiate(resolve(f"category={name}", "data.workers=0", "data.batch_size=2", data=real).data)
    data.setup()
    assert next(iter(data.train_dataloader())).image.shape == (2, 3, 256, 256)


def test_kodak_as_test_set(resolve, real):
    data = instantiate(resolve("test_sets=kodak", data=real).data)
    assert len(data.test_sets["kodak"]) == 24
