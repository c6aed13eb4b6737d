"""Fingerprints: the identity of tensors, bit for bit."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lic_lightning.codecs.roles import RoleTable, named_tensors, tensor_roles


def decoder_digests(codec: nn.Module, table: RoleTable) -> dict[str, str]:
    """SHA-256 of each decoder-side tensor (roles decoder and entropy) over name, shape, dtype and bytes."""
    roles = tensor_roles(codec, table)
    return {name: tensor_digest(name, t) for name, t in named_tensors(codec) if roles[name] != "encoder"}


def decoder_fingerprint(codec: nn.Module, table: RoleTable) -> str:
    """SHA-256 (hex) over all decoder-side tensors, independent of their order, device and memory layout."""
    return combine(decoder_digests(codec, table).values())


def codec_fingerprint(codec: nn.Module) -> str:
    """SHA-256 (hex) over all parameters and buffers."""
    return combine(tensor_digest(name, tensor) for name, tensor in named_tensors(codec))


def tensor_digest(name: str, tensor: Tensor) -> str:
    """SHA-256 (hex) of one named tensor."""
    # A copy: torch never resizes again what NumPy has looked at, and another checkpoint's CDFs need another size
    data = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    digest = hashlib.sha256(f"{name}|{tuple(data.shape)}|{data.dtype}|".encode())
    digest.update(data.reshape(-1).view(torch.uint8).numpy().tobytes() if data.numel() else b"")
    return digest.hexdigest()


def combine(digests: Iterable[str]) -> str:
    """SHA-256 (hex) over a set of digests, in any order."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
