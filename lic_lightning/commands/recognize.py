"""`lic recognize`: `lic train` of a head on latents (or pixels), the codec frozen or trained with it.

`cfg.task` says what the head sees and whether the codec trains, `cfg.head` is the network, `cfg.dataset` the images.
"""

import hydra
from omegaconf import DictConfig

from lic_lightning.commands.train import train
from lic_lightning.runs.identity import CONF
from lic_lightning.runs.job import run_job


@hydra.main(config_path=str(CONF), config_name="recognize", version_base="1.3")
def main(cfg: DictConfig) -> float | None:
    """Hydra's entry point; returns what a sweeper minimizes, the lowest validation loss."""
    return run_job(train, cfg)


if __name__ == "__main__":
    main()
