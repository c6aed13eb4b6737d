"""A codec, an objective, a data set and an experiment in a user's folder, from an installed wheel, as the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from skimage import data as skimage_data
from test_docs import FENCE, OWN, ROOT, own_folder  # noqa: F401 - a fixture

from lic_lightning.codecs import registry
from lic_lightning.runs.identity import CONF

BUILD = ["-m", "hatchling", "build", "--target", "wheel", "--directory"]
INSTALL = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
RUN = """
import shlex, sys
from pathlib import Path
import lic_lightning
from lic_lightning import cli
assert "site-packages" in lic_lightning.__file__, lic_lightning.__file__
for line in sys.stdin:
    for run in Path("outputs/my_study").glob("*/codec.safetensors"):
        line = line.replace("<cell>", run.parent.name)
    assert cli.main(shlex.split(line)[1:]) in (0, None), line
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The interpreter of an environment with this package as an installed wheel; the rest is this environment's."""
    pytest.importorskip("hatchling", reason="needs the extra `dev`")
    subprocess.run([sys.executable, *BUILD, str(tmp_path / "dist")], cwd=ROOT, check=True, capture_output=True)
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (built,) = (tmp_path / "dist").glob("*.whl")
    into = ["--python", str(python), "install", "--no-deps", "--no-index", str(built)]
    subprocess.run([sys.executable, *INSTALL, *into], check=True)
    # As a plain path: it comes after the wheel, and editable installs in it do not count
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return python


@pytest.mark.slow
def test_the_pages_on_extension_hold_as_written_from_an_installed_wheel(
    wheel: Path,
    own_folder: Path,  # noqa: F811
    photographs: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dogs").symlink_to(photographs / "food")
    rockets = np.stack([skimage_data.rocket()[top : top + 64, :128] for top in range(0, 256, 64)])
    np.savez(tmp_path / "data" / "rockets.npz", images=rockets, names=[f"rocket {index}" for index in range(4)])
    (own_folder / "photo.png").write_bytes((photographs / "food" / "0.png").read_bytes())

    text = "\n".join(page.read_text() for page in OWN)
    exports = re.findall(r"^export (\w+)=(\S+)", text, re.MULTILINE)
    assert {name for name, _ in exports} == {"PYTHONPATH", "LIC_CONF", "LIC_PLUGINS"}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIC_")},
        **{name: value.replace("$PWD", str(own_folder)) for name, value in exports},
        "LIC_DATA": str(tmp_path / "data"),
        "HYDRA_FULL_ERROR": "1",
    }
    lines = [
        line
        for page in OWN
        for language, block in FENCE.findall(page.read_text())
        for line in block.splitlines()
        if language == "" and line.startswith("lic ")
    ]
    assert len(lines) > 9
    command = [str(wheel), "-c", RUN]
    done = subprocess.run(
        command, input="\n".join(lines), cwd=own_folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    rows = pl.concat(pl.read_parquet(path) for path in own_folder.glob("outputs/my_study/*/results.parquet"))
    tuned = rows.filter(role="tuned")
    assert set(tuned.select("codec", "objective", "category").unique().row(0)) == {"my-codec", "l1", "dogs"}
    assert tuned["lmbda"].n_unique() == 2
    assert set(tuned["test_set"]) == {"dogs", "rockets"}
    assert (tuned["bytes"] > 0).all()
    assert all((own_folder / name).is_file() for name in ("photo.decoded.png", "my-codec.safetensors"))
    assert re.search(r"✓ category=dogs +8 images", done.stdout)
    assert "my-codec" in done.stdout


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.stem)
def test_every_file_that_a_page_on_extension_shows_has_its_name(page: Path) -> None:
    """So that it is written and run by the test above."""
    assert not re.findall(r"^```(?:python|yaml)\n", page.read_text(), re.MULTILINE)


def test_configs_of_ones_own_stand_beside_the_package_s(
    own_folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIC_CONF", str(own_folder / "conf"))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["codec=my-codec", "objective=l1", "category=dogs", "freeze=last_and_hyper"])
    assert (cfg.codec.name, cfg.codec.N, cfg.objective.loss._target_) == ("my-codec", None, "my_objective.L1")


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as a new process finds it, its own codecs registered."""
    registry.names()
    monkeypatch.setattr(registry, "_SPECS", dict(registry._SPECS))
    registry._import_all.cache_clear()
    yield
    registry._import_all.cache_clear()


def test_an_installed_package_brings_its_codec_by_an_entry_point(
    anew: None,
    own_folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(own_folder))
    entry = EntryPoint("my-codec", "my_codec", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == entry.group else [])
    assert "my-codec" in registry.names()


def test_a_plugin_that_is_not_there_is_named(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIC_PLUGINS", "nowhere_to_be_found")
    with pytest.raises(ValueError, match=r"no codec from 'nowhere_to_be_found' .*No module named"):
        registry.names()
