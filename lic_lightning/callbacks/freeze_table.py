"""What trains and what is frozen, by role, before training starts."""

import pytorch_lightning as pl
from rich.console import Console
from rich.table import Table

from lic_lightning.codecs.freeze import trainable_by_role
from lic_lightning.modules.codec_module import CodecModule


class FreezeTable(pl.Callback):
    """Prints trainable and frozen parameters of a codec by role."""

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Prints the table on the first process."""
        if not (trainer.is_global_zero and isinstance(module, CodecModule)):
            return
        table = Table("role", "trainable", "frozen", title=f"freeze={module.freeze_policy.name}")
        for column in table.columns[1:]:
            column.justify = "right"
        for role, (trainable, frozen) in trainable_by_role(module.codec, module.roles).items():
            table.add_row(role, f"{trainable:,}", f"{frozen:,}")
        Console().print(table)
