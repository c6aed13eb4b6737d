"""`lic export`: a run's codec in a file that plain CompressAI loads, the CDFs of its decoder included."""

import copy
import sys
from pathlib import Path

from torch import nn

from lic_lightning.codecs.analysis import analysis_of
from lic_lightning.codecs.delta import Delta, write_delta
from lic_lightning.codecs.entropy import CDF_BUFFERS
from lic_lightning.codecs.roles import named_tensors
from lic_lightning.codecs.weights import WeightsError, load_codec, save_state
from lic_lightning.commands.request import command_parser
from lic_lightning.runs.folder import RunFolder

EXAMPLES = """examples:
  lic export outputs/main/0123456789ab out.pth.tar
  lic export last.ckpt out.safetensors --codec mbt2018-mean
  lic export outputs/main/0123456789ab food.delta.safetensors --delta
  python -m compressai.utils.eval_model checkpoint IMAGES -a mbt2018-mean -p out.pth.tar
"""


def export(run: Path, out: Path, codec: str | None = None, force: bool = False) -> nn.Module:
    """Writes a codec to `out`; returns it.

    Args:
        run: folder of a finished run, or a file of weights.
        out: `.safetensors`, or whatever else for a `.pth.tar` with its tensors under "state_dict".
        codec: name of the codec; a run's folder knows it.
        force: replace `out` if it exists.

    Raises:
        FileExistsError: `out` exists.
        ValueError: a file of weights without the name of its codec.
        WeightsError: no weights there, or not of that codec.
    """
    _keep_existing(out, force)
    name, weights = _source(run, codec)
    network = load_codec(name, weights=str(weights), lmbda=1.0)  # with a path, λ picks nothing
    save_state(network, out)
    return network


def export_delta(run: Path, out: Path, base: str | None = None, force: bool = False) -> Delta:
    """Writes the tensors that a run changed in the codec it started from; returns them.

    Args:
        run: folder of a finished run.
        out: a name that ends in `.delta.safetensors`.
        base: where the start's weights are now; needed where they are neither the package's, nor the zoo's, nor in
            the run's sweep.
        force: replace `out` if it exists.

    Raises:
        FileExistsError: `out` exists.
        DeltaError: the run moved its decoder, or `out` has another ending.
        RunFolderError: no finished run there, or `base` is needed.
        WeightsError: its start can't be loaded.
    """
    _keep_existing(out, force)
    made = RunFolder(run).delta(base)
    write_delta(out, made)
    return made


def rebuilds_cdfs(codec: nn.Module) -> bool:
    """True if CompressAI's `update(force=True)`, which its own tool calls, leaves every CDF as it is."""
    updated = copy.deepcopy(codec)
    updated.update(force=True)
    cdfs = {name: tensor for name, tensor in named_tensors(updated) if name.rpartition(".")[2] in CDF_BUFFERS}
    return all(tensor.equal(cdfs[name]) for name, tensor in named_tensors(codec) if name in cdfs)


def _keep_existing(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists; --force replaces it")


def _source(run: Path, codec: str | None) -> tuple[str, Path]:
    if run.is_dir():
        weights = RunFolder(run).weights
        return codec or RunFolder(run).codec, weights
    if not run.is_file():
        raise WeightsError(f"{run}: no such run folder or file of weights")
    if codec is None:
        raise ValueError(f"{run} does not say which codec it holds: add --codec NAME (see `lic codecs`)")
    return codec, run


def main(argv: list[str]) -> int:
    """Exports, and says how CompressAI evaluates the file."""
    parser = command_parser("export", __doc__, EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a .ckpt, .pth.tar or .safetensors")
    parser.add_argument("out", type=Path, metavar="OUT", help="out.pth.tar, or out.safetensors")
    parser.add_argument("--codec", metavar="NAME", help="which codec a file holds (a run's folder knows)")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--delta", action="store_true", help="only what the run changed: an encoder for `lic encode --encoders`"
    )
    parser.add_argument("--base", metavar="W", help="with --delta: the base's weights: shipped, zoo or a file")
    args = parser.parse_args(argv)
    if args.base and not args.delta:
        parser.error("--base goes with --delta")
    if args.delta:
        made = export_delta(args.run, args.out, args.base, args.force)
        size = sum(tensor.numel() for tensor in made.tensors.values())
        print(f"{args.out}: {len(made.tensors)} tensors, {size:,} values, {args.out.stat().st_size:,} bytes")
        return 0
    codec = export(args.run, args.out, args.codec, args.force)
    print(f"{args.out}: {type(codec).__name__}, {sum(p.numel() for p in codec.parameters()):,} parameters")
    if found := analysis_of(codec):
        print(
            f"warning: plain CompressAI can't load this: its g_a is the analysis {found}; "
            "--delta exports the encoder alone, for whoever has the base",
            file=sys.stderr,
        )
    if not rebuilds_cdfs(codec):
        print(
            "warning: CompressAI would build other CDFs from these weights than the decoder has; "
            "evaluate with `eval_model checkpoint --no-update`",
            file=sys.stderr,
        )
    return 0
