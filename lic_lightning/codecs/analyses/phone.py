"""For a phone: less than half of the multiply-accumulates of the hyperprior codecs' encoder (Ballé 2018, Minnen 2018).

x ─► 5×5, N/2 ─► GDN ─► 3×3, N ─► GDN ─► 5×5, N ─► GDN ─► 5×5, M ─► y      each convolution halves the sides

Most of theirs is spent at 1/2 and on the way to 1/4, where the channels are halved and the kernel is smaller here.
"""

from compressai.layers import GDN
from compressai.models.utils import conv
from torch import nn

from lic_lightning.codecs.registry import register_analysis


def phone(g_a: nn.Module, N: int, M: int) -> nn.Module:
    """From images (B,3,H,W) to y (B,M,H/16,W/16)."""
    return nn.Sequential(
        conv(3, N // 2),
        GDN(N // 2),
        conv(N // 2, N, kernel_size=3),
        GDN(N),
        conv(N, N),
        GDN(N),
        conv(N, M),
    )


register_analysis("phone", phone)
