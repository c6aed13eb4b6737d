"""The pre-classifier: light, rejects what it is unsure of, learns what can be seen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from skimage import data as skimage_data
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.transforms import v2

from lic_lightning.data.dataset import Category
from lic_lightning.data.layouts.folder import FolderDataset
from lic_lightning.data.squares import Squares
from lic_lightning.modules.head_module import HeadModule
from lic_lightning.modules.schedule import Schedule
from lic_lightning.selection.answers import ask, choose_threshold
from lic_lightning.selection.classifier import (
    Classifier,
    ClassifierError,
    ClassifierInfo,
    load_classifier,
    middle,
    save_classifier,
)

INFO = ClassifierInfo(("food", "sky", "general"), ("general",), "mobilenetv3_small_050", 32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FolderDataset]:
    """Tiles of three photographs that differ in colour and texture."""
    root = tmp_path_factory.mktemp("pictures")
    sources = {"food": skimage_data.coffee(), "sky": skimage_data.rocket(), "general": skimage_data.chelsea()}
    for name, image in sources.items():
        (root / name).mkdir()
        for index in range(12):
            top, left = 40 * (index // 4), 60 * (index % 4)
            Image.fromarray(image[top : top + 96, left : left + 128]).save(root / name / f"{index:02}.png")
    return {name: FolderDataset(root / name) for name in sources}


@pytest.fixture(scope="module")
def trained(pictures: dict[str, FolderDataset]) -> Classifier:
    split = {"train": 12 - 2, "val": 1, "test": 1}
    categories = {name: Category(name, images, split) for name, images in pictures.items()}
    rejected = {"general": categories.pop("general")}
    augment = v2.Compose([v2.RandomResizedCrop(32, (0.3, 1.0)), v2.RandomHorizontalFlip()])
    data = Squares(categories, rejected, middle, 32, augment, batch_size=15)
    data.setup()
    torch.manual_seed(0)
    head = partial(Classifier.of, backbone=INFO.backbone, size=INFO.size, pretrained=False)
    whole = Schedule(partial(OneCycleLR, max_lr=2e-3), "step", whole=True)
    module = HeadModule(data, head, partial(torch.optim.AdamW, lr=2e-3), whole, label_smoothing=0.1, balance=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", max_epochs=20, enable_model_summary=False, **quiet)
    trainer.fit(module, data)
    return module.head.eval()


def test_it_learns_and_counts_its_answers(trained: Classifier, pictures: dict[str, FolderDataset]) -> None:
    answers = ask(trained, pictures)
    assert answers.choices == ("food", "sky", "reference")
    assert answers.confusion.sum(1).tolist() == [12, 12, 12]
    assert answers.accuracy == pytest.approx(answers.confusion.trace().item() / 36)
    assert answers.accuracy > 0.6  # by chance a third
    assert set(answers.of) == {(name, image) for name, images in pictures.items() for image in images.names}


def test_a_file_gives_the_same_answers(trained: Classifier, pictures: dict[str, FolderDataset], tmp_path: Path) -> None:
    save_classifier(tmp_path / "classifier.safetensors", trained)
    loaded = load_classifier(tmp_path)
    assert loaded.info == trained.info
    assert ask(loaded, pictures).of == ask(trained, pictures).of


def test_below_the_threshold_and_in_a_rejected_category_the_reference_codes() -> None:
    classifier = Classifier(replace(INFO, threshold=0.5))
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.45, 0.4, 0.15], [0.1, 0.2, 0.7]])
    assert classifier.decide(probabilities) == ["food", "reference", "reference"]


def test_the_threshold_is_the_one_with_most_right_answers() -> None:
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.6, 0.2, 0.2], [0.5, 0.3, 0.2]])
    threshold = choose_threshold(Classifier(INFO), probabilities, torch.tensor([0, 1, 2, 2]))
    assert 0.6 < threshold <= 0.9


def test_the_middle_square_is_seen() -> None:
    image = torch.zeros(3, 64, 256, dtype=torch.uint8)
    image[:, :, 96:160] = 255
    assert (middle(image, 32) == 255).all()


@pytest.mark.parametrize(
    ("backbone", "message"),
    [("mobilenetv9", "timm has no model 'mobilenetv9'"), ("resnet18", "parameters; a phone's may have 5,000,000")],
)
def test_a_backbone_that_is_unknown_or_too_heavy_is_refused(backbone: str, message: str) -> None:
    with pytest.raises(ClassifierError, match=message):
        Classifier(replace(INFO, backbone=backbone))


def test_a_file_that_holds_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="lic selector"):
        load_classifier(tmp_path)
    (tmp_path / "classifier.safetensors").write_text("no")
    with pytest.raises(ClassifierError, match="not the file of a classifier"):
        load_classifier(tmp_path)
