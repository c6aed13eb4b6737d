"""What a run leaves for the report's slider: the same pixels original, reference and tuned."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from lic_lightning.callbacks.comparison import write_comparison
from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import load_codec
from lic_lightning.evaluation.evaluate import Settings
from lic_lightning.evaluation.image_row import image_rows
from lic_lightning.objectives import MSE
from lic_lightning.refinement import Refinement
from lic_lightning.runs.run import Run


class TwoPhotographs:
    """A test set of two real photographs."""

    names = ("coffee.png", "chelsea.png")
    pixels = (skimage_data.coffee(), skimage_data.chelsea()[:200, :180])

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return SimpleNamespace(image=torch.from_numpy(self.pixels[index].copy()).permute(2, 0, 1))

    def digest(self, index):
        return f"content of {self.names[index]}"


@pytest.fixture
def run(tmp_path):
    empty = dict.fromkeys(("cell", "curve", "reference", "reference_name", "category", "freeze", "objective"), "")
    return Run(folder=tmp_path, codec="mbt2018-mean", lmbda=0.013, seed=0, reference_padding="zeros", **empty)


@pytest.fixture
def codec():
    torch.manual_seed(0)
    network = build("mbt2018-mean", quality=1, N=8, M=12).eval()
    network.update(force=True)
    return network


def write(run, codec, reference, refine=None):
    settings, test_set = Settings(metrics=[], refine=refine), TwoPhotographs()
    rows = [
        {"image": name, **row}
        for index, name in enumerate(test_set.names)
        for row in image_rows(test_set[index].image, codec, None, run.codec, {}, refine=refine)
    ]
    write_comparison(run, codec, reference, settings, "two", test_set, rows)


def test_the_crop_is_the_centre_of_the_photograph(run, codec):
    write(run, codec, codec)
    original = np.asarray(Image.open(run.folder / "crops" / "two" / "0" / "original.png"))
    height, width = TwoPhotographs.pixels[0].shape[:2]
    top, left = (height - 256) // 2, (width - 256) // 2
    assert (original == TwoPhotographs.pixels[0][top : top + 256, left : left + 256]).all()


def test_the_sidecar_says_what_it_shows(run, codec):
    write(run, codec, codec)
    content = json.loads((run.folder / "crops" / "two" / "1" / "crop.json").read_text())
    about = {"test_set": "two", "image": "chelsea.png", "image_digest": "content of chels"}
    assert content == {**about, "sides": ["original", "reference", "tuned"]}


def test_without_a_reference_there_are_two_sides(run, codec):
    write(run, codec, None)
    names = sorted(path.name for path in (run.folder / "crops" / "two" / "0").iterdir())
    assert names == ["crop.json", "original.png", "tuned.png"]


def test_what_is_refined_stands_beside_what_was_analysed(run):
    codec = load_codec("mbt2018-mean", weights="shipped", lmbda=0.013)
    write(run, codec, codec, Refinement("fast", MSE(0.013)))
    folder = run.folder / "crops" / "two" / "1"
    assert json.loads((folder / "crop.json").read_text())["sides"] == ["original", "reference", "tuned", "refined"]
    assert (folder / "refined.png").read_bytes() != (folder / "tuned.png").read_bytes()
