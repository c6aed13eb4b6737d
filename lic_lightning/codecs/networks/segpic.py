"""SegPIC: region-adaptive transforms with segmentation prior (Liu et al., arXiv 2403.00628, ECCV 2024).

Written from the papers and from facts about the published network, not from its code.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from compressai.entropy_models import EntropyBottleneck, EntropyModel
from compressai.layers import GDN, conv1x1, conv3x3, subpel_conv3x3
from compressai.models import CompressionModel
from torch import Size, Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents, Params, Quantiser, Strings, cut, known
from lic_lightning.codecs.layers.charm import ChARM, Coded
from lic_lightning.codecs.layers.rat import RAT
from lic_lightning.codecs.layers.regions import GRID, MaskError, Regions, check_mask, grid_regions, mask_regions
from lic_lightning.codecs.layers.sal import Downsample, Upsample
from lic_lightning.codecs.layers.strips import InStrips
from lic_lightning.codecs.layers.wam import WAM
from lic_lightning.codecs.networks.segpic_keys import rename
from lic_lightning.codecs.rans import RANS, Coder
from lic_lightning.codecs.registry import CodecSpec, Sizes, register
from lic_lightning.codecs.roles import RoleTable

STRIDE = 64
SIDE = ("z", "p1", "p2")


class SegPIC(CompressionModel):
    """SegPIC. `═►` is a stream; what stands before it is the encoder, and p̂1, p̂2 are known to both sides.

        image        x ─► g_a1 ─► y1 ─► rat_enc(p̂1) ─► g_a2 ─► y ═► ŷ ─► g_s0 ─► rat_dec(p̂1) ─► g_s1 ─► x̂
        prototypes   y1 ─► mean over regions ─► g_ab  ═► g_sb  ─► p̂1        y1: N channels at H/4
                     y  ─► mean over regions ─► g_ab2 ═► g_sb2 ─► p̂2        y:  M channels at H/16
        hyperprior   y ─► rat_hyp(p̂2) ─► h_a ═► ẑ ─┬─► h_mean_s  ─► rat_mean(p̂2)  ─► means  ─┐
                                                   └─► h_scale_s ─► rat_scale(p̂2) ─► scales ─┴─► charm, which codes y

    Downsampling blocks in g_a1 and g_a2 and upsampling blocks in g_s0 and g_s1 hold a SAL each; the decoder's blocks
    divide in their GDN, as the encoder's do.

    Regions: `forward(x, mask)` takes a map of region ids in training. Without one, and always in `compress` and
    `decompress`, they are the cells of a 4×4 grid over the whole image, which costs 2×16 prototypes in the streams but
    nothing to say where the regions are.

    Two statements of the category paper (El Mennaoui et al.) contradict its fixed decoder:

    - "entropy modules are fine-tuned": the factorised models, `h_mean_s`, `h_scale_s`, `charm` and `g_sb*` run in the
      decoder, which can't parse a stream that others wrote. `freeze=encoder_only` leaves them fixed;
      `freeze=paper_wording` trains them, and the cross-decode measures what becomes of the old decoder.
    - "16.5 M trainable" of 83.5 M: all that lies before the bitstream has 13,494,352 parameters (of 83,503,971), so
      16.5 M must hold weights of the decoder. No natural choice of modules has that sum; ours trains 13.49 M.

    Args:
        N: channels down to H/8 and of z, a multiple of 8 (192 in the paper).
        M: channels of y, a multiple of 8 (320). Widths between N and M scale with them; the paper's are exact.
    """

    def __init__(self, N: int = 192, M: int = 320) -> None:
        super().__init__()
        between = [N + (M - N) * quarter // 4 for quarter in range(5)]  # 192, 224, 256, 288, 320
        p, q = N // 2, 2 * N // 3  # 96, 128
        self.g_a1 = nn.Sequential(InStrips(Downsample(3, N), Downsample(N, N), halo=8, scale=1 / 4), WAM(N, 8, 4))
        self.rat_enc = RAT(N)
        self.g_a2 = nn.Sequential(Downsample(N, N), Downsample(N, M), WAM(M, 4, 2))
        self.g_s0 = nn.Sequential(WAM(M, 4, 2), Upsample(M, N), Upsample(N, N))
        self.rat_dec = RAT(N)
        self.g_s1 = nn.Sequential(
            WAM(N, 8, 4), InStrips(Upsample(N, N), Upsample(N, N // 6), conv1x1(N // 6, 3), halo=2, scale=4)
        )
        self.rat_hyp = RAT(M)
        self.h_a = nn.Sequential(
            conv3x3(M, M), nn.GELU(), conv3x3(M, between[3]), nn.GELU(), conv3x3(between[3], between[2], stride=2),
            nn.GELU(), conv3x3(between[2], between[1]), nn.GELU(), conv3x3(between[1], N, stride=2),
        )  # fmt: skip
        self.h_mean_s, self.h_scale_s = _hyper_decoder(between), _hyper_decoder(between)
        self.rat_mean, self.rat_scale = RAT(M), RAT(M)
        self.charm = ChARM(M)
        self.g_ab = nn.Sequential(conv1x1(N, q), GDN(q), conv1x1(q, p), GDN(p), conv1x1(p, p))
        self.g_sb = nn.Sequential(
            conv1x1(p, q), GDN(q, inverse=True), conv1x1(q, N), GDN(N, inverse=True), conv1x1(N, N)
        )
        self.g_ab2 = nn.Sequential(conv1x1(M, N), GDN(N), conv1x1(N, q), GDN(q), conv1x1(q, p))
        self.g_sb2 = nn.Sequential(
            conv1x1(p, q), GDN(q, inverse=True), conv1x1(q, N), GDN(N, inverse=True), conv1x1(N, M)
        )
        self.entropy_bottleneck = EntropyBottleneck(N)
        self.bottleneck_p1 = EntropyBottleneck(p)
        self.bottleneck_p2 = EntropyBottleneck(p)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> dict[str, Any]:
        """Decoded images and the likelihoods of the four streams.

        Args:
            x: (B,3,H,W) in [0, 1], sides multiples of 64.
            mask: (B,H,W) region ids from 0, of any number; None takes the grid. An image's rate has its own regions
                alone, whatever else is in the batch.

        Returns:
            "x_hat" (B,3,H,W), not clamped; "likelihoods" with y (B,M,H/16,W/16), z (B,N,H/64,W/64), p1 and p2
            (B,N/2,K,1) for K regions.

        Raises:
            MaskError: the mask is no region map of the images.
        """
        own = SegpicCut(self)
        latents = own.analyse(x, mask)
        return {"x_hat": own.synthesise(latents), "likelihoods": latents.likelihoods}

    @torch.no_grad()
    def compress(self, x: Tensor, mask: Tensor | None = None) -> dict[str, Any]:
        """Codes images (B,3,H,W) in [0, 1], sides multiples of 64, with the grid's regions.

        Returns:
            "strings", [y, z, p1, p2] with one string per image each, and "shape", height and width of z.

        Raises:
            MaskError: a mask is given: the streams have no place for one.
        """
        if mask is not None:
            raise MaskError(
                "compress takes no mask: the streams do not say where regions are, so the decoder could not follow. "
                "Masks serve training; leave it out, and the regions are the 4×4 grid"
            )
        return SegpicCut(self).write(SegpicCut(self).analyse(x))

    @torch.no_grad()
    def decompress(self, strings: Strings, shape: tuple[int, int]) -> dict[str, Tensor]:
        """Images "x_hat" (B,3,H,W) in [0, 1] from what `compress` returns."""
        return {"x_hat": SegpicCut(self).synthesise(SegpicCut(self).read(strings, shape)).clamp_(0, 1)}

    def hyper(self, z_hat: Tensor, p2: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
        """Latent means and scales, (B,M,H/16,W/16) each: the one computation that encoder and decoder must share."""
        return self.rat_mean(self.h_mean_s(z_hat), p2, regions), self.rat_scale(self.h_scale_s(z_hat), p2, regions)


@cut.register(SegPIC)
class SegpicCut:
    """The transforms know the whole picture, so nothing of it runs in tiles.

    `side` holds beside ẑ and the prototypes p̂1, p̂2 what is written of y ("written": ŷ before ChARM's residual, which
    follows from it) and the regions at H/4 and H/16.
    """

    streams: ClassVar[tuple[str, ...]] = ("y", "z", "p1", "p2")
    context: ClassVar[bool] = True

    def __init__(self, codec: SegPIC) -> None:
        self.codec = codec

    def analyse(self, x: Tensor, mask: Tensor | None = None) -> Latents:
        """Latents with their likelihoods, of the arguments of SegPIC's forward."""
        codec = self.codec
        regions1, regions2 = regions = _regions(x, mask)
        y1 = codec.g_a1(x)
        p1_hat, p1 = entropy.rounded(codec.bottleneck_p1, codec.g_ab(regions1.mean(y1)))
        y = codec.g_a2(codec.rat_enc(y1, codec.g_sb(p1_hat), regions1))
        del y1
        p2_hat, p2 = entropy.rounded(codec.bottleneck_p2, codec.g_ab2(regions2.mean(y)))
        prototypes = codec.g_sb2(p2_hat)
        z_hat, z = entropy.rounded(codec.entropy_bottleneck, codec.h_a(codec.rat_hyp(y, prototypes, regions2)))
        side = {"z_hat": z_hat, "p1_hat": p1_hat, "p2_hat": p2_hat, "regions": regions}
        latents = _latents(codec.charm(y, *codec.hyper(z_hat, prototypes, regions2)), y, **side)
        if p1 is None or p2 is None or z is None:
            return replace(latents, likelihoods=self.likelihoods(latents))
        rate = {"z": z, "p1": regions1.coded(p1), "p2": regions2.coded(p2)}
        return replace(latents, likelihoods=latents.likelihoods | rate)

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """Strings of y, z, p1 and p2, and height and width of z."""
        side, gaussian = latents.side, self.codec.charm.gaussian_conditional
        y = entropy.write(coder, "y", gaussian, side["written"], latents.scales, latents.means)
        others = [entropy.write(coder, stream, self._bottlenecks[stream], side[f"{stream}_hat"]) for stream in SIDE]
        return {"strings": [y, *others], "shape": side["z_hat"].shape[2:]}

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """ẑ and the prototypes, then ŷ slice after slice."""
        codec, batch = self.codec, len(strings[0])
        height, width = (side * STRIDE for side in shape)
        regions = _grids(batch, height, width, codec.entropy_bottleneck.quantiles.device)
        side: dict[str, Any] = {}
        for stream, own in zip(SIDE, strings[1:], strict=True):
            bottleneck = self._bottlenecks[stream]
            size = Size((batch, bottleneck.channels, *(shape if stream == "z" else (GRID**2, 1))))
            side[f"{stream}_hat"] = entropy.read(coder, stream, own, bottleneck, size)
        readers = [coder.reader("y", string) for string in strings[0]]
        side["regions"] = regions
        return _latents(codec.charm.read(readers, *self.params(side)), None, **side)

    def synthesise(self, latents: Latents) -> Tensor:
        """Images, not clamped."""
        codec, side = self.codec, latents.side
        return codec.g_s1(codec.rat_dec(codec.g_s0(latents.y_hat), codec.g_sb(side["p1_hat"]), side["regions"][0]))

    def likelihoods(self, latents: Latents) -> dict[str, Tensor]:
        """Of y, z, p1 and p2."""
        side, gaussian = latents.side, self.codec.charm.gaussian_conditional
        rate = {"y": entropy.likelihood(gaussian, side["written"], latents.scales, latents.means)}
        rate |= {stream: entropy.likelihood(self._bottlenecks[stream], side[f"{stream}_hat"]) for stream in SIDE}
        for stream, regions in zip(("p1", "p2"), side["regions"], strict=True):
            rate[stream] = regions.coded(rate[stream])
        return rate

    def shape(self, height: int, width: int) -> Any:
        """Height and width of z."""
        return Size((height // STRIDE, width // STRIDE))

    def params(self, side: Mapping[str, Any]) -> Params:
        """Latent means and scales, of which ChARM makes each slice's own."""
        return self.codec.hyper(side["z_hat"], self.codec.g_sb2(side["p2_hat"]), side["regions"][1])

    @property
    def density(self) -> EntropyModel:
        """Of y, before its residual."""
        return self.codec.charm.gaussian_conditional

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """ŷ slice after slice, with its residual."""
        return _latents(self.codec.charm(y, *params, quantiser), y)

    def rounded(self, y: Tensor, params: Params) -> Latents:
        """In eval mode."""
        return self.coded(y, params, entropy.quantised)

    @property
    def _bottlenecks(self) -> dict[str, EntropyBottleneck]:
        codec = self.codec
        return {"z": codec.entropy_bottleneck, "p1": codec.bottleneck_p1, "p2": codec.bottleneck_p2}


def _latents(coded: Coded, y: Tensor | None, **side: Any) -> Latents:
    side = {"written": coded.written, **side}
    return Latents(coded.y_hat, coded.scales, coded.means, side, known(y=coded.likelihoods), y)


def _hyper_decoder(between: list[int]) -> nn.Sequential:
    """(B,N,H/64,W/64) to (B,M,H/16,W/16)."""
    return nn.Sequential(
        conv3x3(between[0], between[0]), nn.GELU(), subpel_conv3x3(between[0], between[1], 2), nn.GELU(),
        conv3x3(between[1], between[2]), nn.GELU(), subpel_conv3x3(between[2], between[3], 2), nn.GELU(),
        conv3x3(between[3], between[4]),
    )  # fmt: skip


def _regions(x: Tensor, mask: Tensor | None) -> tuple[Regions, Regions]:
    height, width = x.shape[2:]
    if height % STRIDE or width % STRIDE:
        raise ValueError(f"SegPIC codes images whose sides are multiples of {STRIDE}, got {height}×{width}: pad first")
    if mask is None:
        return _grids(x.size(0), height, width, x.device)
    check_mask(mask, x)
    return mask_regions(mask)


def _grids(batch: int, height: int, width: int, device: torch.device) -> tuple[Regions, Regions]:
    quarter, sixteenth = (grid_regions(batch, height // scale, width // scale, device) for scale in (4, 16))
    return quarter, sixteenth


ROLES: RoleTable = {
    **dict.fromkeys(("g_a1", "rat_enc", "g_a2", "rat_hyp", "h_a", "g_ab", "g_ab2"), "encoder"),
    **dict.fromkeys(("g_s0", "rat_dec", "g_s1"), "decoder"),
    **dict.fromkeys(("h_mean_s", "h_scale_s", "rat_mean", "rat_scale", "charm", "g_sb", "g_sb2"), "entropy"),
    **dict.fromkeys(("entropy_bottleneck", "bottleneck_p1", "bottleneck_p2"), "entropy"),
}


def _sizes(state: Mapping[str, Tensor]) -> Sizes:
    return {"N": state["g_ab.0.weight"].size(1), "M": state["g_ab2.0.weight"].size(1)}


register(
    CodecSpec(
        "segpic",
        SegPIC,
        {quality: {"N": 192, "M": 320} for quality in range(1, 9)},  # the paper has one size for its six λ
        _sizes,
        ROLES,
        stride=STRIDE,
        conditions=("mask",),
        rename=rename,
    )
)
