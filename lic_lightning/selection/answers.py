"""The classifier's threshold, chosen on the val splits, and its answers on the test splits."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from lic_lightning.parallel import Images
from lic_lightning.selection.classifier import Classifier, ClassifierInfo
from lic_lightning.selection.encoders import REFERENCE


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
