"""SegPIC under its freeze policies, end to end: what the deployed decoder still reads is measured, not claimed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn

from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.roles import tensor_roles
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.evaluation.results import read_rows
from lic_lightning.runs.identity import CONF

Lic = Callable[..., Path]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SegPIC whose streams carry something."""
    torch.manual_seed(0)
    codec = load_codec("segpic", lmbda=0.0130, N=16, M=32)
    with torch.no_grad():
        for layer in (codec.g_a2[1].sal.affine[2], codec.h_a[-1], codec.g_ab[-1], codec.g_ab2[-1]):
            layer.weight.mul_(40)
        for net in codec.charm.scale:
            net[-1].bias.fill_(4)
    path = tmp_path_factory.mktemp("weights") / "segpic.safetensors"
    save_state(codec, path)
    return path


def trained_under(freeze: str) -> tuple[nn.Module, FreezePolicy, set[str]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        policy = instantiate(compose("train", [f"freeze={freeze}"]).freeze)
    codec = load_codec("segpic", lmbda=0.0130, N=16, M=32)
    policy.apply(codec, spec("segpic").roles)
    return codec, policy, {name for name, parameter in codec.named_parameters() if parameter.requires_grad}


def test_rat_sal_only_trains_the_region_and_scale_layers_of_the_encoder() -> None:
    codec, policy, trains = trained_under("rat_sal_only")
    roles = tensor_roles(codec, spec("segpic").roles)
    named = {n for n in roles if roles[n] == "encoder" and (n.startswith("rat_") or ".sal." in n)}
    assert trains == {name for name, _ in codec.named_parameters() if name in named}
    assert policy.fixes_decoder(codec, spec("segpic").roles)


def test_paper_wording_trains_the_entropy_modules_too() -> None:
    codec, policy, trains = trained_under("paper_wording")
    roles = tensor_roles(codec, spec("segpic").roles)
    entropy = {n for n, _ in codec.named_parameters() if roles[n] == "entropy" and not n.endswith(".quantiles")}
    assert trains == trained_under("rat_sal_only")[2] | entropy
    assert not policy.fixes_decoder(codec, spec("segpic").roles)


@pytest.mark.parametrize("freeze", ["encoder_only", "rat_sal_only"])
def test_the_deployed_decoder_reads_what_a_tuned_encoder_writes(lic_train: Lic, weights: Path, freeze: str) -> None:
    row = tuned_row(lic_train, weights, freeze)
    assert row["withheld"] is None
    assert sum(row["stream_bytes"]) == row["bytes"] > 1000


def test_the_deployed_decoder_reads_nothing_of_the_papers_wording(lic_train: Lic, weights: Path) -> None:
    assert tuned_row(lic_train, weights, "paper_wording")["withheld"].startswith("cross-decode")


def tuned_row(lic_train: Lic, weights: Path, freeze: str) -> dict:
    output = lic_train(
        "codec=segpic",
        f"codec.weights={weights}",
        f"freeze={freeze}",
        "debug=fdr",
        "reference=none",
    )
    rows = read_rows(output).filter(role="tuned").to_dicts()
    assert rows
    return rows[0]
