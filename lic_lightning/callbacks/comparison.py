"""Side by side: original, reference, tuned and refined, at the same λ; a sheet for people, crops for the report."""

import io
import json
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw
from torch import Tensor, nn

from lic_lightning.codecs.latents import Strings, decode, encode
from lic_lightning.codecs.padding import Frame
from lic_lightning.codecs.registry import spec
from lic_lightning.evaluation.evaluate import Settings, for_coding
from lic_lightning.evaluation.image_row import Row
from lic_lightning.files import file_part, write_atomically
from lic_lightning.metrics.image import psnr
from lic_lightning.parallel import Images
from lic_lightning.reports.crops import CROP, CROPS
from lic_lightning.runs.run import Run

MOST = 2  # images of a test set
SIDE = 256
CAPTION = 18


def write_comparison(
    run: Run,
    codec: nn.Module,
    reference: nn.Module | None,
    settings: Settings,
    test_set: str,
    images: Images,
    rows: Sequence[Row],
) -> None:
    """Writes central crops of the first images of a test set into the run's folder.

    `comparison_<test set>.png` is one sheet with PSNR and bpp; `crops/<test set>/<index>/` holds the same pixels as
    original.png, reference.png, tuned.png and, where there are refined rows, refined.png for the report's slider, and
    crop.json, which says what they show.

    Args:
        run: whose rows these are.
        codec: that wrote what `rows` hold.
        reference: codes the images as it does for its own rows; None leaves it out.
        settings: of the evaluation.
        test_set: its name.
        images: the test set.
        rows: as `image_rows` makes them: what was written is decoded again, nothing is refined twice.
    """
    codec = for_coding(codec, settings.device)
    strips = []
    for index, name in enumerate(images.names[:MOST]):
        image = images[index].image
        frame = Frame.of(image, spec(run.codec).stride)
        coded = {"refined" if row["refined"] else "tuned": row["encoded"] for row in rows if row["image"] == name}
        pictures = {side: decode(codec, encoded, frame).cpu() for side, encoded in coded.items()}
        if reference is not None:
            coded["reference"] = encode(reference, image, frame.stride, run.reference_padding)
            pictures = {"reference": decode(reference, coded["reference"], frame), **pictures}
        captions = {side: _caption(image, picture, coded[side]["strings"]) for side, picture in pictures.items()}
        crops = {side: _centre(picture) for side, picture in {"original": image, **pictures}.items()}
        strips.append(_strip(crops, captions))
        about = {"test_set": test_set, "image": name, "image_digest": images.digest(index)[:16]}
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


def _caption(image: Tensor, decoded: Tensor, strings: Strings) -> str:
    bpp = 8 * sum(len(part) for stream in strings for part in stream) / image[0].numel()
    return f": {psnr(image[None].float(), decoded[None].float()):.2f} dB, {bpp:.3f} bpp"


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
