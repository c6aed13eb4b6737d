"""ŷ and σ̂ are resized, cropped and flipped as one."""

import pytest
import torch

from lic_lightning.heads.view import View


@pytest.fixture
def positions() -> dict[str, torch.Tensor]:
    """Features whose values say where they stand; σ̂ is ŷ plus one half."""
    grid = torch.arange(24 * 24, dtype=torch.float32).view(1, 1, 24, 24).repeat(8, 1, 1, 1)
    return {"y_hat": grid, "scales": grid + 0.5}


def test_random_views_of_both_show_the_same_place(positions):
    seen = View(32, 28)(positions, torch.rand(8, 3, generator=torch.Generator().manual_seed(0)))
    assert seen["y_hat"].shape == (8, 1, 28, 28)
    torch.testing.assert_close(seen["scales"], seen["y_hat"] + 0.5)
    assert len({float(view[0, 0, 0]) for view in seen["y_hat"]}) > 1


def test_low_draws_flip(positions):
    view = View(24, 24)
    there, mirrored = (view(positions, torch.tensor([[0.0, 0.0, flip]] * 8))["y_hat"] for flip in (0.7, 0.2))
    assert there.equal(positions["y_hat"])
    assert mirrored.equal(positions["y_hat"].flip(-1))


def test_without_draws_it_is_the_centre(positions):
    assert View(24, 20)(positions)["y_hat"].equal(positions["y_hat"][..., 2:22, 2:22])


def test_draws_reach_every_corner(positions):
    draws = torch.tensor([[0.0, 0.0, 0.9], [0.999, 0.999, 0.9]])
    first, last = View(24, 20)({"y_hat": positions["y_hat"][:2]}, draws)["y_hat"]
    assert first[0, 0, 0] == 0
    assert last[0, -1, -1] == 24 * 24 - 1


def test_the_short_side_is_resized_and_the_shape_kept():
    assert View(32, 28)._resize(torch.rand(1, 2, 24, 36)).shape == (1, 2, 32, 48)


@pytest.mark.parametrize(("size", "crop"), [(16, 28), (32, 0)])
def test_an_impossible_view_is_refused(size, crop):
    with pytest.raises(ValueError, match="crop"):
        View(size, crop)
