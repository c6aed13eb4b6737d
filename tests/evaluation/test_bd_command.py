"""`lic bd`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lic_lightning.commands.bd import main
from lic_lightning.evaluation.results import write_rows

RATE = [0.1, 0.2, 0.4, 0.8, 1.6]
PSNR = [28.0, 31.0, 34.0, 37.0, 40.0]


def curve_file(path, scale=1.0, points=5, **more):
    results = {"bpp": [scale * rate for rate in RATE[:points]], "psnr": PSNR[:points], **more}
    path.write_text(json.dumps({"name": path.stem, "results": results}))
    return str(path)


@pytest.fixture
def anchor(tmp_path):
    return curve_file(tmp_path / "anchor.json")


def test_json_is_a_list_of_objects(tmp_path, anchor, capsys):
    code = main([anchor, curve_file(tmp_path / "a.json", 0.97), curve_file(tmp_path / "b.json", 1.1), "--json"])
    first, second = json.loads(capsys.readouterr().out)
    assert code == 0
    assert first["bd_rate"] == pytest.approx(-3)
    assert second["bd_rate"] == pytest.approx(10)
    assert {key: first[key] for key in ("name", "metric", "method", "overlap", "points")} == {
        "name": "a",
        "metric": "psnr",
        "method": "pchip",
        "overlap": 1.0,
        "points": 5,
    }


def test_the_table_has_sign_and_two_decimals(tmp_path, anchor, capsys):
    assert main([anchor, curve_file(tmp_path / "a.json", 0.97)]) == 0
    assert "-3.00 %" in capsys.readouterr().out


def test_ms_ssim_under_its_other_key(tmp_path, capsys):
    ms_ssim = {"ms-ssim-rgb": [0.9, 0.94, 0.96, 0.975, 0.985]}
    files = [curve_file(tmp_path / "a.json", **ms_ssim), curve_file(tmp_path / "b.json", 0.97, **ms_ssim)]
    assert main([*files, "--metric", "ms-ssim", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["bd_rate"] == pytest.approx(-3)


def test_three_points_exit_with_two_and_the_reason(tmp_path, anchor, capsys):
    code = main([anchor, curve_file(tmp_path / "a.json", points=3), "--json"])
    out, err = capsys.readouterr()
    assert code == 2
    assert "3 of 4 points" in err
    assert json.loads(out)[0]["bd_rate"] is None


def test_one_refusal_leaves_the_other_numbers(tmp_path, anchor, capsys):
    good, bad = curve_file(tmp_path / "a.json", 0.97), curve_file(tmp_path / "b.json", points=3)
    assert main([anchor, bad, good, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)[1]["bd_rate"] == pytest.approx(-3)


@pytest.mark.parametrize("name", ["missing.json", "missing"])
def test_a_missing_file_is_named(tmp_path, anchor, capsys, name):
    assert main([anchor, str(tmp_path / name)]) == 2
    out, err = capsys.readouterr()
    assert name in err
    assert out == ""


def test_a_foreign_file_is_named(tmp_path, anchor, capsys):
    (tmp_path / "notes.txt").write_text("rate 3")
    assert main([anchor, str(tmp_path / "notes.txt")]) == 2
    assert "notes.txt is neither" in capsys.readouterr().err


def test_each_tuned_curve_of_a_sweep_meets_its_reference(tmp_path, sweep, capsys):
    write_rows(tmp_path / "c" / "results.parquet", sweep())
    assert main([str(tmp_path), str(tmp_path), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert (answer["name"], answer["anchor"], answer["test_set"]) == ("tuned food", "reference", "kodak")
    assert answer["bd_rate"] == pytest.approx(-3)
    assert answer["interval"] == pytest.approx([-3, -3])


def test_the_test_set_can_be_chosen(tmp_path, sweep, capsys):
    rows = sweep()
    rows += [{**row, "test_set": "food", "test_set_digest": "e"} for row in rows]
    write_rows(tmp_path / "results.parquet", rows)
    assert main([str(tmp_path), str(tmp_path), "--test-set", "food", "--json"]) == 0
    assert [answer["test_set"] for answer in json.loads(capsys.readouterr().out)] == ["food"]


def test_an_unknown_test_set_lists_the_known(tmp_path, sweep, capsys):
    write_rows(tmp_path / "results.parquet", sweep())
    assert main([str(tmp_path), str(tmp_path), "--test-set", "clic"]) == 2
    assert "it has kodak" in capsys.readouterr().err


def test_a_test_set_that_the_anchor_lacks_leaves_the_others(tmp_path, sweep, capsys):
    rows = sweep()
    rows += [{**row, "test_set": "food", "test_set_digest": "e"} for row in rows if row["role"] == "tuned"]
    write_rows(tmp_path / "results.parquet", rows)
    assert main([str(tmp_path), str(tmp_path), "--json"]) == 2
    found = {answer["test_set"]: answer["bd_rate"] for answer in json.loads(capsys.readouterr().out)}
    assert found == {"food": None, "kodak": pytest.approx(-3)}


def test_classic_curves_are_no_tests_beside_tuned_ones(tmp_path, sweep, row, capsys):
    jpeg = row(role="classic", curve="classic-jpeg", curve_name="JPEG", reference=None)
    write_rows(tmp_path / "results.parquet", [*sweep(), jpeg])
    assert main([str(tmp_path), str(tmp_path), "--json"]) == 0
    assert [answer["name"] for answer in json.loads(capsys.readouterr().out)] == ["tuned food"]


def test_an_anchor_on_other_images_is_refused(tmp_path, sweep, capsys):
    write_rows(tmp_path / "results.parquet", sweep(test_set_digest="e"))
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "no curve on the same images" in capsys.readouterr().err


def test_a_json_anchor_for_several_test_sets_needs_a_choice(tmp_path, anchor, sweep, capsys):
    rows = sweep()
    rows += [{**row, "test_set": "food", "test_set_digest": "e"} for row in rows]
    write_rows(tmp_path / "results.parquet", rows)
    assert main([anchor, str(tmp_path / "results.parquet")]) == 2
    assert "--test-set" in capsys.readouterr().err


def test_the_module_imports_nothing_heavy():
    heavy = "{'torch', 'polars', 'numpy', 'matplotlib', 'bjontegaard'}"
    code = f"import sys, lic_lightning.commands.bd; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_classic_codec_is_an_anchor_by_name_and_meets_whole_files(tmp_path, capsys, sweep):
    sized = {"width": 100, "height": 100}
    rows = [{**row, **sized, "file_bytes": round(1250 * row["bpp"] * 1.1)} for row in sweep()]
    jpeg = {"role": "classic", "curve": "classic-jpeg", "curve_name": "JPEG", "codec": "jpeg", "padding": None}
    rows += [{**row, **jpeg, "bytes": round(1250 * row["bpp"])} for row in rows if row["role"] == "reference"]
    write_rows(tmp_path / "c" / "results.parquet", rows)
    assert main([str(tmp_path), str(tmp_path), "--classic", "jpeg", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert (answer["anchor"], answer["rates"]) == ("JPEG", "files")
    assert answer["bd_rate"] == pytest.approx(100 * (0.97 * 1.1 - 1), abs=0.5)
    assert main([str(tmp_path), str(tmp_path), "--classic", "avif"]) == 2
    assert "no rows of avif; classic codecs there: jpeg" in capsys.readouterr().err


def test_a_refined_curve_stands_against_the_one_that_is_refined_too(tmp_path, capsys, sweep):
    for name, scale in (("base", 1.0), ("tuned", 0.9)):
        own = [row for row in sweep(curve=name, curve_name=name, cell=name, reference=None) if row["role"] == "tuned"]
        rows = [{**row, "bpp": scale * row["bpp"]} for row in own]
        rows += [{**row, "bpp": 0.8 * row["bpp"], "refined": "fast", "curve": f"{name} fast"} for row in rows]
        write_rows(tmp_path / name / "results.parquet", rows)
    assert main([str(tmp_path / "base"), str(tmp_path / "tuned"), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(answer["name"], answer["anchor"]) for answer in answers] == [
        ("tuned", "base"),
        ("tuned refined fast", "base refined fast"),
    ]
    assert [answer["bd_rate"] for answer in answers] == pytest.approx([-10, -10])
