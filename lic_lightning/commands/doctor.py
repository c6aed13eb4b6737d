"""`lic doctor`: what is installed, which data sets and weights were found where, GPU or not."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from lic_lightning.data.dataset import ImageDataset

PACKAGES = ("torch", "torchvision", "compressai", "pytorch-lightning", "hydra-core")
LAUNCHERS = {"joblib": "hydra-joblib-launcher", "slurm": "hydra-submitit-launcher", "ray": "hydra-ray-launcher"}
WIDTH = 32  # of a thing's name
MARKS = {True: ("✓", "green"), False: ("–", "yellow"), None: (" ", "")}
MALFORMED = ("✗", "red")


class Finding(NamedTuple):
    """One line: a thing, whether it is there (None: neither good nor bad), and what to know of it."""

    thing: str
    found: bool | None
    remark: str
    malformed: bool = False  # it is there, but not as it should be

    @property
    def mark(self) -> tuple[str, str]:
        """A character and its colour."""
        return MALFORMED if self.malformed else MARKS[self.found]


def installed() -> Iterator[Finding]:
    """Python and the packages that results depend on."""
    yield Finding("python", None, platform.python_version())
    for package in PACKAGES:
        yield Finding(package, None, version(package))


def wheels_match() -> Finding:
    """Whether torchvision's compiled operators load beside this torch."""
    try:
        import torchvision.ops  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        remark = f"{error}: install the torchvision made for torch {version('torch')}, both CPU or both CUDA"
        return Finding("torch + torchvision", False, remark)
    return Finding("torch + torchvision", True, "match")


def hardware() -> Iterator[Finding]:
    """GPUs and threads."""
    import torch

    count = torch.cuda.device_count()
    gpus = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    yield Finding("GPU", count > 0, gpus or "none: everything runs on the CPU")
    yield Finding("CPU", None, f"{os.cpu_count()} cores, {torch.get_num_threads()} threads a process")


def data_sets(overrides: list[str]) -> Iterator[Finding]:
    """Where photographs are looked for, then every category and test set of the configurations."""
    from hydra import compose, initialize_config_dir

    from lic_lightning.runs.identity import CONF

    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        where = Path(compose("train", overrides=overrides).paths.data).absolute()
        remark = f"{where}, from paths.data (LIC_DATA is {'set' if 'LIC_DATA' in os.environ else 'not set'})"
        yield Finding("data", where.is_dir(), remark if where.is_dir() else f"no folder {remark}")
        for name in _options("category"):
            dataset = compose("train", overrides=[*overrides, f"category={name}"]).category.dataset
            yield _data_set(f"category={name}", [dataset])
        for name in _options("test_sets"):
            sets = compose("train", overrides=[*overrides, f"test_sets={name}"]).test_sets.values()
            if own := [dataset for dataset in sets if "dataset" not in dataset]:  # the others are categories
                yield _data_set(f"test_sets={name}", own)


def _options(group: str) -> list[str]:
    """The package's configs of a group and the user's own; Hydra must be initialized."""
    from hydra.core.global_hydra import GlobalHydra

    return [name for name in GlobalHydra.instance().config_loader().get_group_options(group) if name != "none"]


def _data_set(thing: str, configs: list) -> Finding:
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    from lic_lightning.data.dataset import DatasetNotFoundError

    try:
        datasets = [instantiate(config) for config in configs]
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, DatasetNotFoundError):
            return Finding(thing, False, str(cause).partition(". ")[0])
        if isinstance(cause, ValueError | OSError):  # lists that don't fit, JSON cut short, a folder without permission
            return _malformed(thing, cause)
        raise
    try:
        for dataset in datasets:
            _probe(dataset)
    except (ValueError, OSError) as error:
        return _malformed(thing, error)
    return Finding(thing, True, f"{sum(map(len, datasets)):,} images")


def _malformed(thing: str, why: object) -> Finding:
    return Finding(thing, False, f"malformed: {' '.join(str(why).split())}", malformed=True)


def _probe(dataset: ImageDataset) -> None:
    """What can be told without decoding all: no file is empty, and the first image is one."""
    empty = [dataset.names[index] for index in range(len(dataset)) if not dataset.nbytes(index)]
    if empty:
        raise ValueError(f"{len(empty)} files are empty, the first is {empty[0]}")
    dataset[0]


def weights() -> Iterator[Finding]:
    """Shipped weights, the zoo's, and the trunks of LPIPS and DISTS."""
    import torch
    from compressai.zoo.image import model_urls

    from lic_lightning.codecs.registry import names
    from lic_lightning.codecs.shipped import shipped_lmbdas
    from lic_lightning.codecs.weights import zoo_path
    from lic_lightning.metrics.distances import TRUNKS

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    shipped = [f"{name} at λ {', '.join(map(str, found))}" for name in names() if (found := shipped_lmbdas(name))]
    yield Finding("shipped weights", bool(shipped), "; ".join(shipped) or "none")
    zoo = [
        f"{name} {metric} q{quality}"
        for name in names()
        for metric, urls in model_urls.get(name, {}).items()
        for quality in urls
        if zoo_path(name, metric, quality).is_file()
    ]
    yield Finding("zoo weights", bool(zoo), ", ".join(zoo) or f"none in {folder}; downloaded there when asked for")
    for name, trunk in zip(("LPIPS trunk", "VGG16, of lpips-vgg and DISTS"), TRUNKS.values(), strict=True):
        here = (folder / trunk).is_file()
        yield Finding(name, here, str(folder / trunk) if here else f"put {trunk} into {folder}")


def launchers() -> Iterator[Finding]:
    """Hydra's launchers beyond one job after the other."""
    for extra, package in LAUNCHERS.items():
        try:
            yield Finding(f"launcher {extra}", True, f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(f"launcher {extra}", False, f"not installed: pip install 'lic-lightning[{extra}]'")


def wandb_key() -> Finding:
    """Whether W&B logs online."""
    import wandb

    key = wandb.login(prompt=False)
    return Finding("W&B", key, "key found: logs online" if key else "no key: logs offline")


def examine(overrides: list[str]) -> Iterator[Finding]:
    """Everything in order; a torchvision that does not fit ends it, as nothing else would load."""
    yield from installed()
    match = wheels_match()
    yield match
    if not match.found:
        return
    yield from hardware()
    yield from data_sets(overrides)
    yield from weights()
    yield from launchers()
    yield wandb_key()


def main(argv: list[str]) -> int:
    """Prints one line per thing."""
    parser = argparse.ArgumentParser(
        prog="lic doctor", description=__doc__, epilog="example: lic doctor paths.data=/data/photographs"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="overrides as for `lic train`")
    args = parser.parse_args(argv)
    console = Console(highlight=False)
    for finding in examine(args.overrides):
        line = Text.assemble(finding.mark, f" {finding.thing:{WIDTH}} ", finding.remark)
        console.print(line, soft_wrap=True)
    return 0
