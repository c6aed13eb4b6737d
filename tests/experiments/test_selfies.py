"""From Flickr30k's captions to the list that test_sets=flickr30k_selfie reads."""

import importlib.util
import json
from pathlib import Path

import pytest

from lic_lightning.data import ListDataset

SCRIPT = Path(__file__).parents[2] / "experiments" / "category_dependent_lic" / "selfies.py"
script = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("selfies", SCRIPT))
spec.loader.exec_module(script)

CAPTIONS = {
    "36979": ["A woman takes a picture of herself in a mirror .", "A woman with a phone ."],
    "65567": ["Two men at work on a roof .", "Construction workers ."],
    "81641": ["Three friends smile .", "Three girls posing for the camera ."],
    "99999": ["A Selfie of two climbers .", "Two people smiling at the camera ."],
}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    lines = [f"{i}.jpg#{k}\t{text}" for i, texts in CAPTIONS.items() for k, text in enumerate(texts)]
    (tmp_path / "results_20130124.token").write_text("\n".join(lines) + "\n")
    return tmp_path / "results_20130124.token"


@pytest.fixture
def karpathy(tmp_path: Path) -> Path:
    images = [
        {"filename": f"{i}.jpg", "sentences": [{"raw": text} for text in texts], "split": "train"}
        for i, texts in CAPTIONS.items()
    ]
    (tmp_path / "dataset_flickr30k.json").write_text(json.dumps({"images": images, "dataset": "flickr30k"}))
    return tmp_path / "dataset_flickr30k.json"


@pytest.mark.parametrize("form", ["tokens", "karpathy"])
def test_both_forms_of_the_captions_give_one_list(form, request, tmp_path, capsys):
    captions = request.getfixturevalue(form)
    assert script.main([str(captions)]) == 0
    header, *ids = (tmp_path / "selfies.txt").read_text().splitlines()
    assert header.startswith(f"# 3 of 4 images: 1 or more captions of {captions.name} match ")
    assert ids == ["36979", "81641", "99999"]
    assert capsys.readouterr().out.startswith("3 of 4 images")


def test_the_list_is_one_that_the_data_set_reads(tokens, photographs, tmp_path):
    for i in CAPTIONS:
        (tmp_path / f"{i}.jpg").write_bytes((photographs / "food" / "0.png").read_bytes())
    script.main([str(tokens)])
    assert len(ListDataset(tmp_path, tmp_path / "selfies.txt", ["{}.jpg"], get="-")) == 3


def test_patterns_of_ones_own_take_the_place_of_the_built_in_ones(tokens, tmp_path):
    script.main([str(tokens), "--pattern", "roof", "--pattern", "climbers", "-o", str(tmp_path / "mine.txt")])
    assert (tmp_path / "mine.txt").read_text().splitlines()[1:] == ["65567", "99999"]


def test_captions_may_have_to_agree():
    assert script.selfies(CAPTIONS, agree=2) == ["99999"]


@pytest.mark.parametrize(
    "caption",
    ["A self-portrait .", "A man takes a photo of himself .", "A boy looking into the camera .",
     "A close up of a little girl 's face ."],
)  # fmt: skip
def test_what_counts_as_a_selfie(caption):
    assert script.selfies({"1": [caption]}) == ["1"]


@pytest.mark.parametrize(
    "caption",
    ["A photographer takes a picture of a bird .", "A man poses with his dog .", "A girl holding a camera .",
     "Myself ie me ."],
)  # fmt: skip
def test_what_does_not(caption):
    assert script.selfies({"1": [caption]}) == []


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        ("36979.jpg#0 no tab\n", "x.token", "x.token, line 1: expected `ID.jpg#0<tab>caption`"),
        ('{"images": [{"filename": "1.jpg"}]}', "x.json", "is not dataset_flickr30k.json"),
        ("{", "x.json", "is not dataset_flickr30k.json"),
        ("1.jpg#0\tA dog .\n", "x.token", "no captions of"),
    ],
)
def test_other_files_are_refused_in_one_line(content, name, complaint, tmp_path, capsys):
    (tmp_path / name).write_text(content)
    assert script.main([str(tmp_path / name)]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "selfies.txt").exists()


def test_a_broken_pattern_is_told(tokens, capsys):
    assert script.main([str(tokens), "--pattern", "["]) == 2
    assert "no regular expression" in capsys.readouterr().err
