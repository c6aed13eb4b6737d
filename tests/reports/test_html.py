"""The report page: from a sweep's folder alone, whole without a network, and safe whatever the names are."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from lic_lightning.cli import main
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.reports.html import write_page

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """What a page holds: elements with their attributes, text without scripts; `unclosed` must end empty."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unclosed: list[str] = []
        self.text = ""
        self.data: list[dict] = []
        self.feed(path.read_text())
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag
        self.text += " "

    def handle_data(self, data):
        if self.unclosed[-1:] != ["script"]:
            self.text += data
        elif self.elements[-1][1].get("type") == "application/json":
            self.data.append(json.loads(data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def page(folder: Path, **settings) -> Page:
    return Page(write_page(folder, **{"bootstrap": 0, **settings}))


def rename(folder: Path, column: str, old: str, new: str) -> None:
    for path in folder.glob("*/results.parquet"):
        rows = read_rows(path).with_columns(pl.col(column).str.replace(old, new, literal=True))
        write_rows(path, rows.to_dicts())


def leave_crops(cell: Path, test_set: str, image: str = "0.png") -> None:
    folder = cell / "crops" / test_set / "0"
    folder.mkdir(parents=True)
    picture = np.random.default_rng(0).integers(256, size=(32, 48, 3), dtype=np.uint8)
    for side in ("original", "reference", "tuned"):
        Image.fromarray(picture).save(folder / f"{side}.png")
    content = {"test_set": test_set, "image": image, "sides": ["original", "reference", "tuned"]}
    (folder / "crop.json").write_text(json.dumps(content))


def name_cells(folder: Path) -> None:
    """Rows that say in which folder they lie, as those of real runs do."""
    for path in folder.glob("*/results.parquet"):
        write_rows(path, read_rows(path).with_columns(cell=pl.lit(path.parent.name)).to_dicts())


def test_the_page_is_whole_html(sweep):
    found = page(sweep)
    assert found.unclosed == []
    assert len(found.all("h1")) == 1
    ids = {attributes["id"] for _, attributes in found.elements if "id" in attributes}
    assert {link["href"] for link in found.all("a")} == {f"#{name}" for name in ids}


def test_nothing_is_loaded_from_anywhere(sweep):
    found = page(sweep)
    loaded = [value for _, a in found.elements for key in ("src", "href", "data", "action") if (value := a.get(key))]
    assert all(value.startswith(("data:", "#")) for value in loaded)
    (policy,) = (meta["content"] for meta in found.all("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none';")


def test_the_table_has_the_saving_with_its_interval(sweep):
    assert "-4.00 % [-4.00, -4.00]" in page(sweep, bootstrap=20).text


def test_the_matrix_has_a_row_per_encoder_and_a_column_per_test_set(sweep):
    text = page(sweep).text
    assert re.search(r"food kodak 8bit kodak float mbt2018-mean food encoder_only -4\.00 \+1\.00 – ", text)
    assert re.search(r"hands encoder_only – – -2\.00 mbt2018-mean portrait encoder_only – -1\.00 –", text)


def test_a_single_test_set_needs_no_matrix(sweep):
    for path in sweep.glob("*/results.parquet"):
        write_rows(path, read_rows(path).filter(test_set="kodak", domain="8bit").to_dicts())
    assert "Category × category" not in page(sweep).text


def test_rd_plots_hold_reference_tuned_and_classic_curves(sweep):
    names = {trace["name"] for plot in page(sweep).data for trace in plot["data"] if "name" in trace}
    assert {"mbt2018-mean shipped (reference)", "mbt2018-mean food encoder_only", "JPEG (Pillow)"} <= names


def test_a_curve_has_one_colour_everywhere(sweep):
    colours: dict[str, set[str]] = {}
    for plot in page(sweep).data:
        for trace in plot["data"]:
            colours.setdefault(trace["name"], set()).add(trace["meta"]["colour"])
    assert colours["mbt2018-mean food encoder_only"] == {"tuned-0"}
    assert colours["mbt2018-mean portrait encoder_only"] == {"tuned-2"}


def test_kodak_with_all_its_images_has_the_published_curves(sweep):
    once = read_rows(sweep).filter(domain="8bit")
    rows = pl.concat([once.with_columns(image=f"{copy}_" + pl.col("image")) for copy in range(5)])
    all_24 = rows.filter(pl.col("image") != "4_4.png")
    for cell in sweep.glob("*/results.parquet"):
        cell.unlink()
    write_rows(sweep / "all" / "results.parquet", all_24.to_dicts())
    plots = page(sweep).data
    names = [{trace.get("name") for trace in plot["data"]} for plot in plots]
    assert sum("mbt2018-mean (CompressAI)" in found for found in names) == 2
    assert sum("SegPIC" in found for found in names) == 1


def test_each_dot_names_its_image_and_its_change(sweep):
    scatter = next(plot for plot in page(sweep).data if "change of rate" in str(plot["layout"]))
    trace = scatter["data"][0]
    assert trace["text"][0].startswith("0.png<br>-4.00 % at 28.000 dB<br>")
    assert trace["y"] == pytest.approx([-4] * len(trace["y"]))


def test_names_from_data_are_text_and_never_markup(sweep):
    for column, old in (("curve_name", "food"), ("test_set", "kodak"), ("image", "0.png"), ("category", "food")):
        rename(sweep, column, old, "</script><script>alert(1)</script><img src=x onerror=alert(2)>")
    name_cells(sweep)
    (sweep / "bad <script>cell").mkdir()
    found = page(sweep)
    ours = len([a for a in found.all("script") if a.get("type") != "application/json"])
    assert ours == 2
    assert not any("onerror" in attributes for _, attributes in found.elements)
    assert "<script>alert(1)</script>" in found.text
    assert not any("<img" in trace["name"] for plot in found.data for trace in plot["data"])


def test_cells_without_results_are_named_with_their_last_error(sweep):
    (sweep / "failed-cell" / ".hydra").mkdir(parents=True)
    (sweep / "failed-cell" / ".hydra" / "overrides.yaml").write_text("- category=food\n- lmbda=0.5\n")
    (sweep / "failed-cell" / "failed.txt").write_text("Traceback\nRuntimeError: disk full\n")
    (sweep / "half-done").mkdir()
    text = page(sweep).text
    assert re.search(r"failed-cell\s+failed\s+category=food lmbda=0.5\s+RuntimeError: disk full", text)
    assert re.search(r"half-done\s+missing", text)
    assert "19 of 21 cells finished" in text


def test_a_sweep_without_any_results_has_a_page_too(tmp_path):
    (tmp_path / "sweep" / "cell").mkdir(parents=True)
    assert "0 of 1 cells finished" in page(tmp_path / "sweep").text


def test_a_withheld_point_says_why(sweep):
    path = sweep / "food-0.013" / "results.parquet"
    reason = pl.when(pl.col("role") == "tuned").then(pl.lit("cross-decode: 1 value differs"))
    write_rows(path, read_rows(path).with_columns(withheld=reason).to_dicts())
    name_cells(sweep)
    text = page(sweep).text
    assert "point left out, λ 0.013: cross-decode: 1 value differs" in text
    assert "withheld, 10 of 10 files: cross-decode: 1 value differs" in text
    assert "1 point withheld" in text


@pytest.mark.parametrize(
    ("claim", "checks", "found", "proof"),
    [
        ("fixed", "guard, cross-decode", "passed", "decoder fixed; guard, cross-decode: 10 of 10 files passed"),
        ("fixed", "cross-decode", "passed", "decoder fixed; cross-decode: 10 of 10 files passed"),
        ("moves", "", None, "decoder moves"),
        (None, None, None, "decoder not told of"),  # rows from before these columns
    ],
)
def test_the_proof_is_what_the_rows_say(sweep, claim, checks, found, proof):
    name_cells(sweep)
    path = sweep / "food-0.013" / "results.parquet"
    told = {"decoder_claim": claim, "decoder_checks": checks, "decoder_found": found}
    write_rows(path, [{**row, **told} for row in read_rows(path).to_dicts()])
    config = {"freeze": {"train": ["latent_codec.hyper.h_a"]}, "codec": {"name": "elic2022-official"}, "lmbda": 0.013}
    (sweep / "food-0.013" / "config.yaml").write_text(yaml.safe_dump(config))
    assert proof in page(sweep).text


def test_crops_stand_with_the_numbers_of_their_rows(sweep):
    name_cells(sweep)
    leave_crops(sweep / "food-0.0018", "kodak")
    found = page(sweep)
    images = found.all("img")
    assert [image["data-side"] for image in images] == ["original", "reference", "tuned"]
    assert all(image["src"].startswith("data:image/webp;base64,") for image in images)
    assert images[2]["alt"] == "tuned: 28.00 dB, 0.099 bpp"
    assert images[1]["alt"] == "reference: 28.00 dB, 0.098 bpp"


def test_a_single_run_has_a_page_with_its_crops(sweep):
    name_cells(sweep)
    leave_crops(sweep / "food-0.0018", "kodak")
    found = page(sweep / "food-0.0018")
    assert "1 of 1 cells finished" in found.text
    assert len(found.all("img")) == 3


def test_a_page_without_photographs(sweep):
    name_cells(sweep)
    leave_crops(sweep / "food-0.0018", "kodak")
    assert page(sweep, crops=0).all("img") == []


def test_losses_are_drawn_from_every_start_of_a_run(sweep):
    name_cells(sweep)
    for version, lines in enumerate(("9,0.5,\n10,,0.6\n", "19,0.4,\n")):
        folder = sweep / "food-0.013" / "csv" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("step,val/loss,train/loss_step\n" + lines)
    (sweep / "food-0.013" / "config.yaml").write_text(
        yaml.safe_dump({"lmbda": 0.013, "freeze": {"train": []}, "codec": {"name": "mbt2018-mean"}})
    )
    validation, training = page(sweep).data[-1]["data"]
    assert (validation["x"], validation["y"]) == ([9, 19], [0.5, 0.4])
    assert (training["x"], training["y"]) == ([10], [0.6])


def test_a_classic_codec_that_was_missing_is_named(sweep):
    config = {"evaluation": {"classic": ["jpeg", "heic"]}, "freeze": {"train": []}}
    (sweep / "food-0.013" / "config.yaml").write_text(yaml.safe_dump(config))
    rename(sweep, "codec", "", "jpeg")
    assert "Asked for, but not on the machine that evaluated: heic." in page(sweep).text


def test_the_command_writes_the_page_where_it_is_told(sweep, tmp_path, capsys):
    assert main(["report", str(sweep), "--out", str(tmp_path / "page.html"), "--bootstrap", "0"]) == 0
    assert f"{tmp_path / 'page.html'}: " in capsys.readouterr().out
    assert (tmp_path / "page.html").is_file()


def test_a_missing_folder_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"lic: no sweep folder {tmp_path / 'nowhere'}\n"


def test_a_folder_of_sweeps_is_refused_with_one_of_them(sweep, capsys):
    assert main(["report", str(sweep.parent)]) == 2
    assert f"name one of them, as in {sweep}" in capsys.readouterr().err
