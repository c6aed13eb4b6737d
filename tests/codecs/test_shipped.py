"""Shipped weights count by their content wherever a run is named."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from lic_lightning.codecs import shipped
from lic_lightning.codecs.fingerprint import codec_fingerprint
from lic_lightning.codecs.weights import load_codec
from lic_lightning.runs.identity import CONF, cell_id, curve_id, reference_id


def _ids(*overrides: str) -> list[str]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=list(overrides))
        return [cell_id(cfg), curve_id(cfg), reference_id(cfg)]


def _retrain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mbt2018-mean_0.0130.safetensors").write_bytes(b"another release")
    monkeypatch.setattr(shipped, "SHIPPED", folder)
    shipped.shipped_digest.cache_clear()


def test_a_release_with_other_weights_makes_other_cells_curves_and_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _ids("lmbda=0.0130")
    _retrain(tmp_path, monkeypatch)
    after = _ids("lmbda=0.0130")
    shipped.shipped_digest.cache_clear()
    assert not set(before) & set(after)


def test_a_run_without_shipped_weights_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _ids("codec.weights=none")
    _retrain(tmp_path, monkeypatch)
    after = _ids("codec.weights=none")
    shipped.shipped_digest.cache_clear()
    assert before == after


@pytest.mark.parametrize(
    ("metric", "lmbda", "start"), [("ms-ssim", 8.73, 0.0067), ("perceptual", 16, 0.0018), ("perceptual", 1024, 0.0130)]
)
def test_another_metric_starts_from_the_shipped_weights_of_its_quality(metric: str, lmbda: float, start: float) -> None:
    codec = load_codec("mbt2018-mean", weights="shipped", metric=metric, lmbda=lmbda)
    assert codec_fingerprint(codec) == codec_fingerprint(load_codec("mbt2018-mean", weights="shipped", lmbda=start))
