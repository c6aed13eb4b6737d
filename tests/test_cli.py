"""`lic`: dispatch, help, errors and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lic_lightning import cli

REPORT_HEAVY = """
import sys
from lic_lightning.cli import main
main(["--help"])
sys.exit(", ".join({"torch", "hydra", "rich", "numpy"} & set(sys.modules)) or 0)
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes the body of a module that the subcommand `codecs` (or, with hydra=True, `train`) runs."""

    def write(body: str, hydra: bool = False) -> None:
        (tmp_path / "scratch_subcommand.py").write_text(body)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "scratch_subcommand", raising=False)
        command = cli.Command("scratch_subcommand", "", "", hydra)
        monkeypatch.setitem(cli.COMMANDS, "train" if hydra else "codecs", command)

    monkeypatch.setattr("sys.argv", ["lic"])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return write


def test_help_is_light_and_shows_an_example_of_each_subcommand() -> None:
    run = subprocess.run([sys.executable, "-c", REPORT_HEAVY], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, f"imported for --help: {run.stderr}"
    assert all(command.example in run.stdout for command in cli.COMMANDS.values())


def test_without_a_subcommand_lic_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert capsys.readouterr().out.startswith("usage: lic")


@pytest.mark.parametrize(
    ("typed", "hint"), [("trian", "did you mean `lic train`?"), ("qqq", "known: train, evaluate, bd")]
)
def test_unknown_subcommand_names_the_nearest(typed: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([typed]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_share_a_busy_machine_unless_told_otherwise(
    given: dict[str, str], spins: str | None, module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", dict(given))
    module("import os\ndef main(argv): return os.environ.get('GOMP_SPINCOUNT')")
    assert cli.main(["codecs"]) == spins


def test_a_subcommand_gets_its_arguments_and_gives_its_exit_code(module) -> None:
    module("def main(argv): return len(argv)")
    assert cli.main(["codecs", "a", "b", "c"]) == 3


def test_a_hydra_application_runs_as_a_module_does(module, capsys: pytest.CaptureFixture[str]) -> None:
    module("import sys, __main__\nprint(__name__, __main__.__spec__.name, sys.argv[1:])", hydra=True)
    assert cli.main(["train", "-m", "lmbda=0.1"]) == 0
    assert capsys.readouterr().out == "__main__ scratch_subcommand ['-m', 'lmbda=0.1']\n"


def test_an_error_is_one_line(module, capsys: pytest.CaptureFixture[str]) -> None:
    module("def main(argv): raise FileNotFoundError('no such run:\\n  x')")
    assert cli.main(["codecs"]) == 2
    assert capsys.readouterr().err == "lic: no such run: x\n"


def test_full_errors_on_request(module, monkeypatch: pytest.MonkeyPatch) -> None:
    module("def main(argv): raise ValueError('whole')")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="whole"):
        cli.main(["codecs"])


def test_a_bug_keeps_its_traceback(module) -> None:
    module("def main(argv): raise KeyError('bug')")
    with pytest.raises(KeyError):
        cli.main(["codecs"])


@pytest.mark.parametrize(
    "body",
    [
        "raise KeyboardInterrupt",
        "import sys\ntry: raise KeyboardInterrupt\nexcept KeyboardInterrupt: sys.exit(1)",
    ],
    ids=["plain", "lightning"],
)
def test_ctrl_c(body: str, module, capsys: pytest.CaptureFixture[str]) -> None:
    module(body, hydra=True)
    assert cli.main(["train"]) == 130
    error = capsys.readouterr().err
    assert error.startswith("lic: interrupted")
    assert error.count("\n") == 1


def test_another_exit_passes(module) -> None:
    module("import sys; sys.exit(3)", hydra=True)
    with pytest.raises(SystemExit, match="3"):
        cli.main(["train"])
