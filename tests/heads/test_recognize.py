"""`lic recognize`: heads on latents, the baselines on pixels, and codecs that train with their heads."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from lic_lightning.callbacks.recognition import RecognitionPoint
from lic_lightning.cli import main as lic
from lic_lightning.codecs.weights import load_codec, save_state
from lic_lightning.data.latent_store import StoreError
from lic_lightning.evaluation.results import read_rows
from lic_lightning.heads.head_file import load_head
from lic_lightning.reports.html import write_page
from lic_lightning.runs.folder import RunFolder


def test_a_head_on_latents_from_the_store_to_rows(lic_recognize):
    folder = lic_recognize("task=frozen")
    rows = read_rows(folder)
    [run] = [path.parent for path in folder.glob("*/results.parquet")]
    assert len(rows) == 4
    assert rows["label"].to_list() == ["cat", "cat", "coffee", "coffee"]
    assert (rows["top1"] == (rows["label"] == rows["predicted"])).all()
    assert (rows["bpp"] > 0).all()
    assert (rows["psnr"] > 0).all()
    assert (run / "figure_latents.png").read_bytes().startswith(b"\x89PNG")
    assert "50.0 % on photographs" in (run / "recognition.md").read_text()


def test_the_reduced_experiment_runs_on_a_data_set_and_a_head_of_its_own(lic_recognize, labelled_photographs):
    head = ("head=cresnet39", "head.latents.front_width=8")
    folder = lic_recognize("experiment=recognition_reduced", "dataset=texture", "sweep=recognize", *head)
    assert len(rows := read_rows(folder)) == 4
    assert set(rows["category"]) == {"photographs"}
    assert set(rows["objective"]) == {"frozen cresnet39"}


def test_the_baselines_stand_beside_it(lic_recognize):
    folder = lic_recognize("-m", "task=frozen,decoded,originals")
    means = read_rows(folder).group_by("objective").agg(pl.col("bpp", "psnr", "label_kmac").mean())
    found = {row["objective"].split()[0]: row for row in means.iter_rows(named=True)}
    assert found["frozen"]["bpp"] == found["decoded"]["bpp"]
    assert found["decoded"]["label_kmac"] > found["frozen"]["label_kmac"]
    assert found["originals"]["psnr"] is None
    assert "| ms to label |" in (folder / "report" / "recognition.md").read_text()

    page = write_page(folder, bootstrap=0).read_text()
    assert "<h2>Recognition</h2>" in page
    assert "Top-1 on photographs" in page
    assert page.count("data:image/webp") == 1, "image, ŷ and σ̂ of the one head on latents"


@pytest.mark.parametrize("task", ["joint", "joint_ce", "alternate", "uncertainty"])
def test_under_encoder_only_the_base_decoder_reads_the_stream(lic_recognize, task):
    folder = lic_recognize(f"task={task}", "task.codec_lr=0.01")
    rows = read_rows(folder)
    [run] = [path.parent for path in folder.glob("*/results.parquet")]
    assert rows["withheld"].to_list() == [None] * 4  # a bit that the base decodes otherwise would be named here
    assert (run / "codec.safetensors").is_file()


def test_the_base_really_reads_the_stream_of_a_joint_training(lic_recognize, monkeypatch):
    judge = RecognitionPoint.on_fit_end

    def with_another_base(self, trainer, module):
        self.codec.g_s[6].weight.data.mul_(1.5)
        judge(self, trainer, module)

    monkeypatch.setattr(RecognitionPoint, "on_fit_end", with_another_base)
    rows = read_rows(lic_recognize("task=joint", "task.codec_lr=0.01"))
    assert all(reason.startswith("cross-decode") for reason in rows["withheld"])
    assert rows["decoder_found"].to_list() == rows["withheld"].to_list()


def test_a_claim_that_the_base_reads_the_stream_is_measured(lic_recognize):
    moved = ("freeze.train=[encoder,entropy]", "+freeze.deployed=true", "freeze.name=wording", "task.codec_lr=0.1")
    rows = read_rows(lic_recognize("task=joint", *moved, "trainer.max_epochs=2"))
    assert rows["decoder_claim"].unique().to_list() == ["deployed"]
    assert rows["decoder_checks"].unique().to_list() == ["guard, cross-decode"]
    assert all(reason.startswith("cross-decode") for reason in rows["withheld"])


def test_a_schedule_of_steps_steps_in_every_module(lic_recognize, monkeypatch):
    monkeypatch.setattr(OneCycleLR, "step", counted := Counted(OneCycleLR.step))
    lic_recognize("scheduler=onecycle", "trainer.max_steps=4", "trainer.max_epochs=2")
    lic_recognize("task=joint", "scheduler=onecycle", "trainer.max_steps=4", "trainer.max_epochs=2")
    assert counted.calls == 2 * (4 + 1)  # and one as it is made


class Counted:
    """A method that counts its calls."""

    def __init__(self, method):
        self.method, self.calls = method, 0

    def __get__(self, instance, owner):
        def call(*args, **settings):
            self.calls += 1
            return self.method(instance, *args, **settings)

        return call


def test_the_encoder_moves_and_the_decoder_does_not(lic_recognize, tmp_path):
    torch.manual_seed(5)
    base = load_codec("mbt2018-mean", weights="none", lmbda=0.013, N=8, M=12)
    save_state(base, tmp_path / "base.safetensors")
    overrides = ["codec.weights=" + str(tmp_path / "base.safetensors"), "task=joint_ce", "task.codec_lr=0.1"]
    folder = lic_recognize(*overrides)
    [run] = [path.parent for path in folder.glob("*/results.parquet")]
    tuned = load_codec("mbt2018-mean", weights=str(run / "codec.safetensors"), lmbda=0.013)
    now = tuned.state_dict()
    moved = {name.split(".")[0] for name, tensor in base.state_dict().items() if not tensor.equal(now[name])}
    assert moved == {"g_a", "h_a"}
    with torch.no_grad():
        encoded = tuned.compress(torch.rand(1, 3, 64, 64))
        assert base.decompress(**encoded)["x_hat"].equal(tuned.decompress(**encoded)["x_hat"])


def test_a_joint_run_is_read_as_any_other_run(lic_recognize, tmp_path):
    torch.manual_seed(5)
    base = str(tmp_path / "base.safetensors")
    save_state(load_codec("mbt2018-mean", weights="none", lmbda=0.013, N=8, M=12), Path(base))
    folder = lic_recognize("task=joint", f"codec.weights={base}", "task.codec_lr=0.1")
    [run] = [RunFolder(path.parent) for path in folder.glob("*/results.parquet")]
    made = run.delta(base)
    assert (run.category, made.info.category) == ("photographs", "photographs")
    assert {name.split(".")[0] for name in made.tensors} == {"g_a", "h_a"}
    last = load_codec("mbt2018-mean", weights=str(run.path / "checkpoints" / "last.ckpt"), lmbda=0.013)
    assert last.g_s[0].weight.equal(load_codec("mbt2018-mean", weights=base, lmbda=0.013).g_s[0].weight)


def test_all_of_the_codec_may_train_as_in_the_paper(lic_recognize):
    rows = read_rows(lic_recognize("task=joint_ce", "freeze=none"))
    assert rows["withheld"].to_list() == [None] * 4
    assert rows["freeze"].unique().to_list() == ["none"]


def test_a_store_of_another_codec_is_refused(lic_recognize, tmp_path):
    lic_recognize("task=frozen", f"store={tmp_path / 'own'}")
    with pytest.raises(StoreError, match="fingerprint"):
        lic_recognize("task=frozen", f"store={tmp_path / 'own'}", "seed=1")  # another seed, another untrained codec


def test_a_lic_file_is_labelled_without_decoding_it(lic_recognize, labelled_photographs, tmp_path, capsys):
    torch.manual_seed(5)
    base = str(tmp_path / "base.safetensors")
    save_state(load_codec("mbt2018-mean", weights="none", lmbda=0.013, N=8, M=12), tmp_path / "base.safetensors")
    folder = lic_recognize("task=frozen", f"codec.weights={base}")
    [run] = [path.parent for path in folder.glob("*/results.parquet")]
    rows = read_rows(folder)
    photo, label = rows["image"][0], rows["predicted"][0]
    coded = str(tmp_path / "photo.lic")
    assert lic(["encode", str(labelled_photographs / photo), "--weights", base, "-o", coded]) == 0
    capsys.readouterr()
    assert lic(["classify", coded, "--head", str(run), "--weights", base]) == 0
    assert f": {label} " in capsys.readouterr().out
    assert load_head(run)[1].classes == ("cat", "coffee")


def test_a_file_of_another_decoder_is_not_labelled(lic_recognize, labelled_photographs, tmp_path, capsys, monkeypatch):
    torch.manual_seed(5)
    for name in ("base", "other"):
        save_state(load_codec("mbt2018-mean", weights="none", lmbda=0.013, N=8, M=12), tmp_path / f"{name}.safetensors")
    base, other = (str(tmp_path / f"{name}.safetensors") for name in ("base", "other"))
    folder = lic_recognize("task=frozen", f"codec.weights={base}", "trainer.max_epochs=1")
    [run] = [path.parent for path in folder.glob("*/results.parquet")]
    coded = str(tmp_path / "photo.lic")
    lic(["encode", str(labelled_photographs / "cat" / "0.png"), "--weights", other, "-o", coded])
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    assert lic(["classify", coded, "--head", str(run)]) == 2  # its file comes from anywhere: no path of it is followed
    assert "name that file with --weights" in capsys.readouterr().err
    assert lic(["classify", coded, "--head", str(run), "--weights", base]) == 2
    assert "written for mbt2018-mean with decoder" in capsys.readouterr().err
    assert lic(["classify", coded, "--head", str(run), "--weights", other]) == 2
    assert "the head reads latents of decoder" in capsys.readouterr().err


def test_a_sweep_leaves_its_grid_and_names_what_failed(lic_recognize, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    with pytest.raises(SystemExit):
        lic_recognize("-m", "task=originals,frozen", "codec.weights=missing.safetensors")  # originals need no codec
    folder = tmp_path / "recognize"
    assert "Without results" in (folder / "report" / "recognition.md").read_text()
    capsys.readouterr()
    assert lic(["status", str(folder), "--json"]) == 0
    originals, frozen = json.loads(capsys.readouterr().out)["cells"]
    assert (originals["state"], originals["step"], originals["of"]) == ("done", 2, 2)
    assert frozen["state"] == "failed"
    assert "missing.safetensors" in frozen["error"]
