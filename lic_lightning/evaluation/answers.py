"""A head over the test images: its answer for each, from real strings, with the time and the work that it took."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lic_lightning.evaluation.image_row import Row, sides_and_rate
from lic_lightning.heads.view import View


@dataclass(frozen=True)
class Answer:
    """What a head says of one image.

    Attributes:
        order: class indices, the likeliest first.
        probability: of the first.
        label: the true one.
        seconds: from the strings (for originals, from the pixels) to the label.
        kmac: multiply-accumulates for that in thousands per pixel of the image, entropy decoding not counted.
    """

    name: str
    order: tuple[int, ...]
    probability: float
    label: int
    seconds: float
    kmac: float

    def columns(self, classes: Sequence[str]) -> Row:
        """What a row says of it."""
        return {
            "label": classes[self.label],
            "predicted": classes[self.order[0]],
            "top1": self.order[0] == self.label,
            "top5": self.label in self.order[:5] if len(classes) > 5 else None,
            "label_s": self.seconds,
            "label_kmac": self.kmac,
        }


class Examiner:
    """Asks a head, in eval mode, for the central view of one image after the other."""

    def __init__(self, head: nn.Module, view: View) -> None:
        self.head, self.view = head, view
        self._kmac: dict[tuple[int, int], float] = {}

    def __call__(self, name: str, label: int, size: tuple[int, int], read: Callable[[], dict[str, Tensor]]) -> Answer:
        """The answer for an image of `size` (height, width); `read` makes its features (1,C,h,w) from strings."""
        with torch.no_grad():  # the counter of operations fails under inference_mode
            start = time.perf_counter()
            probabilities = self._logits(read).softmax(1)[0]
            order = probabilities.argsort(descending=True).tolist()
            seconds = time.perf_counter() - start
            if size not in self._kmac:  # counting slows the first image of each size down, so after the clock
                with FlopCounterMode(display=False) as counter:
                    self._logits(read)
                self._kmac[size] = counter.get_total_flops() / 2 / (size[0] * size[1]) / 1000
        return Answer(name, tuple(order), probabilities[order[0]].item(), label, seconds, self._kmac[size])

    def _logits(self, read: Callable[[], dict[str, Tensor]]) -> Tensor:
        return self.head(self.view(read()))


def labelled(rows: Iterable[Row], answers: Iterable[Answer], classes: Sequence[str]) -> list[Row]:
    """Rows of images with what the head says of each."""
    said = {answer.name: answer for answer in answers}
    return [{**row, **said[row["image"]].columns(classes)} for row in rows]


def original_row(name: str, height: int, width: int, nbytes: int) -> Row:
    """The row of an image that no codec of ours touched: the rate is that of its file as it was found."""
    return {
        "image": name,
        **sides_and_rate(height, width, [nbytes], nbytes),
        "digest": "",
        "domain": "8bit",
        **dict.fromkeys(("bpp_estimated", "encode_s", "decode_s", "withheld")),
    }
