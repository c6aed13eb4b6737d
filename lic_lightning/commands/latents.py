"""`lic latents`: code a data set once into a latent store, from which `lic recognize` trains; it goes on."""

import logging
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from lic_lightning.commands.train import put_together, with_weights
from lic_lightning.runs.identity import CONF
from lic_lightning.runs.job import run_job

log = logging.getLogger("lic.latents")


def store(cfg: DictConfig, folder: Path) -> None:
    """Builds the store that `lic recognize` with the same overrides will find."""
    cfg = with_weights(cfg)
    built = put_together(cfg.data, start=instantiate(cfg.codec)).store
    coded = [built[index] for index in range(len(built))]
    size = sum(image.nbytes for image in coded)
    bpp = sum(8 * image.nbytes / (image.height * image.width) for image in coded) / len(coded)
    log.info("%s: %d images, %d bytes of streams, %.4f bpp on average", built.folder, len(coded), size, bpp)


@hydra.main(config_path=str(CONF), config_name="latents", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Hydra's entry point."""
    run_job(store, cfg)


if __name__ == "__main__":
    main()
