"""Side by side: original, reference and tuned, at the same λ."""

from __future__ import annotations

import io

import torch
import torch.nn.functional as F
from compressai.ops import compute_padding
from PIL import Image, ImageDraw
from torch import Tensor, nn

from lic_lightning.codecs.registry import spec
from lic_lightning.evaluation.evaluate import Images
from lic_lightning.evaluation.metrics import psnr
from lic_lightning.files import write_atomically
from lic_lightning.run import Run

SIDE = 256
CAPTION = 18


def write_comparison(
    run: Run, codec: nn.Module, reference: nn.Module | None, test_set: str, images: Images, most: int = 2
) -> None:
    """Writes `comparison_<test set>.png` into the run's folder: central crops of the first images with PSNR, bpp."""
    stride = spec(run.codec).stride
    strips = [_strip(images[index].image, codec, reference, stride) for index in range(min(most, len(images)))]
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), "white")
    for index, strip in enumerate(strips):
        sheet.paste(strip, (0, sum(s.height for s in strips[:index])))
    content = io.BytesIO()
    sheet.save(content, format="PNG")
    write_atomically(run.folder / f"comparison_{test_set}.png", content.getvalue())


def _strip(image: Tensor, codec: nn.Module, reference: nn.Module | None, stride: int) -> Image.Image:
    crops = [("original", _centre(image))]
    for name, network in (("reference", reference), ("tuned", codec)):
        if network is not None:
            decoded, caption = _decoded(image, network, stride)
            crops.append((f"{name}: {caption}", _centre(decoded)))
    height, width = crops[0][1].shape[1:]
    strip = Image.new("RGB", (len(crops) * width, height + CAPTION), "white")
    for index, (caption, crop) in enumerate(crops):
        strip.paste(Image.fromarray(crop.permute(1, 2, 0).contiguous().numpy()), (index * width, CAPTION))
        ImageDraw.Draw(strip).text((index * width + 4, 3), caption, fill="black")
    return strip


@torch.no_grad()
def _decoded(image: Tensor, codec: nn.Module, stride: int) -> tuple[Tensor, str]:
    x = image.float().div(255).unsqueeze(0)
    pad, unpad = compute_padding(*image.shape[1:], min_div=stride)
    encoded = codec.compress(F.pad(x, pad))
    x_hat = F.pad(codec.decompress(**encoded)["x_hat"], unpad).clamp(0, 1).mul(255).round()
    bpp = 8 * sum(len(part) for stream in encoded["strings"] for part in stream) / image[0].numel()
    return x_hat[0].byte(), f"{psnr(x * 255, x_hat):.2f} dB, {bpp:.3f} bpp"


def _centre(image: Tensor) -> Tensor:
    height, width = image.shape[1:]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    return image[:, top : top + SIDE, left : left + SIDE]
