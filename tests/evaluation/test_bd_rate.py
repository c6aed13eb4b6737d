"""BD-rate: its properties, published constants, and when it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lic_lightning.evaluation.bd_rate import METHODS, BDRateRefused, bd_rate
from lic_lightning.evaluation.curve import Curve

# CompressAI's published Kodak curves (MSE models) and SegPIC's, bpp and PSNR
HYPERPRIOR = (
    [
        0.13129340277777776,
        0.20889282226562503,
        0.3198581271701389,
        0.47835625542534727,
        0.6686876085069443,
        0.9388258192274304,
        1.2591722276475694,
        1.6602240668402775,
    ],
    [
        27.581536752297392,
        29.196703405493214,
        30.972162072759534,
        32.83818257445048,
        34.52626403063645,
        36.74334835426406,
        38.58384824012354,
        40.556865931529494,
    ],
)
MEAN = (
    [
        0.12392171223958336,
        0.19798109266493058,
        0.3072441948784722,
        0.46061197916666674,
        0.6616651746961806,
        0.9144049750434027,
        1.2342088487413194,
        1.619089762369792,
    ],
    [
        27.699473000769824,
        29.35881842156732,
        31.128916249986656,
        32.95067519149061,
        34.968296546935704,
        36.911094917040515,
        38.83751427361349,
        40.633312667109166,
    ],
)
MBT2018 = (
    [
        0.1105312771267361,
        0.18697102864583334,
        0.28769599066840285,
        0.4323391384548611,
        0.6387668185763888,
        0.8853047688802084,
        1.2003648546006944,
        1.5873446994357636,
    ],
    [
        28.08847023321361,
        29.64549843593544,
        31.362275162681673,
        33.0859466233318,
        35.093758380265,
        36.98882029536827,
        38.93350092275383,
        40.63906745832768,
    ],
)
SEGPIC = ([0.120, 0.194, 0.288, 0.439, 0.633, 0.861], [29.24, 30.76, 32.25, 34.23, 36.01, 37.81])
WACNN = ([0.127, 0.199, 0.309, 0.449, 0.649, 0.895], [29.22, 30.59, 32.26, 34.15, 35.91, 37.72])
README = (
    ([9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851]),
    ([9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987]),
)


def curve(rate: list[float], psnr: list[float], **changes: object) -> Curve:
    points = Curve("test", "kodak", np.full(len(rate), np.nan), np.array(rate), {"psnr": np.array(psnr)})
    return replace(points, **changes)  # type: ignore[arg-type]


def per_image(scale: float = 1.0, images: int = 12) -> Curve:
    """A curve of five points over images of unequal difficulty."""
    noise = np.random.default_rng(0).uniform(0.5, 1.5, images)
    rate = scale * np.outer([0.1, 0.2, 0.4, 0.8, 1.6], noise)
    psnr = np.add.outer([28.0, 31.0, 34.0, 37.0, 40.0], -3 * noise)
    names = tuple(f"{index}.png" for index in range(images))
    means = curve(list(rate.mean(1)), list(psnr.mean(1)))
    return replace(means, images=names, image_rate=rate, image_quality={"psnr": psnr}, domain="8bit")


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_against_itself_is_zero(method):
    assert bd_rate(curve(*MEAN), curve(*MEAN), method=method).bd_rate == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_three_percent_fewer_bits_are_minus_three(method):
    fewer = curve([0.97 * rate for rate in MEAN[0]], MEAN[1])
    assert bd_rate(curve(*MEAN), fewer, method=method).bd_rate == pytest.approx(-3, abs=1e-6)


@pytest.mark.parametrize(
    ("test", "method", "expected"),
    [
        (MEAN, "cubic", -6.769),
        (MEAN, "pchip", -6.833),
        (MEAN, "akima", -6.820),
        (MBT2018, "cubic", -14.306),
        (MBT2018, "pchip", -14.255),
        (MBT2018, "akima", -14.243),
    ],
)
def test_compressai_constants(test, method, expected):
    assert bd_rate(curve(*HYPERPRIOR), curve(*test), method=method).bd_rate == pytest.approx(expected, abs=6e-4)


def test_segpic_against_wacnn():
    assert bd_rate(curve(*WACNN), curve(*SEGPIC)).bd_rate == pytest.approx(-5.454, abs=6e-4)


@pytest.mark.parametrize(("method", "expected"), [("akima", -4.4252), ("pchip", -4.4175), ("cubic", -4.4205)])
def test_the_packages_readme_example(method, expected):
    anchor, test = README
    assert bd_rate(curve(*anchor), curve(*test), method=method).bd_rate == pytest.approx(expected, abs=6e-5)


def test_order_of_points_does_not_matter():
    shuffled = curve(*([values[i] for i in (3, 0, 7, 1, 5, 2, 6, 4)] for values in MEAN))
    assert bd_rate(curve(*HYPERPRIOR), shuffled).bd_rate == bd_rate(curve(*HYPERPRIOR), curve(*MEAN)).bd_rate


def test_point_counts_may_differ():
    fewer = curve(MEAN[0][:5], MEAN[1][:5])
    assert bd_rate(curve(*HYPERPRIOR), fewer).points == 5


def test_overlap_of_equal_ranges_is_one():
    assert bd_rate(curve(*MEAN), curve(*MEAN)).overlap == 1


def test_three_points_are_refused():
    with pytest.raises(BDRateRefused, match=r"^3 of 4 points"):
        bd_rate(curve(*MEAN), curve(MEAN[0][:3], MEAN[1][:3]))


def test_an_anchor_with_three_points_is_refused():
    with pytest.raises(BDRateRefused, match="anchor: 3 of 4 points"):
        bd_rate(curve(MEAN[0][:3], MEAN[1][:3]), curve(*MEAN))


def test_the_refusal_names_withheld_points():
    with pytest.raises(BDRateRefused, match=r"λ 0\.013: cross-decode"):
        bd_rate(curve(*MEAN), curve(MEAN[0][:3], MEAN[1][:3], withheld=("λ 0.013: cross-decode",)))


def test_no_overlap_is_refused():
    with pytest.raises(BDRateRefused, match="no overlap"):
        bd_rate(curve(*MEAN), curve(MEAN[0], [psnr + 20 for psnr in MEAN[1]]))


def test_little_overlap_is_refused():
    with pytest.raises(BDRateRefused, match=r"overlap 0\.\d\d of the shorter curve, under 0\.5"):
        bd_rate(curve(MEAN[0][:5], MEAN[1][:5]), curve(MEAN[0][3:], MEAN[1][3:]))


def test_a_curve_within_a_longer_one_is_compared_as_a_whole():
    result = bd_rate(curve(*MEAN), curve([1.1 * rate for rate in MEAN[0][2:6]], MEAN[1][2:6]))
    assert result.overlap < 0.5
    assert result.bd_rate == pytest.approx(10, abs=0.2)  # pchip, through fewer points


def test_fair_overlap_is_warned_about():
    result = bd_rate(curve(*MEAN), curve(MEAN[0][2:7], MEAN[1][2:7]))
    assert 0.5 < result.overlap < 0.75
    assert "under 0.75" in result.warnings[0]


@pytest.mark.parametrize("method", METHODS)
def test_quality_that_falls_is_refused(method):
    psnr = [*MEAN[1][:3], MEAN[1][2] - 0.5, *MEAN[1][4:]]
    with pytest.raises(BDRateRefused, match="not monotone"):
        bd_rate(curve(*MEAN), curve(MEAN[0], psnr), method=method)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(BDRateRefused, match="not a finite number"):
        bd_rate(curve(*MEAN), curve(MEAN[0], [*MEAN[1][:-1], value]))


def test_a_metric_that_a_curve_lacks_is_refused():
    with pytest.raises(BDRateRefused, match="no ms-ssim"):
        bd_rate(curve(*MEAN), curve(*MEAN), metric="ms-ssim")


def test_ms_ssim_is_compared_in_db():
    ms_ssim = np.array([0.91784, 0.94306, 0.96149, 0.97520, 0.98358])
    anchor = curve(MEAN[0][:5], MEAN[1][:5], quality={"ms-ssim": ms_ssim})
    test = curve(HYPERPRIOR[0][:5], HYPERPRIOR[1][:5], quality={"ms-ssim": ms_ssim - 0.001})
    in_db = [curve(list(c.rate), list(-10 * np.log10(1 - c.quality["ms-ssim"]))) for c in (anchor, test)]
    result = bd_rate(anchor, test, metric="ms-ssim")
    assert result.bd_rate == pytest.approx(bd_rate(*in_db).bd_rate)
    assert "dB" in result.domain


def test_the_interval_of_a_constant_saving_is_a_point():
    interval = bd_rate(per_image(), per_image(0.97), bootstrap=50).interval
    assert interval == pytest.approx((-3, -3), abs=1e-6)


def test_the_interval_holds_the_value_when_images_disagree():
    test = per_image()
    factors = np.linspace(0.9, 1.02, 12)
    rate = test.image_rate * factors
    result = bd_rate(per_image(), replace(test, image_rate=rate, rate=rate.mean(1)), bootstrap=200)
    low, high = result.interval
    assert low < result.bd_rate < high
    assert high - low > 0.5


def test_the_interval_repeats_with_its_seed():
    test = per_image()
    test = replace(test, image_rate=test.image_rate * np.linspace(0.9, 1.02, 12))
    first, again = (bd_rate(per_image(), test, bootstrap=50, seed=3).interval for _ in range(2))
    assert first == again


def test_means_alone_have_no_interval():
    assert bd_rate(curve(*MEAN), curve(*MEAN)).interval is None


def test_one_image_has_no_interval():
    assert bd_rate(per_image(images=1), per_image(images=1)).interval is None


def test_different_images_are_warned_about():
    test = replace(per_image(), images=tuple(f"other{index}" for index in range(12)))
    assert "different images" in " ".join(bd_rate(per_image(), test, bootstrap=0).warnings)


def test_different_metric_domains_are_warned_about():
    result = bd_rate(per_image(), replace(per_image(), domain="float"), bootstrap=0)
    assert result.domain == "anchor 8bit, test float"
    assert "metric domains differ" in " ".join(result.warnings)


def test_different_paddings_are_warned_about():
    padded, other = (replace(per_image(), padding=name) for name in ("zeros", "edge"))
    assert "paddings differ: anchor zeros, test edge" in " ".join(bd_rate(padded, other, bootstrap=0).warnings)
    assert "padding" not in " ".join(bd_rate(padded, padded, bootstrap=0).warnings)


def lpips(rate: float = 1.0, distance: float = 1.0) -> Curve:
    """A curve that falls as its rate rises: less is better."""
    quality = {"lpips": distance * np.array([0.4, 0.3, 0.2, 0.1, 0.05])}
    return curve([rate * bpp for bpp in MEAN[0][:5]], [], quality=quality)


@pytest.mark.parametrize("method", METHODS)
def test_a_metric_of_which_less_is_better_has_a_bd_rate(method):
    assert bd_rate(lpips(), lpips(0.97), "lpips", method).bd_rate == pytest.approx(-3, abs=1e-6)


def test_better_quality_at_equal_rate_saves_whichever_way_the_metric_goes():
    assert bd_rate(lpips(), lpips(distance=0.9), "lpips").bd_rate < -1


def test_a_metric_of_which_less_is_better_may_not_rise_with_the_rate():
    rising = replace(lpips(), rate=lpips().rate[::-1])
    with pytest.raises(BDRateRefused, match="not monotone"):
        bd_rate(lpips(), rising, "lpips")


def test_a_metric_of_the_whole_set_has_a_bd_rate_and_no_interval():
    sides = [replace(per_image(scale), image_quality={}) for scale in (1.0, 0.97)]
    result = bd_rate(*sides, bootstrap=20)
    assert (result.bd_rate, result.interval) == (pytest.approx(-3, abs=1e-6), None)
    assert "no interval: psnr is of the whole set" in result.warnings[0]


def test_a_reference_that_was_asked_to_pad_otherwise_is_not_warned_about():
    reference, test = replace(per_image(), padding="zeros", id="r"), replace(per_image(), padding="edge", reference="r")
    assert not [warning for warning in bd_rate(reference, test, bootstrap=0).warnings if "paddings" in warning]
