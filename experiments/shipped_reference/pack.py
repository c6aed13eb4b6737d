"""Puts the trained reference into the package: parameters in half precision, CDFs left out.

    python experiments/shipped_reference/pack.py outputs/shipped_reference large
    python experiments/shipped_reference/pack.py outputs/shipped_reference_longer longest

CDFs are rebuilt, bit for bit, when the weights are loaded. Buffers stay as they are: among them is the floor of the
likelihoods, 1e-9, which is 0 in half precision. From then on the reference is these rounded weights, evaluated as such.
"""

import sys
from pathlib import Path

from omegaconf import OmegaConf
from safetensors.torch import save_file

from lic_lightning.codecs.entropy import drop_cdfs
from lic_lightning.codecs.shipped import shipped_path
from lic_lightning.codecs.weights import load_codec
from lic_lightning.runs.run import WEIGHTS


def main(sweep: Path, stages: str) -> None:
    """Packs the weights of every finished run of the sweep's stages whose names begin with `stages`."""
    for weights in sorted(sweep.glob(f"*/{WEIGHTS}")):
        config = OmegaConf.load(weights.parent / "config.yaml")
        if not config.stage.startswith(f"{stages}_"):
            continue
        codec = load_codec(config.codec.name, lmbda=config.lmbda, weights=str(weights))
        half = {name: parameter.detach().half() for name, parameter in codec.named_parameters()}
        target = shipped_path(config.codec.name, config.lmbda)
        target.parent.mkdir(exist_ok=True)
        save_file({**drop_cdfs(codec.state_dict()), **half}, target)
        print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
