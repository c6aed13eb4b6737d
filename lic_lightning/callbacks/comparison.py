"""Side by side: original, reference and tuned, at the same λ; one sheet for people, and the crops for the report."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from lic_lightning.codecs.latents import cut, decode
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.codecs.registry import spec
from lic_lightning.evaluation.evaluate import Settings
from lic_lightning.evaluation.image_row import encode
from lic_lightning.files import file_part, write_atomically
from lic_lightning.metrics.image import psnr
from lic_lightning.parallel import Images
from lic_lightning.reports.crops import CROP, CROPS
from lic_lightning.runs.run import Run

SIDE = 256
CAPTION = 18


def write_comparison(
    run: Run,
    codec: nn.Module,
    reference: nn.Module | None,
    test_set: str,
    images: Images,
    settings: Settings,
    most: int = 2,
) -> None:
    """Writes central crops of the first images of a test set into the run's folder.

    `comparison_<test set>.png` is one sheet with PSNR and bpp; `crops/<test set>/<index>/` holds the same pixels as
    original.png, reference.png and tuned.png for the report's slider, and crop.json, which says what they show.
    """
    networks = {"reference": reference, "tuned": codec}
    present = {name: network for name, network in networks.items() if network is not None}
    by = {"reference": replace(settings, refine=None), "tuned": settings}
    strips = []
    for index in range(min(most, len(images))):
        image = images[index].image
        decoded = {
            name: _decoded(image, network, spec(run.codec).stride, by[name]) for name, network in present.items()
        }
        sides = {"original": image, **{name: pixels for name, (pixels, _) in decoded.items()}}
        crops = {name: _centre(pixels) for name, pixels in sides.items()}
        strips.append(_strip(crops, {name: f": {caption}" for name, (_, caption) in decoded.items()}))
        about = {"test_set": test_set, "image": images.names[index], "image_digest": images.digest(index)[:16]}
        _write_crops(run, about, index, crops)
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), "white")
    for index, strip in enumerate(strips):
        sheet.paste(strip, (0, sum(s.height for s in strips[:index])))
    write_atomically(run.folder / f"comparison_{file_part(test_set)}.png", _png(sheet))


def _write_crops(run: Run, about: Mapping[str, str], index: int, crops: Mapping[str, Tensor]) -> None:
    folder = run.folder / CROPS / file_part(about["test_set"]) / str(index)
    for name, crop in crops.items():
        write_atomically(folder / f"{name}.png", _png(_picture(crop)))
    # No PSNR, no bpp: the result rows have them. Written last: with it the crop is whole.
    content = {**about, "sides": list(crops)}
    write_atomically(folder / CROP, (json.dumps(content, indent=2) + "\n").encode())


def _strip(crops: Mapping[str, Tensor], captions: Mapping[str, str]) -> Image.Image:
    height, width = crops["original"].shape[1:]
    strip = Image.new("RGB", (len(crops) * width, height + CAPTION), "white")
    for index, (name, crop) in enumerate(crops.items()):
        strip.paste(_picture(crop), (index * width, CAPTION))
        ImageDraw.Draw(strip).text((index * width + 4, 3), name + captions.get(name, ""), fill="black")
    return strip


@torch.no_grad()
def _decoded(image: Tensor, codec: nn.Module, stride: int, settings: Settings) -> tuple[Tensor, str]:
    own, frame = cut(codec), Frame.of(image, stride)
    padded = to_float(frame.pad(image, settings.padding))
    _, encoded = encode(own, padded, image, frame, settings.refine)
    decoded = decode(codec, encoded, frame)
    bpp = 8 * sum(len(part) for stream in encoded["strings"] for part in stream) / image[0].numel()
    return decoded, f"{psnr(image[None].float(), decoded[None].float()):.2f} dB, {bpp:.3f} bpp"


def _centre(image: Tensor) -> Tensor:
    height, width = image.shape[1:]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    return image[:, top : top + SIDE, left : left + SIDE]


def _picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()
