"""One entry a metric: whatever else names metrics reads the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lic_lightning.evaluation.curve import read_compressai_json
from lic_lightning.metrics.table import METRICS

# Adds one entry (the mean absolute error: less is better), then goes from pictures to the report
MADE_UP = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

from lic_lightning.metrics.table import METRICS, Metric

def mae(image, decoded):
    return (decoded - image).abs().mean().item()

METRICS["mae"] = Metric(
    "mae", "mae_levels", "Mean error", "levels", digits=2, more_is_better=False, build=lambda trunk: mae
)

import torch
from skimage import data
from lic_lightning.cli import main
from lic_lightning.callbacks.rd_report import bd_metrics, point_metrics, points_table
from lic_lightning.evaluation.curve import as_compressai_json, curves
from lic_lightning.evaluation.evaluate import Settings
from lic_lightning.evaluation.point import classic_codec_rows
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.reports.sweep import write_report
from lic_lightning.reports.tables import bd_table

class Photographs:
    names = ["coffee", "chelsea"]
    pixels = [data.coffee()[:176, :192], data.chelsea()[:170, :200]]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return SimpleNamespace(image=torch.from_numpy(self.pixels[index].copy()).permute(2, 0, 1))

    def digest(self, index):
        return self.names[index]

folder = Path(sys.argv[1])
settings = Settings(metrics=("psnr", "mae_levels"), classic=("jpeg", "webp"))
rows = classic_codec_rows({"two": Photographs()}, settings, folder / "cache")
for row in rows:
    role = "tuned" if row["codec"] == "webp" else "reference"
    row |= {"role": role, "reference": "classic-jpeg", "category": "two", "cell": row["codec"]}
write_rows(folder / "main" / "cell" / "results.parquet", rows)
write_report(folder / "main", bootstrap=0)
rows = read_rows(folder / "main")
entries = bd_table(rows, bootstrap=0)
tuned = next(curve for curve in curves(rows) if curve.role == "tuned")
(folder / "tuned.json").write_bytes(as_compressai_json(tuned))
code = main(["bd", str(folder / "main"), str(folder / "main"), "--metric", "mae", "--json"])
print(json.dumps({
    "code": code,
    "column": rows.columns.index("mae_levels") > 0,
    "rows": rows["mae_levels"].null_count(),
    "falls": bool(tuned.quality["mae"][0] > tuned.quality["mae"][-1]),
    "metrics": sorted({**bd_metrics(entries), **point_metrics(SimpleNamespace(cell="webp"), rows)}),
    "terminal": [column.header for column in points_table(entries[0]).columns],
}))
"""


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list, dict]:
    """The folder of a sweep with a metric of its own, what `lic bd` printed of it, and what else knows it."""
    folder = tmp_path_factory.mktemp("made-up")
    done = subprocess.run([sys.executable, "-c", MADE_UP, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, known = done.stdout.rstrip().rsplit("\n", 1)
    return folder, json.loads(answers), json.loads(known)


def test_one_entry_makes_a_column_of_the_rows_and_a_quality_of_curves(made_up):
    folder, _, known = made_up
    assert (known["column"], known["rows"], known["falls"]) == (True, 0, True)
    assert "mae" in json.loads((folder / "tuned.json").read_text())["results"]


def test_one_entry_makes_a_bd_rate_although_less_is_better(made_up):
    _, (answer,), known = made_up
    assert (answer["metric"], answer["refused"], known["code"]) == ("mae", None, 0)
    assert answer["bd_rate"] < -10  # WebP against JPEG


def test_one_entry_makes_tables_plots_page_and_logged_metrics(made_up):
    folder, _, known = made_up
    report = folder / "main" / "report"
    assert "| BD-rate PSNR | BD-rate MS-SSIM | BD-rate Mean error |" in (report / "bd_rate.md").read_text()
    assert "mae" in (report / "bd_rate.csv").read_text()
    assert "mae_levels" in (report / "rd_points.csv").read_text().splitlines()[0]
    assert (report / "rd_two_two_mae.png").is_file()
    page = (report / "report.html").read_text()
    assert "Mean error on two" in page
    assert "Mean error (levels)" in page
    assert "rd/two/mae_levels" in known["metrics"]
    assert "Mean error" in known["terminal"]


@pytest.mark.parametrize("name", METRICS)
def test_the_axis_of_a_metric_rises_with_quality(name):
    better = np.array([0.2, 0.5, 0.9])
    rising = METRICS[name].rising(better if METRICS[name].more_is_better else better[::-1])
    assert (np.diff(rising) > 0).all()


@pytest.mark.parametrize("key", ["ms-ssim-db", "ms-ssim-db-rgb"])
def test_a_results_file_that_has_ms_ssim_in_db_only_is_read(tmp_path, key):
    (tmp_path / "elic.json").write_text(json.dumps({"results": {"bpp": [0.1, 0.2], key: [10.0, 20.0]}}))
    curve = read_compressai_json(tmp_path / "elic.json")
    assert curve.quality["ms-ssim"] == pytest.approx([0.9, 0.99])
    assert METRICS["ms-ssim"].axis(curve.quality["ms-ssim"]) == pytest.approx([10, 20])


def test_the_table_alone_imports_nothing_heavy():
    heavy = "{'torch', 'polars', 'numpy', 'matplotlib'}"
    code = f"import sys, lic_lightning.metrics.table; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
