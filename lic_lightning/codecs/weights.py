"""Pretrained weights: where they come from, and how they get into a codec."""

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError
from zipfile import BadZipFile

import torch
from compressai.zoo.image import model_urls
from compressai.zoo.pretrained import load_pretrained as rename_old_keys
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lic_lightning.codecs import entropy
from lic_lightning.codecs.analysis import analysis_in, put_analysis
from lic_lightning.codecs.networks.autoregressive import set_coder
from lic_lightning.codecs.quality import lmbda_of, quality_of
from lic_lightning.codecs.registry import analysis_names, build, spec
from lic_lightning.codecs.shipped import shipped_lmbdas, shipped_path
from lic_lightning.files import write_atomically

WRAPPINGS = ("network", "state_dict", "model_state_dict", "model")
LIGHTNING_PREFIX = "codec."

State = dict[str, Tensor]


class WeightsError(RuntimeError):
    """Weights that can't be found, read, or put into the codec asked for."""


def load_codec(
    name: str,
    *,
    weights: str = "none",
    lmbda: float,
    metric: str = "mse",
    quality: int | None = None,
    N: int | None = None,
    M: int | None = None,
    analysis: str | None = None,
    coder: str | None = None,
) -> nn.Module:
    """A codec ready to code: with its weights, in float32, its CDFs built.

    Args:
        name: of a registered codec.
        weights: "shipped", "zoo", "none" (untrained), or the path of a `.pth.tar`, `.ckpt` or `.safetensors`.
        lmbda: picks the quality where `quality` is None, and the shipped weights.
        metric: what λ counts, a key of `quality.LMBDAS`. Shipped weights are of the MSE, and so are the zoo's but for
            "ms-ssim": for another metric they are those of the quality whose λ is nearest, to start from.
        quality: 1 to 8, picks the sizes of an untrained codec and the zoo's weights.
        N: overrides the size of `quality`; with weights it must agree with them.
        M: likewise.
        analysis: a network in the place of g_a, see `codecs.analysis`: that of the weights, or a new one beside weights
            that have the codec's own. None takes what the weights have.
        coder: stream syntax of an autoregressive codec, "serial" (default) or "compressai", see its network.

    Raises:
        WeightsError: weights not found, unreadable, or of another architecture.
        ValueError: unknown codec, quality, size, analysis or coder; an analysis that is not for this codec.
    """
    quality = quality or quality_of(lmbda, metric)
    state = _find(name, weights, lmbda, metric, quality)
    found = None if state is None else analysis_in(state)
    if state is None:
        codec = build(name, quality, N, M)
    else:
        sizes = _sizes(name, state, weights)
        for key, asked in (("N", N), ("M", M)):
            if asked is not None and sizes.get(key) != asked:
                raise WeightsError(f"codec.{key}={asked}, but the weights {weights!r} have {key}={sizes.get(key)}")
        codec = build(name, min(spec(name).sizes), **sizes)
        if rename := spec(name).rename:
            state = rename(codec, state)
        if found is not None:
            if found not in analysis_names():
                raise WeightsError(
                    f"the weights {weights!r} have the analysis {found}, which nothing registers here (LIC_PLUGINS); "
                    f"known: {', '.join(analysis_names())}"
                )
            put_analysis(found, name, codec)
        _put(codec, state, f"{name} ({sizes}) from {weights!r}")
    if found is not None and analysis not in (None, found):
        raise WeightsError(f"codec.analysis={analysis}, but the weights {weights!r} have the analysis {found}")
    if found is None and analysis is not None:
        put_analysis(analysis, name, codec)
    if coder is not None:
        set_coder(codec, coder)
    entropy.apply_masks(codec)
    entropy.exclude_quantiles(codec)
    if not entropy.has_cdfs(codec):
        codec.update(force=True)
    return codec.eval()


def read_state(path: Path) -> State:
    """The codec's state dict in a file: CompressAI's in its usual wrappings, our checkpoints, safetensors.

    Nothing in the file is executed (weights only).
    """
    if not path.is_file():
        raise WeightsError(f"no weights at {path.absolute()}")
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsError(f"{path} can't be read as weights: no PyTorch file of plain tensors") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, BadZipFile) as error:
        raise WeightsError(f"{path} can't be read as weights: {str(error).splitlines()[0]}") from error
    for key in WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(t, Tensor) for t in content.values()):
        raise WeightsError(f"{path} holds no state dict (looked at the top level and under {', '.join(WRAPPINGS)})")
    own = [name for name in content if name.startswith(LIGHTNING_PREFIX)]  # beside heads, objectives
    content = {name.removeprefix(LIGHTNING_PREFIX): content[name] for name in own or content}
    return {name: t.float() if t.is_floating_point() else t for name, t in rename_old_keys(content).items()}


def save_state(codec: nn.Module, path: Path) -> None:
    """Writes what plain CompressAI loads (`.pth.tar`), or safetensors; whole or not at all."""
    state = {name: t.detach().cpu().contiguous() for name, t in codec.state_dict().items()}
    if path.suffix == ".safetensors":
        return write_atomically(path, save(state))
    content = io.BytesIO()
    torch.save({"state_dict": state}, content)
    write_atomically(path, content.getvalue())


def zoo_path(name: str, metric: str, quality: int) -> Path:
    """Where torch keeps the zoo's weights on this machine."""
    url = model_urls[name][metric][quality]
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _find(name: str, weights: str, lmbda: float, metric: str, quality: int) -> State | None:
    if weights == "none":
        return None
    if weights == "zoo":
        return _zoo_state(name, metric, quality)
    if weights == "shipped":
        lmbda = lmbda if metric == "mse" else lmbda_of(quality, "mse")
        path = shipped_path(name, lmbda)
        if not path.is_file():
            known = ", ".join(map(str, shipped_lmbdas(name)))
            found = f"shipped are lmbda={known}" if known else "none are shipped for this codec"
            raise WeightsError(
                f"no weights are shipped for {name} at lmbda={lmbda}: {found}; or codec.weights=zoo, none, or a path"
            )
        return read_state(path)
    return read_state(Path(weights).expanduser())


def _zoo_state(name: str, metric: str, quality: int) -> State:
    metric = metric if metric in model_urls.get(name, {}) else "mse"
    if quality not in model_urls.get(name, {}).get(metric, {}):
        raise WeightsError(f"CompressAI's zoo has no weights for {name}, metric {metric}, quality {quality}")
    path = zoo_path(name, metric, quality)
    if not path.is_file():
        url = model_urls[name][metric][quality]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.split(".")[0].rpartition("-")[2])
        except (URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"the zoo's weights {path.name} are not on this machine and can't be downloaded ({error}). "
                f"Download {url} elsewhere and put it into {path.parent}"
            ) from error
    return read_state(path)


def _sizes(name: str, state: State, weights: str) -> dict[str, int]:
    try:
        return spec(name).sizes_of(state)
    except KeyError as error:
        raise WeightsError(
            f"the weights {weights!r} are not of {name}: they have no {error}; they have {_some(list(state))}"
        ) from error


def _put(codec: nn.Module, state: State, what: str) -> None:
    state = entropy.rename_bottleneck_keys(codec, state)
    expected = codec.state_dict()
    has_cdfs = {name for name in expected if name.rpartition(".")[2] in entropy.CDF_BUFFERS}
    missing = sorted(set(expected) - set(state) - has_cdfs - {n for n in expected if n.endswith(".scale_bound")})
    unexpected = sorted(set(state) - set(expected))
    shapes = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(expected[n].shape)}"
        for n in expected
        if n in state and n not in has_cdfs and state[n].shape != expected[n].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    problems = [f"{label} {_some(keys)}" for label, keys in found.items() if keys]
    if problems:
        raise WeightsError(f"the weights don't fit {what}: {'; '.join(problems)}")
    entropy.fit_cdf_buffers(codec, state)
    nn.Module.load_state_dict(codec, {**expected, **state})


def _some(keys: list[str], most: int = 5) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
