"""CompressAI's image architectures as they are: hyperprior, autoregressive, attention and ELIC codecs.

The autoregressive ones have a faster coder (`serial`). Sizes per quality are those of CompressAI's zoo; ELIC has no zoo
weights and one size (He 2022: N=192, M=320).
"""

from collections.abc import Mapping

from compressai.models import Elic2022Official, FactorizedPrior, MeanScaleHyperprior, ScaleHyperprior
from compressai.zoo.image import cfgs
from torch import Tensor

from lic_lightning.codecs.networks.autoregressive import Cheng2020Anchor, Cheng2020Attention, Mbt2018
from lic_lightning.codecs.registry import CodecSpec, Sizes, register
from lic_lightning.codecs.roles import RoleTable

FACTORIZED: RoleTable = {"g_a": "encoder", "g_s": "decoder", "entropy_bottleneck": "entropy"}
HYPERPRIOR: RoleTable = {**FACTORIZED, "h_a": "encoder", "h_s": "entropy", "gaussian_conditional": "entropy"}
AUTOREGRESSIVE: RoleTable = {**HYPERPRIOR, "context_prediction": "entropy", "entropy_parameters": "entropy"}
ELIC: RoleTable = {
    "g_a": "encoder",
    "g_s": "decoder",
    "latent_codec.hyper.h_a": "encoder",
    "latent_codec.hyper.h_s": "entropy",
    "latent_codec.hyper.entropy_bottleneck": "entropy",
    "latent_codec.y": "entropy",
}


def _zoo_sizes(name: str) -> dict[int, Sizes]:
    return {quality: dict(zip(("N", "M"), size, strict=False)) for quality, size in cfgs[name].items()}


def _sizes_n_m(state: Mapping[str, Tensor]) -> Sizes:
    return {"N": state["g_s.0.weight"].size(1), "M": state["g_s.0.weight"].size(0)}


def _sizes_cheng(state: Mapping[str, Tensor]) -> Sizes:
    return {"N": state["context_prediction.weight"].size(1)}


def _sizes_elic(state: Mapping[str, Tensor]) -> Sizes:
    return {"N": state["g_s.1.weight"].size(1), "M": state["g_s.1.weight"].size(0)}


for _name, _model, _roles in (
    ("bmshj2018-factorized", FactorizedPrior, FACTORIZED),
    ("bmshj2018-hyperprior", ScaleHyperprior, HYPERPRIOR),
    ("mbt2018-mean", MeanScaleHyperprior, HYPERPRIOR),
    ("mbt2018", Mbt2018, AUTOREGRESSIVE),
):
    register(CodecSpec(_name, _model, _zoo_sizes(_name), _sizes_n_m, _roles, zoo=True))

for _name, _model in (("cheng2020-anchor", Cheng2020Anchor), ("cheng2020-attn", Cheng2020Attention)):
    register(CodecSpec(_name, _model, _zoo_sizes(_name), _sizes_cheng, AUTOREGRESSIVE, zoo=True))

register(
    CodecSpec(
        "elic2022-official",
        Elic2022Official,
        {quality: {"N": 192, "M": 320} for quality in range(1, 9)},
        _sizes_elic,
        ELIC,
    )
)
