"""The report on W&B: what it would send, and what it says where it can't."""

from __future__ import annotations

import polars as pl
import pytest

from lic_lightning.cli import main
from lic_lightning.evaluation.results import read_rows
from lic_lightning.loggers.wandb_report import build
from lic_lightning.reports.tables import bd_table
from lic_lightning.runs.folder import run_folders

wr = pytest.importorskip("wandb_workspaces.reports.v2", reason="the extra `wandb-report` is not installed")


@pytest.fixture
def blocks(sweep):
    (sweep / "half-done").mkdir()
    entries = bd_table(read_rows(sweep), bootstrap=0)
    return build("main", "team", "lic", run_folders(sweep), entries).blocks


def test_tables_are_markdown(blocks):
    texts = [block.text for block in blocks if isinstance(block, wr.MarkdownBlock)]
    assert "| mbt2018-mean food encoder_only | food | 6 | -4.00 % |" in texts[0]
    assert "| mbt2018-mean food encoder_only | -4.00 | +1.00 | – |" in texts[1]
    assert "- half-done, missing" in texts[-1]


def test_panels_draw_the_runs_of_this_sweep(blocks):
    grids = [block for block in blocks if isinstance(block, wr.PanelGrid)]
    assert {grid.runsets[0].filters for grid in grids} == {"Metric('Group') == 'main'"}
    assert [panel.title for panel in grids[0].panels] == [
        f"{metric} on {test_set}" for test_set in ("food", "kodak") for metric in ("psnr", "ms_ssim")
    ]
    assert grids[0].panels[0].x == wr.SummaryMetric("rd/food/bpp")
    assert [panel.media_keys for panel in grids[1].panels] == [["comparison_food"], ["comparison_kodak"]]


def test_refined_points_have_panels_of_their_own(sweep):
    rows = read_rows(sweep).filter(test_set="food")
    refined = rows.filter(role="tuned").with_columns(refined=pl.lit("fast"), curve=pl.lit("other"))
    built = build("main", "team", "lic", run_folders(sweep), bd_table(pl.concat([rows, refined]), bootstrap=0))
    panels = next(block for block in built.blocks if isinstance(block, wr.PanelGrid)).panels
    rates = [panel.x for panel in panels if panel.title.startswith("psnr")]
    assert rates == [wr.SummaryMetric(f"rd/{name}/bpp") for name in ("food", "food refined fast")]


def test_without_a_key_it_says_so_in_one_line(sweep, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert main(["report", str(sweep), "--wandb", "team/lic", "--bootstrap", "0"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("lic: no W&B key")


def test_a_place_without_project_is_refused(sweep, capsys):
    assert main(["report", str(sweep), "--wandb", "team"]) == 2
    assert "ENTITY/PROJECT is expected" in capsys.readouterr().err
