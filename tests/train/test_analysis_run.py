"""A run whose encoder is another network: its rows, where it goes on, and a run that starts from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.evaluation.curve import curves
from lic_lightning.evaluation.results import read_rows


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small codec's file."""
    save_state(load_codec("mbt2018-mean", lmbda=0.013, N=8, M=12), tmp_path / "base.safetensors")
    return tmp_path / "base.safetensors"


def test_a_run_is_judged_against_the_codec_that_the_decoder_came_with(
    lic_train: Callable[..., Path], base: Path
) -> None:
    output = lic_train(f"codec.weights={base}", "codec.analysis=phone", "lmbda=0.013")
    rows = read_rows(output)
    assert rows.filter(role="tuned").select("analysis", "decoder_found").unique().rows() == [("phone", "passed")]
    assert rows.filter(role="reference")["analysis"].unique().to_list() == [None]
    assert {curve.name for curve in curves(rows)} == {
        "mbt2018-mean food encoder_only base phone",
        "mbt2018-mean base (reference)",
    }
    own = read_rows(lic_train(f"codec.weights={base}", "lmbda=0.013", "sweep=own"))
    digests = [found.filter(role="reference")["digest"].to_list() for found in (rows, own)]
    assert digests[0] == digests[1]


def test_a_run_goes_on_from_its_checkpoint_and_another_starts_from_its_weights(
    lic_train: Callable[..., Path], base: Path
) -> None:
    [first] = (lic_train(f"codec.weights={base}", "codec.analysis=phone") / "main").glob("*/codec.safetensors")
    last = first.parent / "checkpoints" / "last.ckpt"
    lic_train(
        f"codec.weights={base}", "codec.analysis=phone", f"resume={last}", "trainer.max_epochs=2", "sweep=resumed"
    )
    rows = read_rows(lic_train(f"codec.weights=run:main/{first.parent.name}", "sweep=next") / "next")
    assert rows.filter(role="tuned")["analysis"].unique().to_list() == ["phone"]
    assert rows.filter(role="tuned")["withheld"].null_count() == len(rows.filter(role="tuned"))
