"""CPU seconds of a training step of each encoder under the shipped decoder, on one thread: 8 crops of 256×256, as in
experiment=other_encoders/own (bf16 networks, channels_last, SOAP), without the loading of crops.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from pytorch_optimizer import SOAP
from torch import Tensor

from lic_lightning.codecs.freeze import FreezePolicy
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.batch import Batch
from lic_lightning.modules.codec_module import CodecModule
from lic_lightning.modules.distillation import DistillationModule
from lic_lightning.objectives import MSE

NAME, LMBDA, STEPS = "mbt2018-mean", 0.013, 7


def seconds(analysis: str | None, module: Callable[..., CodecModule]) -> float:
    """Median of some steps."""
    codec = load_codec(NAME, weights="shipped", lmbda=LMBDA, analysis=analysis)
    codec.to(memory_format=torch.channels_last)
    made = module(
        codec=codec,
        name=NAME,
        freeze=FreezePolicy("encoder_only", ["encoder"]),
        objective=MSE(LMBDA),
        optimizer=partial(SOAP, lr=1e-4, weight_decay=0.0, precondition_frequency=10, max_precondition_dim=512),
    )
    optimizer = made.optimizer_factory([p for p in codec.parameters() if p.requires_grad])
    batch = Batch(torch.rand(8, 3, 256, 256), ["noise"] * 8)
    return median(_step(made, optimizer, batch) for _ in range(STEPS))


def _step(module: CodecModule, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    start = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        loss: Tensor = module._parts(batch, "train")["loss"]
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.process_time() - start


if __name__ == "__main__":
    torch.set_num_threads(1)
    reference = load_codec(NAME, weights="shipped", lmbda=LMBDA)
    distillation = partial(DistillationModule, reference=reference)
    for analysis in (None, "phone", "large"):
        print(f"{analysis or 'own':6} R + λD {seconds(analysis, CodecModule):.2f}", end="  ")
        print(f"distillation {seconds(analysis, distillation):.2f}")
