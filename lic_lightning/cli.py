"""`lic`: one command, a subcommand for each thing to do. Heavy imports wait until a subcommand needs them."""

import difflib
import importlib
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

USAGE, INTERRUPTED, TERMINATED = 2, 130, 143  # exit codes
# How long a thread of PyTorch's (GNU's OpenMP) spins for the others before it sleeps. By its own count, thirty times
# that, threads spin their share of a busy core away: beside one other process a step takes 50 times as long.
SPINS = "10000"


@dataclass(frozen=True)
class Command:
    """A subcommand: the module whose `main` it runs, and what `lic --help` says of it.

    Attributes:
        hydra: its arguments are Hydra's overrides; else `main` takes the arguments and returns the exit code.
    """

    module: str
    summary: str
    example: str
    hydra: bool = False


COMMANDS = {
    name: Command(f"lic_lightning.commands.{name}", **told)
    for name, told in yaml.safe_load((Path(__file__).parent / "commands.yaml").read_text("utf-8")).items()
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand; returns its exit code: 2 for a mistake in the request, 130 after Ctrl-C, 143 after SIGTERM."""
    name, *rest = sys.argv[1:] if argv is None else argv or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"lic {version('lic-lightning')}")
        return 0
    if name not in COMMANDS:
        return _complain(_unknown(name), USAGE)
    command = COMMANDS[name]
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read once, when torch is imported
    warnings.filterwarnings("ignore", r".torch\.jit\.script. is deprecated")  # CompressAI imports torch_geometric
    signal.signal(signal.SIGTERM, _terminate)  # at once; Lightning's own would judge, and start the next cell
    try:
        return _hydra(command, rest) if command.hydra else _plain(command, rest)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning shuts down, then exits with 1
            return _complain("interrupted; the same command goes on from the last checkpoint", INTERRUPTED)
        if end.code == TERMINATED:
            return _complain("terminated; the same command goes on from the last checkpoint", TERMINATED)
        raise


def _terminate(signum: int, frame: object) -> None:
    raise SystemExit(TERMINATED)


def _hydra(command: Command, overrides: list[str]) -> int:
    """As `python -m MODULE` would: DDP starts its other processes by that name."""
    sys.argv[1:] = overrides
    runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    return 0


def _plain(command: Command, argv: list[str]) -> int:
    run: Callable[[list[str]], int] = importlib.import_module(command.module).main
    try:
        return run(argv)
    except (OSError, RuntimeError, ValueError) as error:  # what our own errors derive from
        if "HYDRA_FULL_ERROR" in os.environ:
            raise
        return _complain(" ".join(str(error).split()), USAGE)


def _complain(message: str, code: int) -> int:
    print(f"lic: {message}", file=sys.stderr)
    return code


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
    hint = f"did you mean `lic {near[0]}`?" if near else f"known: {', '.join(COMMANDS)}"
    return f"there is no subcommand {name!r}; {hint}"


def _help() -> str:
    width = max(map(len, COMMANDS))
    summaries = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    examples = [f"  {command.example}" for command in COMMANDS.values()]
    return "\n".join(
        [
            "usage: lic SUBCOMMAND …",
            "",
            "Specialise learned image codecs under a fixed decoder: sweeps, RD curves and BD-rate.",
            "",
            *summaries,
            "",
            "examples:",
            *examples,
            "",
            "`lic SUBCOMMAND --help` says more. train and evaluate are Hydra applications: KEY=VALUE",
            "overrides any setting, `--cfg job` prints them all, `-m` sweeps over comma-separated values.",
            "HYDRA_FULL_ERROR=1 in the environment shows an error's whole traceback.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
