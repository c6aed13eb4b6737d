"""Roles cover every tensor of every codec once."""

import pytest
from torch import nn

from lic_lightning.codecs.registry import build, names, spec
from lic_lightning.codecs.roles import RoleError, named_tensors, parameters_by_role, tensor_roles

SMALL = {"N": 8, "M": 12}


def small(name: str) -> nn.Module:
    sizes = spec(name).sizes[1]
    wanted = {"elic2022-official": {"N": 8, "M": 144}, "segpic": {"N": 16, "M": 32}}.get(name, SMALL)
    return build(name, 1, **{key: wanted[key] for key in sizes})


@pytest.mark.parametrize("name", names())
def test_every_tensor_has_one_role(name: str) -> None:
    codec = small(name)
    assert tensor_roles(codec, spec(name).roles).keys() == dict(named_tensors(codec)).keys()


@pytest.mark.parametrize("name", names())
def test_role_counts_add_up(name: str) -> None:
    codec = small(name)
    counts = parameters_by_role(codec, spec(name).roles)
    assert counts["encoder"] + counts["decoder"] + counts["entropy"] == counts["total"]
    assert counts["total"] == sum(parameter.numel() for parameter in codec.parameters())


def test_an_uncovered_tensor_is_named() -> None:
    table = {prefix: role for prefix, role in spec("mbt2018-mean").roles.items() if prefix != "h_s"}
    with pytest.raises(RoleError, match=r"h_s\.0\.weight is covered by no prefix"):
        tensor_roles(small("mbt2018-mean"), table)


def test_a_tensor_covered_twice_is_named() -> None:
    table = {**spec("mbt2018-mean").roles, "g_s.0": "decoder"}
    with pytest.raises(RoleError, match=r"g_s\.0.* covered by \['g_s', 'g_s\.0'\]"):
        tensor_roles(small("mbt2018-mean"), table)


def test_a_prefix_without_tensors_is_named() -> None:
    with pytest.raises(RoleError, match="g_x"):
        tensor_roles(small("mbt2018-mean"), {**spec("mbt2018-mean").roles, "g_x": "decoder"})


def test_an_unknown_codec_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'mbt2018-mean'"):
        spec("mbt2018-men")


def test_the_encoder_of_mbt2018_has_the_published_size() -> None:
    """facts/architectures.md, section 2."""
    counts = parameters_by_role(build("mbt2018", 1), spec("mbt2018").roles)
    assert counts["total"] == 14_130_467
    assert counts["encoder"] == 5_066_688
