"""Where the configurations are, and what a config means: the run that it describes, its cell and its curve."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lic_lightning.codecs.quality import lmbda_of
from lic_lightning.codecs.shipped import shipped_digest
from lic_lightning.runs.run import Run

_PACKAGE = Path(__file__).parents[1]
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"

WITHOUT_MEANING = {
    "": ("paths", "logger", "callbacks", "hydra", "sweep", "resume", "compile", "debug"),
    "data": ("workers", "cache", "on_corrupt", "split_file"),
    "evaluation": ("workers", "lpips_trunk", "classic"),
    "trainer": (
        "accelerator", "devices", "strategy", "num_nodes", "log_every_n_steps", "default_root_dir",
        "enable_progress_bar", "enable_model_summary", "num_sanity_val_steps", "use_distributed_sampler",
    ),
}  # fmt: skip
DEFAULT_QUALITY = 4
POINT_KEYS = ("lmbda", "codec.quality", "codec.weights")


def meaning(cfg: DictConfig) -> dict[str, Any]:
    """What a result depends on: the config less paths, loggers, hardware and workers.

    Interpolations stay as they are written, so that a cell is the same on two machines; λ and the seed are values.
    Shipped weights count by content: a release with better ones is another reference, and its runs are other runs.
    """
    content = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(content, dict)
    for group, keys in WITHOUT_MEANING.items():
        node = content.get(group) if group else content
        for key in keys:
            if isinstance(node, dict):
                node.pop(key, None)
    return {**content, **_shipped(cfg.codec), "lmbda": float(cfg.lmbda), "seed": int(cfg.seed)}


def run_of(cfg: DictConfig, folder: Path) -> Run:
    """The run that a config describes, in `folder`."""
    reference = cfg.reference.codec
    return Run(
        folder=folder,
        cell=cell_id(cfg),
        curve=curve_id(cfg),
        reference=reference_id(cfg) if reference else None,
        reference_name=f"{reference.name} {Path(reference.weights).stem} (reference)" if reference else "",
        codec=cfg.codec.name,
        category=cfg.category.name,
        freeze=cfg.freeze.name,
        objective=cfg.objective.name,
        lmbda=float(cfg.lmbda),
        seed=int(cfg.seed),
    )


def cell_id(cfg: DictConfig) -> str:
    """12 hex digits that name a run: equal meaning, equal name."""
    return _hash(meaning(cfg))


def curve_id(cfg: DictConfig) -> str:
    """12 hex digits that the runs of one curve share: their meaning but for λ, quality and the weights of each λ."""
    content = meaning(cfg)
    for path in POINT_KEYS:
        *parents, key = path.split(".")
        node = content
        for parent in parents:
            node = node[parent]
        node.pop(key, None)
    return _hash(content)


def reference_id(cfg: DictConfig) -> str:
    """12 hex digits that the points of one reference curve share, whichever run asked for them."""
    content = OmegaConf.to_container(cfg.reference.codec, resolve=False)
    if isinstance(content, str):  # ${codec}
        content = OmegaConf.to_container(cfg.codec, resolve=False)
    assert isinstance(content, dict)
    kept = {str(key): value for key, value in content.items() if key not in ("lmbda", "quality")}
    return _hash({**kept, **_shipped(cfg.reference.codec)})


def _shipped(codec: DictConfig) -> dict[str, str]:
    return {"shipped": shipped_digest(codec.name)} if codec.weights == "shipped" else {}


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


# Known to every process that imports this module, a launcher's workers too: `${lic.cell:}` is a cell's folder name,
# `${lic.lmbda:QUALITY,METRIC}` the λ of a quality.
OmegaConf.register_new_resolver("lic.cell", lambda *, _root_: cell_id(_root_), replace=True)
OmegaConf.register_new_resolver("lic.lmbda", lambda q, metric: lmbda_of(q or DEFAULT_QUALITY, metric), replace=True)
