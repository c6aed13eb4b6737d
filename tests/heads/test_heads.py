"""Heads have the layers of the paper's table, to the parameter."""

import pytest
import torch
from torch import nn

from lic_lightning.heads import CResNet, HeadError, PixelResNet
from lic_lightning.heads.head_file import HeadInfo, load_head, save_head
from lic_lightning.heads.view import View
from lic_lightning.modules.head_module import accuracies


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_front_end_of_the_table():
    head = CResNet(channels=192, classes=23)
    assert [parameters(block) for block in head.front.values()] == [44_672, 44_672]


def test_body_is_that_of_resnet_50():
    head = CResNet(channels=192, classes=23)
    assert parameters(head.body) == 23_282_688
    assert parameters(head) == 23_282_688 + 2 * 44_672 + 2048 * 23 + 23


def test_front_end_of_the_paper_s_code():
    head = CResNet(channels=192, classes=23, front_width=None, first_stride=2)
    assert [parameters(block) for block in head.front.values()] == [419_072, 419_072]


@pytest.mark.parametrize(("blocks", "depth"), [((4, 6, 3), 39), ((4, 10, 3), 51), ((4, 17, 3), 72)])
def test_the_name_counts_the_convolutions_of_the_body(blocks, depth):
    body = CResNet(channels=12, classes=2, blocks=blocks, width=1 / 16).body
    assert sum(isinstance(m, nn.Conv2d) for name, m in body.named_modules() if "downsample" not in name) == depth


def test_the_body_sees_28_14_and_7():
    head = CResNet(channels=12, classes=2, width=1 / 16).eval()
    sizes = []
    for layer in head.body:
        layer.register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[2]))
    head({"y_hat": torch.zeros(1, 12, 28, 28), "scales": torch.ones(1, 12, 28, 28)})
    assert sizes == [28, 14, 7]


@pytest.mark.parametrize(("inputs", "reads"), [("y", "y_hat"), ("sigma", "scales")])
def test_a_head_of_one_input_looks_at_no_other(inputs, reads):
    head = CResNet(channels=12, classes=2, inputs=inputs, width=1 / 16).eval()
    assert head({reads: torch.rand(3, 12, 28, 28)}).shape == (3, 2)
    assert parameters(head.body) == parameters(CResNet(channels=12, classes=2, width=1 / 16).body)


def test_unknown_inputs_are_refused():
    with pytest.raises(HeadError, match=r"both, y, sigma.*'z'"):
        CResNet(channels=12, classes=2, inputs="z")


def test_imagenet_weights_fit_one_shape_only():
    with pytest.raises(HeadError, match="pretrained"):
        CResNet(channels=12, classes=2, width=0.5, pretrained=True)


def test_missing_imagenet_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_args, **_settings):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(HeadError, match=r"resnet50.*pretrained=false"):
        CResNet(channels=12, classes=2, pretrained=True)


def test_the_body_takes_torchvision_s_names():
    from torchvision.models import resnet50

    theirs = {n: t.shape for n, t in resnet50().state_dict().items() if n.startswith(("layer2", "layer3", "layer4"))}
    assert {n: t.shape for n, t in CResNet(channels=192, classes=2).body.state_dict().items()} == theirs


@pytest.mark.parametrize("head", [CResNet(12, 2, width=1 / 16), PixelResNet(2, width=1 / 16)])
def test_a_head_comes_back_from_its_file(tmp_path, head):
    head.eval()
    info = HeadInfo(("cat", "coffee"), View(8, 6), 64, "mbt2018-mean", "f", "shipped", 0.013)
    save_head(tmp_path / "head.safetensors", head, info)
    again, told = load_head(tmp_path)
    x = {"y_hat": torch.rand(1, 12, 6, 6), "scales": torch.rand(1, 12, 6, 6), "image": torch.rand(1, 3, 56, 56)}
    assert told == info
    assert again(x).equal(head(x))


def test_another_file_is_no_head(tmp_path):
    (tmp_path / "head.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(HeadError, match="not the file of a head"):
        load_head(tmp_path)


def test_top_1_and_top_5_count_apart_also_after_a_batch_on_which_they_agree() -> None:
    accuracy = accuracies(10)
    accuracy(torch.eye(10), torch.arange(10))
    accuracy(torch.eye(10) + 2 * torch.eye(10).roll(1, 1), torch.arange(10))  # the true class is second
    assert {name: value.item() for name, value in accuracy.compute().items()} == {"val/top1": 0.5, "val/top5": 1.0}
