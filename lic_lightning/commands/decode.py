"""`lic decode`: `.lic` files to pictures."""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lic_lightning.commands.convert import add_options, convert, pairs
from lic_lightning.commands.request import RequestError, command_parser

if TYPE_CHECKING:  # `lic decode --help` must not wait for torch
    from lic_lightning.bitstream.decoders import Decoders

LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".ppm")
EXAMPLES = """\
examples:
  lic decode photo.lic -o photo.png
  lic decode coded/ -o decoded/ --jobs 4
  lic decode 'coded/*.lic' --weights reference.safetensors --weights more_references/

The file names its codec and the fingerprint of its decoder. The weights with that fingerprint are looked for where
--weights says, then among the shipped ones and the zoo's on this machine. The picture is 8-bit sRGB. A damaged file,
or one of an unknown decoder, gives one line on stderr and no output. Exit code 1 if some of several files failed, 2 if
all did.
"""


@dataclass
class Decoding:
    """Decodes one file; a `convert.Conversion`."""

    decoders: Decoders
    max_pixels: int

    def __call__(self, source: Path, target: Path) -> str:
        from PIL import Image

        from lic_lightning.bitstream import parse
        from lic_lightning.files import write_atomically

        if target.suffix.lower() not in LOSSLESS:
            raise RequestError(f"{target}: pictures are written as {' '.join(LOSSLESS)}")
        data = source.read_bytes()
        file = parse(data, self.max_pixels)
        image = self.decoders.for_file(file).decode(data, self.max_pixels)
        content = io.BytesIO()
        kind = Image.registered_extensions()[target.suffix.lower()]
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, kind)
        write_atomically(target, content.getvalue())
        return f"{target}: {file.width}×{file.height} by {file.codec}"


def main(argv: list[str]) -> int:
    """Decodes; returns the exit code."""
    args = _parser().parse_args(argv)
    from lic_lightning.bitstream.container import MAX_PIXELS
    from lic_lightning.bitstream.decoders import Decoders

    todo = pairs(args.inputs, args.output, {".lic"}, ".png")
    conversion = Decoding(Decoders(args.weights), args.max_pixels or MAX_PIXELS)
    return convert(conversion, todo, args.jobs, args.force, "lic decode")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("decode", __doc__, EXAMPLES)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=".lic files, folders of them, or quoted globs")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="file for one picture, else a folder of PNGs")
    parser.add_argument(
        "--weights",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="file or folder of weights; repeatable",
    )
    add_options(parser)
    return parser
