"""The mask losses: monai's, Keras', optax's and scikit-learn's answers, empty and perfect masks, and identities."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lossutils.functional as F
from lossutils import value_and_grad

LOSSES = ["dice_loss", "jaccard_loss", "tversky_loss", "focal_tversky_loss"]
over_losses = pytest.mark.parametrize("name", LOSSES)


def masks(shape=(3, 2, 5, 7), seed=0, soft=False):
    """Probabilities and a mask."""
    rng = np.random.default_rng(seed)
    return rng.uniform(size=shape), rng.uniform(size=shape) if soft else rng.integers(0, 2, size=shape).astype(float)


# ---- other libraries


def assert_is_monais(loss, theirs, reduction, soft, **parameters):
    input, target = masks(soft=soft)
    tensors = [torch.tensor(a, requires_grad=True) for a in (input, target)]
    expected = theirs(*tensors)
    expected.sum().backward()
    value, gradients = value_and_grad(loss, (0, 1))(input, target, reduction=reduction, **parameters)
    np.testing.assert_allclose(value, expected.detach().numpy().reshape(value.shape), rtol=1e-12)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-9, atol=1e-14)


over_reductions = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
over_softness = pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
over_smooth = pytest.mark.parametrize("smooth", [1e-5, 1.0])


@over_reductions
@over_softness
@over_smooth
def test_dice_is_monais(reduction, soft, smooth):
    from monai.losses import DiceLoss

    theirs = DiceLoss(smooth_nr=smooth, smooth_dr=smooth, reduction=reduction)
    assert_is_monais(F.dice_loss, theirs, reduction, soft, smooth=smooth)


@over_reductions
@over_softness
@over_smooth
def test_jaccard_is_monais_with_half_the_smooth(reduction, soft, smooth):
    from monai.losses import DiceLoss

    theirs = DiceLoss(jaccard=True, smooth_nr=2 * smooth, smooth_dr=2 * smooth, reduction=reduction)
    assert_is_monais(F.jaccard_loss, theirs, reduction, soft, smooth=smooth)


@over_reductions
@over_softness
@over_smooth
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7), (1.0, 0.0), (0.0, 2.0)])
def test_tversky_is_monais(reduction, soft, smooth, alpha, beta):
    from monai.losses import TverskyLoss

    theirs = TverskyLoss(alpha=alpha, beta=beta, smooth_nr=smooth, smooth_dr=smooth, reduction=reduction)
    assert_is_monais(F.tversky_loss, theirs, reduction, soft, alpha=alpha, beta=beta, smooth=smooth)


@over_softness
@pytest.mark.parametrize("gamma", [0.5, 1.0, 4 / 3, 3.0])
def test_focal_tversky_is_a_power_of_monais_tversky(soft, gamma):
    from monai.losses import TverskyLoss

    tversky = TverskyLoss(alpha=0.3, beta=0.7, reduction="none")
    assert_is_monais(F.focal_tversky_loss, lambda *a: tversky(*a) ** (1 / gamma), "none", soft, gamma=gamma)


def test_the_defaults_are_monais():
    from monai.losses import DiceLoss, TverskyLoss

    input, target = masks()
    tensors = torch.tensor(input), torch.tensor(target)
    assert F.dice_loss(input, target) == pytest.approx(DiceLoss()(*tensors).item(), rel=1e-12)
    assert F.tversky_loss(input, target) == pytest.approx(TverskyLoss()(*tensors).item(), rel=1e-12)


def test_dice_and_tversky_are_keras_where_masks_are_not_empty():
    """Keras has no `smooth`, and its alpha weighs misses, its documentation notwithstanding."""
    import keras

    input, target = (a.astype(np.float32) for a in masks((40,)))
    dice = float(keras.losses.Dice()(target, input))
    assert F.dice_loss(input, target, smooth=0.0) == pytest.approx(dice, rel=1e-5)
    tversky = float(keras.losses.Tversky(alpha=0.2, beta=0.7)(target, input))
    assert F.tversky_loss(input, target, alpha=0.7, beta=0.2, smooth=0.0) == pytest.approx(tversky, rel=1e-5)


def test_dice_and_tversky_are_optaxs_dice():
    import optax

    logits, target = np.random.default_rng(0).normal(size=(4, 30)).astype(np.float32), masks((4, 30))[1]
    probability = 1 / (1 + np.exp(-logits))
    theirs = optax.losses.dice_loss(logits[..., None], target[..., None], smooth=0.5)
    np.testing.assert_allclose(F.dice_loss(probability, target, "none", smooth=1.0), theirs, rtol=1e-5)
    theirs = optax.losses.dice_loss(logits[..., None], target[..., None], smooth=0.5, alpha=0.2, beta=0.7)
    ours = F.tversky_loss(probability, target, "none", alpha=0.2, beta=0.7, smooth=0.5)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_hard_predictions_give_scikit_learns_scores():
    """Dice is 1 − F₁, Jaccard 1 − IoU, and Tversky with 1/(1 + b²), b²/(1 + b²) is 1 − F_b."""
    from sklearn import metrics

    predicted, truth = np.random.default_rng(0).integers(0, 2, size=(2, 60))
    loss = {
        name: getattr(F, name)(predicted.astype(float), truth, smooth=0.0) for name in ("dice_loss", "jaccard_loss")
    }
    assert loss["dice_loss"] == pytest.approx(1 - metrics.f1_score(truth, predicted), rel=1e-12)
    assert loss["jaccard_loss"] == pytest.approx(1 - metrics.jaccard_score(truth, predicted), rel=1e-12)
    for b in (0.5, 2.0):
        tversky = F.tversky_loss(
            predicted.astype(float), truth, alpha=1 / (1 + b * b), beta=b * b / (1 + b * b), smooth=0.0
        )
        assert tversky == pytest.approx(1 - metrics.fbeta_score(truth, predicted, beta=b), rel=1e-12)


# ---- what is one mask


@over_losses
@pytest.mark.parametrize(
    ("shape", "rows"),
    [((6,), ()), ((3, 6), (3,)), ((3, 2, 6), (3, 2)), ((3, 2, 2, 3), (3, 2)), ((3, 2, 1, 2, 3), (3, 2))],
)
def test_masks_are_all_axes_after_sample_and_class(name, shape, rows):
    """A value for each; each is that of the mask's pixels in one row."""
    input, target = masks(shape)
    values, gradient = value_and_grad(getattr(F, name))(input, target, reduction="none")
    assert values.shape == rows
    assert gradient.shape == shape
    for index in np.ndindex(rows):
        value, part = value_and_grad(getattr(F, name))(input[index].ravel(), target[index].ravel())
        np.testing.assert_allclose(values[index], value, rtol=1e-13)
        np.testing.assert_allclose(gradient[index].ravel(), part, rtol=1e-12)


@over_losses
@pytest.mark.parametrize(
    "shapes",
    [((2, 3, 4, 5), (2, 3, 5, 4)), ((2, 3, 20), (2, 3, 4, 5)), ((2, 3, 4), (2, 1, 4)), ((4,), (5,)), ((3, 4), (4,))],
    ids=str,
)
def test_shapes_must_be_equal(name, shapes):
    with pytest.raises(ValueError, match=rf"{name}: input of shape .* and target of shape .* match"):
        getattr(F, name)(np.ones(shapes[0]), np.ones(shapes[1]))


@over_losses
def test_a_number_is_no_mask(name):
    with pytest.raises(ValueError, match=f"{name}: input needs 1 axis"):
        getattr(F, name)(np.float64(1), np.float64(1))


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "smooth", value) for name in LOSSES for value in (-1e-5, np.nan)],
        *[(name, parameter, -0.1) for name in LOSSES[2:] for parameter in ("alpha", "beta")],
        *[("focal_tversky_loss", "gamma", value) for value in (0.0, -1.0, np.nan)],
    ],
)
@pytest.mark.parametrize("size", [0, 4])
def test_parameters_out_of_range_are_named(name, parameter, value, size):
    with pytest.raises(ValueError, match=rf"{name}: {parameter} must .* got {value}"):
        getattr(F, name)(np.ones((size, 3)), np.ones((size, 3)), **{parameter: value})


# ---- empty masks and perfect ones


@over_losses
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_empty_masks(name, dtype):
    """Prediction and target empty: no loss, and a finite slope; without `smooth`, 0/0."""
    empty, full = np.zeros((1, 4), dtype), np.ones((1, 4), dtype)
    loss = getattr(F, name)
    value, gradients = value_and_grad(loss, (0, 1))(empty, empty)
    assert value == 0
    assert np.isfinite(gradients).all()
    assert np.isnan(loss(empty, empty, smooth=0.0))
    for smooth in (0.0, 1e-5):
        assert loss(full, empty, smooth=smooth) == pytest.approx(1, abs=1e-4)
        assert loss(empty, full, smooth=smooth) == pytest.approx(1, abs=1e-4)


def test_the_pull_towards_an_empty_target():
    """It is smooth / (Σp + smooth)²: small, until the prediction is about as small as smooth."""
    empty = np.zeros(4)
    for smooth, total in [(1e-5, 2.0), (1.0, 2.0), (1e-5, 1e-5)]:
        value, gradient = value_and_grad(F.dice_loss)(np.full(4, total / 4), empty, smooth=smooth)
        assert value == pytest.approx(total / (total + smooth), rel=1e-12)
        np.testing.assert_allclose(gradient, smooth / (total + smooth) ** 2, rtol=1e-12)


@over_losses
@pytest.mark.parametrize("smooth", [0.0, 1e-5, 1.0])
def test_a_perfect_overlap_costs_nothing_and_nothing_less(name, smooth):
    truth = masks((4, 50))[1]
    value, gradient = value_and_grad(getattr(F, name))(truth, truth, smooth=smooth)
    assert value == 0
    assert np.isfinite(gradient).all()
    assert getattr(F, name)(0.99 * truth + 0.01 * (1 - truth), truth, smooth=smooth) > 0


def test_focal_tversky_at_the_perfect_overlap_has_slope_0_unless_gamma_is_1():
    truth = np.array([1.0, 0.0])
    for gamma in (0.5, 4 / 3, 3.0):
        np.testing.assert_array_equal(value_and_grad(F.focal_tversky_loss)(truth, truth, gamma=gamma)[1], [0, 0])
    np.testing.assert_array_equal(
        value_and_grad(F.focal_tversky_loss)(truth, truth, gamma=1.0)[1],
        value_and_grad(F.tversky_loss)(truth, truth, alpha=0.3, beta=0.7)[1],
    )
    near = np.abs(truth - 1e-9)
    assert np.abs(value_and_grad(F.focal_tversky_loss)(near, truth)[1]).min() > 10


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("smooth", [1e-5, 1.0])
def test_single_precision_keeps_all_digits_of_a_nearly_perfect_overlap(alpha, beta, smooth):
    """1 − ratio would keep one or none of what is left, about 1e-6 here."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, size=500).astype(np.float32)
    input = np.abs(target - rng.uniform(0, 2e-6, size=500).astype(np.float32)).astype(np.float32)
    value, gradient = value_and_grad(F.tversky_loss)(input, target, alpha=alpha, beta=beta, smooth=smooth)
    with mpmath.workdps(40):
        a, b, s = mpmath.mpf(alpha), mpmath.mpf(beta), mpmath.mpf(smooth)
        p, t = [[mpmath.mpf(float(x)) for x in array] for array in (input, target)]
        hits = sum(x * y for x, y in zip(p, t, strict=True)) + s
        errors = sum(a * x * (1 - y) + b * (1 - x) * y for x, y in zip(p, t, strict=True))
        whole = hits + errors
        slopes = [((a * (1 - y) - b * y) * hits - errors * y) / whole**2 for y in t]
        np.testing.assert_allclose(value, float(errors / whole), rtol=1e-6)
        np.testing.assert_allclose(gradient, np.array(slopes, float), rtol=1e-6)


def test_a_million_pixels_in_single_precision():
    rng = np.random.default_rng(0)
    input, target = rng.uniform(size=10**6), rng.integers(0, 2, size=10**6)
    single = input.astype(np.float32)
    value, gradient = value_and_grad(F.dice_loss)(single, target)
    exact, exact_gradient = value_and_grad(F.dice_loss)(single.astype(float), target)
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-6)


# ---- identities and properties

seeds = st.integers(0, 2**32 - 1)
smooths = st.sampled_from([1e-5, 0.1, 1.0, 7.0])


@given(seed=seeds, smooth=smooths, soft=st.booleans())
@settings(max_examples=50, deadline=None)
def test_all_are_tversky(seed, smooth, soft):
    arrays = masks((2, 9), seed, soft)
    same = dict(rtol=1e-12, atol=1e-15)
    dice = value_and_grad(F.dice_loss)(*arrays, "none", smooth=2 * smooth)
    jaccard = value_and_grad(F.jaccard_loss)(*arrays, "none", smooth=smooth)
    for mine, theirs in [(dice, (0.5, 0.5)), (jaccard, (1.0, 1.0))]:
        tversky = value_and_grad(F.tversky_loss)(*arrays, "none", alpha=theirs[0], beta=theirs[1], smooth=smooth)
        for a, b in zip(mine, tversky, strict=True):
            np.testing.assert_allclose(a, b, **same)
    np.testing.assert_allclose(jaccard[0], 2 * dice[0] / (1 + dice[0]), **same)


@over_losses
@given(seed=seeds, smooth=smooths, soft=st.booleans())
@settings(max_examples=30, deadline=None)
def test_between_0_and_1_whatever_the_masks(name, seed, smooth, soft):
    input, target = masks((3, 6), seed, soft)
    values = getattr(F, name)(input, target, "none", smooth=smooth)
    assert (values >= 0).all()
    assert (values <= 1).all()


@given(seed=seeds, smooth=smooths, alpha=st.floats(0.1, 2), beta=st.floats(0.1, 2))
@settings(max_examples=30, deadline=None)
def test_swapping_masks_swaps_false_alarms_and_misses(seed, smooth, alpha, beta):
    input, target = masks((2, 6), seed, soft=True)
    for name in ("tversky_loss", "focal_tversky_loss"):
        loss = getattr(F, name)
        ours = loss(input, target, alpha=alpha, beta=beta, smooth=smooth)
        assert ours == pytest.approx(loss(target, input, alpha=beta, beta=alpha, smooth=smooth), rel=1e-12)
    for name in ("dice_loss", "jaccard_loss"):
        assert getattr(F, name)(input, target) == pytest.approx(getattr(F, name)(target, input), rel=1e-12)


def test_alpha_is_the_price_of_false_alarms_and_beta_of_misses():
    truth = np.array([1.0, 1.0, 0.0, 0.0])
    false_alarm, miss = np.array([1.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])
    for name in ("tversky_loss", "focal_tversky_loss"):
        loss = getattr(F, name)
        assert loss(false_alarm, truth, alpha=0.0, beta=1.0) == 0 < loss(false_alarm, truth, alpha=1.0, beta=0.0)
        assert loss(miss, truth, alpha=1.0, beta=0.0) == 0 < loss(miss, truth, alpha=0.0, beta=1.0)


@over_losses
@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_the_slope_points_from_the_mask(name, seed):
    """Up where the mask is 0, down where it is 1: following it, any prediction becomes the mask."""
    input, target = masks((2, 8), seed)
    target[:, 0] = 1
    gradient = value_and_grad(getattr(F, name))(input, target)[1]
    assert (gradient[target == 0] > 0).all()
    assert (gradient[target == 1] < 0).all()


@over_losses
def test_soft_labels_are_not_matched(name):
    """For a target of ½ everywhere, predicting ½ isn't best: documented."""
    target = np.full(10, 0.5)
    assert getattr(F, name)(np.ones(10), target) < getattr(F, name)(target, target)
