"""`lic report`: one self-contained HTML page from a sweep's results alone, or a W&B report of the same content."""

from pathlib import Path

from lic_lightning.commands.request import command_parser

DESCRIPTION = """\
Makes FOLDER/report/report.html: tables with intervals, interactive RD plots, category x category matrix, gain per
image, crops at a slider, training curves, provenance. FOLDER is a sweep, finished or not, or one run. The page needs
no network and no other file. It contains photographs, unless --crops 0.
"""
EXAMPLES = """\
examples:
  lic report outputs/main
  lic report outputs/main --out gains.html --crops 0
  lic report outputs/main --wandb my-team/lic          needs the extra `wandb-report` and a W&B key
"""


def main(argv: list[str]) -> int:
    """Makes the page, or the W&B report, and says where it is."""
    parser = command_parser("report", DESCRIPTION, EXAMPLES)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of a sweep, or of one run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="in place of FOLDER/report/report.html")
    parser.add_argument("--method", choices=("pchip", "akima", "cubic"), default="pchip", help="of BD-rates; pchip")
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resamples per interval; 1000")
    parser.add_argument("--crops", type=int, default=12, metavar="N", help="comparisons at most; 12")
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT", help="make a W&B report there, in place of the page")
    args = parser.parse_args(argv)
    if args.wandb:
        from lic_lightning.loggers.wandb_report import publish

        print(publish(args.folder, args.wandb, args.method, args.bootstrap))
        return 0
    from lic_lightning.reports.html import write_page

    path = write_page(args.folder, args.out, args.method, args.bootstrap, args.crops)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
