"""Measures the platform beside what it stands on, and writes results.json and results.md.

    python experiments/benchmarks/run.py                              all of it, about twelve minutes on two quiet cores
    python experiments/benchmarks/run.py --only serial evaluation     these; the other results stay
    python experiments/benchmarks/run.py --quick -o /tmp/quick        tiny networks: does everything run?

Sides take turns within one run; a ratio is the median over the turns. Kodak's images come from LIC_DATA, else pictures
of scikit-image stand in.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from sides import Comparison, machine
from table import markdown

from lic_lightning.files import write_atomically

HERE = Path(__file__).parent
BENCHMARKS = ("training", "evaluation", "serial", "loading", "startup", "memory", "overhead")


def measure(name: str, quick: bool) -> dict:
    """The results of one benchmark, with the machine it ran on."""
    before = machine()
    comparisons: list[Comparison] = importlib.import_module(f"{name}_bench").compare(quick)
    return {**before, "quick": quick, "load_after": machine()["load"], "rows": [c.to_dict() for c in comparisons]}


def main(argv: list[str]) -> int:
    """Runs the benchmarks asked for; results of others that the folder has stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(BENCHMARKS)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, metavar="NAME", help=names)
    parser.add_argument("--quick", action="store_true", help="tiny networks and pictures, one turn")
    parser.add_argument("--provisional", metavar="WHY", help="remark above the table: not to be quoted, and why")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="FOLDER", help="of results.json, results.md")
    args = parser.parse_args(argv)
    file = args.output / "results.json"
    for name in args.only:
        result = {**measure(name, args.quick), "provisional": args.provisional}
        results = {**(json.loads(file.read_text()) if file.is_file() else {}), name: result}
        write_atomically(file, json.dumps(results, indent=1).encode())
        write_atomically(args.output / "results.md", markdown(results).encode())
        print(markdown({name: result}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
