"""The multi-task losses against PyTorch's Gaussian likelihood, 50 digits, and what is true of each."""

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import lossutils.functional as F
from lossutils import value_and_grad

SECOND = {"weighted_sum_loss": "weights", "uncertainty_weighted_loss": "log_variance"}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_weighted_sum_is_a_matrix_product():
    losses, weights = random(5, 3), random(3, seed=1)
    np.testing.assert_allclose(F.weighted_sum_loss(losses, weights, "none"), losses @ weights, rtol=1e-12)
    assert F.weighted_sum_loss(losses, weights) == pytest.approx((losses @ weights).mean(), rel=1e-12)


def test_weights_of_0_ignore_a_task():
    value, slope = value_and_grad(F.weighted_sum_loss)([2.0, 1e9], [3.0, 0.0])
    assert value == 6
    assert slope.tolist() == [3, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_squared_errors_it_is_torchs_gaussian_likelihood(dtype):
    """PyTorch's leaves out ½ log 2π too, and averages over tasks where this one adds."""
    input, target, log_variance = (random(5, 3, seed=seed).astype(dtype) for seed in range(3))
    tensors = [torch.tensor(a, requires_grad=True) for a in (input, log_variance)]
    expected = 3 * TF.gaussian_nll_loss(tensors[0], torch.tensor(target), tensors[1].exp())
    expected.backward()
    squared = F.mse_loss(input, target, "none")
    value, (slope, of_variance) = value_and_grad(F.uncertainty_weighted_loss, (0, 1))(squared, log_variance)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=rtol)
    np.testing.assert_allclose(slope * 2 * (input - target), tensors[0].grad.numpy(), rtol=rtol)
    np.testing.assert_allclose(of_variance, tensors[1].grad.numpy(), rtol=rtol, atol=rtol * 1e-2)


def test_the_best_variance_is_the_loss_and_then_all_tasks_pull_in_proportion():
    losses = np.array([1e-3, 1.0, 500.0])
    value, (slope, of_variance) = value_and_grad(F.uncertainty_weighted_loss, (0, 1))(losses, np.log(losses))
    assert value == pytest.approx(0.5 * (1 + np.log(losses)).sum(), rel=1e-12)
    np.testing.assert_allclose(of_variance, 0, atol=1e-15)
    np.testing.assert_allclose(slope, 0.5 / losses, rtol=1e-12)
    for other in (np.log(losses) + 0.1, np.log(losses) - 0.1):
        assert F.uncertainty_weighted_loss(losses, other) > value


def test_the_unit_of_a_task_does_not_matter():
    """Measured in a unit c times smaller, ℓ → cℓ and s → s + log c, the loss changes by a constant."""
    losses, s, c = np.exp(random(4, 3)), random(4, 3, seed=1), np.array([1e-6, 1.0, 1e6])
    moved = F.uncertainty_weighted_loss(losses * c, s + np.log(c), "none")
    expected = F.uncertainty_weighted_loss(losses, s, "none") + 0.5 * np.log(c).sum()
    np.testing.assert_allclose(moved, expected, rtol=1e-10)


@pytest.mark.parametrize("name", SECOND)
@pytest.mark.parametrize("shared", [0, 1], ids=["shared losses", "shared weights"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_what_samples_share_counts_in_every_sample(name, shared, reduction):
    arrays = [np.exp(random(4, 3)), random(4, 3, seed=1)]
    repeated = [np.repeat(a[:1], 4, axis=0) if k == shared else a for k, a in enumerate(arrays)]
    arrays[shared] = arrays[shared][0]
    differentiated = value_and_grad(getattr(F, name), (0, 1))
    factor = random(4, seed=2) if reduction == "none" else None
    value, gradients = differentiated(*arrays, reduction, grad_output=factor)
    expected, expected_gradients = differentiated(*repeated, reduction, grad_output=factor)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for k, (gradient, each) in enumerate(zip(gradients, expected_gradients, strict=True)):
        np.testing.assert_allclose(gradient, each.sum(0) if k == shared else each, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uncertainty_is_exact_where_the_precision_alone_overflows(dtype):
    """e^100 is beyond float32; e^100 · 1e−20 isn't."""
    s = np.array([-100.0, 100.0, 0.0, -20.0, 150.0], dtype)
    losses = np.array([1e-20, 1e30, 0.0, 3.0, 0.5], dtype)
    value, of_variance = value_and_grad(F.uncertainty_weighted_loss, 1)(losses[:, None], s[:, None], "none")
    with mpmath.workdps(50):
        scaled = [mpmath.exp(-mpmath.mpf(float(a))) * mpmath.mpf(float(b)) for a, b in zip(s, losses, strict=True)]
        expected = [float((x + mpmath.mpf(float(a))) / 2) for x, a in zip(scaled, s, strict=True)]
        slope = [float((1 - x) / 2) for x in scaled]
    rtol = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(value, np.array(expected, dtype), rtol=rtol)
    np.testing.assert_allclose(of_variance[:, 0], np.array(slope, dtype), rtol=rtol)
    assert np.isfinite(value).all()


@pytest.mark.parametrize("name", SECOND)
def test_what_does_not_fit_is_rejected(name):
    loss = getattr(F, name)
    with pytest.raises(
        ValueError, match=rf"{name}: losses of shape \(2,\) and {SECOND[name]} of shape \(3,\) don't match"
    ):
        loss(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=rf"{name}: losses of shape \(4, 3\) and {SECOND[name]} of shape \(5, 3\)"):
        loss(np.ones((4, 3)), np.ones((5, 3)))
    with pytest.raises(ValueError, match=f"{name}: losses needs 1 axis or more"):
        loss(1.0, 1.0)
    with pytest.raises(TypeError, match=f"{name} needs floating point"):
        loss([1, 2], [1, 2])
