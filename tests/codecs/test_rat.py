"""The region-adaptive transform against its definition."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from lic_lightning.codecs.layers.rat import RAT
from lic_lightning.codecs.layers.regions import expand, mask_regions


def test_shifted_multiply_adds_are_the_filtering_of_unfolded_patches() -> None:
    torch.manual_seed(0)
    rat = RAT(8)
    x = torch.rand(2, 8, 16, 16)
    regions = mask_regions(torch.randint(0, 5, (2, 64, 64)))[0]
    prototypes = torch.rand(2, 8, 5, 1)
    u = rat.embed(x)
    kernels = rat.kernels(torch.cat([u, expand(prototypes, regions.ids)], 1))
    patches = F.unfold(u, 3, padding=1).reshape(2, 8, 9, 16, 16)
    v = (kernels.reshape(2, 8, 9, 16, 16) * patches).sum(2)
    expected = x + rat.out(rat.gate(v.mean((2, 3), keepdim=True)) * v)
    torch.testing.assert_close(rat(x, prototypes, regions), expected)


def test_regions_with_other_prototypes_are_transformed_otherwise() -> None:
    torch.manual_seed(0)
    rat = RAT(8)
    mask = torch.zeros(1, 64, 64, dtype=torch.long)
    mask[:, :, 32:] = 1
    regions = mask_regions(mask)[0]
    x = torch.rand(1, 8, 16, 1).expand(-1, -1, -1, 16)  # both halves hold the same
    out = rat(x, torch.rand(1, 8, 2, 1), regions)
    assert not torch.allclose(out[..., 4], out[..., 11])
