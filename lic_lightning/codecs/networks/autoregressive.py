"""Fast serial coding of autoregressive codecs (mbt2018, cheng2020): front by front instead of position by position.

The 5×5 causal context of position (row, column) reaches two columns to the right in the rows above, so all positions
with the same column + 3·row know their context at the same time. Such a front is one matrix product per layer:

    row 0   0 1 2 3 4 5 …        768×512 pixels have 48×32 positions,
    row 1         3 4 5 6 …      which are 141 fronts
    row 2               6 7 …

The half of the first entropy layer that reads the hyperprior is one product for all positions, outside the loop.

Two stream syntaxes, by a codec's attribute `coder`; they differ in the order of the symbols of y, not in the symbols:

    serial       the default; front by front, row by row, channel by channel
    compressai   CompressAI's own loop, row by row: for streams that plain CompressAI writes or reads

Encoder and decoder run the same products of the same shapes on one thread, and so agree in every bit. A stream is for
the arithmetic that wrote it, as CompressAI's is: another processor may round a scale to another CDF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import compressai.models
import numpy as np
import torch
import torch.nn.functional as F
from compressai.ans import BufferedRansEncoder, RansDecoder
from compressai.entropy_models import GaussianConditional
from compressai.models import JointAutoregressiveHierarchicalPriors
from torch import Tensor, nn

Coder = Literal["serial", "compressai"]

REACH = 2  # positions that the context reaches to the left, to the right and upwards
SLOPE = REACH + 1  # columns by which a front moves to the left from one row to the next

SymbolsOf = Callable[[slice, Tensor, Tensor], Tensor]


def set_coder(codec: nn.Module, coder: str) -> None:
    """Chooses the stream syntax of an autoregressive codec.

    Raises:
        ValueError: no such syntax, or the codec has only one.
    """
    if not isinstance(codec, _FrontCoding):
        raise ValueError(f"codec.coder={coder}: {type(codec).__name__} isn't autoregressive, its stream has one syntax")
    if coder not in get_args(Coder):
        raise ValueError(f"codec.coder must be one of {', '.join(get_args(Coder))}, got {coder!r}")
    codec.coder = coder  # type: ignore[assignment]


class _FrontCoding(JointAutoregressiveHierarchicalPriors):
    """Fronts in the place of CompressAI's two loops over positions, and g_a and g_s in the faster memory layout.

    The layout of h_s stays, because both sides must compute the same `params`.
    """

    coder: Coder = "serial"

    @torch.no_grad()
    def compress(self, x: Tensor) -> dict[str, Any]:
        """Strings of y and z and the size of z, of images (B,3,H,W) in [0, 1], both sides multiples of 64."""
        if self.coder == "compressai":
            return super().compress(x)
        y = self.g_a(x.contiguous(memory_format=torch.channels_last))
        z = self.h_a(y)
        z_strings = self.entropy_bottleneck.compress(z)
        params = self._params(z_strings, z.shape[-2:])
        y_strings = [encode(self, *each) for each in zip(y, params, strict=True)]
        return {"strings": [y_strings, z_strings], "shape": z.shape[-2:]}

    @torch.no_grad()
    def decompress(self, strings: list[list[bytes]], shape: Sequence[int]) -> dict[str, Tensor]:
        """Images (B,3,H,W) under "x_hat"."""
        if self.coder == "compressai":
            return super().decompress(strings, shape)
        y_strings, z_strings = strings
        params = self._params(z_strings, shape)
        y_hat = torch.stack([decode(self, *each) for each in zip(y_strings, params, strict=True)])
        return {"x_hat": self.g_s(y_hat.contiguous(memory_format=torch.channels_last)).clamp_(0, 1)}

    def _params(self, z_strings: list[bytes], shape: Sequence[int]) -> Tensor:
        return self.h_s(self.entropy_bottleneck.decompress(z_strings, shape))


class Mbt2018(_FrontCoding):
    """Minnen, Ballé and Toderici (2018): autoregressive and hierarchical priors."""


class Cheng2020Anchor(_FrontCoding, compressai.models.Cheng2020Anchor):
    """Cheng et al. (2020), with residual blocks instead of attention."""


class Cheng2020Attention(_FrontCoding, compressai.models.Cheng2020Attention):
    """Cheng et al. (2020), with simplified attention."""


def encode(codec: JointAutoregressiveHierarchicalPriors, y: Tensor, params: Tensor) -> bytes:
    """The string of latents y (M,H,W) whose hyperprior says `params` (2M,H,W)."""
    values = y.flatten(1).T
    table = codec.gaussian_conditional.scale_table[:-1]
    symbols, indexes = [], []

    def quantize(front: slice, scales: Tensor, means: Tensor) -> Tensor:
        rounded = torch.round(values[front] - means)
        symbols.append(rounded.flatten())
        indexes.append(torch.bucketize(scales, table).flatten())
        return rounded

    _walk(codec, params, quantize)
    encoder = BufferedRansEncoder()
    encoder.encode_with_indexes(
        torch.cat(symbols).int().tolist(), torch.cat(indexes).tolist(), *_cdfs(codec.gaussian_conditional)
    )
    return encoder.flush()


def decode(codec: JointAutoregressiveHierarchicalPriors, string: bytes, params: Tensor) -> Tensor:
    """The quantized latents (M,H,W) in `string`, with the `params` (2M,H,W) that its encoder had."""
    table = codec.gaussian_conditional.scale_table[:-1]
    cdfs, lengths, offsets = _cdfs(codec.gaussian_conditional)
    decoder = RansDecoder()
    decoder.set_stream(string)

    def read(front: slice, scales: Tensor, means: Tensor) -> Tensor:
        indexes = torch.bucketize(scales, table).flatten().tolist()
        used = max(indexes) + 1  # every call copies the CDFs that it is given, and the long ones come last
        symbols = decoder.decode_stream(indexes, cdfs[:used], lengths[:used], offsets[:used])
        return torch.from_numpy(np.array(symbols, dtype=np.float32)).to(means.device).view_as(means)

    return _walk(codec, params, read)


@dataclass(frozen=True)
class _Front:
    """Positions that are coded together: row `first` at column `column`, each next row SLOPE columns to the left."""

    first: int
    rows: int
    column: int

    def positions(self, width: int) -> slice:
        """Where they are among all positions of a picture, counted row by row."""
        step = width - SLOPE
        start = self.first * width + self.column
        return slice(start, start + (self.rows - 1) * step + 1, step)


def _fronts(height: int, width: int) -> Iterator[_Front]:
    for time in range(width + SLOPE * (height - 1)):
        first = max(0, -((width - 1 - time) // SLOPE))
        last = min(height - 1, time // SLOPE)
        yield _Front(first, last - first + 1, time - SLOPE * first)


def _walk(codec: JointAutoregressiveHierarchicalPriors, params: Tensor, symbols_of: SymbolsOf) -> Tensor:
    """The quantized latents (M,H,W), `symbols_of` (front, scales, means) giving the symbols of each front (n,M)."""
    _, height, width = params.shape
    context = codec.context_prediction
    kernel = context.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (25·M, 2M)
    channels = context.weight.size(1)
    causal = kernel[: (REACH * (2 * REACH + 1) + REACH) * channels].T.contiguous()  # (2M, 12·M)
    first, *later = codec.entropy_parameters
    from_params, from_context = first.weight.flatten(1).split(params.size(0), dim=1)
    from_context = from_context.contiguous()

    # A border as wide as the reach, so that the context of a row is one stretch of memory.
    padded = width + 2 * REACH
    latents = params.new_zeros((height + REACH) * padded, channels)

    with _one_thread():
        hidden = F.linear(params.flatten(1).T, from_params, first.bias)
        for front in _fronts(height, width):
            inside = _Front(front.first + REACH, front.rows, front.column + REACH).positions(padded)
            known = torch.cat([_row_above(latents, inside, padded, above) for above in range(REACH, -1, -1)], dim=1)
            x = F.linear(F.linear(known, causal, context.bias), from_context) + hidden[front.positions(width)]
            for layer in later:
                x = F.linear(x, layer.weight.flatten(1), layer.bias) if isinstance(layer, nn.Conv2d) else layer(x)
            scales, means = x.chunk(2, dim=1)
            latents[inside] = symbols_of(front.positions(width), scales.contiguous(), means) + means
    return latents.view(height + REACH, padded, channels)[REACH:, REACH:-REACH].permute(2, 0, 1)


def _row_above(latents: Tensor, inside: slice, padded: int, above: int) -> Tensor:
    """For each position of a front what lies within reach `above` rows higher, side by side: (n, 2M or 5M)."""
    channels = latents.size(1)
    count = len(range(inside.start, inside.stop, inside.step))
    reached = 2 * REACH + 1 if above else REACH
    start = inside.start - above * padded - REACH
    return latents.as_strided((count, reached * channels), (inside.step * channels, 1), start * channels)


def _cdfs(conditional: GaussianConditional) -> tuple[list[list[int]], list[int], list[int]]:
    """CDFs without their padding, their lengths and offsets, as CompressAI's coder takes them."""
    lengths = conditional.cdf_length.tolist()
    cdfs = [cdf[:length] for cdf, length in zip(conditional.quantized_cdf.tolist(), lengths, strict=True)]
    return cdfs, lengths, conditional.offset.tolist()


@contextmanager
def _one_thread() -> Iterator[None]:
    """The products are too small to share, and how they are shared may change their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
