"""How much faster an epoch's latents come from the store than from coding the images anew, side by side.

    LIC_DATA=… python experiments/compressed_domain_recognition/store_speed.py [IMAGES] [SIZE]

Per image, in turn, so that other work on the machine slows all alike: coding on the fly (read, resize, compress, decode
ŷ and σ̂ from the strings), the store (decode from its strings), and the store with `data.cache=true` (from memory).
CPU seconds of one thread; medians over images. "Epoch" adds what the small head's training step takes per image.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from lic_lightning.codecs.registry import build
from lic_lightning.codecs.weights import load_codec
from lic_lightning.data.dataset import InMemory, Subset
from lic_lightning.data.latent_store import Identity, build_store, code
from lic_lightning.data.layouts.class_folders import Resized, class_folders
from lic_lightning.data.recognition import FeatureSource, Views, collate_features, stored_latents
from lic_lightning.heads import CResNet
from lic_lightning.heads.view import View

ROUNDS = 3


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(label: str, name: str, codec: torch.nn.Module, images: Resized) -> None:
    with tempfile.TemporaryDirectory() as folder:
        identity = Identity.of("rsscn7", name, codec, images)
        store = build_store(Path(folder), identity, images, codec)
        indices = range(len(images))
        stored = FeatureSource(store.names, indices, partial(stored_latents, store, codec))
        view = View(16, 14)
        views = {"store": Views(stored, view), "cache": Views(InMemory(stored), view)}  # type: ignore[arg-type]

        def on_the_fly(index: int) -> None:
            store._shards[0][index] = code(images, index, codec, name)  # what Views then decodes is just coded
            views["store"][index, 1]

        found: dict[str, list[float]] = {"fly": [], "store": [], "cache": []}
        for _ in range(ROUNDS):
            for index in indices:
                found["fly"].append(seconds(lambda i=index: on_the_fly(i)))
                for kind in ("store", "cache"):
                    found[kind].append(seconds(lambda i=index, k=kind: views[k][i, 1]))
        medians = {kind: statistics.median(times) for kind, times in found.items()}
        told = ", ".join(f"{kind} {1000 * value:.1f} ms" for kind, value in medians.items())
        step = training_step(views["cache"])
        print(f"{label}: {told} an image, training step {1000 * step:.1f} ms")
        for kind in ("store", "cache"):
            data, epoch = ((medians["fly"] + more) / (medians[kind] + more) for more in (0, step))
            print(f"    {kind}: data {data:.1f}× faster than on the fly, whole epoch {epoch:.1f}×", flush=True)


def training_step(views: Views) -> float:
    """CPU seconds per image of the reduced experiment's head, forward and backward, batches of 12."""
    batch = collate_features([views[index, 1] for index in range(12)])
    head = CResNet(batch.values["y_hat"].size(1), 7, blocks=(2, 2, 2), width=0.25)

    def step() -> None:
        F.cross_entropy(head(batch.values), batch.label).backward()

    return statistics.median(seconds(step) for _ in range(2 * ROUNDS)) / 12


if __name__ == "__main__":
    torch.set_num_threads(1)
    count, size = (int(value) for value in (sys.argv[1:] + ["24", "384"][len(sys.argv) - 1 :]))
    whole = class_folders(
        "rsscn7", Path(os.environ["LIC_DATA"]) / "RSSCN7", split={"train": 0.6, "val": 0.15, "test": 0.25}
    ).dataset
    photos = Resized(Subset(whole, range(0, len(whole), len(whole) // count)[:count]), size)
    for lmbda in (0.0018, 0.0483):
        shipped = load_codec("mbt2018-mean", weights="shipped", lmbda=lmbda)
        measure(f"shipped mbt2018-mean, λ {lmbda}", "mbt2018-mean", shipped, photos)
    torch.manual_seed(0)
    full = build("bmshj2018-hyperprior", 4)
    with torch.no_grad():
        full.g_a[6].weight.mul_(30)  # untrained latents round to zero and cost nothing to decode: these do not
    full.update(force=True)
    measure("the paper's bmshj2018-hyperprior at quality 4 (untrained)", "bmshj2018-hyperprior", full.eval(), photos)
