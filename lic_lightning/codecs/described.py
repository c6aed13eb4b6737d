"""Weights in one safetensors file with what they mean, as JSON in its metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def described(tensors: Mapping[str, Tensor], key: str, about: dict[str, Any]) -> bytes:
    """The bytes of a file of tensors that says, under `key`, what they mean."""
    return save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, {key: json.dumps(about)})


def load_described(
    path: Path, key: str, what: str, error: type[ValueError], made_by: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file says under `key`, and its tensors. Nothing in the file is executed.

    Args:
        path: of the file.
        key: what it is known by.
        what: it holds, in the words of a message.
        error: for another file.
        made_by: which command writes such files, for the message where there is none.

    Raises:
        FileNotFoundError: no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {what} at {path}: `lic {made_by}` makes one")
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[key])
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, json.JSONDecodeError) as reason:
        raise error(f"{path} is not the file of a {what}") from reason
