"""`lic encode --encoder`: which encoder writes, and that the one base decoder reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lic_lightning import cli
from lic_lightning.bitstream import FileCodec
from lic_lightning.codecs.delta import delta, write_delta
from lic_lightning.codecs.weights import save_state
from lic_lightning.selection.classifier import Classifier, ClassifierInfo, save_classifier

LMBDA = "0.013"


@pytest.fixture
def photo(tmp_path: Path, photograph: Tensor) -> Path:
    """The photograph's file."""
    Image.fromarray(photograph.permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def lic(*arguments: object) -> int:
    """Runs `lic`."""
    return cli.main(list(map(str, arguments)))


def classifier_that_answers(category: str, path: Path, categories: tuple[str, ...] = ("food", "pets")) -> Path:
    """The file of a classifier that is always sure of one category."""
    torch.manual_seed(0)
    classifier = Classifier(ClassifierInfo(categories, (), "mobilenetv3_small_050", 64, threshold=0.5)).eval()
    with torch.no_grad():
        classifier.network.classifier.weight.zero_()
        classifier.network.classifier.bias.copy_(torch.tensor([9.0 * (name == category) for name in categories]))
    save_classifier(path, classifier)
    return path


@pytest.mark.parametrize("name", ["food", "pets", "reference"])
def test_a_named_encoder_writes_and_the_base_reads(
    name: str, photo: Path, base: Path, deltas: Path, encoders: dict[str, FileCodec], photograph: Tensor
) -> None:
    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, "--encoder", name, "--encoders", deltas) == 0
    coded = photo.with_suffix(".lic")
    assert coded.read_bytes() == encoders[name].encode(photograph)
    assert lic("decode", coded, "--weights", base, "-o", photo.parent / "decoded.png") == 0


def test_best_writes_the_smallest_cost_and_says_whose_it_is(
    photo: Path,
    base: Path,
    deltas: Path,
    encoders: dict[str, FileCodec],
    photograph: Tensor,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lic_lightning.selection.pick import Best

    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, "--encoder", "best", "--encoders", deltas) == 0
    name, content = Best(encoders, 0.013)(photograph)
    assert photo.with_suffix(".lic").read_bytes() == content
    assert f"encoder {name}" in capsys.readouterr().out


def test_auto_asks_the_classifier(
    photo: Path, base: Path, deltas: Path, encoders: dict[str, FileCodec], photograph: Tensor
) -> None:
    classifier = classifier_that_answers("pets", photo.parent / "classifier.safetensors")
    options = ("--weights", base, "--lmbda", LMBDA, "--encoder", "auto", "--encoders", deltas)
    assert lic("encode", photo, *options, "--classifier", classifier) == 0
    assert photo.with_suffix(".lic").read_bytes() == encoders["pets"].encode(photograph)


def test_processes_choose_too(photo: Path, base: Path, deltas: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / "photos" / f"{name}.png").write_bytes(photo.read_bytes())
    options = ("--weights", base, "--lmbda", LMBDA, "--encoder", "best", "--encoders", deltas, "--jobs", 2)
    assert lic("encode", tmp_path / "photos", "-o", tmp_path / "coded", *options) == 0
    assert len(list((tmp_path / "coded").iterdir())) == 2


def test_an_encoder_for_another_decoder_is_refused(
    photo: Path, base: Path, deltas: Path, reference: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    with torch.no_grad():
        reference.g_s[0].bias.add_(1)
        save_state(reference, deltas / "stranger.safetensors")
    nn.Module.load_state_dict(reference, state)
    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, "--encoder", "best", "--encoders", deltas) == 2
    error = capsys.readouterr().err
    assert "stranger" in error
    assert "could not read it" in error
    assert not photo.with_suffix(".lic").exists()


def test_a_delta_made_against_other_weights_is_refused(
    photo: Path, base: Path, deltas: Path, tuned: dict[str, nn.Module], capsys: pytest.CaptureFixture[str]
) -> None:
    write_delta(deltas / "food.delta.safetensors", delta("mbt2018-mean", tuned["pets"], tuned["food"], "food", 0.013))
    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, "--encoder", "best", "--encoders", deltas) == 2
    assert "the delta of food belongs on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder", "cars", "--encoders", "{deltas}"), "no encoder 'cars'; there are reference, food, pets"),
        (("--encoder", "best"), "go together"),
        (("--encoders", "{deltas}"), "go together"),
        (("--encoder", "auto", "--encoders", "{deltas}"), "--classifier PATH go together"),
        (("--encoder", "best", "--encoders", "{deltas}/none"), "no encoders at"),
        (
            ("--encoder", "best", "--encoders", "{deltas}", "--lmbda", "0.0067"),
            "it has food (mbt2018-mean, lmbda 0.013)",
        ),
        (("--encoder", "auto", "--encoders", "{deltas}", "--classifier", "{photo}"), "not the file of a classifier"),
    ],
)
def test_a_mistaken_request_says_what_is_wrong(
    options: tuple[str, ...],
    message: str,
    photo: Path,
    base: Path,
    deltas: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [option.format(deltas=deltas, photo=photo) for option in options]
    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, *given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not photo.with_suffix(".lic").exists()


def test_a_classifier_that_may_choose_what_is_not_there_is_refused(
    photo: Path, base: Path, deltas: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = classifier_that_answers("food", photo.parent / "classifier.safetensors", ("food", "cars"))
    options = ("--encoder", "auto", "--encoders", deltas, "--classifier", path)
    assert lic("encode", photo, "--weights", base, "--lmbda", LMBDA, *options) == 2
    assert "may choose cars" in capsys.readouterr().err
