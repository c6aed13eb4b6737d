"""The store holds real bitstreams of one codec, whole or not at all."""

import dataclasses
import json
import os

import pytest
import torch

from lic_lightning.codecs.latents import cut, features
from lic_lightning.codecs.padding import Frame, to_float
from lic_lightning.data import latent_store
from lic_lightning.data.latent_store import Identity, LatentStore, StoreError, build_store, read_shard, shard_path
from lic_lightning.data.layouts.class_folders import Resized


@pytest.fixture
def built(classification, small_codec, tmp_path, monkeypatch):
    """A store of sixteen images in shards of six, its codec, images and identity."""
    monkeypatch.setattr(latent_store, "SHARD", 6)
    codec, images = small_codec("mbt2018-mean"), Resized(classification.dataset, 96)
    identity = Identity.of("photographs", "mbt2018-mean", codec, images)
    return build_store(tmp_path / "store", identity, images, codec), codec, images, identity


@torch.no_grad()
def test_latents_of_the_store_are_those_of_the_codec_s_strings(built):
    store, codec, images, _ = built
    assert len(store) == 16
    for index in (0, 7, 15):
        sample = images[index]
        encoded = codec.compress(to_float(Frame.of(sample.image, 64).pad(sample.image)))
        read = features(cut(codec).read(encoded["strings"], encoded["shape"]))
        own = store.latents(index, codec)
        assert store[index].strings == encoded["strings"]
        assert (store[index].name, store[index].label) == (sample.name, sample.label)
        for part in ("y_hat", "scales"):
            assert own[part].equal(read[part][0, :, 1:-1, 1:-1])


def test_a_stopped_build_goes_on_with_what_is_missing(built, monkeypatch):
    store, codec, images, identity = built
    before = {n: shard_path(store.folder, n).read_bytes() for n in range(3)}
    shard_path(store.folder, 1).unlink()
    coded = []
    real = latent_store.code
    monkeypatch.setattr(latent_store, "code", lambda images, i, *rest: coded.append(i) or real(images, i, *rest))
    build_store(store.folder, identity, images, codec)
    assert coded == [6, 7, 8, 9, 10, 11]
    assert {n: shard_path(store.folder, n).read_bytes() for n in range(3)} == before


def test_an_unfinished_store_is_not_read(built):
    store, _, _, identity = built
    shard_path(store.folder, 2).unlink()
    with pytest.raises(StoreError, match=r"lacks 1 shards.*lic latents"):
        LatentStore(store.folder, identity)


def test_a_store_under_another_padding_is_another(built):
    store, codec, images, identity = built
    other = Identity.of("photographs", "mbt2018-mean", codec, images, "zeros")
    assert other.folder != identity.folder
    with pytest.raises(StoreError, match="built with padding 'blurred-edge', this run has 'zeros'"):
        LatentStore(store.folder, other)


def test_a_store_from_before_latents_could_be_refined_is_read(built):
    store, codec, images, identity = built
    content = json.loads((store.folder / "store.json").read_text())
    del content["refined"]
    (store.folder / "store.json").write_text(json.dumps(content))
    assert len(LatentStore(store.folder, identity)) == 16
    other = Identity.of("photographs", "mbt2018-mean", codec, images, refined="slow")
    assert other.folder != identity.folder
    with pytest.raises(StoreError, match="built with refined None, this run has 'slow'"):
        LatentStore(store.folder, other)


def test_a_store_of_another_codec_is_refused(built, small_codec):
    store, _, images, _ = built
    other = Identity.of("photographs", "mbt2018-mean", small_codec("mbt2018-mean", seed=1), images)
    with pytest.raises(StoreError, match="fingerprint"):
        LatentStore(store.folder, other)


def test_a_store_of_another_size_is_refused(built):
    store, _, _, identity = built
    with pytest.raises(StoreError, match=r"image_size 96.*128"):
        LatentStore(store.folder, dataclasses.replace(identity, image_size=128))


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-9] + b"x" + b[-8:], lambda b: b[:7], lambda _: b""])
def test_a_damaged_shard_is_named(built, damage):
    path = shard_path(built[0].folder, 0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match=r"00000\.lic-shard is damaged"):
        read_shard(path)


def test_a_full_disk_leaves_no_half_shard(built, monkeypatch):
    store, codec, images, identity = built
    shard_path(store.folder, 0).unlink()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        build_store(store.folder, identity, images, codec)
    assert not shard_path(store.folder, 0).exists()


def test_streams_take_little_more_than_their_bytes(built):
    store = built[0]
    streams = sum(store[index].nbytes for index in range(len(store)))
    stored = sum(path.stat().st_size for path in store.folder.glob("*.lic-shard"))
    assert stored < streams + 3 * 200 + 16 * 120
