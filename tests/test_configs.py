"""The matrix of configs: each file of each group composes through its entry, and names things that take its keys.

Groups and files are found on the disk, so that a new one is tested as it is added. Those that run are in
tests/train/test_matrix.py and tests/heads/test_recognize.py.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lic_lightning.cli import COMMANDS
from lic_lightning.codecs.registry import names
from lic_lightning.runs.chain import jobs_of, read_stages
from lic_lightning.runs.identity import CONF

ENTRIES = [name for name, command in COMMANDS.items() if command.hydra]
HYDRA_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_", "_args_"}
# Groups that lie in a folder of Hydra's; what else they need is an extra.
LAUNCHERS = {"slurm": "hydra_submitit_launcher", "ray_cluster": "hydra_ray_launcher"}


def options() -> Iterator[tuple[str, str]]:
    """(group, option) of every config file below a group's folder."""
    for path in sorted(CONF.glob("*/**/*.yaml")):
        parts = path.relative_to(CONF).with_suffix("").parts
        depth = 2 if parts[0] == "hydra" else 1
        yield "/".join(parts[:depth]), "/".join(parts[depth:])


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    """One Hydra for all: it keeps the files that it has read."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield
    setup_globals()
    composed.cache_clear()


@cache
def composed(entry: str, *overrides: str) -> DictConfig:
    return compose(entry, [*overrides], return_hydra_config=True)


def through_an_entry(group: str, option: str) -> tuple[str, dict[str, Any]]:
    """The first entry in which the option resolves, by itself or by another config that chooses it."""
    chosen = re.compile(rf"override /{group}(@\S+)?: {option}$", re.MULTILINE)
    choosing = [pair for pair in options() if chosen.search((CONF / pair[0] / f"{pair[1]}.yaml").read_text())]
    tried = [
        (entry, f"{by}={what}")
        for by, what in [(group, option), *choosing]
        for entry in ENTRIES
        if by in composed(entry).hydra.runtime.choices
    ]
    assert tried, f"no entry has the group {group}"
    for entry, override in tried:
        with suppress(HydraException, OmegaConfBaseException):
            if (group, option) in choices(composed(entry, override)):
                return entry, resolved(composed(entry, override))
    return tried[0][0], resolved(composed(*tried[0]))  # which says what is wrong


def choices(cfg: DictConfig) -> set[tuple[str, str]]:
    """(group, option), whatever package the option is put into."""
    return {(group.partition("@")[0], option) for group, option in cfg.hydra.runtime.choices.items()}


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain values, with something in the place of what only a user knows (`???`)."""
    OmegaConf.register_new_resolver("hydra", lambda path: path, replace=True)  # of a job: there is none
    written = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(written, dict)
    del written["hydra"]
    content = OmegaConf.to_container(OmegaConf.create(_filled(written)), resolve=True)
    assert isinstance(content, dict)
    return content


def _filled(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value) for key, value in node.items()}
    return "a user's own" if node == "???" else node


def targets(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping with a `_target_`, however deep."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def assert_targets_take_their_keys(content: Any) -> None:
    for node in targets(content):
        settings = {key: value for key, value in node.items() if key not in HYDRA_KEYS}
        try:
            inspect.signature(get_object(node["_target_"])).bind_partial(*node.get("_args_", ()), **settings)
        except TypeError as error:
            raise AssertionError(f"{node['_target_']}: {error}") from error


def test_every_group_on_the_disk_is_known_to_an_entry() -> None:
    known = {group for entry in ENTRIES for group, _ in choices(composed(entry))}
    assert {group for group, _ in options()} <= known


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_s_defaults_resolve_and_their_targets_take_their_keys(entry: str) -> None:
    assert_targets_take_their_keys(resolved(composed(entry)))
    assert_targets_take_their_keys(OmegaConf.to_container(composed(entry).hydra.callbacks))


@pytest.mark.parametrize(
    ("group", "option"), [(g, o) for g, o in options() if g != "chain" and not g.startswith("hydra/")]
)
def test_a_config_resolves_and_its_targets_take_its_keys(group: str, option: str) -> None:
    entry, content = through_an_entry(group, option)
    assert_targets_take_their_keys(content)
    assert content.keys() <= set(composed(entry)), "a key that nobody reads"


@pytest.mark.parametrize("option", [option for group, option in options() if group == "hydra/callbacks"])
def test_hydra_s_callbacks_take_their_keys(option: str) -> None:
    assert_targets_take_their_keys(
        OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "callbacks" / f"{option}.yaml"))
    )


@pytest.mark.parametrize("option", [option for group, option in options() if group == "hydra/launcher"])
def test_a_launcher_s_config_fits_its_plugin(option: str) -> None:
    if find_spec(f"hydra_plugins.{LAUNCHERS[option]}") is None:
        pytest.skip(f"{LAUNCHERS[option]} is not installed")
    launcher = composed("train", f"hydra/launcher={option}").hydra.launcher
    assert_targets_take_their_keys(OmegaConf.to_container(launcher))


@pytest.mark.parametrize("option", [option for group, option in options() if group == "experiment"])
def test_the_corners_of_an_experiment_s_grid_resolve(option: str) -> None:
    entry, _ = through_an_entry("experiment", option)
    cfg = composed(entry, f"experiment={option}")
    params = {key: str(value).split(",") for key, value in (cfg.hydra.sweeper.get("params") or {}).items()}
    grid = {key: values for key, values in params.items() if "(" not in values[0]}  # an interval is Optuna's to cut
    for corner in (0, -1):
        overrides = [f"{key}={values[corner]}" for key, values in grid.items()]
        assert_targets_take_their_keys(resolved(composed(entry, f"experiment={option}", *overrides)))


@pytest.mark.parametrize("name", [option for group, option in options() if group == "chain"])
def test_every_run_of_a_chain_resolves(name: str) -> None:
    jobs = jobs_of(read_stages(name, []))
    assert jobs
    for job in jobs:
        assert_targets_take_their_keys(resolved(job.config))


def test_each_codec_has_its_config() -> None:
    assert {option for group, option in options() if group == "codec"} == set(names())


def test_a_key_that_its_target_does_not_take_is_found() -> None:
    with pytest.raises(AssertionError, match="unexpected keyword argument 'lamda'"):
        assert_targets_take_their_keys([{"_target_": "lic_lightning.objectives.MSE", "lamda": 1}])
