"""`lic selector`: `lic train` of a classifier that picks the encoder; then what each way of picking saves.

The classifier learns from the train splits of the categories, the same splits as their encoders'. Where `encoders`
names a sweep of these encoders, the tables are made from its rows: nothing is coded again.
"""

from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig

from lic_lightning.commands.train import fit, put_together
from lic_lightning.runs.identity import CONF
from lic_lightning.runs.job import run_job
from lic_lightning.selection.classifier import ClassifierError, load_classifier


def select(cfg: DictConfig, folder: Path) -> None:
    """Trains the classifier that `cfg` describes, or loads it, and has it judged on the test splits."""
    if cfg.classifier is None:
        return fit(cfg, folder)
    data = put_together(cfg.data)
    data.setup()
    classifier = load_classifier(Path(cfg.classifier))
    if set(classifier.info.categories) != set(data.classes):
        known = ", ".join(classifier.info.categories)
        raise ClassifierError(f"{cfg.classifier} knows {known}, not {', '.join(data.classes)}")
    put_together(cfg.judge).tell(classifier, data)


@hydra.main(config_path=str(CONF), config_name="selector", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Hydra's entry point."""
    torch.set_num_threads(cfg.threads)
    run_job(select, cfg)


if __name__ == "__main__":
    main()
