"""What the loss of a joint training is made of."""

import math

import pytest
import torch

from lic_lightning.objectives.recognition import Alternate, CrossEntropyOnly, Tandem, Uncertainty

CE, RD = torch.tensor(2.0), torch.tensor(3.0)


def test_cross_entropy_alone():
    assert CrossEntropyOnly()(CE, RD, 0) == 2


def test_tandem_adds_the_weighed_codec_loss():
    assert Tandem(alpha=0.5)(CE, RD, 7) == 3.5


def test_alternate_takes_turns_and_validates_on_the_sum():
    weighting = Alternate(alpha=2.0, period=2)
    assert [float(weighting(CE, RD, step)) for step in range(6)] == [2, 2, 6, 6, 2, 2]
    assert weighting(CE, RD, None) == 8


def test_an_empty_turn_is_refused():
    with pytest.raises(ValueError, match="period"):
        Alternate(period=0)


def test_uncertainty_at_its_start_and_where_it_goes():
    weighting = Uncertainty()
    assert weighting(CE, RD, 0) == 2 + 3 / 2
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.1)
    for step in range(500):
        optimizer.zero_grad()
        weighting(CE, RD, step).backward()
        optimizer.step()
    # d/ds of e^-s·CE + s/2 is zero at s = log(2·CE), of (e^-s·RD + s)/2 at s = log RD
    torch.testing.assert_close(
        weighting.log_variances.detach(), torch.tensor([math.log(4), math.log(3)]), atol=1e-3, rtol=0
    )
