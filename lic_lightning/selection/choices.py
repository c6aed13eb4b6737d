"""What each way of choosing an encoder would have coded: picked from the rows of K encoders, nothing is coded again.

reference    the encoder that belongs to the decoder
label        the encoder of the photograph's own category
classifier   the one that the pre-classifier names, or the reference
best of K    the smallest R + λD of all, the reference among them
"""

from collections.abc import Collection, Mapping

import polars as pl

from lic_lightning.evaluation.curve import WHOLE_SET
from lic_lightning.selection.encoders import REFERENCE

WAYS = ("reference", "label", "classifier", "best of K")
PHOTOGRAPH = ("lmbda", "test_set", "image")


class ChoicesError(ValueError):
    """Rows from which no choice can be made; the message says what to run."""


def candidates(rows: pl.DataFrame, categories: Collection[str]) -> pl.DataFrame:
    """The rows that can be chosen: each category's encoder and the reference on each category's test split.

    Returns:
        The rows at every λ of the sweep, of latents as analysed, with the columns `encoder` and `cost` = bpp + λ·MSE
        (of 8-bit values).

    Raises:
        ChoicesError: the runs are for another objective, an encoder stands twice or lacks a photograph, or the
            reference could not read one.
    """
    names = list(categories)
    chosen = rows.filter(
        (pl.col("image") != WHOLE_SET)
        & pl.col("test_set").is_in(names)
        & pl.col("refined").is_null()
        & ((pl.col("role") == "reference") | ((pl.col("role") == "tuned") & pl.col("category").is_in(names)))
    ).with_columns(
        encoder=pl.when(role="reference").then(pl.lit(REFERENCE)).otherwise("category"),
        cost=pl.col("bpp") + pl.col("lmbda") * 255**2 / 10 ** (pl.col("psnr") / 10),
    )
    if others := set(chosen["objective"]) - {"mse"}:
        raise ChoicesError(f"R + λD is for runs with objective=mse; these have {', '.join(sorted(others))}")
    if withheld := chosen["withheld"].drop_nulls().to_list():
        raise ChoicesError(f"the reference does not read every stream: {withheld[0]}")
    _check_complete(chosen, names)
    return chosen


def choose(
    rows: pl.DataFrame, answers: Mapping[tuple[str, str], str] | None, seconds_to_answer: float = 0.0
) -> pl.DataFrame:
    """One row per way, λ and photograph.

    Args:
        rows: as `candidates` gives them.
        answers: of the classifier, by (test set, image); None leaves this way out.
        seconds_to_answer: of the classifier, per photograph.

    Returns:
        The rows chosen, with the columns `way` and `seconds` (to choose and encode). To choose the best of K is to
        encode K + 1 times, and to decode as often.
    """
    alone = pl.col("encode_s")
    spent = (pl.col("encode_s") + pl.col("decode_s")).sum().over(PHOTOGRAPH)
    order = ["cost", pl.col("encoder") != REFERENCE, "encoder"]
    ways = {
        "reference": rows.with_columns(seconds=alone).filter(encoder=REFERENCE),
        "label": rows.with_columns(seconds=alone).filter(pl.col("encoder") == pl.col("test_set")),
        "best of K": rows.with_columns(seconds=spent).sort(order).unique(PHOTOGRAPH, keep="first"),
    }
    if answers is not None:
        named = pl.DataFrame(
            [(*at, name) for at, name in answers.items()], ["test_set", "image", "encoder"], orient="row"
        )
        asked = rows.with_columns(seconds=alone + seconds_to_answer)
        ways["classifier"] = asked.join(named, on=["test_set", "image", "encoder"], maintain_order="left")
    return pl.concat(
        [ways[way].with_columns(way=pl.lit(way)).sort(PHOTOGRAPH) for way in WAYS if way in ways], how="diagonal"
    )


def _check_complete(chosen: pl.DataFrame, names: list[str]) -> None:
    counts = chosen.group_by(*PHOTOGRAPH, "encoder").len()
    if len(twice := counts.filter(pl.col("len") > 1)):
        lmbda, test_set, image, encoder, _ = twice.sort("encoder").row(0)
        raise ChoicesError(
            f"{encoder} has several rows of {test_set}/{image} at lmbda {lmbda:g}: the sweep holds more than one "
            "freeze policy, seed, codec or reference; give a folder with one of each"
        )
    per_encoder = chosen.group_by("lmbda", "test_set").agg(pl.col("encoder"), photographs=pl.col("image").n_unique())
    for lmbda, test_set, encoders, photographs in per_encoder.sort("lmbda", "test_set").iter_rows():
        for name in (*names, REFERENCE):
            if (there := encoders.count(name)) != photographs:
                raise ChoicesError(
                    f"{name} coded {there} of {photographs} photographs of {test_set} at lmbda {lmbda:g}: every "
                    "encoder must be evaluated on every category at each λ (test_sets=categories)"
                )
    if lacking := set(names) - set(chosen["test_set"]):
        raise ChoicesError(f"no encoder was evaluated on {', '.join(sorted(lacking))} (test_sets=categories)")
