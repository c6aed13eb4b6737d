"""Weights in one safetensors file with what they mean, as JSON in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lic_lightning.files import write_atomically


class NotDescribedError(ValueError):
    """A file that is no safetensors file, or lacks the description that was asked for."""


def save_described(path: Path, module: nn.Module, key: str, about: dict[str, Any]) -> None:
    """Writes a module's state and, under `key`, what it means; whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_atomically(path, save(state, {key: json.dumps(about)}))


def load_described(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file says under `key`, and its tensors. Nothing in the file is executed.

    Raises:
        NotDescribedError: not such a file.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[key])
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise NotDescribedError(f"{path} holds no {key}") from error
