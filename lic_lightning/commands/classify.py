"""`lic classify`: label compressed files from their latents. The streams are entropy-decoded, the image is not made."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.commands.request import RequestError, command_parser

if TYPE_CHECKING:  # `lic --help` must not wait for torch
    from torch import nn

    from lic_lightning.bitstream import FileCodec
    from lic_lightning.heads.head_file import HeadInfo

EXAMPLES = """examples:
  lic classify photo.lic --head outputs/recognize/0123456789ab
  lic classify *.lic --head head.safetensors --json
  lic classify photo.lic --head head.safetensors --weights base.pth.tar

Images are best coded with the short side that the head was trained at: a head knows scenes at their size.
Exit code 2, with the reason on stderr, for a file that can't be read or that another decoder is for.
"""


def classify(data: bytes, files: FileCodec, head: nn.Module, info: HeadInfo) -> list[tuple[str, float]]:
    """Classes and probabilities of a `.lic` file, the likeliest first.

    Raises:
        BitstreamError: not a whole file for this decoder.
    """
    import torch

    from lic_lightning.codecs.latents import features

    frame, latents = files.latents(data)
    with torch.inference_mode():
        probabilities = head(info.view(frame.visible(features(latents)))).softmax(1)[0]
    order = probabilities.argsort(descending=True).tolist()
    return [(info.classes[index], probabilities[index].item()) for index in order]


def reader(info: HeadInfo, folder: Path, weights: str | None) -> FileCodec:
    """The decoder whose latents the head was trained on; its fingerprint is checked.

    Args:
        info: of the head's file, which may come from somebody else: a path in it is not followed.
        folder: of the head's file, where weights that trained with it lie beside it.
        weights: where the user says that they are; None takes those.

    Raises:
        RequestError: the head reads pixels, or the weights have another decoder, or must be named.
        WeightsError: no such weights.
    """
    from lic_lightning.bitstream import FileCodec
    from lic_lightning.codecs.fingerprint import decoder_fingerprint
    from lic_lightning.codecs.registry import spec
    from lic_lightning.codecs.weights import load_codec
    from lic_lightning.runs.folder import BY_NAME

    if not info.codec:
        raise RequestError("this head was trained on original images: it has no codec, and can't label a .lic file")
    if weights is None:
        beside = folder / Path(info.weights).name
        weights = info.weights if info.weights in BY_NAME else str(beside)
        if weights == str(beside) and not beside.is_file():
            raise RequestError(f"the head was trained on latents of {info.weights}: name that file with --weights")
    codec = load_codec(info.codec, weights=weights, lmbda=info.lmbda)
    fingerprint = decoder_fingerprint(codec, spec(info.codec).roles)
    if fingerprint != info.decoder_fingerprint:
        raise RequestError(
            f"the head reads latents of decoder {info.decoder_fingerprint[:12]}, but {weights} "
            f"is decoder {fingerprint[:12]}: name the head's weights with --weights"
        )
    return FileCodec(info.codec, codec)


def main(argv: list[str]) -> int:
    """Prints one line per file, or JSON."""
    parser = command_parser("classify", __doc__, EXAMPLES)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=".lic files")
    parser.add_argument("--head", type=Path, required=True, help="folder of a `lic recognize` run, or its head's file")
    parser.add_argument("--weights", help="of the codec, if they are a file of their own")
    parser.add_argument("--top", type=int, default=1, metavar="K", help="how many classes to name; default 1")
    parser.add_argument("--json", action="store_true", help="a list of objects: file, label, probability, classes")
    args = parser.parse_args(argv)
    from lic_lightning.heads.cresnet import CResNet
    from lic_lightning.heads.head_file import load_head

    head, info = load_head(args.head)
    if not isinstance(head, CResNet):
        raise RequestError(f"{args.head} is a head on pixels: it needs the decoded image. Train one with task=frozen")
    files = reader(info, args.head if args.head.is_dir() else args.head.parent, args.weights)
    labelled = ((path, _ranked(path, files, head, info)[: args.top]) for path in args.files)
    _print_json(labelled) if args.json else _print(labelled)
    return 0


def _ranked(path: Path, files: FileCodec, head: nn.Module, info: HeadInfo) -> list[tuple[str, float]]:
    from lic_lightning.bitstream import BitstreamError

    try:
        return classify(path.read_bytes(), files, head, info)
    except BitstreamError as error:
        raise RequestError(f"{path}: {error}") from error


def _print(labelled: Iterable[tuple[Path, list[tuple[str, float]]]]) -> None:
    for path, ranked in labelled:
        print(f"{path}: {', '.join(f'{name} {100 * probability:.1f} %' for name, probability in ranked)}")


def _print_json(labelled: Iterable[tuple[Path, list[tuple[str, float]]]]) -> None:
    answers: list[dict[str, Any]] = [
        {"file": str(path), "label": ranked[0][0], "probability": ranked[0][1], "classes": dict(ranked)}
        for path, ranked in labelled
    ]
    json.dump(answers, sys.stdout, indent=2)
    print()
