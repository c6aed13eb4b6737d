"""The objective that a run's config describes, from plain values: nothing that the config names is imported."""

from collections.abc import Mapping
from typing import Any

from lic_lightning.metrics.distances import FeatureDistance
from lic_lightning.objectives.perceptual import Perceptual
from lic_lightning.objectives.rate_distortion import MSE, MSSSIM

Objective = MSE | MSSSIM | Perceptual


class ObjectiveError(ValueError):
    """A config that describes none of the package's objectives; the message says what it has."""


def described(config: Mapping[str, Any], lmbda: float) -> Objective:
    """By the names and numbers of a group `objective` as conf/ has it.

    Raises:
        ObjectiveError: another objective.
        MetricError: the weights of a distance are not on this machine.
    """
    metric, loss = config.get("metric"), config.get("loss", {})
    if config.get("name") == "perceptual":
        weights = {key: float(loss[key]) for key in ("alpha", "beta", "gamma")}
        return Perceptual(lmbda, FeatureDistance(str(loss["distance"]["name"])), **weights)
    if metric not in ("mse", "ms-ssim"):
        raise ObjectiveError(f"objective {config.get('name')!r} (metric {metric!r}) is none of this package")
    return MSE(lmbda) if metric == "mse" else MSSSIM(lmbda)
