"""Autoregressive codecs (mbt2018, cheng2020) and their cut: coded front by front instead of position by position.

x ─► g_a ─► y ─┬─────────────────────────────► round around μ ═► ŷ ─► g_s ─► x_hat
               │   ŷ before ─► context_prediction ─┐     │
               └─► h_a ─► z ═► ẑ ─► h_s ─► params ─┴─► entropy_parameters ─► σ, μ

Two stream syntaxes, by a codec's attribute `coder`; they differ in the order of the symbols of y and in the products
that σ and μ come from, so in their last bits:

    serial       the default; front by front, row by row, channel by channel
    compressai   row by row, with CompressAI's own convolutions: for streams that plain CompressAI writes or reads

Encoder and decoder run the same products of the same shapes on one thread, and so agree in every bit. A stream is for
the arithmetic that wrote it, as CompressAI's is: another processor may round a scale to another CDF.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import compressai.models
import torch
from compressai.models import JointAutoregressiveHierarchicalPriors
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.latents import Latents, Params, Quantiser, Strings, cut
from lic_lightning.codecs.layers.fronts import Coded, Walk, by_fronts, by_positions, front_order
from lic_lightning.codecs.networks.hyperprior import MeanScaleCut
from lic_lightning.codecs.rans import RANS, Coder, Reader, Tables, encode

Syntax = Literal["serial", "compressai"]

WALKS: dict[Syntax, Walk] = {"serial": by_fronts, "compressai": by_positions}


def set_coder(codec: nn.Module, coder: str) -> None:
    """Chooses the stream syntax of an autoregressive codec.

    Raises:
        ValueError: no such syntax, or the codec has only one.
    """
    if not isinstance(codec, _Autoregressive):
        raise ValueError(f"codec.coder={coder}: {type(codec).__name__} isn't autoregressive, its stream has one syntax")
    if coder not in get_args(Syntax):
        raise ValueError(f"codec.coder must be one of {', '.join(get_args(Syntax))}, got {coder!r}")
    codec.coder = coder  # type: ignore[assignment]


class _Autoregressive(JointAutoregressiveHierarchicalPriors):
    """CompressAI's networks, coded by their cut, in training too: see `AutoregressiveCut.quantise`."""

    coder: Syntax = "serial"

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Images (B,3,H,W) "x_hat", not clamped, and "likelihoods"; x as in `compress`.

        In eval mode the image is the decoded one, to the last bit.
        """
        latents = AutoregressiveCut(self).analyse(x)
        return {"x_hat": AutoregressiveCut(self).synthesise(latents), "likelihoods": latents.likelihoods}

    @torch.no_grad()
    def compress(self, x: Tensor) -> dict[str, Any]:
        """Strings of y and z and the size of z, of images (B,3,H,W) in [0, 1], both sides multiples of 64."""
        ours = AutoregressiveCut(self)
        return ours.write(ours.quantise(self.g_a(ours.laid_out(x))))

    @torch.no_grad()
    def decompress(self, strings: Strings, shape: Any) -> dict[str, Tensor]:
        """Images (B,3,H,W) under "x_hat"."""
        ours = AutoregressiveCut(self)
        return {"x_hat": ours.synthesise(ours.read(strings, shape)).clamp_(0, 1)}


class Mbt2018(_Autoregressive):
    """Minnen, Ballé and Toderici (2018): autoregressive and hierarchical priors."""


class Cheng2020Anchor(_Autoregressive, compressai.models.Cheng2020Anchor):
    """Cheng et al. (2020), with residual blocks instead of attention."""


class Cheng2020Attention(_Autoregressive, compressai.models.Cheng2020Attention):
    """Cheng et al. (2020), with simplified attention."""


@cut.register(JointAutoregressiveHierarchicalPriors)
class AutoregressiveCut(MeanScaleCut):
    """y by Gaussians of which ẑ and the ŷ before tell scales and means."""

    context: ClassVar[bool] = True

    def laid_out(self, values: Tensor) -> Tensor:
        """As g_a, h_a and g_s take it: in the syntax `serial` in the faster memory layout, in training as it comes.

        The layout of h_s stays, because both sides must compute the same `params`.
        """
        faster = self.codec.coder == "serial"
        layout = torch.channels_last if faster else torch.contiguous_format
        return values if self.codec.training else values.contiguous(memory_format=layout)

    def analyse(self, x: Tensor) -> Latents:
        """Latents with their likelihoods."""
        return super().analyse(self.laid_out(x))

    def synthesise(self, latents: Latents) -> Tensor:
        """Images, not clamped."""
        return self.codec.g_s(self.laid_out(latents.y_hat))

    def quantise(self, y: Tensor) -> Latents:
        """ŷ around means that come from the ŷ before, by way of ẑ.

        CompressAI's forward takes round(y) for context and synthesis, its coder round(y − μ) + μ. Which values these
        are only a walk over the fronts can tell. So training with the quantizer "mixed" walks as the coder does,
        without gradient; one pass over all positions at once, with the walk's ŷ as context, then gives the σ and μ of
        the rate. The gradient of ŷ is y's. Two parallel passes cost as much and leave ŷ .22 from the decoder's on
        average, on a small mbt2018 whose round(y) is .32 from it (docs/concepts/fixed-decoder.md).

        With "noise", training is CompressAI's.
        """
        codec = self.codec
        z_hat, z_likelihoods = entropy.quantised(codec.entropy_bottleneck, codec.h_a(self.laid_out(y)))
        side = {"z_hat": z_hat}
        if z_likelihoods is None:
            return replace(self.rounded(y, self.params(side)), side=side)
        params, gaussian = codec.h_s(z_hat), codec.gaussian_conditional
        if gaussian.quantizer == "noise":
            y_hat = gaussian.quantize(y, "noise")
        else:
            y_hat = y + (self._round(by_fronts, y, params)[0] - y).detach()
        scales, means = self._in_context(params, y_hat)
        _, y_likelihoods = gaussian(y, scales, means)
        likelihoods = {"y": y_likelihoods, "z": z_likelihoods}
        return self._latents(y_hat, scales, means, side=side, likelihoods=likelihoods, y=y)

    def params(self, side: Mapping[str, Any]) -> Params:
        """What is merged with the context (B,2M,h,w)."""
        return (self.codec.h_s(side["z_hat"]),)

    def coded(self, y: Tensor, params: Params, quantiser: Quantiser) -> Latents:
        """ŷ around the means that y itself gives as the context: one pass for all positions."""
        (merged,) = params
        scales, means = self._in_context(merged, y)
        y_hat, _ = quantiser(self.codec.gaussian_conditional, y, scales, means)
        return self._latents(y_hat, scales, means, y=y)

    def rounded(self, y: Tensor, params: Params) -> Latents:
        """ŷ as the coder walks."""
        walk = WALKS[self.codec.coder]
        coded = [self._round(walk, *pair) for pair in zip(y.split(1), params[0].split(1), strict=True)]
        y_hat, scales, means = (torch.cat(parts) for parts in zip(*coded, strict=True))
        return self._latents(y_hat, scales, means, y=y)

    def _in_context(self, params: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and means of all positions, each from the ŷ before it."""
        merged = torch.cat((params, self.codec.context_prediction(y_hat)), 1)
        scales, means = self.codec.entropy_parameters(merged).float().chunk(2, 1)
        return scales, means

    def write(self, latents: Latents, coder: Coder = RANS) -> dict[str, Any]:
        """Strings of y and z, and height and width of z.

        Scales and means must belong to ŷ: where y was changed, they come anew from `rounded`.
        """
        gaussian, z_hat = self.codec.gaussian_conditional, latents.side["z_hat"]
        parameters = latents.scales, latents.means
        height, width = latents.y_hat.shape[2:]
        order = front_order(height, width) if self.codec.coder == "serial" else torch.arange(height * width)
        symbols, indexes = (
            values.flatten(2).transpose(1, 2)[:, order]
            for values in (
                entropy.symbols(gaussian, latents.y_hat, *parameters),
                entropy.indexes(gaussian, latents.y_hat.shape, *parameters),
            )
        )
        z = entropy.write(coder, "z", self.codec.entropy_bottleneck, z_hat)
        y = encode(coder, "y", symbols, indexes, entropy.tables(gaussian))
        return {"strings": [y, z], "shape": z_hat.shape[-2:]}

    def read(self, strings: Strings, shape: Any, coder: Coder = RANS) -> Latents:
        """ẑ, then ŷ front by front."""
        side = self.read_side(strings[1], shape, coder)
        params = self.codec.h_s(side["z_hat"])
        gaussian = self.codec.gaussian_conditional
        tables = entropy.tables(gaussian)
        decoded = []
        for string, params_of_one in zip(strings[0], params.split(1), strict=True):
            reader = coder.reader("y", string)

            def read(positions: slice, scales: Tensor, means: Tensor, reader: Reader = reader) -> Tensor:
                indexes = entropy.indexes(gaussian, scales.shape, scales, means)
                used = int(indexes.max()) + 1  # each call copies all tables, and the long ones come last
                tables_used = Tables(tables.cdfs[:used], tables.lengths[:used], tables.offsets[:used])
                symbols = reader.read(indexes.flatten().tolist(), tables_used)
                return torch.tensor(symbols, dtype=means.dtype, device=means.device).view_as(means)

            decoded.append(WALKS[self.codec.coder](self.codec, params_of_one, read))
        y_hat, scales, means = (torch.cat(parts) for parts in zip(*decoded, strict=True))
        return self._latents(y_hat, scales, means, side=side)

    def _round(self, walk: Walk, y: Tensor, params: Tensor) -> Coded:
        """ŷ, scales and means of y and params, all (B,·,h,w)."""
        values = y.detach().float().flatten(2).transpose(1, 2)

        def round_symbols(positions: slice, scales: Tensor, means: Tensor) -> Tensor:
            return torch.round(values[:, positions] - means)

        return walk(self.codec, params, round_symbols)
