"""The gain image by image: each point of an image against that image's own reference curve."""

from dataclasses import dataclass, replace

from lic_lightning.evaluation.curve import Curve
from lic_lightning.evaluation.gain import Gain, GainRefused, gain


@dataclass(frozen=True)
class ImageGain:
    """What one image gains at one λ (see `gain`)."""

    image: str
    lmbda: float
    gain: Gain


def image_gains(anchor: Curve, test: Curve, metric: str = "psnr") -> tuple[list[ImageGain], int]:
    """The gains of the images of `test`, and how many of its points have none.

    A point has none where its quality is outside of what the reference covers for that image, or where the
    reference's quality does not rise with its rate there: nothing is extrapolated.
    """
    if metric not in anchor.image_quality or metric not in test.image_quality:
        return [], 0
    gains, without = [], 0
    for image in test.images:
        sides = _one_image(anchor, image), _one_image(test, image)
        for point, lmbda in enumerate(test.lmbda):
            try:
                gains.append(ImageGain(image, float(lmbda), gain(*sides, point, metric, bootstrap=0)))
            except GainRefused:
                without += 1
    return gains, without


def _one_image(curve: Curve, image: str) -> Curve:
    column = [place for place, name in enumerate(curve.images) if name == image]
    assert curve.image_rate is not None  # a curve that knows its images' qualities knows their rates
    return replace(
        curve,
        images=(image,),
        rate=curve.image_rate[:, column].mean(1),
        quality={metric: values[:, column].mean(1) for metric, values in curve.image_quality.items()},
        image_quality={},
    )
