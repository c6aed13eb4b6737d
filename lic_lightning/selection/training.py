"""Trains the pre-classifier, chooses its threshold on the val splits, and counts its answers on the test splits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix
from torchvision.transforms import v2

from lic_lightning.selection.classifier import Classifier, ClassifierInfo, middle
from lic_lightning.selection.encoders import REFERENCE

STORED = 1.25  # of the network's size is what is kept of a picture: room for the random crops


class Images(Protocol):
    """Whole photographs, with their names."""

    @property
    def names(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...


@dataclass(frozen=True)
class Training:
    """How a classifier is trained.

    Attributes:
        epochs: over the train splits.
        batch_size: pictures a step.
        lr: peak learning rate of AdamW; one cosine down to zero.
        weight_decay: of AdamW.
        seed: of weights, order and crops.
        threads: that decode pictures.
    """

    epochs: int = 40
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True)
class Answers:
    """What a classifier says of test splits.

    Attributes:
        choices: the outcomes, in the order of `confusion`'s rows (what is right) and columns (what was answered).
        confusion: counts (K+1, K+1); right for a rejected category is the reference.
        accuracy: share of right answers over all pictures.
        of: (category, picture) → answer.
        seconds: mean per picture, decoded already.
    """

    choices: tuple[str, ...]
    confusion: Tensor
    accuracy: float
    of: Mapping[tuple[str, str], str]
    seconds: float


def train(
    info: ClassifierInfo,
    pretrained: bool,
    train_sets: Mapping[str, Images],
    val_sets: Mapping[str, Images],
    training: Training,
    progress: Callable[[str], None],
) -> Classifier:
    """A classifier in eval mode on the CPU, its threshold set.

    Args:
        info: what to train; its threshold does not count.
        pretrained: start from timm's weights, which timm fetches from the network.
        train_sets: photographs by category.
        val_sets: likewise; only the threshold is chosen on them.
        training: how.
        progress: takes a line per epoch.
    """
    torch.manual_seed(training.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier = Classifier(info, pretrained).to(device)
    pixels, labels = _stack(info, train_sets, round(STORED * info.size), training.threads)
    # A category with few photographs counts as much as one with many
    weight = (len(labels) / len(info.categories) / labels.bincount(minlength=len(info.categories)).float()).to(device)
    random_view = v2.Compose(
        [v2.RandomResizedCrop(info.size, (0.3, 1.0)), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3, 0.2)]
    )
    optimizer = torch.optim.AdamW(classifier.parameters(), training.lr, weight_decay=training.weight_decay)
    steps = -(-len(labels) // training.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training.lr, epochs=training.epochs, steps_per_epoch=steps
    )
    for epoch in range(training.epochs):
        classifier.train()
        losses = []
        for chosen in torch.randperm(len(labels)).chunk(steps):
            x = torch.stack([random_view(pixels[index]) for index in chosen.tolist()]).to(device)
            loss = F.cross_entropy(classifier(x), labels[chosen].to(device), weight, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        progress(f"epoch {epoch + 1} of {training.epochs}: train loss {sum(losses) / len(losses):.3f}")
    classifier = classifier.cpu().eval()
    pixels, labels = _stack(info, val_sets, info.size, training.threads)
    with torch.inference_mode():
        probabilities = torch.cat([classifier(x).softmax(1) for x in pixels.split(training.batch_size)])
    classifier.info = replace(info, threshold=choose_threshold(classifier, probabilities, labels))
    return classifier


def choose_threshold(classifier: Classifier, probabilities: Tensor, labels: Tensor) -> float:
    """The threshold with the most right answers; of several the middle one.

    Args:
        classifier: whose rule is applied.
        probabilities: (B,K) of photographs.
        labels: (B,) their categories; right for a rejected one is the reference.
    """
    right = [_right(classifier.info, classifier.info.categories[label]) for label in labels.tolist()]
    candidates = [step / 50 for step in range(50)]
    info, counts = classifier.info, []
    for threshold in candidates:
        classifier.info = replace(info, threshold=threshold)
        answers = classifier.decide(probabilities)
        counts.append(sum(answer == truth for answer, truth in zip(answers, right, strict=True)))
    classifier.info = info
    best = [threshold for threshold, count in zip(candidates, counts, strict=True) if count == max(counts)]
    return best[len(best) // 2]


def ask(classifier: Classifier, test_sets: Mapping[str, Images]) -> Answers:
    """What a classifier says of photographs by category, one at a time, as `lic encode` asks it."""
    choices = classifier.info.choices
    of, asked, answered = {}, [], []
    seconds = 0.0
    for category, images in test_sets.items():
        for index, name in enumerate(images.names):
            image = images[index].image
            start = time.perf_counter()
            answer = classifier.choose(image)
            seconds += time.perf_counter() - start
            of[category, name] = answer
            asked.append(choices.index(_right(classifier.info, category)))
            answered.append(choices.index(answer))
    said, truth, count = torch.tensor(answered), torch.tensor(asked), len(choices)
    return Answers(
        choices,
        multiclass_confusion_matrix(said, truth, count),
        multiclass_accuracy(said, truth, count, average="micro").item(),
        of,
        seconds / len(asked),
    )


def _right(info: ClassifierInfo, category: str) -> str:
    return REFERENCE if category in info.rejected else category


def _stack(info: ClassifierInfo, sets: Mapping[str, Images], size: int, threads: int) -> tuple[Tensor, Tensor]:
    """Middle squares (B,3,size,size) uint8 of all photographs, and their categories (B,)."""
    where = [(label, index) for label, name in enumerate(info.categories) for index in range(len(sets[name]))]
    with ThreadPoolExecutor(threads) as pool:  # Pillow decodes outside the interpreter's lock
        squares = pool.map(lambda at: middle(sets[info.categories[at[0]]][at[1]].image, size), where)
        return torch.stack(list(squares)), torch.tensor([label for label, _ in where])
