"""The weights that ship with the package: where they lie, and which they are."""

import hashlib
from functools import cache
from pathlib import Path

SHIPPED = Path(__file__).parent.parent / "weights"


def shipped_path(name: str, lmbda: float) -> Path:
    """Where the weights shipped for a codec and a λ lie."""
    return SHIPPED / f"{name}_{lmbda:.4f}.safetensors"


def shipped_lmbdas(name: str) -> list[float]:
    """The λ for which weights of a codec are shipped."""
    return sorted(float(path.stem.rpartition("_")[2]) for path in SHIPPED.glob(f"{name}_*.safetensors"))


@cache
def shipped_digest(name: str) -> str:
    """12 hex digits over all weights shipped for a codec; a release that retrains them has others."""
    digest = hashlib.sha256()
    for lmbda in shipped_lmbdas(name):
        digest.update(shipped_path(name, lmbda).read_bytes())
    return digest.hexdigest()[:12]
