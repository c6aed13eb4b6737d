"""Training of an encoder towards latents that are known: those of another encoder, or refined ones."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.data.batch import Batch
from lic_lightning.modules.codec_module import CodecModule


class DistillationModule(CodecModule):
    """Trains g_a to give the ŷ that a batch brings, or else the y that the reference's own g_a gives.

    Training minimizes the mean squared distance in symbols, and runs nothing of the codec but g_a. Validation measures
    the objective as `CodecModule` does, and chooses the weights by that.

    Args:
        reference: what the run is judged against; the teacher, of whose g_a there is a copy beside the module: it is
            in no checkpoint.
        codec, name: as in CodecModule, whose settings follow.

    Raises:
        ValueError: no reference, or its decoder is another, to which the latents mean something else.
    """

    def __init__(self, *, codec: nn.Module, name: str, reference: Any, **settings: Any) -> None:
        super().__init__(codec, name, **settings)
        if reference is None:
            raise ValueError("module=distillation takes the reference for its teacher: reference=shipped, zoo or start")
        if decoder_fingerprint(reference, self.roles) != decoder_fingerprint(codec, self.roles):
            raise ValueError("module=distillation: the reference has another decoder, its latents mean something else")
        self.teacher = [copy.deepcopy(reference.g_a)]  # in a list: not registered

    def _parts(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        if stage == "val":
            return super()._parts(batch, stage)
        target = self._taught(batch.image) if batch.y_hat is None else batch.y_hat
        loss = F.mse_loss(self.codec.g_a(batch.image).float(), target)
        return self.logged({"loss": loss}, stage, batch.image.size(0))

    @torch.no_grad()
    def _taught(self, image: Tensor) -> Tensor:
        """y (B,M,h,w) in float32: in bfloat16 its largest values would be off by half a symbol."""
        [teacher] = self.teacher
        with torch.autocast(image.device.type, enabled=False):
            return teacher.to(image.device)(image)
