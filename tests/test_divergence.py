"""Divergences beside independent implementations and mpmath, and the theorems that hold for them."""

import itertools
import os

import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as TF
from scipy.spatial.distance import jensenshannon

import lossutils.functional as F
from lossutils import value_and_grad

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")

RNG = np.random.default_rng(0)
P, Q, R = RNG.dirichlet(np.full(6, 0.7), size=(3, 40))
INF, NAN = np.inf, np.nan
mp = mpmath.mp.clone()
mp.dps = 300


def exactly(array):
    """The numbers of an array, as mpmath's."""
    return [mp.mpf(float(x)) for x in np.ravel(array)]


def assert_right(got, exact, tolerance=1e-6, relative_to=None):
    """Within 1e-6 of the exact value, relative to it; or to the largest of several."""
    got, exact = np.ravel(got).tolist(), exact if isinstance(exact, list) else [exact]
    for x, y in zip(got, exact, strict=True):
        if y in (mp.inf, -mp.inf) or y == 0:
            assert x == float(y)
        elif abs(relative_to or y) < 1e-36:  # float32 has fewer digits here, or none
            assert abs(x) < 2e-36
        else:
            assert abs(mp.mpf(x) - y) <= tolerance * abs(relative_to or y), (x, mp.nstr(y, 9))


# ---- Kullback and Leibler


def test_kl_div_beside_scipy_keras_and_optax():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    rows = F.kl_div(np.log(P), Q, reduction="none").sum(axis=-1)
    np.testing.assert_allclose(rows, scipy.special.rel_entr(Q, P).sum(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(rows, keras.losses.kl_divergence(Q, P).numpy(), rtol=1e-4)  # it clips at 1e-7
    logs = jnp.log(P.astype(np.float32))
    np.testing.assert_allclose(rows, optax.kl_divergence(logs, Q.astype(np.float32)), rtol=1e-4)
    logged = F.kl_div(np.log(P), np.log(Q), reduction="none", log_target=True).sum(axis=-1)
    np.testing.assert_allclose(logged, rows, rtol=1e-12)
    assert F.kl_div(np.log(P), Q, reduction="batchmean") == pytest.approx(rows.mean(), rel=1e-12)


def test_kl_div_is_torchs_on_special_numbers_where_that_is_right():
    x = [0.0, -0.0, -1.0, 2.0, -200.0, -1e30, -INF, NAN]
    y = [0.0, -0.0, 0.3, 1.0, 2.0, -1.0, 1e-30, 1e30, NAN]
    logs = [0.0, -1.0, 2.0, -120.0, 50.0, -1e30, NAN]
    for targets, log_target in ((y, False), (logs, True)):
        pairs = np.array(list(itertools.product(x, targets)))
        a, b = (torch.tensor(column, requires_grad=True) for column in pairs.T)
        expected = TF.kl_div(a, b, reduction="none", log_target=log_target)
        expected.sum().backward()
        value, (by_input, by_target) = value_and_grad(F.kl_div, (0, 1))(*pairs.T, "none", log_target)
        gone = np.exp(pairs[:, 1]) == 0 if log_target else pairs[:, 1] == 0
        right = ~(gone & np.isinf(pairs[:, 0]))
        np.testing.assert_allclose(value[right], expected.detach()[right], rtol=1e-12)
        np.testing.assert_array_equal(by_input, -np.exp(pairs[:, 1]) if log_target else -pairs[:, 1])
        right &= ~gone | log_target
        np.testing.assert_allclose(by_target[right], b.grad[right], rtol=1e-12)


@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_of_a_target_0_is_the_limit(log_target):
    """PyTorch has NaN in all of these places."""
    input = np.array([-INF, -3.0, NAN, -INF])
    target = np.array([0.0, 0.0, 0.0, 0.5])
    value, (by_input, by_target) = value_and_grad(F.kl_div, (0, 1))(
        input, np.log(target, where=target > 0, out=np.full(4, -INF)) if log_target else target, "none", log_target
    )
    np.testing.assert_array_equal(value, [0, 0, NAN, INF])
    assert not np.signbit(value[:2]).any()
    np.testing.assert_array_equal(by_input, -target)
    np.testing.assert_array_equal(by_target, [0, 0, NAN, INF] if log_target else [INF, -INF, NAN, INF])


@pytest.mark.parametrize("shapes", [((), ()), ((), (3,)), ((3,), (2, 3)), ((1, 3), (2, 3)), ((0, 3), (0, 3))], ids=str)
@pytest.mark.parametrize("reduction", ["batchmean", "mean", "sum", "none"])
def test_kl_div_reduces_broadcast_arrays_as_torch_does(shapes, reduction):
    input, target = -RNG.uniform(0.1, 2, size=shapes[0]), RNG.uniform(0.1, 1, size=shapes[1])
    a, b = (torch.tensor(x, requires_grad=True) for x in (input, target))
    expected = TF.kl_div(a, b, reduction=reduction)
    expected.sum().backward()
    value, gradients = value_and_grad(F.kl_div, (0, 1))(input, target, reduction)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-12)
    for gradient, tensor in zip(gradients, (a, b), strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12)


FLOATS, INTEGERS = np.array([-1.0, -2.0, -3.0]), np.array([1, 0, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input": FLOATS, "target": INTEGERS}, "target must be floating point, got int64"),
        ({"input": INTEGERS, "target": FLOATS}, "input must be floating point, got int64"),
        ({"input": INTEGERS, "target": INTEGERS, "reduction": "sum"}, "input must be floating point"),
        ({"input": FLOATS, "target": INTEGERS, "log_target": True}, "target must be floating point"),
        ({"input": FLOATS, "target": FLOATS[:2]}, r"input of shape \(3,\) and target of shape \(2,\) don't match"),
        ({"input": FLOATS, "target": FLOATS, "reduction": "median"}, "reduction must be one of"),
    ],
    ids=str,
)
def test_kl_div_raises_where_torch_does(arguments, message):
    tensors = {k: torch.tensor(a) if isinstance(a, np.ndarray) else a for k, a in arguments.items()}
    with pytest.raises((RuntimeError, ValueError)):
        TF.kl_div(**tensors)
    with pytest.raises((TypeError, ValueError), match=f"kl_div: {message}"):
        F.kl_div(**arguments)


def test_kl_div_in_single_precision_is_exact_where_the_distributions_nearly_agree():
    target = RNG.uniform(1e-6, 1, size=300).astype(np.float32)
    near = np.log(target) * (1 + RNG.choice([-1e-7, 3e-6, -1e-3, 0.1], size=300))
    input = near.astype(np.float32)
    value, (by_input, by_target) = value_and_grad(F.kl_div, (0, 1))(input, target, "none")
    ratios = [mp.log(p) - x for p, x in zip(exactly(target), exactly(input), strict=True)]
    assert_right(value, [p * ratio for p, ratio in zip(exactly(target), ratios, strict=True)])
    assert_right(by_input, [-p for p in exactly(target)])
    assert_right(by_target, [ratio + 1 for ratio in ratios])


def test_kl_div_of_floats_of_two_widths_is_torchs():
    for dtypes in itertools.product((np.float16, np.float32, np.float64), repeat=2):
        input, target = (a.astype(d) for a, d in zip((np.log(P), Q), dtypes, strict=True))
        value, gradients = value_and_grad(F.kl_div, (0, 1))(input, target, "batchmean")
        expected = TF.kl_div(torch.tensor(input), torch.tensor(target), reduction="batchmean")
        assert value.dtype == expected.numpy().dtype
        assert [g.dtype for g in gradients] == list(dtypes)


# ---- Jensen and Shannon


def test_jensen_shannon_beside_scipy():
    """scipy gives the distance, the root of the divergence."""
    ours = F.jensen_shannon_divergence(P, Q, reduction="none")
    np.testing.assert_allclose(ours, jensenshannon(P, Q, axis=-1) ** 2, rtol=1e-10)


def test_jensen_shannon_is_a_squared_metric_and_bounded():
    distances = {
        (a, b): np.sqrt(F.jensen_shannon_divergence(x, y, reduction="none"))
        for (a, x), (b, y) in itertools.product(zip("PQR", (P, Q, R), strict=True), repeat=2)
    }
    for a, b, c in itertools.permutations("PQR"):
        assert np.all(distances[a, c] <= distances[a, b] + distances[b, c])
        np.testing.assert_array_equal(distances[a, b], distances[b, a])
    one_hot = np.eye(6)
    assert np.all(distances["P", "Q"] ** 2 < np.log(2))
    assert np.all(F.jensen_shannon_divergence(one_hot, np.roll(one_hot, 1, axis=1), reduction="none") == np.log(2))
    for same in (P, one_hot, P.astype(np.float32)):
        value, gradients = value_and_grad(F.jensen_shannon_divergence, (0, 1))(same, same.copy(), "sum")
        assert value == 0
        assert not np.any(gradients)


def exact_jensen_shannon(p, q):
    p, q = exactly(p), exactly(q)
    terms = [(a, b, (a + b) / 2) for a, b in zip(p, q, strict=True)]
    value = sum((a * mp.log(a / m) if a else 0) + (b * mp.log(b / m) if b else 0) for a, b, m in terms if m) / 2

    def slope(x, m):
        return mp.log(x / m) / 2 if x else (-mp.inf if m else 0)

    slopes = [[slope(a, m) for a, _, m in terms], [slope(b, m) for _, b, m in terms]]
    return value, slopes


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.25, 0.75], [0.25000003, 0.74999997]),
        ([0.2, 0.3, 0.5], [0.2001, 0.2999, 0.5]),
        ([0.0, 1.0, 0.0], [1e-30, 1.0, 0.0]),
        ([1e-20, 1.0], [1e-38, 1.0]),
        ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5]),
        ([0.6, 0.4], [0.2, 0.8]),
        ([0.999, 0.001], [0.0001, 0.9999]),
        ([0.3, 0.7], [0.1, 0.9]),
        ([1e37, 3e38], [3e38, 1e37]),
    ],
    ids=str,
)
def test_jensen_shannon_in_single_precision_is_exact(p, q):
    p, q = np.array(p, np.float32), np.array(q, np.float32)
    exact, slopes = exact_jensen_shannon(p, q)
    value, gradients = value_and_grad(F.jensen_shannon_divergence, (0, 1))(p, q, "sum")
    assert_right(value, exact)
    for gradient, slope in zip(gradients, slopes, strict=True):
        assert_right(gradient, slope)


def test_jensen_shannon_of_nan_is_nan():
    assert np.isnan(F.jensen_shannon_divergence([0.5, NAN], [0.5, 0.5]))


# ---- Wasserstein


def test_wasserstein_beside_scipy():
    positions = np.sort(RNG.normal(size=6))
    ours = F.wasserstein_1d_loss(P, Q, reduction="none")
    placed = F.wasserstein_1d_loss(P, Q, positions=positions, reduction="none")
    samples = F.wasserstein_1d_sample_loss(P, Q, reduction="none")
    for i, (p, q) in enumerate(zip(P, Q, strict=True)):
        grid = np.arange(6)
        assert ours[i] == pytest.approx(scipy.stats.wasserstein_distance(grid, grid, p, q), rel=1e-12)
        assert placed[i] == pytest.approx(scipy.stats.wasserstein_distance(positions, positions, p, q), rel=1e-12)
        assert samples[i] == pytest.approx(scipy.stats.wasserstein_distance(p, q), rel=1e-12)


def test_samples_are_masses_of_equal_size():
    """n numbers against n others: masses 1/n where all of them lie."""
    for a, b in zip(P, Q, strict=True):
        x, mass = np.unique(np.concatenate([a, b])), 1 / len(a)
        p, q = (np.isin(x, numbers) * mass for numbers in (a, b))
        assert F.wasserstein_1d_sample_loss(a, b) == pytest.approx(F.wasserstein_1d_loss(p, q, positions=x), rel=1e-12)


def test_wasserstein_moves_a_shift_by_its_length_and_is_a_metric():
    shifted = F.wasserstein_1d_loss(np.eye(9)[2], np.eye(9)[7])
    assert shifted == 5
    assert F.wasserstein_1d_sample_loss(P + 3, P) == pytest.approx(3, rel=1e-12)
    w = {
        k: F.wasserstein_1d_loss(*pair, reduction="none")
        for k, pair in {"pr": (P, R), "pq": (P, Q), "qr": (Q, R)}.items()
    }
    assert np.all(w["pr"] <= w["pq"] + w["qr"] + 1e-15)
    assert F.wasserstein_1d_loss(P, P.copy()) == 0


def test_wasserstein_positions_of_each_row():
    positions = np.sort(RNG.normal(size=P.shape), axis=-1)
    together, gradients = value_and_grad(F.wasserstein_1d_loss, (0, 1, "positions"))(P, Q, "none", positions)
    for i in range(len(P)):
        one, slopes = value_and_grad(F.wasserstein_1d_loss, (0, 1, "positions"))(P[i], Q[i], "sum", positions[i])
        assert together[i] == pytest.approx(one, rel=1e-14)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(gradient[i], slope, rtol=1e-12, atol=1e-15)


def test_wasserstein_of_long_rows_in_single_precision_is_exact():
    """Differences that nearly cancel, 5000 of them: a sum in single precision is off by more."""
    p, q = RNG.dirichlet(np.ones(5000), size=2).astype(np.float32)
    lead = np.cumsum([mp.mpf(float(a)) - mp.mpf(float(b)) for a, b in zip(p, q, strict=True)])[:-1]
    value, gradient = value_and_grad(F.wasserstein_1d_loss)(p, q)
    assert_right(value, sum(abs(x) for x in lead))
    signs = np.sign(np.array(lead, float))
    np.testing.assert_array_equal(gradient, np.append(np.cumsum(signs[::-1])[::-1], 0))


def test_wasserstein_of_one_position_is_0():
    value, gradient = value_and_grad(F.wasserstein_1d_loss)([[1.0], [1.0]], [[1.0], [1.0]])
    assert value == 0
    assert not gradient.any()


def test_equal_numbers_in_a_sample_share_no_pull_with_others():
    value, gradient = value_and_grad(F.wasserstein_1d_sample_loss)([2.0, 2.0, 5.0], [1.0, 2.0, 9.0])
    assert value == pytest.approx(5 / 3)
    np.testing.assert_allclose(gradient, [1 / 3, 0, -1 / 3])


# ---- distillation


def test_distillation_beside_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    student, teacher = RNG.normal(size=(2, 8, 5))
    for temperature in (1.0, 2.0, 5.0):
        theirs = keras.distillation.LogitsDistillation(temperature, keras.losses.KLDivergence())
        ours = F.distillation_loss(student, teacher, temperature=temperature)
        assert ours == pytest.approx(float(theirs.compute_loss(teacher, student)), rel=1e-5)


def exact_distillation(student, teacher, temperature):
    temperature = mp.mpf(temperature)
    student, teacher = ([x / temperature for x in exactly(row)] for row in (student, teacher))
    log_q, log_p = ([x - mp.log(mp.fsum(mp.exp(y) for y in row)) for x in row] for row in (student, teacher))
    kl = mp.fsum(mp.exp(b) * (b - a) for a, b in zip(log_q, log_p, strict=True) if b > -mp.inf)
    slope = [temperature * (mp.exp(a) - mp.exp(b)) for a, b in zip(log_q, log_p, strict=True)]
    by_teacher = [
        temperature * mp.exp(b) * (b - a - kl) if b > -mp.inf else mp.mpf(0) for a, b in zip(log_q, log_p, strict=True)
    ]
    return temperature**2 * kl, slope, by_teacher


EXTREME_LOGITS = {
    "one unit in the last place apart": ([1.0, -0.5, 2.0], [1.0000001, -0.5, 2.0]),
    "far offset": ([1000.0, 1003.5, 999.25], [0.0, 3.5, -1.0]),
    "both sure": ([60.0, 0.0, 1.0], [40.0, 0.0, -3.0]),
    "both sure, teacher's other class below float32": ([60.0, 0.0], [110.0, 0.0]),
    "sure of different classes": ([100.0, 0.0, 0.0], [0.0, 100.0, 1.0]),
    "teacher sure": ([0.0, 0.0], [100.0, 0.0]),
    "student sure": ([100.0, 0.0, 0.0], [1.0, 0.0, -1.0]),
    "one rare class that the student finds common": ([9.0, 2.0, 6.0], [9.0, 2.0, -25.0]),
    "one rare class that the student finds rare": ([9.0, 2.0, -12.0], [9.0, 2.0, -16.0]),
    "masked": ([1.0, -INF, 2.0], [1.5, -INF, 0.0]),
    "masked by the teacher": ([1.0, 0.5, 2.0], [1.5, -INF, 0.0]),
    "masked by the student": ([1.0, -INF, 2.0], [1.5, 1.0, 0.0]),
}


@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("name", EXTREME_LOGITS)
def test_distillation_in_single_precision_is_exact(name, temperature):
    student, teacher = (np.array(row, np.float32) for row in EXTREME_LOGITS[name])
    value, (slope, by_teacher) = value_and_grad(F.distillation_loss, (0, 1))(student, teacher, temperature=temperature)
    exact, exact_slope, exact_by_teacher = exact_distillation(student, teacher, temperature)
    assert_right(value, exact)
    assert_right(slope, exact_slope, relative_to=max(map(abs, exact_slope)))
    if exact < mp.inf:
        assert_right(by_teacher, exact_by_teacher, relative_to=max(map(abs, exact_by_teacher)))


def test_distillation_is_never_below_0_and_0_for_the_same_logits():
    teacher = (RNG.normal(size=(500, 7)) * 5).astype(np.float32)
    nudged = np.nextafter(teacher, np.float32(9))
    assert F.distillation_loss(nudged, teacher, reduction="none").min() >= 0
    value, gradients = value_and_grad(F.distillation_loss, (0, 1))(teacher, teacher.copy())
    assert value == 0
    assert not np.any(gradients)
    assert F.distillation_loss([[3.0], [-1e30]], [[7.0], [2.0]]) == 0  # one class: always probability 1


def test_distillation_of_equal_odds_is_cross_entropy_and_of_high_temperature_a_squared_difference():
    student, teacher = RNG.normal(size=(2, 8, 5))
    p = np.exp(teacher) / np.exp(teacher).sum(axis=1, keepdims=True)
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    ours = F.distillation_loss(student, teacher, temperature=1.0)
    assert ours == pytest.approx(F.cross_entropy(student, p) - entropy, rel=1e-12)
    centered = (student - student.mean(axis=1, keepdims=True)) - (teacher - teacher.mean(axis=1, keepdims=True))
    hot = F.distillation_loss(student, teacher, temperature=1e4)
    assert hot == pytest.approx((centered**2).mean() / 2, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.0, -1.0, INF, NAN])
def test_distillation_rejects_a_temperature(temperature):
    with pytest.raises(ValueError, match="distillation_loss: temperature must be positive and finite, got"):
        F.distillation_loss([1.0, 2.0], [1.0, 2.0], temperature=temperature)


def test_positions_must_ascend():
    with pytest.raises(ValueError, match="wasserstein_1d_loss: positions must ascend, got a step of -1"):
        F.wasserstein_1d_loss(P[:, :3], Q[:, :3], positions=[0.0, 2.0, 1.0])


# ---- normal distributions


def test_gaussian_kl_beside_torch_distributions_and_an_integral():
    mean, log_variance, m0, v0 = RNG.normal(size=(4, 30))
    q, p = (
        torch.distributions.Normal(torch.tensor(m), torch.tensor(np.exp(v / 2)))
        for m, v in ((mean, log_variance), (m0, v0))
    )
    standard = torch.distributions.Normal(torch.zeros(30, dtype=torch.float64), 1.0)
    ours = F.gaussian_kl_loss(mean, log_variance, reduction="none")
    np.testing.assert_allclose(ours, torch.distributions.kl_divergence(q, standard), rtol=1e-10)
    ours = F.gaussian_kl_loss(mean, log_variance, "none", m0, v0)
    np.testing.assert_allclose(ours, torch.distributions.kl_divergence(q, p), rtol=1e-10)
    x = np.linspace(-12, 12, 4001)[:, None]
    log_density, log_prior = (d.log_prob(torch.tensor(x)).numpy() for d in (q, p))
    integral = np.trapezoid(np.exp(log_density) * (log_density - log_prior), x, axis=0)
    near = np.abs(mean) + 6 * np.exp(log_variance / 2) < 11
    np.testing.assert_allclose(ours[near], integral[near], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "log_variance", [1e-30, -1e-12, 1e-4, -1e-3, 0.3, -1.5, 1.4999, 1.5001, 2.5, -6.0, 40.0, -1e30]
)
@pytest.mark.parametrize("mean", [0.0, 1e-12, -1e-3, 30.0])
def test_gaussian_kl_in_single_precision_is_exact(mean, log_variance):
    mean, log_variance = np.float32(mean), np.float32(log_variance)
    m, v = exactly(mean)[0], exactly(log_variance)[0]
    value, (by_mean, by_variance) = value_and_grad(F.gaussian_kl_loss, (0, 1))(mean, log_variance)
    exact = (m * m + mp.expm1(v) - v) / 2
    assert_right(value, exact)
    assert_right(by_mean, m)
    assert_right(by_variance, mp.expm1(v) / 2)


@pytest.mark.parametrize("log_scale", [-120.0, -20.0, 0.0, 20.0, 120.0])
def test_gaussian_kl_does_not_depend_on_the_unit(log_scale):
    """Scaling both distributions leaves it, also where a variance or its inverse is no float32."""
    scale = np.float32(np.exp(log_scale / 2))
    given = [np.float32(x) for x in (0.5, 0.25 + log_scale, 2.0, log_scale - 0.5)]
    arguments = dict(zip(("mean", "log_variance", "prior_mean", "prior_log_variance"), given, strict=True))
    arguments |= {"mean": scale * arguments["mean"], "prior_mean": scale * arguments["prior_mean"]}
    value, gradients = value_and_grad(F.gaussian_kl_loss, tuple(arguments))(**arguments)
    m, v, m0, v0 = (exactly(x)[0] for x in arguments.values())
    inverse = mp.exp(-v0)
    assert_right(value, (mp.expm1(v - v0) - (v - v0) + (m - m0) ** 2 * inverse) / 2)
    slope = (m - m0) * inverse
    by_prior = -(mp.expm1(v - v0) + (m - m0) ** 2 * inverse) / 2
    assert_right(gradients, [slope, mp.expm1(v - v0) / 2, -slope, by_prior])


def test_gaussian_kl_is_0_at_its_prior_and_has_no_gradient_for_a_prior_not_given():
    value, gradients = value_and_grad(F.gaussian_kl_loss, (0, 1, 3, 4))(
        [[3.0, 1.0]], [[-2.0, 5.0]], "sum", [3.0, 1.0], [-2.0, 5.0]
    )
    assert value == 0
    assert not np.any(np.concatenate([np.ravel(g) for g in gradients]))
    with pytest.raises(TypeError, match="no gradient with respect to prior_mean, which wasn't given"):
        value_and_grad(F.gaussian_kl_loss, "prior_mean")([1.0], [1.0])


def test_the_evidence_lower_bound_takes_a_sum_over_dimensions_and_a_mean_over_samples():
    mean, log_variance = RNG.normal(size=(2, 8, 3))
    rows = F.gaussian_kl_loss(mean, log_variance, reduction="none").sum(axis=1)
    assert F.gaussian_kl_loss(mean, log_variance, reduction="batchmean") == pytest.approx(rows.mean(), rel=1e-12)
