"""Which picture trains, which validates, which tests: lists of names, fixed by a seed, kept in a file."""

import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lic_lightning.data.dataset import ImageDataset
from lic_lightning.files import write_atomically

PARTS = ("train", "val", "test")
SPLITS = "splits.json"  # in a cell's folder
OWN = "split"  # among the photographs that a cell remembers: those that are split
HASHED = 20_000  # pictures of a data set; of larger ones sizes stand for contents, as reading all takes an hour


Contents = Mapping[str, str]  # of photographs, by name


class PhotographsChangedError(ValueError):
    """A start finds other photographs, or other splits, than its cell was made from; the message names them."""


def draw_splits(names: Sequence[str], split: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Shuffle `names` by `seed` and cut them into train, val and test.

    Test is dealt first, then val: a smaller train count leaves both as they were.

    Args:
        names: all pictures.
        split: train, val and test, all as counts or all as fractions.
        seed: fixes the shuffle; the order of `names` does not matter.

    Raises:
        ValueError: fewer pictures than the split needs.
    """
    counts = _counts(len(names), split)
    order = sorted(names)
    random.Random(seed).shuffle(order)
    deck = iter(order)
    dealt = {part: [next(deck) for _ in range(counts[part])] for part in reversed(PARTS)}
    return {part: sorted(dealt[part]) for part in PARTS}


def _counts(available: int, split: Mapping[str, float]) -> dict[str, int]:
    if set(split) != set(PARTS) or min(split.values()) < 0:
        raise ValueError(f"split needs {', '.join(PARTS)}, none negative; got {dict(split)}")
    wanted = " + ".join(f"{part} {split[part]}" for part in PARTS)
    if sum(split.values()) <= 1 + 1e-9:
        counts = {part: max(1, round(split[part] * available)) if split[part] else 0 for part in PARTS}
        # Rounding up may ask for a picture too many: train gives it.
        counts["train"] = min(counts["train"], available - counts["val"] - counts["test"])
        if split["train"] and counts["train"] < 1:
            raise ValueError(f"{available} images are too few for the fractions {wanted}")
        return counts
    if any(value != int(value) for value in split.values()):
        raise ValueError(f"split must be all counts, or fractions that sum to at most 1; got {wanted}")
    if sum(split.values()) > available:
        raise ValueError(f"the split needs {int(sum(split.values()))} images ({wanted}) but there are {available}")
    return {part: int(split[part]) for part in PARTS}


def read_splits(path: str | Path, names: Sequence[str]) -> dict[str, list[str]]:
    """The splits that `write_splits` stored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a part is missing, a name is not in `names`, or a name stands twice.
    """
    stored = json.loads(Path(path).read_text())
    if missing := [part for part in PARTS if part not in stored]:
        raise ValueError(f"{path} has no list named {', '.join(missing)}")
    listed = [name for part in PARTS for name in stored[part]]
    if unknown := sorted(set(listed) - set(names)):
        raise ValueError(f"{path} lists {len(unknown)} images that the dataset lacks: {unknown[0]}, …")
    if len(set(listed)) < len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        raise ValueError(f"{path} lists {twice} more than once")
    return {part: list(stored[part]) for part in PARTS}


def keep_splits(
    path: Path, own: Contents, others: Mapping[str, Contents], draw: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """The splits of a cell: drawn and written at its first start, read back at each later one.

    Args:
        path: of the file in the cell's folder.
        own: the photographs that are split; where they have labels, these are part of their contents.
        others: further ones that the cell depends on, by name.
        draw: makes the lists under train, val and test, and whatever else is to be kept.

    Returns:
        What was drawn, with the photographs' contents under "photographs". Renamed ones have today's names.

    Raises:
        PhotographsChangedError: photographs were added, removed or changed since the first start.
    """
    now = {**others, OWN: own}
    if not path.is_file():
        write_splits(path, {**draw(), "photographs": now})
    kept = json.loads(path.read_text())
    before = kept["photographs"]
    compared = {name: _compare(before.get(name, {}), now.get(name, {})) for name in sorted(before.keys() | now.keys())}
    if changes := [f"{name}: {change}" for name, (_, change) in compared.items() if change]:
        raise PhotographsChangedError(
            f"the cell in {path.parent} was made from other photographs ({'; '.join(changes)}): put those back, or "
            "delete the folder, or give the run another sweep, to make it from these"
        )
    renamed, _ = compared[OWN]
    return {**kept, **{part: [renamed.get(name, name) for name in kept[part]] for part in PARTS}}


def contents(dataset: ImageDataset) -> Contents:
    """Name → SHA-256 of a picture's content; of more than `HASHED` pictures their sizes in bytes."""
    if len(dataset) > HASHED:
        return {name: f"{dataset.nbytes(index)} bytes" for index, name in enumerate(dataset.names)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(dataset.names, pool.map(dataset.digest, range(len(dataset))), strict=True))


def _compare(kept: Contents, now: Contents) -> tuple[dict[str, str], str]:
    """Old name → new name of pictures that were only renamed, and in words what else differs."""
    old = {name: content for name, content in kept.items() if now.get(name) != content}
    new = {name: content for name, content in now.items() if kept.get(name) != content}
    if sorted(old.values()) == sorted(new.values()) and len(now) <= HASHED:
        return dict(zip(sorted(old, key=old.__getitem__), sorted(new, key=new.__getitem__), strict=True)), ""
    kinds = {"added": new.keys() - old, "gone": old.keys() - new, "changed": old.keys() & new}
    return {}, ", ".join(f"{len(names)} {kind}, {some(names)}" for kind, names in kinds.items() if names)


def some(names: Collection[str], most: int = 3) -> str:
    """The first few names."""
    return ", ".join(sorted(names)[:most]) + (" …" if len(names) > most else "")


def write_splits(path: str | Path, content: Mapping[str, object]) -> None:
    """Write as JSON under a temporary name, then rename: a reader never sees half a file."""
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def check_disjoint(parts: Mapping[str, ImageDataset]) -> None:
    """Refuse two parts that share a picture by content. Only files of equal size are hashed.

    Raises:
        ValueError: names both pictures and their parts.
    """
    by_size: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for part, dataset in parts.items():
        for index in range(len(dataset)):
            by_size[dataset.nbytes(index)].append((part, index))
    for group in by_size.values():
        if len({part for part, _ in group}) < 2:
            continue
        seen: dict[str, tuple[str, int]] = {}
        for part, index in group:
            other, twin = seen.setdefault(parts[part].digest(index), (part, index))
            if other != part:
                raise ValueError(
                    f"{other} and {part} share an image: {parts[other].names[twin]} ({other}) and "
                    f"{parts[part].names[index]} ({part}) are the same file by content; "
                    "remove one, or give data.split_file with lists that keep them together"
                )
