"""Each way of choosing takes its rows from those of the K encoders; incomplete studies are refused."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from lic_lightning.evaluation.results import SCHEMA
from lic_lightning.selection.choices import ChoicesError, candidates, choose
from lic_lightning.selection.report import ALL, as_markdown, summary

LMBDAS = (0.0018, 0.0035, 0.0067, 0.013)
CATEGORIES = ("food", "pets")
IMAGES = ("a", "b", "c")


def row(encoder: str, test_set: str, image: str, lmbda: float, **changes: Any) -> dict[str, Any]:
    """A row as a run writes it: the own encoder takes 10 % less rate, the other one 10 % more."""
    tuned = encoder != "reference"
    factor = 1.0 if not tuned else 0.9 if encoder == test_set else 1.1
    step = LMBDAS.index(lmbda)
    return {
        **dict.fromkeys(SCHEMA),
        "role": "tuned" if tuned else "reference",
        "category": encoder if tuned else "",
        "cell": f"{encoder}{step}",
        "curve": encoder,
        "curve_name": encoder,
        "reference": "reference" if tuned else None,
        "objective": "mse",
        "lmbda": lmbda,
        "test_set": test_set,
        "test_set_digest": f"digest of {test_set}",
        "image": image,
        "bpp": factor * (0.2 + 0.2 * step) * (1 + 0.1 * IMAGES.index(image)),
        "psnr": 28.0 + 2 * step,
        "ms_ssim": 0.9 + 0.01 * step,
        "encode_s": 1.0,
        "decode_s": 2.0,
        "domain": "8bit",
        **changes,
    }


def rows(**changes: Any) -> list[dict[str, Any]]:
    return [
        row(encoder, test_set, image, lmbda, **changes)
        for encoder in ("reference", *CATEGORIES)
        for test_set in CATEGORIES
        for image in IMAGES
        for lmbda in LMBDAS
    ]


def possible(content: list[dict[str, Any]]) -> pl.DataFrame:
    return candidates(pl.DataFrame(content, SCHEMA), CATEGORIES)


def test_refined_rows_beside_those_as_analysed_change_no_choice() -> None:
    refined = [{**one, "refined": "medium", "curve": "other", "bpp": 0.01} for one in rows() if one["role"] == "tuned"]
    assert possible(rows() + refined).equals(possible(rows()))


def encoders(chosen: pl.DataFrame, way: str, test_set: str) -> set[str]:
    return set(chosen.filter(way=way, test_set=test_set)["encoder"])


def test_the_cost_is_rate_and_lambda_times_mse() -> None:
    first = possible(rows()).filter(encoder="food", test_set="food", image="a", lmbda=0.013).row(0, named=True)
    assert first["cost"] == pytest.approx(first["bpp"] + 0.013 * 255**2 * 10 ** (-first["psnr"] / 10))


def test_each_way_takes_its_rows() -> None:
    answers = {(test_set, image): "pets" for test_set in CATEGORIES for image in IMAGES} | {("food", "a"): "reference"}
    chosen = choose(possible(rows()), answers, seconds_to_answer=0.5)
    assert len(chosen) == 4 * len(CATEGORIES) * len(IMAGES) * len(LMBDAS)
    for test_set in CATEGORIES:
        assert encoders(chosen, "reference", test_set) == {"reference"}
        assert encoders(chosen, "label", test_set) == encoders(chosen, "best of K", test_set) == {test_set}
    assert encoders(chosen, "classifier", "pets") == {"pets"}
    assert encoders(chosen, "classifier", "food") == {"pets", "reference"}


def test_choosing_the_best_costs_every_encoding_and_decoding() -> None:
    table = summary(choose(possible(rows()), None)).filter(test_set=ALL, lmbda=0.013)
    assert dict(table.select("way", "seconds").iter_rows()) == {"reference": 1.0, "label": 1.0, "best of K": 9.0}


def test_the_classifier_s_time_counts() -> None:
    answers = {(test_set, image): test_set for test_set in CATEGORIES for image in IMAGES}
    assert set(choose(possible(rows()), answers, 0.5).filter(way="classifier")["seconds"]) == {1.5}


def test_a_tie_stays_with_the_reference() -> None:
    chosen = choose(possible(rows(bpp=0.5)), None)
    assert encoders(chosen, "best of K", "food") == {"reference"}


def test_the_page_tells_what_is_saved() -> None:
    chosen = choose(possible(rows()), None)
    page = as_markdown(chosen, None, (0, 0), [], bootstrap=20)
    assert "| food | 3 | label | -10.00 % [-10.00, -10.00] |" in page
    assert "| all | 6 | best of K | -10.00 % [-10.00, -10.00] |" in page
    saved = summary(chosen).filter(test_set="food", way="label", lmbda=0.013)["saved"].item()
    reference = summary(chosen).filter(test_set="food", way="reference", lmbda=0.013).row(0, named=True)
    assert saved == pytest.approx(-10 * reference["bpp"] / reference["cost"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[1:], "reference coded 2 of 3 photographs of food at lmbda 0.0018"),
        (lambda content: [*content, row("food", "pets", "a", 0.013, curve="other")], "food has several rows of pets/a"),
        (lambda content: [r for r in content if r["test_set"] == "food"], "no encoder was evaluated on pets"),
        (lambda content: content + rows(objective="ms_ssim"), "these have ms_ssim"),
        (lambda content: [*content, row("food", "food", "a", 0.013, withheld="cross-decode: no")], "cross-decode: no"),
    ],
)
def test_rows_that_allow_no_choice_are_refused(spoil: Any, message: str) -> None:
    with pytest.raises(ChoicesError, match=message):
        possible(spoil(rows()))
