"""The pre-classifier: a timm backbone light enough for a phone, which names a category or keeps the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import InterpolationMode, center_crop, resize

from lic_lightning.codecs.described import described, load_described
from lic_lightning.files import write_atomically
from lic_lightning.selection.encoders import REFERENCE

CLASSIFIER = "classifier.safetensors"
KEY = "lic_lightning.classifier"
MOST_PARAMETERS = 5_000_000


class ClassifierError(ValueError):
    """A backbone that does not exist or is too heavy, or a file that holds no classifier."""


@dataclass(frozen=True)
class ClassifierInfo:
    """What a classifier must know of its training to be used.

    Attributes:
        categories: in the order of the logits, those without an encoder (`rejected`) last.
        rejected: categories that teach what to leave to the reference.
        backbone: timm's name.
        size: side in pixels of what the network sees: the middle square of the picture.
        threshold: below this probability of the likeliest category the reference codes.
    """

    categories: tuple[str, ...]
    rejected: tuple[str, ...]
    backbone: str
    size: int
    threshold: float = 0.0

    @property
    def choices(self) -> tuple[str, ...]:
        """The categories that have an encoder, then `reference`: what the classifier can answer."""
        return *(name for name in self.categories if name not in self.rejected), REFERENCE


class Classifier(nn.Module):
    """A backbone from pixels (B,3,size,size) uint8 to logits (B,K), and the rule that turns them into a choice.

    Raises:
        ClassifierError: timm has no such backbone, or it has more than 5 million parameters.
    """

    def __init__(self, info: ClassifierInfo, pretrained: bool = False) -> None:
        super().__init__()
        import timm  # half a second, and it imports what this package must not

        about = timm.get_pretrained_cfg(info.backbone)
        if about is None:
            raise ClassifierError(f"timm has no model {info.backbone!r}; mobilenetv3_small_050 is one")
        self.info = info
        self.network = timm.create_model(info.backbone, pretrained=pretrained, num_classes=len(info.categories))
        if (parameters := sum(p.numel() for p in self.parameters())) > MOST_PARAMETERS:
            raise ClassifierError(f"{info.backbone} has {parameters:,} parameters; a phone's may have 5,000,000")
        for name, values in {"mean": about.mean, "std": about.std}.items():
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    @classmethod
    def of(
        cls, categories: tuple[str, ...], rejected: tuple[str, ...], backbone: str, size: int, pretrained: bool
    ) -> Classifier:
        """An untrained classifier of these settings; see ClassifierInfo."""
        return cls(ClassifierInfo(categories, rejected, backbone, size), pretrained)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B,K) of pictures, `image` (B,3,size,size) uint8."""
        logits: Tensor = self.network((features["image"] / 255 - self.mean) / self.std)
        return logits

    def decide(self, probabilities: Tensor) -> list[str]:
        """The answers, of `info.choices`, to probabilities (B,K)."""
        highest, index = probabilities.max(1)
        names = [self.info.categories[i] for i in index.tolist()]
        return [
            REFERENCE if name in self.info.rejected or probability < self.info.threshold else name
            for name, probability in zip(names, highest.tolist(), strict=True)
        ]

    def choose(self, image: Tensor) -> str:
        """The answer to one picture (3,H,W) uint8: a category, or `reference`."""
        device = next(self.parameters()).device
        with torch.inference_mode():
            return self.decide(self({"image": middle(image, self.info.size)[None].to(device)}).softmax(1))[0]


def middle(image: Tensor, size: int) -> Tensor:
    """The middle square of a picture (3,H,W) uint8, scaled to `size`: (3,size,size) uint8."""
    square = center_crop(image, [min(image.shape[1:])])
    return resize(square, [size, size], InterpolationMode.BILINEAR, antialias=True)


def save_classifier(path: Path, classifier: Classifier) -> None:
    """Writes weights and what they mean in one file, whole or not at all."""
    write_atomically(path, described(classifier.state_dict(), KEY, asdict(classifier.info)))


def load_classifier(path: Path) -> Classifier:
    """A classifier in eval mode, from its file or the folder with it. Nothing in the file is executed.

    Raises:
        FileNotFoundError: no such file.
        ClassifierError: not a classifier's file.
    """
    path = path / CLASSIFIER if path.is_dir() else path
    about, state = load_described(path, KEY, "classifier", ClassifierError, "selector")
    names = {key: tuple(about[key]) for key in ("categories", "rejected")}
    classifier = Classifier(ClassifierInfo(**{**about, **names}))
    classifier.load_state_dict(state)
    return classifier.eval()
