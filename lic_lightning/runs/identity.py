"""Where the configurations are, and what a config means: the run that it describes, its cell and its curve."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from lic_lightning.codecs.quality import lmbda_of
from lic_lightning.codecs.shipped import shipped_digest
from lic_lightning.runs.run import Run

_PACKAGE = Path(__file__).parents[1]
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"

WITHOUT_MEANING = {
    "": ("paths", "logger", "hydra", "sweep", "resume", "compile", "debug", "chain", "stage", "store"),
    "data": ("workers", "cache", "on_corrupt", "split_file", "store", "stores"),
    "evaluation": ("workers", "lpips_trunk", "classic"),
    "trainer": (
        "accelerator", "devices", "strategy", "num_nodes", "log_every_n_steps", "default_root_dir",
        "enable_progress_bar", "enable_model_summary", "num_sanity_val_steps", "use_distributed_sampler",
    ),
}  # fmt: skip
# Callbacks that only watch. What another one does (averaging weights, stopping, choosing the best) makes the numbers.
WATCHING = {
    "lic_lightning.callbacks.freeze_table.FreezeTable",
    "lic_lightning.callbacks.guard.Guard",
    "lic_lightning.callbacks.progress.ValidationLine",
} | {
    f"{package}.callbacks.{name}"
    for package in ("pytorch_lightning", "lightning.pytorch")
    for name in (
        "DeviceStatsMonitor", "LearningRateMonitor", "ModelSummary", "RichModelSummary", "RichProgressBar",
        "ThroughputMonitor", "TQDMProgressBar",
    )
}  # fmt: skip
FILES_OF_WEIGHTS = (".ckpt", ".pt", ".pth", ".pth.tar", ".safetensors")
STAGE = "${lic.stage:"  # codec.weights=${lic.stage:NAME} starts from that stage's run of the same chain
RUN = "run:"  # codec.weights=run:<cell>, or run:<sweep>/<cell>
DEFAULT_QUALITY = 4
UNSAID = ("analysis", None)  # of a codec: runs from before there was a choice keep their names


def meaning(cfg: DictConfig) -> dict[str, Any]:
    """What a result depends on: the config less paths, loggers, hardware, workers and callbacks that only watch.

    Interpolations stay as they are written, so that a cell is the same on two machines; λ and the seed are values.
    Weights count by content, wherever they are named and wherever they lie.
    """
    return _content(cfg, lambda path, written: _by_content(cfg, path, written) or written)


def weights_id(cfg: DictConfig, path: str) -> str:
    """Which weights the setting at `path` names, by content.

    Returns:
        "none", "zoo", "shipped:" and 12 hex digits over all that the package ships for the codec, "sha256:" and 12 hex
        digits of a file, "run:" and the cell of a finished run. A file that is not there: its path.
    """
    named = OmegaConf.select(cfg, path)
    return _by_content(cfg, path, str(named)) or str(named)


def run_of(cfg: DictConfig, folder: Path) -> Run:
    """The run that a config describes, in `folder`."""
    reference = cfg.reference.codec
    return Run(
        folder=folder,
        cell=cell_id(cfg),
        curve=curve_id(cfg),
        refined_curve=refined_curve_id(cfg),
        reference=reference_id(cfg) if reference else None,
        reference_name=_reference_name(cfg) if reference else "",
        codec=cfg.rows.codec,
        category=cfg.rows.category,
        freeze=cfg.rows.freeze,
        objective=cfg.rows.objective,
        lmbda=float(cfg.lmbda),
        seed=int(cfg.seed),
        weights="" if cfg.start is None else weights_id(cfg, "codec.weights"),
        weights_name=weights_name(cfg),
        reference_weights=weights_id(cfg, "reference.codec.weights") if reference else "",
        reference_codec=reference.name if reference else "",
        reference_padding=_reference_padding(cfg),
    )


def weights_name(cfg: DictConfig) -> str:
    """What tells a curve from one of other weights: the file's stem, the run, or the stage of a chain; empty where each
    λ has its own.
    """
    written = str(_as_written(cfg.codec)["weights"])
    if written.startswith(STAGE):
        return written.rpartition(",")[2].removesuffix("}")
    if written in ("none", "zoo", "shipped") or "${" in written:
        return ""
    return written if written.startswith(RUN) else Path(written).name.removesuffix(".tar").rpartition(".")[0]


def cell_id(cfg: DictConfig) -> str:
    """12 hex digits that name a run: equal meaning, equal name."""
    return _hash(meaning(cfg))


def curve_id(cfg: DictConfig) -> str:
    """12 hex digits that the runs of one curve share: their meaning but for λ, quality and refinement, weights as
    written.

    So `…/${lmbda}.pth.tar` is one curve, two files are two, and what is analysed is the same whether it is refined too.
    """
    content = _in_curves(cfg)
    content["evaluation"].pop("refine", None)
    return _hash(content)


def refined_curve_id(cfg: DictConfig) -> str:
    """The same of the refined latents; "" where the config refines none."""
    return _hash(_in_curves(cfg)) if cfg.evaluation.get("refine") else ""


def reference_id(cfg: DictConfig) -> str:
    """12 hex digits that the points of one reference curve share, whichever run asked for them.

    A reference has the analysis of its weights, so none counts beside them.
    """
    node = "codec" if _as_written(cfg.reference)["codec"] == "${codec}" else "reference.codec"
    content = _as_written(OmegaConf.select(cfg, node))
    kept = {key: value for key, value in content.items() if key not in ("lmbda", "quality", "analysis")}
    weights = _in_a_curve(cfg, f"{node}.weights", kept["weights"])
    return _hash({**kept, "weights": weights, "padding": _reference_padding(cfg)})


def _reference_name(cfg: DictConfig) -> str:
    """With the padding, where the reference has one of its own."""
    codec, own = cfg.reference.codec, cfg.reference.get("padding", "")
    return f"{codec.name} {Path(codec.weights).stem} {own}".rstrip() + " (reference)"


def _reference_padding(cfg: DictConfig) -> str:
    """Its own, or that of what is judged against it."""
    return str(cfg.reference.get("padding", cfg.evaluation.padding))


def _in_curves(cfg: DictConfig) -> dict[str, Any]:
    content = _content(cfg, lambda path, written: _in_a_curve(cfg, path, written))
    del content["lmbda"]
    content["codec"].pop("quality", None)
    return content


def _content(cfg: DictConfig, weights: Callable[[str, str], str]) -> dict[str, Any]:
    """The config less what has no meaning; `weights` takes each text's path and says how the text counts."""
    content = _as_written(cfg)
    for group, keys in WITHOUT_MEANING.items():
        node = content.get(group) if group else content
        for key in keys:
            if isinstance(node, dict):
                node.pop(key, None)
    callbacks = content.get("callbacks") or {}
    content["callbacks"] = {key: c for key, c in callbacks.items() if c and c["_target_"] not in WATCHING}
    return {**_texts(content, weights), "lmbda": float(cfg.lmbda), "seed": int(cfg.seed)}


def _as_written(cfg: Any) -> dict[str, Any]:
    content = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _texts(node: Any, change: Callable[[str, str], str], path: str = "") -> Any:
    if isinstance(node, dict):
        kept = (pair for pair in node.items() if pair != UNSAID)
        return {key: _texts(value, change, f"{path}.{key}".lstrip(".")) for key, value in kept}
    if isinstance(node, list):
        return [_texts(value, change, f"{path}.{index}") for index, value in enumerate(node)]
    return change(path, node) if isinstance(node, str) else node


def _by_content(cfg: DictConfig, path: str, written: str) -> str | None:
    """What stands for the weights that a setting names; None where it names none, or a file that is not there."""
    node, _, key = path.rpartition(".")
    if "${hydra:" in written or not (key == "weights" or written.endswith(FILES_OF_WEIGHTS)):
        return None
    named = str(OmegaConf.select(cfg, path))
    if named == "shipped":
        return f"shipped:{shipped_digest(OmegaConf.select(cfg, f'{node}.name'))}"
    if named.startswith(RUN):
        return RUN + named.removeprefix(RUN).rpartition("/")[2]
    file = Path(named).expanduser()
    if not file.is_file():
        return None
    return f"sha256:{_file_digest(file, file.stat().st_size, file.stat().st_mtime_ns)}"


def _in_a_curve(cfg: DictConfig, path: str, written: str) -> str:
    if written.startswith(STAGE):  # runs that start from the same place in a recipe, each from its own run
        return written.rpartition(",")[2]
    content = _by_content(cfg, path, written) or ""
    return content if content.startswith("shipped:") else written


@cache
def _file_digest(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:12]


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


# Known to every process that imports this module, a launcher's workers too: `${lic.cell:}` is a cell's folder name,
# `${lic.lmbda:QUALITY,METRIC}` the λ of a quality.
OmegaConf.register_new_resolver("lic.cell", lambda *, _root_: cell_id(_root_), replace=True)
# `${lic.stage:NAME}` is the run that a job of a chain starts from, once the chain has told it which one that is.
OmegaConf.register_new_resolver("lic.stage", lambda run, _place="": run, replace=True)
OmegaConf.register_new_resolver("lic.lmbda", lambda q, metric: lmbda_of(q or DEFAULT_QUALITY, metric), replace=True)


class OwnConfigs(SearchPathPlugin):
    """The folder of configs that the environment variable LIC_CONF names, beside the package's: for each subcommand."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra wherever it composes."""
        if folder := os.environ.get("LIC_CONF"):
            search_path.append("LIC_CONF", f"file://{Path(folder).absolute()}")


Plugins.instance().register(OwnConfigs)
