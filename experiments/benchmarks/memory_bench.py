"""Peak resident memory of `lic encode` and `lic decode` over megapixels, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from pictures import mosaic, photographs
from sides import Comparison

LIC = (sys.executable, "-W", "ignore", "-m", "lic_lightning.cli")
# A process's peak starts at that of the one that started it, which must therefore be small.
WATCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
SIZES = ((1152, 896), (2048, 1536), (4000, 3000), (8000, 6000))


def compare(quick: bool) -> list[Comparison]:
    """The shipped mbt2018-mean; a picture of 64×64 shows what a process takes without one."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        files = photographs(Path(scratch) / "photographs", 24, quick)
        paths = [files.root / name for name in files.names]
        photo, coded, decoded = (str(Path(scratch) / name) for name in ("photo.jpg", "photo.lic", "photo.png"))
        floor: dict[str, float] = {}
        for width, height in ((64, 64), *(() if quick else SIZES)):
            mosaic(paths, width, height).save(photo, quality=95)
            peaks = {
                "encode": _peak(*LIC, "encode", photo, "-o", coded, "--force"),
                "decode": _peak(*LIC, "decode", coded, "-o", decoded, "--force"),
            }
            floor = floor or peaks
            for step, peak in peaks.items():
                more = (peak - floor[step]) * 2**20 / (width * height)
                note = f"{more:.0f} bytes per pixel above 64×64" if peaks is not floor else "what a process takes"
                what = f"peak memory of `lic {step}` at {width}×{height}"
                rows.append(Comparison(what, "MiB", {"lic_lightning": [peak]}, note=note))
    return rows


def _peak(*command: str) -> float:
    """Peak resident memory of a process, MiB."""
    done = subprocess.run((sys.executable, "-c", WATCH, *command), check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[-1]) / 1024
