"""Two references on the same images, one of them in two domains: each curve meets its own, wherever it is shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pytorch_lightning.loggers import WandbLogger
from test_html import leave_crops, name_cells, page

from lic_lightning.callbacks.rd_report import bd_metrics, points_table, report
from lic_lightning.evaluation.results import read_rows
from lic_lightning.reports import png
from lic_lightning.reports.tables import bd_table
from lic_lightning.runs.run import Run

SHIPPED, ZOO = "mbt2018-mean shipped (reference)", "cheng2020-anchor zoo (reference)"
# What bd_table sorts first: food on food, food on kodak, hands on kodak in float, portrait on kodak
ANCHORS = [("r", "8bit"), ("r", "8bit"), ("r", "float"), ("q", "8bit")]


@pytest.fixture
def rows(sweep):
    return read_rows(sweep)


def test_in_tables(rows):
    entries = bd_table(rows, bootstrap=0)
    assert [(entry.anchor.id, entry.anchor.domain) for entry in entries] == ANCHORS
    for metric in ("psnr", "ms-ssim"):
        assert [e.answers[metric].bd_rate for e in entries] == pytest.approx([-4, 1, -2, -1], abs=1e-6)


def test_a_reference_that_is_not_there_in_the_curve_s_domain_is_no_anchor(rows):
    only = rows.filter((rows["role"] == "tuned") | (rows["domain"] == "8bit"))
    assert [entry.anchor is None for entry in bd_table(only, bootstrap=0)] == [False, False, True, False]


def test_in_the_terminal_s_points(rows):
    table = points_table(bd_table(rows, bootstrap=0)[-1])
    assert table.title == "mbt2018-mean portrait encoder_only on kodak 8bit"
    tuned, reference = (list(table.columns[index].cells) for index in (1, 4))
    assert [float(t) / float(r) for t, r in zip(tuned, reference, strict=True)] == pytest.approx([0.99] * 6, abs=1e-3)


def test_in_figures_of_the_page(sweep):
    found = page(sweep)
    drawn = [{trace["name"] for trace in plot["data"]} for plot in found.data if "rate (bits" in str(plot["layout"])]
    references = [sorted(names & {SHIPPED, ZOO}) for names in drawn]  # PSNR and MS-SSIM of each test set
    assert references == 2 * [[SHIPPED]] + 2 * [[ZOO, SHIPPED]] + 2 * [[SHIPPED]]
    assert all("JPEG (Pillow)" in names for names in drawn[2:])


def test_in_gains_per_image_of_the_page(sweep):
    text = page(sweep).text
    for name, median in (("food", "-4.00"), ("food", "+1.00"), ("hands", "-2.00"), ("portrait", "-1.00")):
        assert f"mbt2018-mean {name} encoder_only 30 {median} %" in text


def test_beside_the_crops_of_the_page(sweep):
    name_cells(sweep)
    leave_crops(sweep / "portrait-0.0018", "kodak")
    alternatives = [image["alt"] for image in page(sweep).all("img")]
    assert alternatives[1:] == ["reference: 28.00 dB, 0.147 bpp", "tuned: 28.00 dB, 0.146 bpp"]


def test_in_plots(rows, monkeypatch):
    figures = {}
    monkeypatch.setattr(png, "as_png", lambda figure: figures.setdefault(figure.title, figure))
    png.rd_plots(rows, bd_table(rows, bootstrap=0))
    names = {title: [series.name for series in figure.series][:-2] for title, figure in figures.items()}
    assert names == {
        "food on food": [],
        "food on kodak 8bit": [SHIPPED],
        "hands on kodak float": [SHIPPED],
        "portrait on kodak 8bit": [ZOO],
    }
    shipped = {title: figure.series[0].x[0] for title, figure in figures.items() if figure.series[0].name == SHIPPED}
    assert shipped["hands on kodak float"] == pytest.approx(0.9 * shipped["food on kodak 8bit"])


class Logged(WandbLogger):
    """W&B's logger, without W&B."""

    def __init__(self):
        self.sent, self.summary = {}, {}

    @property
    def experiment(self):
        return SimpleNamespace(log=self.sent.update, summary=self.summary)


def test_on_wandb(sweep, monkeypatch):
    name_cells(sweep)
    figures = []
    original = png.as_png
    monkeypatch.setattr(png, "as_png", lambda figure: figures.append(figure) or original(figure))
    identity = {"cell": "portrait-0.013", "curve": "portrait", "reference": "q", "reference_name": ZOO}
    identity |= {"codec": "", "category": "portrait", "freeze": "encoder_only", "objective": ""}
    logger = Logged()
    report(Run(folder=sweep / "portrait-0.013", lmbda=0.013, seed=0, **identity), [logger])
    assert logger.summary["bd_rate/kodak/psnr"] == pytest.approx(-1, abs=1e-6)
    assert logger.summary["rd/kodak/psnr"] == pytest.approx(28.0 + 1.8 * 3 - 0.6)
    assert {"rd_table", "rd_portrait_kodak_psnr", "rd_portrait_kodak_ms-ssim"} == logger.sent.keys()
    assert [[series.name for series in figure.series] for figure in figures] == 2 * [
        [ZOO, "mbt2018-mean portrait encoder_only"]
    ]
    assert figures[0].series[1].ring == 3


def test_as_metrics_that_are_logged(rows):
    metrics = bd_metrics(bd_table(rows.filter(rows["category"] != "food"), bootstrap=0))
    assert metrics["bd_rate/kodak 8bit/psnr"] == pytest.approx(-1, abs=1e-6)
    assert metrics["bd_rate/kodak float/psnr"] == pytest.approx(-2, abs=1e-6)
