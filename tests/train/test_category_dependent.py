"""The category study: what its experiments compose, a tiny run, one more category by one config."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from skimage import data as skimage_data

from lic_lightning.evaluation.results import SCHEMA, read_rows
from lic_lightning.runs.identity import CONF, cell_id

Lic = Callable[..., Path]

PAPER = ("selfie", "food101", "flickr_landscape")
LMBDAS = "0.0018,0.0035,0.0067,0.0130,0.0250,0.0483"
STUDIES = {
    "mbt": (PAPER, "mbt2018", {*PAPER, "flickr30k_selfie", "kodak", "jpeg_ai"}),
    "segpic": (PAPER, "segpic", {*PAPER, "flickr30k_selfie", "kodak", "jpeg_ai"}),
    "reduced": (("portrait", "food", "landscape"), "mbt2018-mean", {"portrait", "food", "landscape", "kodak"}),
}


def study(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [f"experiment=category_dependent/{name}", *overrides], return_hydra_config=True)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_six_lambdas_by_three_categories_from_pretrained_weights(name: str) -> None:
    categories, codec, test_sets = STUDIES[name]
    cfg = study(name)
    assert cfg.hydra.sweeper.params.category.split(",") == list(categories)
    assert cfg.hydra.sweeper.params.lmbda == LMBDAS
    assert cfg.codec.name == codec
    assert cfg.codec.weights != "none"
    assert cfg.freeze.train == ["encoder"]
    assert cfg.reference.codec == cfg.codec
    assert set(cfg.test_sets) == test_sets


@pytest.mark.parametrize("name", STUDIES)
def test_the_control_arm_takes_the_same_steps_on_the_same_test_sets(name: str) -> None:
    own, control = study(name, "category=food"), study(name, "category=general")
    assert own.data.epoch_size == control.data.epoch_size is not None
    assert set(own.test_sets) == set(control.test_sets)
    assert cell_id(own) != cell_id(control)


def test_each_lambda_of_segpic_starts_from_its_own_weights_wherever_they_are() -> None:
    one, other = (study("segpic", f"lmbda={lmbda}", "paths.segpic=/w") for lmbda in ("0.0130", "0.0018"))
    assert (one.codec.weights, other.codec.weights) == ("/w/0.013.pth.tar", "/w/0.0018.pth.tar")
    assert cell_id(one) == cell_id(study("segpic", "lmbda=0.0130", "paths.segpic=/elsewhere"))


def test_a_test_set_that_is_not_there_can_be_left_out() -> None:
    assert set(study("mbt", "~test_sets.jpeg_ai", "~test_sets.flickr30k_selfie").test_sets) == {*PAPER, "kodak"}


def test_missing_photographs_are_told_with_their_place(lic_train: Lic) -> None:
    with pytest.raises(InstantiationException) as info:
        lic_train("experiment=category_dependent/mbt", "codec=mbt2018-mean")
    assert "not found" in str(info.value.__cause__) or "No " in str(info.value.__cause__)


@pytest.fixture
def vehicles(photographs: Path, tmp_path: Path) -> str:
    """A category of one config that the package does not have: an override that adds it."""
    (photographs / "vehicles").mkdir(exist_ok=True)
    image = skimage_data.stereo_motorcycle()[0]
    for index in range(8):
        crop = image[60 : 60 + 192, 40 * index : 40 * index + 176]
        Image.fromarray(crop).save(photographs / "vehicles" / f"{index}.png")
    (tmp_path / "conf" / "category").mkdir(parents=True)
    config = OmegaConf.load(CONF / "category" / "pets.yaml")
    config.name = "vehicles"
    config.dataset.root = "${paths.data}/vehicles"
    (tmp_path / "conf" / "category" / "vehicles.yaml").write_text(OmegaConf.to_yaml(config))
    return f"hydra.searchpath=[file://{tmp_path}/conf]"


def test_a_new_category_is_one_config(lic_train: Lic, vehicles: str) -> None:
    tests = ("test_sets=none", "+category@test_sets.food=food", "+category@test_sets.vehicles=vehicles")
    small = ("category=food,vehicles", "lmbda=0.0130", "data.epoch_size=2", "optimizer.lr=1e-6")
    output = lic_train("-m", "experiment=category_dependent/reduced", *small, *tests, vehicles)
    rows = read_rows(output / "category_dependent_reduced").filter(role="tuned")
    assert rows["withheld"].is_null().all()
    matrix = set(rows.select("category", "test_set").iter_rows())
    assert matrix == {(category, on) for category in ("food", "vehicles") for on in ("food", "vehicles")}


def test_the_comparison_names_what_was_not_run_and_sets_the_control_arm_beside() -> None:
    path = CONF.parent / "experiments" / "category_dependent_lic" / "compare.py"
    script = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("compare", path))
    spec.loader.exec_module(script)

    def rows(category: str, factor: float) -> list[dict]:
        role = "tuned" if category else "reference"
        own = {"role": role, "category": category, "curve": category or "start", "curve_name": category}
        fixed = {"reference": "start" if category else None, "codec": "mbt2018-mean", "freeze": "encoder_only"}
        on = {"test_set": "portrait", "test_set_digest": "d", "domain": "8bit", "image": "a"}
        points = [(0.0018, 0.1, 28.0), (0.0035, 0.2, 30.0), (0.0067, 0.4, 32.0), (0.013, 0.8, 34.0)]
        values = [{"lmbda": lmbda, "bpp": factor * bpp, "psnr": psnr} for lmbda, bpp, psnr in points]
        return [{**dict.fromkeys(SCHEMA), **own, **fixed, **on, **point} for point in values]

    content = pl.DataFrame(rows("", 1) + rows("portrait", 0.9) + rows("general", 0.95), SCHEMA)
    table = script.compare(content)
    cell = table.filter(category="selfie", test_set="selfie", metric="psnr").row(0, named=True)
    assert (cell["codec"], cell["bd_rate"], cell["here"], cell["control"]) == ("mbt2018", -7.24, "-10.00", "-5.00")
    missing = {row["test_set"]: row["here"] for row in table.filter(category="selfie", metric="psnr").to_dicts()}
    assert missing["kodak"] == "not run: nothing evaluated on kodak"
    assert set(table.filter(category="food")["here"]) == {"not run: no finished food"}
    assert "portrait for selfie, mbt2018-mean for mbt2018" in script.as_markdown(table, content)
