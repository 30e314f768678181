"""The denoising losses: one loss in three parametrizations, its weights at the ends, and PyTorch's squared error."""

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import lossutils.functional as F
from lossutils import value_and_grad

NAMES = ["epsilon_prediction_loss", "x0_prediction_loss", "v_prediction_loss"]
over_names = pytest.mark.parametrize("name", NAMES)
over_weightings = pytest.mark.parametrize("weighting", ["snr", "min-snr"])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def predictions(snr, seed=0):
    """Prediction and truth of noise, clean sample, and velocity, all from one guess of the noise."""
    shape = (len(snr), 2, 3)
    signal, noise = (np.sqrt(share).reshape(-1, 1, 1) for share in (snr / (1 + snr), 1 / (1 + snr)))
    x0, epsilon, guess = (random(*shape, seed=seed + k) for k in range(3))
    seen = signal * x0 + noise * epsilon
    x0_guess = (seen - noise * guess) / signal
    return {
        "epsilon_prediction_loss": (guess, epsilon),
        "x0_prediction_loss": (x0_guess, x0),
        "v_prediction_loss": (signal * guess - noise * x0_guess, signal * epsilon - noise * x0),
    }


SNR = np.array([0.01, 0.3, 1.0, 4.999, 5.001, 80.0, 1e4])


@over_weightings
@pytest.mark.parametrize("gamma", [5.0, 0.7])
def test_the_three_are_the_same_loss_of_the_same_network(weighting, gamma):
    values = [
        getattr(F, name)(*pair, snr=SNR.reshape(-1, 1, 1), weighting=weighting, gamma=gamma, reduction="none")
        for name, pair in predictions(SNR).items()
    ]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)
    np.testing.assert_allclose(values[2], values[0], rtol=1e-9)


def test_unweighted_they_are_three_losses_with_weights_snr_1_and_snr_plus_1():
    snr = SNR.reshape(-1, 1, 1)
    epsilon, x0, v = (getattr(F, name)(*pair, reduction="none") for name, pair in predictions(SNR).items())
    np.testing.assert_allclose(epsilon, snr * x0, rtol=1e-9)
    np.testing.assert_allclose(v, (snr + 1) * x0, rtol=1e-9)


def test_snr_weighting_is_the_plain_loss_of_the_noise():
    """Ho's simple loss weights the clean sample's error by the signal-to-noise ratio."""
    for name, pair in predictions(SNR).items():
        weighted = getattr(F, name)(*pair, snr=SNR.reshape(-1, 1, 1), weighting="snr")
        plain = F.epsilon_prediction_loss(*predictions(SNR)["epsilon_prediction_loss"])
        assert weighted == pytest.approx(plain, rel=1e-9)


@over_names
def test_min_snr_with_no_bound_is_snr(name):
    pair, snr = predictions(SNR)[name], SNR.reshape(-1, 1, 1)
    unbounded = value_and_grad(getattr(F, name))(*pair, snr=snr, weighting="min-snr", gamma=np.inf)
    expected = value_and_grad(getattr(F, name))(*pair, snr=snr, weighting="snr")
    for mine, reference in zip(unbounded, expected, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-12)


@over_names
def test_min_snr_weighs_no_sample_above_gamma_times_the_error_of_the_clean_one(name):
    values = getattr(F, name)(*predictions(SNR)[name], snr=SNR.reshape(-1, 1, 1), weighting="min-snr", reduction="none")
    clean = F.x0_prediction_loss(*predictions(SNR)["x0_prediction_loss"], reduction="none")
    np.testing.assert_allclose(values / clean, np.minimum(SNR, 5).reshape(-1, 1, 1) * np.ones((1, 2, 3)), rtol=1e-9)


@over_names
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unweighted_is_torchs_squared_error(name, reduction, dtype):
    input, target = random(2, 3).astype(dtype), random(2, 3, seed=1).astype(dtype)
    tensors = [torch.tensor(a, requires_grad=True) for a in (input, target)]
    expected = TF.mse_loss(*tensors, reduction=reduction)
    expected.backward(torch.ones_like(expected))
    value, gradients = value_and_grad(getattr(F, name), (0, 1))(input, target, reduction=reduction)
    rtol = 1e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=rtol, strict=reduction == "none")
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=rtol, strict=True)


EXACT = {  # of mpmath numbers: the weight on the squared error of each prediction
    "epsilon_prediction_loss": lambda weight, snr: weight / snr,
    "x0_prediction_loss": lambda weight, snr: weight,
    "v_prediction_loss": lambda weight, snr: weight / (1 + snr),
}


@over_names
@over_weightings
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_exact_from_pure_noise_to_pure_signal(name, weighting, dtype):
    snr = np.array([1e-37, 1e-20, 2.0**-24, 0.1, 1, 5, 7, 2.0**24, 1e20, 1e37], dtype)
    value, slope = value_and_grad(getattr(F, name))(
        np.full_like(snr, 0.5), np.zeros_like(snr), snr=snr, weighting=weighting, reduction="none"
    )
    with mpmath.workdps(60):
        points = [mpmath.mpf(float(s)) for s in snr]
        weights = [EXACT[name](min(s, 5) if weighting == "min-snr" else s, s) for s in points]
        expected = np.array([float(w) for w in weights])
    rtol, atol = (1e-6, 1e-38) if dtype == np.float32 else (1e-14, 0)
    np.testing.assert_allclose(value, expected / 4, rtol=rtol, atol=atol)
    np.testing.assert_allclose(slope, expected, rtol=rtol, atol=atol)


LIMITS = {  # where there is no signal, and where there is no noise
    ("epsilon_prediction_loss", "snr"): [1, 1],
    ("epsilon_prediction_loss", "min-snr"): [1, 0],
    ("x0_prediction_loss", "snr"): [0, np.inf],
    ("x0_prediction_loss", "min-snr"): [0, 5],
    ("v_prediction_loss", "snr"): [0, 1],
    ("v_prediction_loss", "min-snr"): [0, 0],
}


@pytest.mark.parametrize(("name", "weighting"), LIMITS)
def test_weights_at_the_ends_of_a_schedule(name, weighting):
    """A schedule with zero terminal signal has snr = 0, where min(snr, γ)/snr as written is 0/0."""
    value, slope = value_and_grad(getattr(F, name))(
        [1.0, 1.0], [0.0, 0.0], snr=[0.0, np.inf], weighting=weighting, reduction="none"
    )
    assert value.tolist() == LIMITS[name, weighting]
    assert slope.tolist() == [2 * w for w in LIMITS[name, weighting]]


@over_names
def test_what_makes_no_sense_is_rejected(name):
    loss, pair = getattr(F, name), (np.ones((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=f'{name}: weighting must be "none", "snr", or "min-snr", got \'sigma\''):
        loss(*pair, weighting="sigma")
    with pytest.raises(ValueError, match=f'{name}: weighting="min-snr" needs snr'):
        loss(*pair, weighting="min-snr")
    for weighting in ("none", "snr", "min-snr"):
        with pytest.raises(ValueError, match=rf"{name}: snr must not be negative \(is it a logarithm\?\), got -0.5"):
            loss(*pair, [[1.0], [-0.5]], weighting=weighting)
    for gamma in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"{name}: gamma must be positive, got {gamma}"):
            loss(*pair, gamma=gamma)
    with pytest.raises(ValueError, match=rf"{name}: input of shape \(2, 3\) and target of shape \(3,\) don't match"):
        loss(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match=r"snr of shape \(2,\) doesn't fit \(2, 3\)"):
        loss(*pair, [1.0, 2.0])
    with pytest.raises(TypeError, match="is not differentiable with respect to 'snr'"):
        value_and_grad(loss, "snr")


@over_names
def test_an_empty_batch_has_a_sum_of_0(name):
    loss, empty = getattr(F, name), np.ones((0, 3))
    assert loss(empty, empty, np.ones((0, 1)), "sum", "min-snr") == 0
    assert np.isnan(loss(empty, empty, np.ones((0, 1)), weighting="min-snr"))
