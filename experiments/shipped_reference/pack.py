"""Puts the trained reference into the package: half precision, without CDFs (rebuilt, bit for bit, at loading).

    python experiments/shipped_reference/pack.py outputs/shipped_reference

Takes each run's `codec.safetensors`; the reference is from then on the half-precision weights, evaluated as such.
"""

import sys
from pathlib import Path

from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from lic_lightning.codecs.entropy import drop_cdfs
from lic_lightning.codecs.weights import shipped_path
from lic_lightning.run import WEIGHTS


def main(sweep: Path) -> None:
    """Packs the weights of every finished run of the sweep."""
    for weights in sorted(sweep.glob(f"*/{WEIGHTS}")):
        config = OmegaConf.load(weights.parent / "config.yaml")
        state = drop_cdfs(load_file(weights))
        target = shipped_path(config.codec.name, config.lmbda)
        target.parent.mkdir(exist_ok=True)
        save_file(
            {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()},
            target,
        )
        print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
