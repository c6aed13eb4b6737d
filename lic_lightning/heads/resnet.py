"""The residual body that heads on latents and on pixels share, and the head on pixels: the baseline.

pixels ─► 7×7 s2 ─► pool ─► layer1 ─┐
                                    ├─► layer2 ─► layer3 ─► layer4 ─► average pool ─► fc
ŷ, σ̂ ─► front end (cresnet.py) ─────┘    28²        14²       7²
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from urllib.error import URLError

from torch import Tensor, nn
from torchvision.models import ResNet50_Weights
from torchvision.models.resnet import Bottleneck

EXPANSION = Bottleneck.expansion  # a block of `planes` puts out four times as many channels
RESNET50 = (4, 6, 3)  # blocks of layer2, layer3 and layer4


class HeadError(ValueError):
    """A head that can't be built or read as asked; the message says why."""


def body(channels: int, blocks: Sequence[int] = RESNET50, width: float = 1.0, first_stride: int = 1) -> nn.Sequential:
    """layer2 to layer4 of a ResNet, with torchvision's names: (B,channels,H,W) to (B,2048·width,H/4,W/4) at stride 1.

    Args:
        channels: of the input, 256 where ImageNet's weights shall fit.
        blocks: bottlenecks of each layer: (4,6,3) ResNet-50 and cResNet-39, (4,10,3) cResNet-51, (4,17,3) cResNet-72.
        width: factor on all channels; 1.0 is the paper's.
        first_stride: 1 keeps 28×28 in the first layer, as in the paper's table; 2 is ResNet's own.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (count, stride) in enumerate(zip(blocks, (first_stride, 2, 2), strict=True)):
        planes = round(128 * 2**index * width)
        layers[f"layer{index + 2}"] = stage(channels, planes, count, stride)
        channels = EXPANSION * planes
    return nn.Sequential(layers)


def stage(channels: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    """Bottlenecks of 4·`planes` output channels, the first with a projection shortcut and the stride."""
    first = bottleneck(channels, planes, width=planes, stride=stride)
    return nn.Sequential(first, *(Bottleneck(EXPANSION * planes, planes) for _ in range(blocks - 1)))


def bottleneck(channels: int, planes: int, width: int, stride: int = 1) -> Bottleneck:
    """1×1 to `width`, 3×3, 1×1 to 4·`planes`, beside a projection shortcut; batch norm after each convolution."""
    shortcut = nn.Sequential(
        nn.Conv2d(channels, EXPANSION * planes, 1, stride, bias=False), nn.BatchNorm2d(EXPANSION * planes)
    )
    # torchvision's block computes its width as planes · base_width / 64
    return Bottleneck(channels, planes, stride, shortcut, base_width=64 * width / planes)


class PixelResNet(nn.Module):
    """The same body on pixels, behind ResNet's own stem: what the head on latents is measured against.

    Args:
        classes: number of classes.
        blocks: of layer2, layer3 and layer4; layer1 has three.
        width: factor on all channels.
        pretrained: ImageNet weights of ResNet-50 for stem and body.

    Raises:
        HeadError: `pretrained` with another shape than ResNet-50's, or its weights are not to be had.
    """

    def __init__(
        self, classes: int, blocks: Sequence[int] = RESNET50, width: float = 1.0, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.settings = {"classes": classes, "blocks": list(blocks), "width": width}
        stem = round(64 * width)
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.pool = nn.Sequential(nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.layer1 = stage(stem, stem, 3, 1)
        self.body = body(EXPANSION * stem, blocks, width, first_stride=2)
        self.fc = nn.Linear(EXPANSION * round(512 * width), classes)
        if pretrained:
            weights = imagenet_weights(blocks, width)
            for part in ("conv1", "bn1", "layer1"):
                getattr(self, part).load_state_dict(_below(weights, part))
            load_body(self.body, weights)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B,classes) of `features["image"]` (B,3,H,W) in [0, 1], normalised here as ImageNet's are."""
        x = (features["image"] - _channels(features["image"], MEAN)) / _channels(features["image"], STD)
        x = self.layer1(self.pool(self.bn1(self.conv1(x))))
        return self.fc(self.body(x).mean((2, 3)))


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def imagenet_weights(blocks: Sequence[int], width: float) -> dict[str, Tensor]:
    """torchvision's ResNet-50 trained on ImageNet, from torch hub's cache or the network.

    Raises:
        HeadError: the shape is not ResNet-50's, or the file is neither on this machine nor to be downloaded.
    """
    if tuple(blocks) != RESNET50 or width != 1.0:
        raise HeadError(f"head.pretrained=true fits blocks {list(RESNET50)} and width 1.0 only, got {blocks}, {width}")
    weights = ResNet50_Weights.DEFAULT
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise HeadError(
            f"ImageNet's weights of ResNet-50 are not on this machine and can't be downloaded ({error}). Download "
            f"{weights.url} elsewhere, put it into torch hub's folder checkpoints, or set head.pretrained=false"
        ) from error


def load_body(target: nn.Sequential, weights: Mapping[str, Tensor]) -> None:
    """Puts ResNet-50's layer2 to layer4 into a body, whatever its stride."""
    target.load_state_dict({name: t for name, t in weights.items() if name.startswith(("layer2", "layer3", "layer4"))})


def _below(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): t for name, t in weights.items() if name.startswith(f"{part}.")}


def _channels(like: Tensor, values: Sequence[float]) -> Tensor:
    return like.new_tensor(values).view(1, 3, 1, 1)
