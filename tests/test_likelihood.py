"""The likelihoods and scores against PyTorch, scikit-learn, SciPy, scoringrules, and 50 digits; and what is true."""

import itertools
import math
import time

import mpmath
import numpy as np
import pytest
import scoringrules
import sklearn.metrics
import torch
import torch.nn.functional as TF
from scipy import integrate, stats

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.bridge import as_torch

DTYPES = [np.float32, np.float64]
SPECIAL = [0.0, -0.0, 0.3, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e15, -1e15, 1e-30]
POWERS = [-2.5, -1, 0, 1, 1.0001, 1.3, 1.5, 1.8, 2, 2.0001, 2.4, 2.5, 3, 6]

over_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
over_powers = pytest.mark.parametrize("power", POWERS)


def both(name, arrays, wrt, **parameters):
    """Values and gradients, item by item: ours, and PyTorch's."""
    value, gradients = value_and_grad(getattr(F, name), wrt)(**arrays, **parameters, reduction="none")
    tensors = {key: torch.tensor(a, requires_grad=key in wrt) for key, a in arrays.items()}
    other = getattr(TF, name)(**tensors, **parameters, reduction="none")
    other.backward(torch.ones_like(other))
    return [value, *gradients], [other.detach().numpy(), *(tensors[key].grad.numpy() for key in wrt)]


def amounts(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 9, n), rng.uniform(0.1, 9, n), rng.uniform(0.5, 2, n)


# ---- PyTorch's two


@pytest.mark.parametrize(
    "parameters", [{}, {"full": True}, {"log_input": False}, {"log_input": False, "eps": 0.5, "full": True}], ids=str
)
@over_dtypes
def test_poisson_takes_special_numbers_as_torch_does(parameters, dtype):
    """Where PyTorch has NaN though no argument has, 0 · ∞ among its steps, ours is the limit."""
    special = [x if abs(x) != 1e15 else x / 5e13 for x in SPECIAL]  # no larger: PyTorch's terms cancel
    pairs = np.array(list(itertools.product(special, special)), dtype)
    input, target = pairs[(pairs[:, 1] >= 0) | np.isnan(pairs[:, 1])].T.copy()
    ours, theirs = both("poisson_nll_loss", {"input": input, "target": target}, ("input", "target"), **parameters)
    for mine, other in zip(ours, theirs, strict=True):
        right = ~np.isnan(other) | np.isnan(input) | np.isnan(target)
        assert right.mean() > 0.5
        np.testing.assert_allclose(mine[right], other[right], rtol=1e-5, atol=1e-5 if dtype == np.float32 else 1e-13)


def test_poisson_of_an_impossible_count_and_a_certain_one():
    value, gradients = value_and_grad(F.poisson_nll_loss, (0, 1))(
        [-np.inf, -np.inf, 1.0], [0.0, 1.0, 0.0], reduction="none"
    )
    np.testing.assert_array_equal(value, [0, np.inf, np.exp(1.0)])
    np.testing.assert_array_equal(gradients[0], [0, -1, np.exp(1.0)])
    value, gradients = value_and_grad(F.poisson_nll_loss, (0, 1))(
        [0.0, 0.0], [0.0, 1.0], log_input=False, eps=0.0, reduction="none"
    )
    np.testing.assert_array_equal(value, [0, np.inf])
    np.testing.assert_array_equal(gradients[0], [1, -np.inf])
    _, slope = value_and_grad(F.poisson_nll_loss, 1)([2.0], [0.0], full=True)
    assert slope == -2, "PyTorch: NaN, from the logarithm it masks"
    assert np.isnan(F.poisson_nll_loss([-1.0], [0.0], log_input=False)), "no rate is negative"


@pytest.mark.parametrize("parameters", [{}, {"full": True}, {"eps": 0.5}], ids=str)
@over_dtypes
def test_gaussian_takes_special_numbers_as_torch_does(parameters, dtype):
    triples = np.array([t for t in itertools.product(SPECIAL, SPECIAL, SPECIAL) if not t[2] < 0], dtype)
    arrays = dict(zip(("input", "target", "var"), triples.T.copy(), strict=True))
    ours, theirs = both("gaussian_nll_loss", arrays, ("input", "target", "var"), **parameters)
    for mine, other in zip(ours, theirs, strict=True):
        right = np.isfinite(other) | ~np.isfinite(triples).all(axis=1)
        right &= ~(np.isnan(other) & np.isfinite(mine))  # var = ∞ leaves a slope of 0
        assert right.mean() > 0.7
        np.testing.assert_allclose(mine[right], other[right], rtol=1e-4 if dtype == np.float32 else 1e-10)


def test_gaussian_in_float32_does_not_overflow_before_it_has_to():
    arrays = [np.array([x], np.float32) for x in (1e25, 0, 1e30)]
    assert TF.gaussian_nll_loss(*map(torch.tensor, arrays)).item() == np.inf
    np.testing.assert_allclose(F.gaussian_nll_loss(*arrays), 5e19, rtol=1e-6)


def test_a_variance_below_eps_counts_as_eps_and_still_has_its_slope():
    arrays = {"input": np.array([2.0, 2.0]), "target": np.zeros(2), "var": np.array([0.01, 0.25])}
    ours, theirs = both("gaussian_nll_loss", arrays, ("input", "target", "var"), eps=0.5)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-14)
        assert mine[0] == mine[1] != 0


VARIANCES = [
    ((), ()),
    ((5,), (5,)),
    ((5,), (1,)),
    ((5,), ()),
    ((2, 5), (2, 5)),
    ((2, 5), (2, 1)),
    ((2, 5), (2,)),
    ((2, 5), (1, 5)),
    ((2, 3, 5), (2, 3)),
    ((2, 3, 5), (2, 1, 5)),
    ((2, 2), (2,)),
    ((0, 3), (0, 3)),
    ((1, 1), (1,)),
]


@pytest.mark.parametrize("shapes", VARIANCES, ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_shapes_of_the_variance_are_torchs(shapes, reduction):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shapes[0]), rng.normal(size=shapes[0]), rng.uniform(0.5, 2, size=shapes[1])]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = TF.gaussian_nll_loss(*tensors, reduction=reduction)
    factor = rng.normal(size=expected.shape)
    expected.backward(torch.tensor(factor))
    value, gradients = value_and_grad(F.gaussian_nll_loss, (0, 1, 2))(*arrays, reduction=reduction, grad_output=factor)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-13)
    assert np.shape(value) == expected.shape
    for mine, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(mine, tensor.grad.numpy(), rtol=1e-12, strict=True)


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((4, 1), (4, 5)), ((1,), (3,))], ids=str)
def test_targets_broadcast_as_in_torch(shapes):
    rng = np.random.default_rng(0)
    input, target = rng.normal(size=shapes[0]), rng.poisson(3, size=shapes[1]).astype(float)
    for name, more in (("poisson_nll_loss", {}), ("gaussian_nll_loss", {"var": np.ones(shapes[0])})):
        ours, theirs = both(name, {"input": input, "target": target, **more}, ("input", "target"))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-13, strict=True)


@over_dtypes
def test_a_variance_may_be_a_number(dtype):
    input, target = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(dtype)
    expected = TF.gaussian_nll_loss(torch.tensor(input), torch.tensor(target), 0.3, reduction="none").numpy()
    for var in (0.3, np.float64(0.3), np.array(0.3, dtype)):
        value = F.gaussian_nll_loss(input, target, var, reduction="none")
        np.testing.assert_allclose(value, expected, rtol=1e-5, strict=True)
    slope = value_and_grad(F.gaussian_nll_loss, "var")(input, target, 0.3)[1]
    full = value_and_grad(F.gaussian_nll_loss, "var")(input, target, np.full_like(input, 0.3))[1]
    assert slope.shape == ()
    np.testing.assert_allclose(slope, full.sum(), rtol=1e-5)
    assert F.gaussian_nll_loss([1.0], [1.0], 1) == 0
    whole = F.gaussian_nll_loss([[1, 2]], [[1, 4]], 4.0, reduction="none")
    expected = TF.gaussian_nll_loss(torch.tensor([[1, 2]]), torch.tensor([[1, 4]]), 4.0, reduction="none").numpy()
    np.testing.assert_allclose(whole, expected, rtol=1e-6, strict=True)


@pytest.mark.parametrize("dtypes", list(itertools.product([np.float16, np.float32, np.float64, np.int64], repeat=2)))
def test_dtypes_are_torchs(dtypes):
    arrays = [np.array([1, 2, 1]).astype(d) for d in dtypes]
    for log_input in (True, False):
        expected = TF.poisson_nll_loss(*map(torch.tensor, arrays), log_input, reduction="none").numpy()
        value = F.poisson_nll_loss(*arrays, log_input, reduction="none")
        np.testing.assert_allclose(value, expected, rtol=2e-3, atol=1e-3, strict=True)
    if any(a.dtype.kind == "f" for a in arrays):
        arrays.append(np.ones(3, dtypes[0] if dtypes[0] != np.int64 else dtypes[1]))
        expected = TF.gaussian_nll_loss(*map(torch.tensor, arrays), reduction="none").numpy()
        np.testing.assert_allclose(F.gaussian_nll_loss(*arrays, reduction="none"), expected, rtol=2e-3, strict=True)


ONES = [1.0, 1.0, 1.0]
REJECTED = [
    ("poisson_nll_loss", lambda a: ((a([1.0, 2.0]), a(ONES)), {})),
    ("poisson_nll_loss", lambda a: ((a(ONES), a(ONES)), {"reduction": "median"})),
    ("poisson_nll_loss", lambda a: ((a(ONES),), {})),
    ("poisson_nll_loss", lambda a: ((a(ONES), None), {})),
    ("poisson_nll_loss", lambda a: ((a(ONES), a(ONES)), {"weight": a(ONES)})),
    ("gaussian_nll_loss", lambda a: ((a([1.0, 2.0]), a(ONES), a([1.0, 2.0])), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), a(ONES)), {"reduction": "median"})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES)), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), None), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), a([1.0, -0.1, 1.0])), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), -1.0), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), a([1.0, 1.0])), {})),
    ("gaussian_nll_loss", lambda a: ((a([ONES] * 2), a([ONES] * 2), a(ONES)), {})),
    ("gaussian_nll_loss", lambda a: ((a([ONES] * 2), a([ONES] * 2), a([[1.0]])), {})),
    ("gaussian_nll_loss", lambda a: ((a(ONES), a(ONES), a([ONES] * 3)), {})),
    ("gaussian_nll_loss", lambda a: ((a([[1.0]] * 2), a([[1.0]] * 2), a([ONES] * 2)), {})),
    ("gaussian_nll_loss", lambda a: ((a([[ONES]]), a([[ONES]]), a(ONES)), {})),
]


@pytest.mark.parametrize(("name", "call"), REJECTED, ids=[f"{i}-{r[0]}" for i, r in enumerate(REJECTED)])
def test_what_torch_rejects_is_rejected(name, call):
    arguments, parameters = call(torch.tensor)
    with pytest.raises((TypeError, ValueError, RuntimeError, AttributeError)):
        getattr(TF, name)(*arguments, **parameters)
    arguments, parameters = call(np.array)
    with pytest.raises((TypeError, ValueError), match=f"{name}|argument"):
        getattr(F, name)(*arguments, **parameters)


def test_as_torch_takes_a_number_for_a_variance():
    input = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    target = torch.zeros(2, 3, dtype=torch.float64)
    as_torch(F.gaussian_nll_loss)(input, target, 0.25).backward()
    np.testing.assert_allclose(input.grad.numpy(), 4 * input.detach().numpy() / 6)


# ---- likelihoods are SciPy's


def test_full_gaussian_is_minus_the_log_density():
    mean, target, var = amounts()
    expected = -stats.norm.logpdf(target, mean, np.sqrt(var))
    np.testing.assert_allclose(
        F.gaussian_nll_loss(mean, target, var, full=True, reduction="none"), expected, rtol=1e-12
    )


def test_full_poisson_is_minus_the_log_probability_up_to_stirling():
    """Stirling's series ends with 1/12k; PyTorch leaves it out, and takes log k! for 0 where k ≤ 1."""
    counts = np.arange(2.0, 200)
    rate = np.linspace(1, 250, 198)
    exact = -stats.poisson.logpmf(counts, rate)
    for input, options in ((np.log(rate), {}), (rate, {"log_input": False, "eps": 0.0})):
        value = F.poisson_nll_loss(input, counts, full=True, reduction="none", **options)
        short = exact - value
        assert np.all((short > 1 / (12 * counts + 1)) & (short < 1 / (12 * counts)))
        value = F.poisson_nll_loss(input[:2], [0.0, 1.0], full=True, reduction="none", **options)
        np.testing.assert_allclose(value, -stats.poisson.logpmf([0, 1], rate[:2]), rtol=1e-12)


# ---- deviances are scikit-learn's


@over_powers
@over_dtypes
@pytest.mark.parametrize("weighted", [False, True])
def test_deviances_are_scikit_learns(power, dtype, weighted):
    mean, target, weight = (a.astype(dtype) for a in amounts())
    if power < 2:
        target[::5] = 0
    if power <= 0:
        target[::3] *= -1
    weight = weight if weighted else None
    expected = sklearn.metrics.mean_tweedie_deviance(
        target.astype(float), mean.astype(float), power=power, sample_weight=weight
    )
    losses = [lambda *a, **k: F.tweedie_deviance(*a, power=power, **k)]
    losses += {1: [F.poisson_deviance], 2: [F.gamma_deviance]}.get(power, [])
    for loss in losses:
        value = loss(mean, target, weight=weight)
        assert value.dtype == dtype
        np.testing.assert_allclose(value, expected, rtol=1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("power", [*POWERS, 0.5, 0.99, np.nan])
def test_the_domain_is_scikit_learns(power):
    """Whatever number it refuses, as target or as mean, is refused; and what it takes is taken."""
    for target, mean in itertools.product([-1.0, 0.0, 1.0], repeat=2):
        try:
            expected = sklearn.metrics.mean_tweedie_deviance([target, 2.0], [mean, 2.0], power=power)
        except ValueError:
            with pytest.raises(ValueError, match=r"tweedie_deviance: (power|input|target) must"):
                F.tweedie_deviance([mean, 2.0], [target, 2.0], power=power)
        else:
            np.testing.assert_allclose(
                F.tweedie_deviance([mean, 2.0], [target, 2.0], power=power), expected, atol=1e-11
            )


def test_the_domain_of_poisson_and_gamma():
    for name, bad_target in (("poisson_deviance", -0.5), ("gamma_deviance", 0.0)):
        with pytest.raises(ValueError, match=rf"{name}: target must .*, got {bad_target}"):
            getattr(F, name)([1.0, 1.0], [1.0, bad_target])
        for bad in (0.0, -2.0):
            with pytest.raises(ValueError, match=rf"{name}: input must be positive, got {bad}"):
                getattr(F, name)([1.0, bad], [1.0, 1.0])
    for power in (np.inf, -np.inf):
        with pytest.raises(ValueError, match="tweedie_deviance: power must"):
            F.tweedie_deviance([1.0], [1.0], power=power)


def test_a_count_of_0_pulls_the_target_up_without_end():
    for loss in (F.poisson_deviance, F.tweedie_deviance):
        value, gradients = value_and_grad(loss, (0, 1))([4.0], [0.0])
        assert value == 8
        np.testing.assert_array_equal(gradients[1], [-np.inf])
    for power in (1, 1.3, 1.7):
        _, slope = value_and_grad(F.tweedie_deviance, 1)([4.0], [0.0], power=power)
        np.testing.assert_array_equal(slope, [-np.inf])


@over_powers
def test_units_come_out_as_a_power(power):
    """d(cμ, cy) = c^(2 − p) · d(μ, y): of a gamma deviance nothing is left of the unit."""
    mean, target, _ = amounts(50)
    value = F.tweedie_deviance(mean, target, power=power, reduction="none")
    scaled = F.tweedie_deviance(3 * mean, 3 * target, power=power, reduction="none")
    np.testing.assert_allclose(scaled, 3 ** (2 - power) * value, rtol=1e-11)


@over_powers
def test_the_mean_is_best(power):
    sample = np.random.default_rng(0).lognormal(size=301)
    _, slope = value_and_grad(F.tweedie_deviance)(np.full_like(sample, sample.mean()), sample, "sum", power=power)
    assert abs(slope.sum()) < 1e-10 * abs(slope).sum()


# ---- scores are scoringrules', and the integral they stand for


def test_gaussian_crps_is_scoringrules():
    mean, target, sigma = amounts()
    expected = scoringrules.crps_normal(target, mean, sigma)
    np.testing.assert_allclose(F.gaussian_crps(mean, target, sigma, "none"), expected, rtol=1e-12)


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize("shape", [(2,), (7,), (30, 5), (2, 3, 8)], ids=str)
def test_ensemble_crps_is_scoringrules(fair, shape):
    rng = np.random.default_rng(0)
    members, target = rng.normal(size=shape), rng.normal(size=shape[:-1])
    expected = scoringrules.crps_ensemble(target, members, estimator="fair" if fair else "nrg")
    np.testing.assert_allclose(F.ensemble_crps(members, target, "none", fair), expected, rtol=1e-11)


@pytest.mark.parametrize(("mean", "sigma", "y"), [(0.0, 1.0, 0.3), (2.0, 0.5, -1.0), (-1.0, 3.0, 4.0)])
def test_crps_is_the_integral_of_a_squared_difference(mean, sigma, y):
    def squared(x):
        return (stats.norm.cdf(x, mean, sigma) - (x >= y)) ** 2

    ends = (mean - 12 * sigma, mean + 12 * sigma)
    expected = sum(integrate.quad(squared, *part)[0] for part in ((ends[0], y), (y, ends[1])))
    np.testing.assert_allclose(F.gaussian_crps([mean], [y], [sigma]), expected, rtol=1e-7)
    quantiles = stats.norm.ppf((np.arange(4000) + 0.5) / 4000, mean, sigma)
    np.testing.assert_allclose(F.ensemble_crps(quantiles, y), expected, rtol=1e-5)


def test_ensemble_crps_is_the_integral_of_a_squared_difference():
    """The distribution function of the members is a staircase."""
    rng = np.random.default_rng(0)
    members, target = np.round(rng.normal(size=(40, 6)), 1), np.round(rng.normal(size=40), 1)
    for row, y, value in zip(members, target, F.ensemble_crps(members, target, "none"), strict=True):
        corners = np.sort([*row, y])
        steps = [(np.mean(row <= x) - (x >= y)) ** 2 for x in corners[:-1]]
        assert value == pytest.approx(np.sum(steps * np.diff(corners)), abs=1e-14)


def test_fair_crps_of_random_draws_is_that_of_the_distribution_on_average():
    """All 4³ samples of three from four equally likely numbers; unfair, the average is too large."""
    numbers = np.array([0.0, 1.0, 5.0, 5.5])
    samples = np.array(list(itertools.product(numbers, repeat=3)))
    for y in (-1.0, 2.0, 5.0):
        truth = F.ensemble_crps(numbers, y)
        assert F.ensemble_crps(samples, np.full(64, y), fair=True) == pytest.approx(truth, rel=1e-12)
        assert F.ensemble_crps(samples, np.full(64, y)) > truth + 0.1


def test_ensemble_of_one_is_the_absolute_error_and_order_does_not_matter():
    rng = np.random.default_rng(0)
    members, target = rng.normal(size=(20, 1)), rng.normal(size=20)
    value, gradients = value_and_grad(F.ensemble_crps, (0, 1))(members, target)
    expected, expected_gradients = value_and_grad(F.l1_loss, (0, 1))(members[:, 0], target)
    assert value == expected
    np.testing.assert_array_equal(gradients[0][:, 0], expected_gradients[0])
    np.testing.assert_array_equal(gradients[1], expected_gradients[1])
    members = rng.normal(size=(20, 6))
    order = rng.permutation(6)
    value, slope = value_and_grad(F.ensemble_crps)(members, target, "none")
    moved, moved_slope = value_and_grad(F.ensemble_crps)(members[:, order], target, "none")
    np.testing.assert_allclose(moved, value, rtol=1e-14)
    np.testing.assert_allclose(moved_slope, slope[:, order], rtol=1e-14)


def test_equal_members_are_pulled_equally():
    """As if their distance had the slope 0: PyTorch's subgradient of |x| at 0, and the mean over the orders."""
    members = np.array([[1.0, 1.0, 3.0, 1.0, 3.0, -2.0], [2.0] * 6, [0.0, 5.0, 0.0, 5.0, 0.0, 5.0]])
    target = np.array([0.5, 2.0, 5.0])
    for fair in (False, True):
        tensor = torch.tensor(members, requires_grad=True)
        pairs = (tensor[:, :, None] - tensor[:, None, :]).abs().sum((1, 2)) / (2 * 6 * (6 - fair))
        ((tensor - torch.tensor(target)[:, None]).abs().mean(1) - pairs).sum().backward()
        _, slope = value_and_grad(F.ensemble_crps)(members, target, "sum", fair)
        np.testing.assert_allclose(slope, tensor.grad.numpy(), atol=1e-15)


def test_large_ensembles_take_no_quadratic_time():
    """10⁵ members have 10¹⁰ pairs: minutes. The value is that of the normal distribution they stand for."""
    quantiles = stats.norm.ppf((np.arange(10**5) + 0.5) / 10**5)
    members = np.random.default_rng(0).permutation(quantiles).astype(np.float32)
    start = time.process_time()
    value = value_and_grad(F.ensemble_crps)(members, np.float32(0.4))[0]
    assert time.process_time() - start < 5
    np.testing.assert_allclose(value, F.gaussian_crps([0.0], [0.4], [1.0]), rtol=1e-4)


def test_what_is_no_distribution_is_rejected():
    for bad in (0.0, -1.0):
        with pytest.raises(ValueError, match=f"gaussian_crps: sigma must be positive, got {bad}"):
            F.gaussian_crps([1.0, 1.0], [1.0, 1.0], [1.0, bad])
    with pytest.raises(ValueError, match=r"gaussian_crps: .* don't match"):
        F.gaussian_crps([1.0], [1.0, 2.0], [1.0])
    for members, fair in ((0, False), (1, True)):
        with pytest.raises(
            ValueError, match=f"ensemble_crps: input must have {1 + fair} or more members, got {members}"
        ):
            F.ensemble_crps(np.zeros((3, members)), np.zeros(3), fair=fair)
    with pytest.raises(ValueError, match="ensemble_crps"):
        F.ensemble_crps(np.zeros((3, 2)), np.zeros(2))


def test_one_sigma_serves_all_means():
    mean, target, _ = amounts(12)
    value, slope = value_and_grad(F.gaussian_crps, "sigma")(mean.reshape(3, 4), target.reshape(3, 4), 0.7)
    expected, each = value_and_grad(F.gaussian_crps, "sigma")(mean, target, np.full(12, 0.7))
    assert value == pytest.approx(expected, rel=1e-14)
    assert slope == pytest.approx(each.sum(), rel=1e-13)


# ---- exactness


def assert_exact(loss, arrays, exact, dtype, tolerance, **parameters):
    """Value and slopes against a formula of many digits; where it has None, or 0, nothing is compared."""
    arrays = [np.asarray(a, dtype) for a in arrays]
    wrt = tuple(range(len(arrays)))
    value, gradients = value_and_grad(loss, wrt)(*arrays, reduction="none", **parameters)
    with mpmath.workdps(60):
        rows = [exact(*(mpmath.mpf(float(x)) for x in row)) for row in zip(*arrays, strict=True)]
    largest, tiny = float(np.finfo(dtype).max), float(np.finfo(dtype).tiny)
    for mine, column in zip((value, *gradients), zip(*rows, strict=True), strict=True):
        expected = np.array([np.nan if x is None else x for x in column], float)
        compared = (np.abs(expected) < largest) & (np.abs(expected) > 10 * tiny)
        assert compared.sum() > 50
        np.testing.assert_allclose(mine[compared].astype(float), expected[compared], rtol=tolerance)


def nearly_equal(n=200):
    """Pairs from equal in all but the last digits to a factor of 10⁵ apart, in units from 1e-9 to 1e9."""
    rng = np.random.default_rng(3)
    mean = 10 ** rng.uniform(-9, 9, n)
    ratio = np.exp(rng.choice([-1, 1], n) * 10 ** rng.uniform(-6.5, 1.05, n))
    return mean.astype(np.float32), (mean.astype(np.float32) * ratio).astype(np.float32)


def exact_deviance(power):
    def exact(mean, target):
        p, y = mpmath.mpf(power), max(target, mpmath.mpf(0))
        if mean == target:
            return None, None, None
        slope = 2 * (mean - target) / mean**p
        if power == 1:
            return 2 * (target * mpmath.log(target / mean) - target + mean), slope, 2 * mpmath.log(target / mean)
        if power == 2:
            return 2 * (mpmath.log(mean / target) + target / mean - 1), slope, 2 * (1 / mean - 1 / target)
        own = y ** (2 - p) / ((1 - p) * (2 - p))
        value = 2 * (own - target * mean ** (1 - p) / (1 - p) + mean ** (2 - p) / (2 - p))
        return value, slope, 2 * (y ** (1 - p) - mean ** (1 - p)) / (1 - p)

    return exact


@over_powers
@over_dtypes
def test_deviances_are_exact_however_near_or_far_the_forecast(power, dtype):
    mean, target = nearly_equal()
    if power < 0:
        target[::4] *= -1
    tolerance = 6e-7 if dtype == np.float32 else 3e-13
    assert_exact(F.tweedie_deviance, (mean, target), exact_deviance(power), dtype, tolerance, power=power)
    for loss in {1: [F.poisson_deviance], 2: [F.gamma_deviance]}.get(power, []):
        assert_exact(loss, (mean, target), exact_deviance(power), dtype, tolerance)


@over_powers
def test_deviances_in_float64_are_exact_to_the_last_digits_of_the_arguments(power):
    rng = np.random.default_rng(0)
    mean = 10 ** rng.uniform(-3, 3, 200)
    target = mean * (1 + rng.choice([-1, 1], 200) * 10 ** rng.uniform(-15, -0.5, 200))
    assert_exact(F.tweedie_deviance, (mean, target), exact_deviance(power), np.float64, 1e-13, power=power)


def exact_poisson(log_input):
    def exact(input, target):
        log = input if log_input else mpmath.log(input + mpmath.mpf(1e-8))
        rate = mpmath.exp(input) if log_input else input
        stirling = target * mpmath.log(target) - target + mpmath.log(2 * mpmath.pi * target) / 2 if target > 1 else 0
        slope = rate - target if log_input else 1 - target / (input + mpmath.mpf(1e-8))
        in_target = mpmath.log(target) + 1 / (2 * target) if target > 1 else 0
        return rate - target * log + stirling, slope, in_target - log

    return exact


@pytest.mark.parametrize("log_input", [True, False])
def test_full_poisson_is_exact_for_counts_in_the_millions(log_input):
    """PyTorch's float32 subtracts 1e8 from 1e8 there, and is off by whole units."""
    rng = np.random.default_rng(0)
    log = rng.uniform(-2, 18, 200).astype(np.float32)
    target = np.rint(np.exp(log.astype(float)) * (1 + 1e-3 * rng.normal(size=200))).astype(np.float32)
    input = log if log_input else np.exp(log)
    assert_exact(
        F.poisson_nll_loss, (input, target), exact_poisson(log_input), np.float32, 3e-7, full=True, log_input=log_input
    )
    if log_input:
        theirs = TF.poisson_nll_loss(torch.tensor(log), torch.tensor(target), full=True, reduction="none").numpy()
        ours = F.poisson_nll_loss(log, target, full=True, reduction="none")
        assert np.max(np.abs(theirs - ours)) > 1


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("cancels", ["the value", "the slope in var"])
def test_gaussian_is_exact_where_its_terms_cancel(full, cancels):
    constant = mpmath.log(2 * mpmath.pi) / 2 if full else 0

    def exact(mean, target, var):
        r, v = mean - target, max(var, mpmath.mpf(1e-6))
        return (mpmath.log(v) + r * r / v) / 2 + constant, r / v, -r / v, (1 - r * r / v) / v / 2

    rng = np.random.default_rng(0)
    if cancels == "the value":  # r² = −v·log(2πv) or −v·log v, nearly
        var = 10 ** rng.uniform(-6, -1.5, 200)
        distance = np.sqrt(-var * (np.log(var) + 2 * float(constant)))
    else:
        var = 10 ** rng.uniform(-8, 8, 200)
        distance = np.sqrt(var)
    target = rng.normal(size=200)
    mean = target + distance * (1 + rng.normal(size=200) * 10 ** rng.uniform(-4, -0.5, 200))
    assert_exact(F.gaussian_nll_loss, (mean, target, var), exact, np.float32, 6e-7, full=full)


@over_dtypes
def test_gaussian_crps_is_exact_from_the_center_to_the_far_tails(dtype):
    def exact(mean, target, sigma):
        z = (mean - target) / sigma
        slope, in_sigma = mpmath.erf(z / mpmath.sqrt(2)), 2 * mpmath.npdf(z) - 1 / mpmath.sqrt(mpmath.pi)
        return (mean - target) * slope + sigma * in_sigma, slope, -slope, in_sigma

    rng = np.random.default_rng(0)
    z = np.concatenate([np.linspace(-6, 6, 101), rng.choice([-1, 1], 100) * 10 ** rng.uniform(-12, 12, 100)])
    sigma = 10 ** rng.uniform(-12, 12, 201)
    tolerance = 6e-7 if dtype == np.float32 else 2e-13
    assert_exact(F.gaussian_crps, (z * sigma, 0 * z, sigma), exact, dtype, tolerance)
    nearest = math.sqrt(math.log(2))  # where the slope in sigma is 0
    assert abs(value_and_grad(F.gaussian_crps, 2)([nearest], [0.0], [1.0])[1][0]) < 1e-15


def test_ensemble_crps_loses_no_digit_to_what_the_members_have_in_common():
    """10⁶ away from 0, with a spread of 1, the mean of the differences is all that counts; in float32."""
    rng = np.random.default_rng(0)
    members = (1e6 + rng.normal(size=(20, 50))).astype(np.float32)
    target = (1e6 + rng.normal(size=20)).astype(np.float32)
    exact = F.ensemble_crps(members.astype(float) - 1e6, target.astype(float) - 1e6, "none")
    np.testing.assert_allclose(F.ensemble_crps(members, target, "none"), exact, rtol=5e-7)
    many = np.zeros(4001, np.float32)
    many[-1] = 1  # one member of 4001 is right: the credit is all but the cost
    assert F.ensemble_crps(many, np.float32(0)) == pytest.approx(4001.0**-2, rel=2e-7)
