"""`lic bd`: BD-rate of one or more RD curves against an anchor, on the terminal or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lic_lightning.commands.request import RequestError, command_parser

if TYPE_CHECKING:  # `lic --help` must not wait for numpy and polars
    from lic_lightning.evaluation.curve import Curve

REFUSED = 2
DESCRIPTION = """\
BD-rate in percent of each TEST against ANCHOR; negative means fewer bits at equal quality.

ANCHOR and TEST are CompressAI results JSONs, or our results: a run's or a sweep's folder, or a .parquet.
Of our results, the anchor is the reference that they hold, on the same images as the test (without a
reference, their only curve, or the only one that is refined as the test is); each tuned curve on each test set is a
test. Against a classic codec rates are of whole files on both sides, else of strings.
"""
EXAMPLES = """\
examples:
  lic bd outputs/main outputs/main                       every curve of a sweep against its reference
  lic bd outputs/main outputs/main --test-set kodak --metric ms-ssim
  lic bd outputs/main outputs/main --classic jpeg        every curve against JPEG, whole files on both sides
  lic bd bmshj2018-hyperprior.json mbt2018-mean.json mbt2018.json --method akima
  lic bd anchor.json outputs/main --test-set kodak --json

PSNR is compared in dB, MS-SSIM as -10*log10(1 - mean MS-SSIM), accuracy after isotonic regression. Exit code 2,
with the reason on stderr, where no number is honest: under 4 points, under half of the quality range shared,
quality that does not rise with the rate.
"""


def main(argv: list[str]) -> int:
    """Runs `lic bd` with its arguments; returns 0, or 2 where a file is unfit or a BD-rate is refused."""
    arguments = _parser().parse_args(argv)
    from lic_lightning.evaluation.curve import CurveError
    from lic_lightning.evaluation.results import ResultsError

    try:
        anchors = _anchors(arguments.anchor, arguments.test_set, arguments.classic)
        tests = [test for path in arguments.test for test in _tests(path, arguments.test_set)]
        _forbid_mixed_sets(arguments.anchor, anchors, tests)
    except (RequestError, CurveError, ResultsError, OSError) as error:
        print(f"lic bd: {error}", file=sys.stderr)
        return REFUSED
    answers = [_answer(test, anchors, arguments) for test in tests]
    if arguments.json:
        print(json.dumps(answers, indent=2))
    else:
        _print_table(answers)
    for answer in answers:
        for warning in answer["warnings"]:
            print(f"lic bd: warning: {_title(answer)}: {warning}", file=sys.stderr)
        if answer["refused"]:
            print(f"lic bd: no BD-rate for {_title(answer)}: {answer['refused']}", file=sys.stderr)
    return REFUSED if any(answer["refused"] for answer in answers) else 0


def _parser() -> argparse.ArgumentParser:
    from lic_lightning.metrics.table import METRICS

    parser = command_parser("bd", DESCRIPTION, EXAMPLES)
    parser.add_argument("anchor", metavar="ANCHOR", type=Path)
    parser.add_argument("test", metavar="TEST", type=Path, nargs="+")
    parser.add_argument("--metric", choices=METRICS, default="psnr", help="quality; default psnr")
    parser.add_argument("--method", choices=("pchip", "akima", "cubic"), default="pchip", help="default pchip")
    parser.add_argument("--classic", metavar="CODEC", help="anchor: that codec of ANCHOR's results: jpeg, webp, …")
    parser.add_argument("--test-set", metavar="NAME", help="only curves on this test set of our results")
    parser.add_argument("--json", action="store_true", help="print a list of objects, and nothing else, on stdout")
    return parser


def _anchors(path: Path, test_set: str | None, classic: str | None) -> list[Curve]:
    found = _load(path, test_set)
    if classic:
        if named := [curve for curve in found if curve.role == "classic" and curve.codec == classic]:
            return named
        there = ", ".join(sorted({curve.codec for curve in found if curve.role == "classic"}))
        raise RequestError(f"{path} has no rows of {classic}; classic codecs there: {there or 'none'}")
    learned = [curve for curve in found if curve.role != "classic"]
    return [curve for curve in found if curve.role == "reference"] or learned or found


def _tests(path: Path, test_set: str | None) -> list[Curve]:
    found = _load(path, test_set)
    return [curve for curve in found if curve.role == "tuned"] or found


def _forbid_mixed_sets(path: Path, anchors: Sequence[Curve], tests: Sequence[Curve]) -> None:
    sets = sorted({test.test_set for test in tests if test.test_set_digest})
    if len(sets) > 1 and not all(anchor.test_set_digest for anchor in anchors):
        raise RequestError(f"{path} is a curve on one test set, the tests are on {', '.join(sets)}: try --test-set")


def _load(path: Path, test_set: str | None) -> list[Curve]:
    from lic_lightning.evaluation.curve import curves, read_compressai_json
    from lic_lightning.evaluation.results import read_rows

    if not path.exists():
        raise RequestError(f"no file or folder {path}")
    if path.suffix == ".json":
        return [read_compressai_json(path)]
    if not path.is_dir() and path.suffix != ".parquet":
        raise RequestError(f"{path} is neither a CompressAI results .json, nor a folder or .parquet of our results")
    found = curves(read_rows(path))
    chosen = [curve for curve in found if test_set in (None, curve.test_set)]
    if not chosen:
        known = sorted({curve.test_set for curve in found})
        raise RequestError(f"{path} has no test set {test_set!r}; it has {', '.join(known) or 'no rows at all'}")
    return chosen


def _anchor(test: Curve, anchors: Sequence[Curve], arguments: argparse.Namespace) -> Curve:
    """The anchor for a test: its own reference where it is there, else the only curve on the same images."""
    from lic_lightning.evaluation.curve import anchor_of, same_images

    if own := anchor_of(test, anchors):
        return own
    # A JSON does not say what it was measured on: only the caller knows that the images are the same
    unknown = not test.test_set_digest
    fitting = [a for a in anchors if unknown or not a.test_set_digest or same_images(a, test)]
    fitting = [a for a in fitting if a.refined == test.refined] or fitting
    if not fitting:
        raise RequestError(f"{arguments.anchor} has no curve on the same images ({test.test_set}, {test.domain})")
    if len(fitting) > 1:
        names = "; ".join(f"{curve.name} on {curve.test_set}" for curve in fitting)
        raise RequestError(f"{arguments.anchor} has several curves that could be the anchor ({names}): try --test-set")
    return fitting[0]


def _answer(test: Curve, anchors: Sequence[Curve], arguments: argparse.Namespace) -> dict[str, Any]:
    from lic_lightning.evaluation.bd_rate import BDRate, BDRateRefused, bd_rate

    try:
        anchor = _anchor(test, anchors, arguments)
        return {**asdict(bd_rate(anchor, test, arguments.metric, arguments.method)), "refused": None}
    except (RequestError, BDRateRefused) as reason:
        asked = {"metric": arguments.metric, "method": arguments.method, "domain": test.domain}
        about = {"name": test.name, "test_set": test.test_set, **asked, "points": len(test.rate), "warnings": []}
        return {**dict.fromkeys(field.name for field in fields(BDRate)), **about, "refused": str(reason)}


def _print_table(answers: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    first = answers[0]
    table = Table(title=f"BD-rate, {first['metric']}, {first['method']}", caption=Text(_caption(answers)))
    for column in ("test", "test set"):
        table.add_column(column, overflow="fold")
    for column in ("BD-rate", "95 % interval", "overlap", "points"):
        table.add_column(column, justify="right", no_wrap=True)
    for a in answers:
        value = "refused" if a["refused"] else f"{a['bd_rate']:+.2f} %"
        interval = f"[{a['interval'][0]:+.2f}, {a['interval'][1]:+.2f}]" if a["interval"] else "-"
        overlap = "-" if a["overlap"] is None else f"{a['overlap']:.2f}"
        # Text: a bracket in a name is no markup
        table.add_row(*map(Text, (a["name"], a["test_set"], value, interval, overlap, str(a["points"]))))
    Console().print(table)


def _caption(answers: Sequence[dict[str, Any]]) -> str:
    anchors = sorted({a["anchor"] for a in answers if a["anchor"]})
    rates = " and ".join(sorted({a["rates"] or "strings" for a in answers}))
    domains = sorted({a["domain"] for a in answers})
    return f"anchor: {', '.join(anchors) or 'none'}; metric domain: {'; '.join(domains)}; rates of {rates}"


def _title(answer: dict[str, Any]) -> str:
    return f"{answer['name']} on {answer['test_set']}"
