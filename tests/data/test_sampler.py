"""Order and crops depend on (seed, epoch, position) alone, and a stopped run goes on exactly."""

import pytest
import pytorch_lightning as pl
import torch
import torch.distributed as dist

from lic_lightning.data import Category, DataModule, FolderDataset
from lic_lightning.data.sampler import CropSampler


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


def test_an_epoch_takes_every_picture_once():
    assert sorted(index for index, _ in CropSampler(10, seed=0)) == list(range(10))


def test_the_same_seed_and_epoch_repeat():
    assert epoch(CropSampler(10, seed=4), 3) == epoch(CropSampler(10, seed=4), 3)


@pytest.mark.parametrize("other", [(0, 1), (1, 0)])
def test_another_epoch_or_seed_differs(other):
    seed, number = other
    assert epoch(CropSampler(10, seed), number) != epoch(CropSampler(10, 0), 0)


def test_epoch_size_goes_on_with_fresh_permutations():
    indices = [index for index, _ in CropSampler(10, seed=0, epoch_size=25)]
    assert len(indices) == 25
    assert sorted(indices[:10]) == sorted(indices[10:20]) == list(range(10))
    assert indices[:10] != indices[10:20]


def test_every_position_has_its_own_crop():
    crops = [crop for _, crop in CropSampler(10, seed=0, epoch_size=1000)]
    assert len(set(crops)) == 1000


def test_a_start_skips_and_changes_nothing_else():
    whole = list(CropSampler(10, seed=0))
    late = CropSampler(10, seed=0)
    late.start = 4
    assert list(late) == whole[4:]
    assert len(late) == 10


def test_ranks_share_the_epoch_evenly(monkeypatch):
    single = list(CropSampler(7, seed=0, epoch_size=21))
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    shards = []
    for rank in range(2):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        shards.append(list(CropSampler(7, seed=0, epoch_size=21)))
    assert [len(shard) for shard in shards] == [11, 11]
    interleaved = [pair for pairs in zip(*shards, strict=True) for pair in pairs]
    assert interleaved[:21] == single


class Recorder(pl.LightningModule):
    """Writes down what it is fed; learns one number so that Lightning has something to step."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen, self.stop_at = [], stop_at

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, tuple(batch.name), batch.image.sum().item()))
        return ((self.weight - batch.image.mean()) ** 2).sum()

    def validation_step(self, batch, batch_idx):
        self.log("val", batch.image.mean(), batch_size=len(batch.name))

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if len(self.seen) == self.stop_at:
            self.trainer.save_checkpoint(self.trainer.default_root_dir + "/stop.ckpt")
            raise KeyboardInterrupt

    def on_validation_end(self):
        if not self.trainer.sanity_checking:
            self.trainer.save_checkpoint(f"{self.trainer.default_root_dir}/val{self.current_epoch}.ckpt")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def noise(photos, workers=0):
    split = {"train": 7, "val": 1, "test": 2}
    return DataModule(Category("noise", FolderDataset(photos), split), crop=16, batch_size=2, workers=workers)


def trainer(folder, **options):
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def fit(folder, photos, stop_at=None, resume=None, workers=0, max_epochs=3):
    module = Recorder(stop_at)
    run = trainer(folder, max_epochs=max_epochs)
    if stop_at is None:
        run.fit(module, noise(photos, workers), ckpt_path=resume)
    else:
        with pytest.raises(SystemExit):
            run.fit(module, noise(photos, workers))
    return module


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop_at", [1, 2, 3, 5, 6, 8])  # an epoch has three batches
def test_a_stopped_run_goes_on_exactly(tmp_path, photos, stop_at, workers):
    whole = fit(tmp_path, photos, workers=workers)
    first = fit(tmp_path, photos, stop_at=stop_at, workers=workers)
    rest = fit(tmp_path, photos, resume=tmp_path / "stop.ckpt", workers=workers)
    assert len(whole.seen) == 9
    assert first.seen + rest.seen == whole.seen
    assert torch.equal(rest.weight, whole.weight)


def test_a_finished_run_goes_on_in_the_next_epoch(tmp_path, photos):
    whole = fit(tmp_path, photos, max_epochs=3)
    short = fit(tmp_path, photos, max_epochs=2)
    short.trainer.save_checkpoint(tmp_path / "end.ckpt")
    rest = fit(tmp_path, photos, resume=tmp_path / "end.ckpt", max_epochs=3)
    assert short.seen + rest.seen == whole.seen


def test_a_checkpoint_of_validation_goes_on_in_the_next_epoch(tmp_path, photos):
    whole = fit(tmp_path, photos)
    rest = fit(tmp_path, photos, resume=tmp_path / "val1.ckpt")
    assert rest.seen == whole.seen[6:]


def test_workers_do_not_change_what_is_seen(tmp_path, photos):
    assert fit(tmp_path, photos, workers=0).seen == fit(tmp_path, photos, workers=2).seen


def test_overfit_batches_repeats_one_crop(tmp_path, photos):
    module = Recorder()
    trainer(tmp_path, max_epochs=2, overfit_batches=1).fit(module, noise(photos))
    (_, *first), (_, *second) = module.seen
    assert first == second
