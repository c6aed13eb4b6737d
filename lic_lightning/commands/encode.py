"""`lic encode`: pictures to `.lic` files."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lic_lightning.commands.convert import add_options, convert, pairs
from lic_lightning.commands.request import RequestError, command_parser

if TYPE_CHECKING:  # `lic encode --help` must not wait for torch
    from lic_lightning.bitstream import FileCodec
    from lic_lightning.bitstream.target import Target
    from lic_lightning.refinement import Refinement
    from lic_lightning.selection.pick import Pick

DEFAULT_CODEC = "mbt2018-mean"
DEFAULT_LMBDA = 0.013
WHOLE_PIXELS = 4_000_000  # above it, a codec that can't run in tiles is worth a word
EXAMPLES = """\
examples:
  lic encode photo.jpg -o photo.lic                      the shipped mbt2018-mean at lmbda 0.0130
  lic encode photo.jpg --lmbda 0.0035                    photo.lic, beside the photograph
  lic encode photos/ -o coded/ --weights outputs/main/0123456789ab --jobs 4
  lic encode photo.jpg --refine slow                     smaller and better, for the same decoder
  lic encode photo.jpg --target-bpp 0.5                  as good as a file of that size can be under this decoder
  lic encode 'photos/*.jpg' --codec mbt2018 --weights zoo -o coded/
  lic encode photo.jpg --encoder food --encoders outputs/category_dependent_reduced
  lic encode photos/ -o coded/ --encoder best --encoders deltas/ --lmbda 0.0067
  lic encode photos/ -o coded/ --pool shipped --target-bpp 0.15   all files together, a λ for each
  lic encode photos/ -o coded/ --encoder auto --encoders deltas/ --classifier outputs/selector

Whatever a tuned encoder writes, the base decoder reads: `lic decode` needs the reference alone. EXIF orientation is
applied, colours are converted to sRGB where the file has another ICC profile, transparency becomes white; no metadata
is kept. Exit code 1 if some of several files failed, 2 if all did.
"""


@dataclass
class Encoding:
    """Codes one picture; a `convert.Conversion`."""

    codec: FileCodec
    max_pixels: int
    pick: Pick | None = None
    target: Target | None = None

    def __call__(self, source: Path, target: Path) -> str:
        from lic_lightning.data.images import read_image
        from lic_lightning.files import write_atomically

        image = read_image(source, srgb=True)
        _, height, width = image.shape
        if width * height > self.max_pixels:
            raise RequestError(f"{width}×{height} is more than --max-pixels {self.max_pixels}")
        found = ""
        if self.target:
            value, lmbda, content = self.target(self.codec, image)
            found = f"; {self.target.said(value)} with λ {lmbda:.4f} of the refinement"
        elif self.pick:
            name, content = self.pick(image)
            found = f", encoder {name}"
        else:
            content = self.codec.encode(image)
        write_atomically(target, content)
        whole = not self.codec.tiled and width * height > WHOLE_PIXELS
        note = f"; {self.codec.name} can't run in tiles: memory grows with the picture" if whole else ""
        bpp = 8 * len(content) / (width * height)
        return f"{target}: {width}×{height}, {len(content):,} bytes, {bpp:.4f} bpp{found}{note}"


def main(argv: list[str]) -> int:
    """Encodes; returns the exit code."""
    args = _parser().parse_args(argv)
    from PIL import Image

    from lic_lightning.bitstream import FileCodec
    from lic_lightning.bitstream.container import MAX_PIXELS
    from lic_lightning.codecs.padding import DEFAULT_PADDING
    from lic_lightning.codecs.weights import load_codec

    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    todo = pairs(args.inputs, args.output, suffixes, ".lic")
    if args.pool:
        from lic_lightning.commands.encode_set import encode_set

        return encode_set(args, todo, args.codec or DEFAULT_CODEC)
    if args.target_bpp and len(args.target_bpp) > 1:
        raise RequestError("several --target-bpp go with --pool")
    name, weights = _source(args.codec, args.weights)
    target = _target(args)
    refine = _refinement(args)
    args.lmbda = args.lmbda or DEFAULT_LMBDA
    loaded = load_codec(name, weights=weights, lmbda=args.lmbda, metric=args.metric)
    codec = FileCodec(name, loaded, args.padding or DEFAULT_PADDING, refine)
    encoding = Encoding(codec, args.max_pixels or MAX_PIXELS, _pick(args, codec), target)
    return convert(encoding, todo, args.jobs, args.force, "lic encode")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("encode", __doc__, EXAMPLES)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures, folders of them, or quoted globs")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="file for one picture, else a folder")
    parser.add_argument("--codec", metavar="NAME", help=f"see `lic codecs`; default {DEFAULT_CODEC}, or the run's")
    parser.add_argument(
        "--weights",
        default="shipped",
        metavar="W",
        help="shipped (default), zoo, a file, or the folder of a finished run",
    )
    parser.add_argument("--lmbda", type=float, help="which of the shipped or zoo's, default 0.0130; λ of --refine")
    parser.add_argument("--metric", choices=("mse", "ms-ssim"), default="mse", help="what the zoo's were trained for")
    parser.add_argument(
        "--padding",
        metavar="P",
        help="what fills a picture up to the codec's stride: blurred-edge (default), edge, zeros; all decode alike",
    )
    parser.add_argument(
        "--refine",
        nargs="?",
        const="medium",
        choices=("fast", "medium", "slow"),
        help="search cheaper latents for this picture, by R + λD as written; bare: medium",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target-bpp",
        type=_wanted,
        nargs="+",
        metavar="B",
        help="each file at most so large, its header too: moves λ of --refine; with --pool, all files together",
    )
    target.add_argument("--target-psnr", type=_wanted, metavar="Q", help="or each picture at least so good, in dB")
    parser.add_argument(
        "--encoder", metavar="E", help="best: try all, keep the smallest R + λD; auto: ask the classifier; or a name"
    )
    parser.add_argument(
        "--encoders", type=Path, metavar="PATH", help="runs, deltas or weights tuned under the decoder of --weights"
    )
    parser.add_argument("--classifier", type=Path, metavar="PATH", help="what `lic selector` trained, for auto")
    pool = parser.add_argument_group("a set to a target rate", "docs/how-to/rate-targets.md")
    pool.add_argument(
        "--pool", metavar="POOL", help="choose for each picture among: a sweep's folder, one of weights, or shipped"
    )
    pool.add_argument("--goal", metavar="METRIC", default="psnr", help="whose mean is made best; default psnr")
    pool.add_argument("--floor", type=float, metavar="VALUE", help="the least that a picture may have of it")
    pool.add_argument(
        "--rule",
        choices=("set", "each", "nearest"),
        default="set",
        help="what keeps the target: all files together (default), each, or nearly each",
    )
    pool.add_argument("--fill", action="store_true", help="refine one picture more, into what is left of the target")
    add_options(parser)
    return parser


def _wanted(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _target(args: argparse.Namespace) -> Target | None:
    """What is wanted of the files; then they are refined, `medium` where nothing else is said."""
    if args.target_bpp is None and args.target_psnr is None:
        return None
    if args.encoder is not None:
        raise RequestError("--target-bpp and --target-psnr search with the encoder of --weights: leave --encoder out")
    from lic_lightning.bitstream.target import Target

    args.refine, shipped = args.refine or "medium", args.weights == "shipped"
    if args.target_bpp is not None:
        return Target("bpp", args.target_bpp[0], shipped)
    return Target("psnr", args.target_psnr, shipped)


def _refinement(args: argparse.Namespace) -> Refinement | None:
    """With the λ and the metric that the weights were trained for.

    Raises:
        RequestError: λ is unknown.
    """
    if args.refine is None:
        return None
    from lic_lightning.objectives.described import described
    from lic_lightning.refinement import Refinement
    from lic_lightning.runs.folder import RunFolder

    folder = Path(args.weights).expanduser()
    lmbda, objective = args.lmbda, {"metric": args.metric}
    if folder.is_dir():
        lmbda, objective = lmbda or RunFolder(folder).lmbda, RunFolder(folder).setting("objective")
    elif args.weights in ("shipped", "zoo"):
        lmbda = lmbda or DEFAULT_LMBDA
    if lmbda is None:
        raise RequestError(f"--refine weighs R + λD, and {args.weights} does not say its λ: give it as --lmbda")
    return Refinement(args.refine, described(objective, lmbda))


def _pick(args: argparse.Namespace, base: FileCodec) -> Pick | None:
    """How the encoder is chosen; None where the weights' own codes."""
    if (args.encoder is None) != (args.encoders is None):
        raise RequestError("--encoder E and --encoders PATH go together")
    if (args.encoder == "auto") != (args.classifier is not None):
        raise RequestError("--encoder auto and --classifier PATH go together")
    if args.encoder is None:
        return None
    from lic_lightning.selection.encoders import load_encoders
    from lic_lightning.selection.pick import Best, Classified, Named

    encoders = load_encoders(args.encoders, base, args.lmbda)
    if args.encoder == "best":
        return Best(encoders, args.lmbda)
    if args.encoder == "auto":
        from lic_lightning.selection.classifier import load_classifier

        return Classified(load_classifier(args.classifier), encoders)
    return Named(args.encoder, encoders)


def _source(codec: str | None, weights: str) -> tuple[str, str]:
    """Name of the codec, and its weights as `load_codec` takes them."""
    if weights == "none":
        raise RequestError("--weights none: nobody else has an untrained decoder, so nobody could read the file")
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        return codec or DEFAULT_CODEC, weights
    from lic_lightning.runs.folder import RunFolder

    weights = str(RunFolder(folder).weights)
    return codec or RunFolder(folder).codec, weights
