"""Files to files: what `lic encode` and `lic decode` share. One bad file is named, and the others go on."""

import argparse
import glob
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lic_lightning.commands.request import RequestError

SOME_FAILED, ALL_FAILED = 1, 2
WILDCARDS = set("*?[")

Conversion = Callable[[Path, Path], str]
Pair = tuple[Path, Path]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of both commands."""
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="files at a time; default 1")
    parser.add_argument("--force", action="store_true", help="replace outputs that exist")
    parser.add_argument("--max-pixels", type=_positive, metavar="N", help="refuse larger pictures; default 2^27")


def pairs(inputs: Sequence[str], out: Path | None, suffixes: Collection[str], new_suffix: str) -> list[Pair]:
    """Sources and targets.

    Args:
        inputs: files, folders and globs.
        suffixes: in lower case, of the files that count in a folder.
        out: for a single file its target; else a folder, in which what was below a folder keeps its place. None writes
            beside each source.
        new_suffix: of the targets.

    Raises:
        RequestError: a folder or glob without such files, or two sources with one target.
    """
    found = [pair for given in inputs for pair in _expand(given, suffixes)]
    one = len(inputs) == len(found) == 1 and found[0][0] == Path(inputs[0])
    if out and one and not out.is_dir():
        return [(found[0][0], out)]
    if out and (out.is_file() or out.suffix.lower() in (*suffixes, new_suffix)):
        raise RequestError(f"{len(found)} files can't go into one file {out}: -o must be a folder")
    made = [(path, (out / place if out else path).with_suffix(new_suffix)) for path, place in found]
    sources: dict[Path, Path] = {}
    for source, target in made:
        if sources.setdefault(target, source) != source:
            raise RequestError(f"{sources[target]} and {source} would both become {target}")
    return list(dict.fromkeys(made))


def convert(conversion: Conversion, todo: Sequence[Pair], jobs: int, force: bool, command: str) -> int:
    """Converts all pairs in `jobs` processes; prints a line each; returns the exit code.

    Args:
        conversion: writes the target whole or not at all, and returns a line to print.
        todo: sources and targets.
        jobs: processes; 1 converts in this one.
        force: replace targets that exist.
        command: says the error lines.
    """
    console = Console(highlight=False, soft_wrap=True)
    failed = 0
    with Progress(
        *(TextColumn(command), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
        console=console,
        disable=len(todo) == 1 or not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task(command, total=len(todo))
        for (source, _), line, error in _results(conversion, todo, jobs, force):
            progress.advance(task)
            if error:
                failed += 1
                where = "" if str(source) in error else f"{source}: "
                print(f"{command}: {where}{' '.join(error.split())}", file=sys.stderr)
            else:
                console.print(line, markup=False)
    if failed and len(todo) > 1:
        print(f"{command}: {failed} of {len(todo)} files failed", file=sys.stderr)
    return 0 if not failed else ALL_FAILED if failed == len(todo) else SOME_FAILED


Result = tuple[Pair, str, str | None]


def _results(conversion: Conversion, todo: Sequence[Pair], jobs: int, force: bool) -> Iterator[Result]:
    attempt = partial(_attempt, conversion, force)
    if min(jobs, len(todo)) == 1:
        yield from map(attempt, todo)
        return
    from lic_lightning.parallel import call, processes  # torch, for which `lic encode --help` must not wait

    with processes(min(jobs, len(todo)), attempt) as pool:
        futures = {pool.submit(call, pair): pair for pair in todo}
        try:
            for future in as_completed(futures):
                yield _outcome(future, futures[future])
        finally:
            pool.shutdown(cancel_futures=True)


def _outcome(future: Future[Result], pair: Pair) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        return pair, "", "a process that was coding died (out of memory?); fewer --jobs need less of it"


def _attempt(conversion: Conversion, force: bool, pair: Pair) -> Result:
    source, target = pair
    try:
        if target.exists() and not force:
            raise FileExistsError(f"{target} exists; --force replaces it")
        return pair, conversion(source, target), None
    except (OSError, RuntimeError, ValueError) as error:  # what our own errors derive from
        return pair, "", str(error)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def _expand(given: str, suffixes: Collection[str]) -> list[tuple[Path, Path]]:
    """Files, each with its place below an output folder."""
    path = Path(given)
    if path.is_dir():
        below = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("."))
        if not below:
            raise RequestError(f"no files {' '.join(sorted(suffixes))} in {path}")
        return [(file, file.relative_to(path)) for file in below]
    if path.exists() or not WILDCARDS & set(given):
        return [(path, Path(path.name))]
    matches = sorted(Path(match) for match in glob.glob(given, recursive=True))
    if not matches:
        raise RequestError(f"nothing matches {given}")
    return [pair for match in matches for pair in _expand(str(match), suffixes)]
