"""A codec over a test set: one row per image, and one more where it is refined."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lic_lightning.codecs.latents import cut
from lic_lightning.codecs.padding import DEFAULT_PADDING, fill
from lic_lightning.evaluation import classic
from lic_lightning.evaluation.image_row import Domain, Row, image_rows
from lic_lightning.metrics.image import build_metrics
from lic_lightning.metrics.table import defaults
from lic_lightning.parallel import Images, over_images
from lic_lightning.refinement import Refinement

GAP_ALARM = 0.03
GAP_BYTES = 32


@dataclass(frozen=True)
class Settings:
    """How images are coded and judged.

    Attributes:
        metrics: columns of `metrics.table.METRICS`.
        domain: "8bit" (as files are) or "float".
        padding: of pictures whose sides are no multiples of the codec's stride, see `codecs.padding.PADDINGS`.
        refine: of each picture, what is written is chosen once more, beside what the analysis gives; None: that alone.
            A reference is never refined.
        device: "cpu", "cuda", …: the same codec on two devices is two operating points.
        workers: processes that code images side by side, one thread each; 1 codes in this process.
        lpips_trunk: see `metrics.build_metrics`.
        classic: which classic codecs stand beside the learned ones in plots: keys of `classic.CODECS`.
    """

    metrics: tuple[str, ...] = defaults()
    domain: Domain = "8bit"
    padding: str = DEFAULT_PADDING
    refine: Refinement | None = None
    device: str = "cpu"
    workers: int = 1
    lpips_trunk: str | None = None
    classic: tuple[str, ...] = ("jpeg", "webp")

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"evaluation.workers must be 1 or more, got {self.workers}")
        object.__setattr__(self, "metrics", tuple(self.metrics))
        object.__setattr__(self, "classic", tuple(self.classic))
        classic.check(self.classic)
        fill(self.padding)

    @property
    def protocol(self) -> dict[str, object]:
        """What the numbers depend on, but for the refinement: what is kept by it is never refined."""
        return {"metrics": self.metrics, "domain": self.domain, "padding": self.padding, "device": self.device}


def evaluate(
    codec: nn.Module, images: Images, name: str, settings: Settings, decoder: nn.Module | None = None
) -> list[Row]:
    """Rows of all images, in their order, each with its `image` name (see `image_rows`); `name` is the codec's.

    The networks are copied, in float32 and in the contiguous layout: encoder and decoder must run the same kernels,
    as CompressAI's own tool does, or a mean that differs in its last bit ends the stream.

    Raises:
        LatentsError: the settings refine, and the codec can't be refined.
    """
    if settings.refine:
        settings.refine.check(cut(codec))
    copied = None if decoder is None else for_coding(decoder, settings.device)
    coder = _Coder(for_coding(codec, settings.device), copied, name, settings)
    found = over_images(coder, images, settings.workers, settings.device)
    return [{"image": image, **row} for image, rows in zip(images.names, found, strict=True) for row in rows]


def for_coding(codec: nn.Module, device: str = "cpu") -> nn.Module:
    """A copy of a codec as evaluation runs it: eval mode, float32, all that a stream depends on contiguous."""
    copied = copy.deepcopy(codec).to(device=device, dtype=torch.float32)
    copied = copied.to(memory_format=torch.contiguous_format).eval()
    if isinstance(g_s := getattr(copied, "g_s", None), nn.Module):
        g_s.to(memory_format=torch.channels_last)  # faster, and no stream depends on it
    return copied


def rate_gap(row: Row) -> str | None:
    """Why real bytes and the estimate of a row are too far apart; None if they agree within 3 % and 32 bytes."""
    estimated = row["bpp_estimated"] * row["width"] * row["height"] / 8
    if abs(row["bytes"] - estimated) <= GAP_ALARM * estimated + GAP_BYTES:
        return None
    return f"{row['image']}: {row['bytes']} bytes, but {estimated:.0f} estimated"


class _Coder:
    def __init__(self, codec: nn.Module, decoder: nn.Module | None, name: str, settings: Settings) -> None:
        self.codec, self.decoder, self.name, self.settings = codec, decoder, name, settings
        self.metrics = build_metrics(settings.metrics, settings.lpips_trunk)

    def __call__(self, image: Tensor) -> list[Row]:
        settings = self.settings
        return image_rows(
            image,
            self.codec,
            self.decoder,
            self.name,
            self.metrics,
            settings.domain,
            settings.padding,
            settings.refine,
        )
