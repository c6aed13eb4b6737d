"""Each benchmark runs, at a tiny size, and writes what it measured. Nothing here is timed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "benchmarks"
SIDES = {
    "training": ["lic_lightning", "bare loop"],
    "evaluation": ["lic_lightning", "eval_model"],
    "serial": ["lic_lightning", "CompressAI"],
    "loading": ["lic_lightning", "ImageFolder"],
    "startup": ["lic", "imports alone"],
    "memory": ["lic_lightning"],
    "overhead": ["lic train -m", "bare work"],
}


@pytest.mark.parametrize("name", SIDES)
def test_a_benchmark_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    run = importlib.import_module("run")
    assert set(run.BENCHMARKS) == set(SIDES)
    assert run.main(["--quick", "--only", name, "-o", str(tmp_path)]) == 0
    (result,) = json.loads((tmp_path / "results.json").read_text()).values()
    assert list(result["rows"][-1]["runs"]) == SIDES[name]
    assert all(value > 0 for row in result["rows"] for values in row["runs"].values() for value in values)
    assert "these figures say nothing" in (tmp_path / "results.md").read_text()


def test_results_of_other_benchmarks_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    run = importlib.import_module("run")
    for name in ("loading", "serial", "loading"):
        run.main(["--quick", "--only", name, "-o", str(tmp_path)])
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["loading", "serial"]


def test_a_ratio_is_the_median_over_the_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    sides = importlib.import_module("sides")
    loaded_in_the_second_turn = {"ours": [1.0, 10.0, 1.0], "theirs": [3.0, 20.0, 3.0]}
    assert sides.Comparison("", "s", loaded_in_the_second_turn).ratio == 3.0
    assert sides.Comparison("", "s", {"ours": [1.0]}).ratio is None


def test_sides_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    sides = importlib.import_module("sides")
    order: list[str] = []
    runs = sides.take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, turns=2)
    assert order == ["a", "b", "b", "a"]
    assert {side: len(values) for side, values in runs.items()} == {"a": 2, "b": 2}
