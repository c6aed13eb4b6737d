"""cResNet: a ResNet whose first layers are a small front end on ŷ and σ̂ (Torfason 2018; Deng & Karam 2021)."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lic_lightning.heads.resnet import EXPANSION, RESNET50, HeadError, body, bottleneck, imagenet_weights, load_body

Inputs = Literal["both", "y", "sigma"]
READS: dict[str, tuple[str, ...]] = {"both": ("y_hat", "scales"), "y": ("y_hat",), "sigma": ("scales",)}
FRONT_CHANNELS = 256  # of the front end's output


class CResNet(nn.Module):
    """Classifies from the latents of a compressed image.

        ŷ ─► 1×1, 32 ─► 3×3, 32 ─► 1×1, 128 ─┐ concat
                                             ├────────► conv3_x ─► conv4_x ─► conv5_x ─► average pool ─► fc
        σ̂ ─► 1×1, 32 ─► 3×3, 32 ─► 1×1, 128 ─┘  256       28²        14²        7²

    A single input (`inputs` "y" or "sigma") has one front block with all 256 channels, so that the body is the same.

    Args:
        channels: of ŷ (M of the codec).
        classes: number of classes.
        inputs: "both", "y" or "sigma".
        blocks: bottlenecks of conv3_x, conv4_x and conv5_x: (4,6,3) is cResNet-39, (4,10,3) -51, (4,17,3) -72.
        front_width: inner channels of the front blocks: 32 in the paper's table; None is `channels`, as in its code.
        first_stride: 1 for 28×28 in conv3_x, as in the table; 2 as in the paper's code, which keeps ResNet-50's own.
        width: factor on the body's channels; below 1 for small data.
        pretrained: ImageNet weights of ResNet-50 in the body, as in the paper's code.

    Raises:
        HeadError: unknown inputs, or see `resnet.imagenet_weights`.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        inputs: Inputs = "both",
        blocks: Sequence[int] = RESNET50,
        front_width: int | None = 32,
        first_stride: int = 1,
        width: float = 1.0,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if inputs not in READS:
            raise HeadError(f"head.inputs must be one of {', '.join(get_args(Inputs))}, got {inputs!r}")
        self.settings = {
            "channels": channels,
            "classes": classes,
            "inputs": inputs,
            "blocks": list(blocks),
            "front_width": front_width,
            "first_stride": first_stride,
            "width": width,
        }
        self.reads = READS[inputs]
        planes = FRONT_CHANNELS // len(self.reads) // EXPANSION
        self.front = nn.ModuleDict(
            {name: bottleneck(channels, planes, width=front_width or channels) for name in self.reads}
        )
        self.body = body(FRONT_CHANNELS, blocks, width, first_stride)
        self.fc = nn.Linear(EXPANSION * round(512 * width), classes)
        if pretrained:
            load_body(self.body, imagenet_weights(blocks, width))

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (B,classes) of `y_hat` and `scales`, each (B,channels,H,W)."""
        x = torch.cat([self.front[name](features[name]) for name in self.reads], 1)
        return self.fc(self.body(x).mean((2, 3)))
