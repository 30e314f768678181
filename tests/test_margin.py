"""The margin losses: other libraries' answers, PyTorch's errors and quirks, exactness, and what each predicts."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import itertools

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st

import lossutils.functional as F
from lossutils import value_and_grad

OF_SIGN = ["hinge_loss", "squared_hinge_loss", "exponential_loss", "perceptron_loss", "zero_one_loss"]
SPECIAL = [0.0, -0.0, 0.5, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30]

over_signs = pytest.mark.parametrize("name", OF_SIGN)
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def scores_and_labels(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) * 2, rng.choice([-1.0, 1.0], size=n)


def slope(name, input, target, **parameters):
    return value_and_grad(getattr(F, name))(input, target, reduction="sum", **parameters)[1]


def torchs(name, input, target, **parameters):
    """PyTorch's values and the gradient of their sum."""
    tensor = torch.tensor(input, requires_grad=True)
    value = getattr(TF, name)(tensor, torch.tensor(target), reduction="none", **parameters)
    value.sum().backward()
    return value.detach().numpy(), tensor.grad.numpy()


# ---- other libraries


def test_hinge_and_zero_one_are_scikit_learns():
    from sklearn import metrics

    score, label = scores_and_labels()
    assert F.hinge_loss(score, label) == pytest.approx(metrics.hinge_loss(label, score), rel=1e-12)
    assert F.zero_one_loss(score, label) == pytest.approx(metrics.zero_one_loss(label, np.sign(score)), rel=1e-12)


def test_soft_margin_is_scikit_learns_log_loss_of_the_probability():
    from sklearn import metrics

    score, label = scores_and_labels()
    expected = metrics.log_loss(label, 1 / (1 + np.exp(-score)))
    assert F.soft_margin_loss(score, label) == pytest.approx(expected, rel=1e-12)


def test_exponential_is_what_scikit_learn_boosts_with():
    from sklearn._loss.loss import ExponentialLoss

    score, label = scores_and_labels()
    value, gradient = value_and_grad(F.exponential_loss)(score, label, reduction="none")
    expected, expected_gradient = ExponentialLoss().loss_gradient((label + 1) / 2, score)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12)


@pytest.mark.parametrize(("name", "theirs"), [("hinge_loss", "Hinge"), ("squared_hinge_loss", "SquaredHinge")])
def test_hinges_are_keras(name, theirs):
    import keras

    score, label = scores_and_labels()
    expected = getattr(keras.losses, theirs)()(label.astype(np.float32), score.astype(np.float32))
    assert getattr(F, name)(score, label) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["hinge_loss", "perceptron_loss"])
def test_hinge_and_perceptron_are_optaxs(name):
    import jax
    import optax

    score, label = (a.astype(np.float32) for a in scores_and_labels())
    value, gradient = value_and_grad(getattr(F, name))(score, label, reduction="none")
    theirs = getattr(optax.losses, name)
    np.testing.assert_allclose(value, theirs(score, label), rtol=1e-6)
    np.testing.assert_array_equal(gradient, jax.grad(lambda s: theirs(s, label).sum())(score))


def test_sgd_of_scikit_learn_has_the_same_slopes():
    """One epoch of SGDClassifier, where a step is rate · slope · x, visits the rows in order."""
    from sklearn.linear_model import SGDClassifier

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.choice([-1, 1], size=50)
    for theirs, name in [
        ("hinge", "hinge_loss"),
        ("squared_hinge", "squared_hinge_loss"),
        ("perceptron", "perceptron_loss"),
    ]:
        model = SGDClassifier(loss=theirs, penalty=None, learning_rate="constant", eta0=0.01, shuffle=False,
                              max_iter=1, tol=None, fit_intercept=False).fit(X, y)  # fmt: skip
        w = np.zeros(3)
        for x, label in zip(X, y, strict=True):
            w -= 0.01 * slope(name, [w @ x], [label])[0] * x
        np.testing.assert_allclose(model.coef_[0], w, rtol=1e-9)


# ---- labels


@over_signs
@pytest.mark.parametrize("label", [0.0, 0.5, 2.0, -1.5, np.nan, np.inf, 1e-30])
def test_a_label_must_be_a_sign(name, label):
    with pytest.raises(ValueError, match=rf"{name}: target must be -1 or 1, got {label}; 0 and 1 become"):
        getattr(F, name)([0.5, 0.5, 0.5], [1.0, label, -1.0])


@over_signs
def test_labels_may_be_integers_of_any_width(name):
    score, label = scores_and_labels(20)
    expected = getattr(F, name)(score, label)
    for dtype in (np.int8, np.int64, np.float16):
        assert getattr(F, name)(score, label.astype(dtype)) == expected


def test_torchs_losses_take_any_number_for_a_label():
    """soft_margin_loss multiplies by it; hinge_embedding_loss adds both terms unless it is 1 or −1."""
    for name in ("soft_margin_loss", "hinge_embedding_loss"):
        score, label = np.linspace(-3, 3, 7), np.array([0, 0.5, 2, -3, 1, -1, -0.0])
        value, gradient = value_and_grad(getattr(F, name))(score, label, reduction="none")
        expected, expected_gradient = torchs(name, score, label)
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-13)


# ---- kinks, zeros, infinities


def test_slopes_at_the_kinks():
    """Documented choices; torch's own where torch has the loss."""
    both = np.array([1.0, -1.0])
    np.testing.assert_array_equal(slope("hinge_loss", both, both), [0, 0])
    np.testing.assert_array_equal(slope("perceptron_loss", np.zeros(2), both), -both)
    np.testing.assert_array_equal(slope("hinge_embedding_loss", [1.0, 2.5], [-1, -1]), [-1, 0])
    np.testing.assert_array_equal(slope("hinge_embedding_loss", [2.5], [-1], margin=2.5), [-1])
    for p in (1, 2):
        np.testing.assert_array_equal(slope("multi_margin_loss", [1.0, 0.0, -1.0], 0, p=p), [0, 0, 0])
    np.testing.assert_array_equal(slope("multilabel_margin_loss", [1.0, 0.0], [0, -1]), [0, 0])


def test_a_score_of_zero_or_nan_is_an_error_of_classification():
    values = F.zero_one_loss([0.0, -0.0, 0.0, np.nan, 1e-300, -1e-300], [1, 1, -1, 1, 1, -1], reduction="none")
    assert values.tolist() == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("label", [1.0, -1.0])
def test_infinite_and_missing_scores(label):
    scores = label * np.array([np.inf, -np.inf, np.nan])
    expected = {
        "hinge_loss": ([0, np.inf, np.nan], [0, -1, 0]),
        "squared_hinge_loss": ([0, np.inf, np.nan], [0, -np.inf, np.nan]),
        "exponential_loss": ([0, np.inf, np.nan], [0, -np.inf, np.nan]),
        "perceptron_loss": ([0, np.inf, np.nan], [0, -1, 0]),
        "zero_one_loss": ([0, 1, 1], [0, 0, 0]),
        "soft_margin_loss": ([0, np.inf, np.nan], [0, -1, np.nan]),
    }
    for name, (values, slopes) in expected.items():
        value, gradient = value_and_grad(getattr(F, name))(scores, np.full(3, label), reduction="none")
        np.testing.assert_array_equal(value, values, err_msg=name)
        np.testing.assert_array_equal(label * gradient, slopes, err_msg=name)


@over_dtypes
@pytest.mark.parametrize("margin", [1.0, 0.0, -1.0, 1e30])
def test_hinge_embedding_of_special_numbers_is_torchs(dtype, margin):
    pairs = itertools.product(SPECIAL, [1.0, -1.0, 0.5, 0.0, np.nan])
    input, target = np.array([(x, t) for x, t in pairs if np.isfinite(x) or abs(t) == 1 or x > 0], dtype).T
    value, gradient = value_and_grad(F.hinge_embedding_loss)(input, target, margin=margin, reduction="none")
    expected, expected_gradient = torchs("hinge_embedding_loss", input, target, margin=margin)
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(gradient, expected_gradient)


@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin_of_infinite_scores_is_torchs(p):
    """Where no infinity is subtracted from another; NaN is passed on, where PyTorch drops it."""
    rows = np.array([[np.inf, 0, 0], [0, -np.inf, 0], [1e30, -1e30, 1e29], [3, 3 - 1e-9, 2], [2, 2, 2]])
    label = np.zeros(5, int)
    value, gradient = value_and_grad(F.multi_margin_loss)(rows, label, p=p, reduction="none")
    expected, expected_gradient = torchs("multi_margin_loss", rows, label, p=p)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-13)
    assert F.multi_margin_loss([-np.inf, 0.0], 0, p=p) == np.inf
    assert np.isnan(F.multi_margin_loss([np.nan, 0.0], 0, p=p))
    assert np.isnan(F.multi_margin_loss([0.0, np.nan], 0, p=p))


def test_multilabel_margin_of_infinite_scores():
    """An infinite label loses no digit of the others; labels are never compared with each other."""
    for row, label, expected in [
        ([np.inf, 0, 0], [0, -1, -1], 0),
        ([-np.inf, -np.inf, 0], [0, 1, -1], np.inf),
        ([np.inf, 0.5, 0], [0, 1, -1], 0.5 / 3),
        ([np.inf, 0, np.nan], [-1, 0, 0], 0),
    ]:
        assert F.multilabel_margin_loss(row, label) == expected
    assert np.isnan(F.multilabel_margin_loss([np.nan, 0.0], [0, -1]))


# ---- exactness


def relative_error(ours, exact):
    exact = np.array([float(e) for e in exact])
    return np.max(np.abs(ours.astype(float) - exact) / np.maximum(np.abs(exact), np.finfo(np.float32).tiny))


def test_soft_margin_is_exact_in_single_precision():
    """From scores whose exponential overflows to such whose loss nears the smallest float; −100 and −1e4 too."""
    score = np.concatenate([s * np.logspace(-30, 1.9, 99) for s in (1, -1)] + [[-1e2, -1e4, -1e30]]).astype(np.float32)
    for label in (1.0, -1.0):
        value, gradient = value_and_grad(F.soft_margin_loss)(
            label * score, np.full_like(score, label), reduction="none"
        )
        exact = [mpmath.mpf(float(x)) for x in score]
        with mpmath.workdps(50):
            assert relative_error(value, [mpmath.log1p(mpmath.exp(-x)) for x in exact]) < 1e-6
            assert relative_error(-label * gradient, [1 / (1 + mpmath.exp(x)) for x in exact]) < 1e-6
    assert F.soft_margin_loss(np.float32(-1e4), np.float32(1)) == 1e4


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("hinge_loss", lambda m: max(0, 1 - m)),
        ("squared_hinge_loss", lambda m: max(0, 1 - m) ** 2),
        ("exponential_loss", lambda m: mpmath.exp(-m)),
        ("perceptron_loss", lambda m: max(0, -m)),
    ],
)
def test_losses_of_the_sign_are_exact_in_single_precision(name, formula):
    score = np.concatenate([s * np.logspace(-15, 1.9, 99) for s in (1, -1)] + [1 - np.logspace(-7, -0.1, 30)])
    score = score.astype(np.float32)
    value, gradient = value_and_grad(getattr(F, name))(-score, -np.ones_like(score), reduction="none")
    with mpmath.workdps(50):
        points = [mpmath.mpf(float(x)) for x in score]
        assert relative_error(value, [formula(x) for x in points]) < 1e-6
        slopes = [mpmath.diff(formula, x, h=mpmath.mpf("1e-30")) for x in points]
        assert relative_error(-gradient, slopes) < 1e-6


@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin_is_exact_where_the_margin_is_nearly_met(p):
    """(margin − x_y) + x_j in float32 loses all digits of what is missing: PyTorch is off by a third."""
    rng = np.random.default_rng(0)
    label_score = rng.uniform(1, 100, size=200).astype(np.float32)
    rival = (label_score - 1 + rng.uniform(-1e-4, 1e-4, size=200)).astype(np.float32)
    rows, label = np.stack([label_score, rival], axis=1), np.zeros(200, int)
    value = F.multi_margin_loss(rows, label, p=p, reduction="none")
    exact = [max(0, 1 - (mpmath.mpf(float(a)) - mpmath.mpf(float(b)))) ** p / 2 for a, b in rows]
    assert relative_error(value, exact) < 1e-6
    sets = np.stack([label, label - 1], axis=1)
    exact = [max(0, 1 - (mpmath.mpf(float(a)) - mpmath.mpf(float(b)))) / 2 for a, b in rows]
    assert relative_error(F.multilabel_margin_loss(rows, sets, reduction="none"), exact) < 1e-6


# ---- quirks of PyTorch's


@over_dtypes
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_multilabel_margin_is_torchs_for_any_targets(dtype, data):
    """Also with classes listed twice, −1 first, and labels after it."""
    n, c = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    input = np.random.default_rng(data.draw(st.integers(0, 1000))).normal(size=(n, c)).astype(dtype)
    target = np.array(data.draw(st.lists(st.integers(-1, c - 1), min_size=n * c, max_size=n * c))).reshape(n, c)
    value, gradient = value_and_grad(F.multilabel_margin_loss)(input, target, reduction="none")
    expected, expected_gradient = torchs("multilabel_margin_loss", input, target)
    np.testing.assert_allclose(value, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5)


def test_a_weighted_mean_of_multi_margin_divides_by_the_number_of_rows():
    rows, label, weight = [[0.0, 0.5], [0.0, 0.5]], [0, 1], [4.0, 2.0]
    assert F.multi_margin_loss(rows, label, weight=weight) == (4 * 1.5 / 2 + 2 * 0.5 / 2) / 2


def test_the_mean_over_nothing_is_not_a_number():
    """As in PyTorch, whose multi-class losses return uninitialized memory instead."""
    empty = np.zeros((0, 3))
    for name, target in [
        ("soft_margin_loss", np.zeros(3)),
        ("hinge_embedding_loss", np.zeros(3)),
        ("multi_margin_loss", np.zeros(0, int)),
        ("multilabel_margin_loss", np.zeros((0, 3), int)),
    ]:
        value, gradient = value_and_grad(getattr(F, name))(empty, target)
        assert np.isnan(value)
        assert gradient.shape == (0, 3)
        assert getattr(F, name)(empty, target, reduction="sum") == 0
        assert getattr(F, name)(empty, target, reduction="none").size == 0


@pytest.mark.parametrize("name", ["soft_margin_loss", "hinge_embedding_loss"])
def test_the_result_has_the_dtype_of_input(name):
    for a, b in itertools.product([np.float16, np.float32, np.float64], [np.float16, np.float32, np.float64, np.int8]):
        input, target = np.array([0.5, 2.0], a), np.array([1, -1], b)
        value, gradient = value_and_grad(getattr(F, name))(input, target)
        tensor = torch.tensor(input, requires_grad=True)
        expected = getattr(TF, name)(tensor, torch.tensor(target))
        expected.backward()
        assert (value.dtype, gradient.dtype) == (expected.detach().numpy().dtype, tensor.grad.numpy().dtype)
        np.testing.assert_allclose(value, expected.item(), rtol=1e-3)


SHAPES = [((2, 3), (3,)), ((3,), ()), ((4, 3), (4, 1)), ((4, 1), (3,)), ((3,), (2, 3)), ((1,), (5,)), ((2,), (3,))]


@pytest.mark.parametrize("name", ["soft_margin_loss", "hinge_embedding_loss"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_shapes_are_broadcast_where_torch_does(name, shapes):
    rng = np.random.default_rng(0)
    input, target = rng.normal(size=shapes[0]), rng.choice([-1.0, 1.0], size=shapes[1])
    try:
        expected, expected_gradient = torchs(name, input, target)
    except RuntimeError:
        with pytest.raises(ValueError, match=rf"{name}: input of shape .* and target of shape .* don't match"):
            getattr(F, name)(input, target)
    else:
        value, gradient = value_and_grad(getattr(F, name))(input, target, reduction="none")
        np.testing.assert_allclose(value, expected, rtol=1e-13, strict=True)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-13, strict=True)


# ---- what is rejected

X, Y = np.zeros((3, 4)), np.array([0, 1, 3])
SET = np.array([[3, 0, -1, 1]] * 3)
REJECTED = [
    ("soft_margin_loss", (np.zeros(3, int), np.ones(3)), {}),
    ("soft_margin_loss", (np.zeros(3), np.ones(3)), {"reduction": "median"}),
    ("soft_margin_loss", (np.zeros(3), np.ones((2, 3))), {}),
    ("hinge_embedding_loss", (np.zeros(3), np.ones(2)), {}),
    ("hinge_embedding_loss", (np.zeros(3), np.ones(3)), {"reduction": "median"}),
    ("hinge_embedding_loss", (np.zeros(3, bool), np.ones(3)), {}),
    ("multi_margin_loss", (X, Y), {"p": 3}),
    ("multi_margin_loss", (X, Y), {"p": 0}),
    ("multi_margin_loss", (X[:0], Y[:0]), {"p": 3}),
    ("multi_margin_loss", (X, Y + 1), {}),
    ("multi_margin_loss", (X, Y - 1), {}),
    ("multi_margin_loss", (X, Y[:2]), {}),
    ("multi_margin_loss", (X, np.array(0)), {}),
    ("multi_margin_loss", (X[0], Y), {}),
    ("multi_margin_loss", (X, Y[:, None]), {}),
    ("multi_margin_loss", (X[:, :0], Y), {}),
    ("multi_margin_loss", (X[0, :0], np.array(0)), {}),
    ("multi_margin_loss", (np.zeros((2, 3, 4)), np.zeros((2, 3), int)), {}),
    ("multi_margin_loss", (np.zeros((2, 3, 4)), np.zeros((2, 4), int)), {}),
    ("multi_margin_loss", (X, Y.astype(np.int32)), {}),
    ("multi_margin_loss", (X, Y.astype(float)), {}),
    ("multi_margin_loss", (X.astype(int), Y), {}),
    ("multi_margin_loss", (X, Y), {"weight": np.ones(4, np.float32)}),
    ("multi_margin_loss", (X, Y), {"weight": np.ones(3)}),
    ("multi_margin_loss", (X, Y), {"weight": np.ones((1, 4))}),
    ("multi_margin_loss", (X, Y), {"reduction": "median"}),
    ("multilabel_margin_loss", (X, SET[:2]), {}),
    ("multilabel_margin_loss", (X, SET[0]), {}),
    ("multilabel_margin_loss", (X[0], SET), {}),
    ("multilabel_margin_loss", (X, SET[:, :3]), {}),
    ("multilabel_margin_loss", (X, SET + 1), {}),
    ("multilabel_margin_loss", (X, SET - 1), {}),
    ("multilabel_margin_loss", (X, np.array([[0, -1, 7, 0]] * 3)), {}),
    ("multilabel_margin_loss", (X, SET.astype(np.int32)), {}),
    ("multilabel_margin_loss", (X, SET.astype(float)), {}),
    ("multilabel_margin_loss", (X.astype(int), SET), {}),
    ("multilabel_margin_loss", (X[:, :0], SET[:, :0]), {}),
    ("multilabel_margin_loss", (np.zeros((2, 3, 4)), np.zeros((2, 3, 4), int)), {}),
    ("multilabel_margin_loss", (X, SET), {"reduction": "median"}),
]


@pytest.mark.parametrize(("name", "arrays", "options"), REJECTED, ids=[f"{i}-{r[0]}" for i, r in enumerate(REJECTED)])
def test_what_torch_rejects_is_rejected(name, arrays, options):
    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        getattr(TF, name)(*map(torch.tensor, arrays), **tensors)
    with pytest.raises((TypeError, ValueError, IndexError), match=name):
        getattr(F, name)(*arrays, **options)


# ---- theorems


@pytest.mark.parametrize("share", [0.1, 0.4, 0.5, 0.7, 0.99])
def test_the_best_constant_score(share):
    """The mean slope vanishes at the documented minimizer, and rises through it: it is the minimum."""
    label = np.where(np.arange(100) < round(100 * share), 1.0, -1.0)
    logit = np.log(share / (1 - share))
    for name, best in {
        "squared_hinge_loss": 2 * share - 1,
        "exponential_loss": logit / 2,
        "soft_margin_loss": logit,
    }.items():
        below, at, above = (slope(name, np.full(100, best + d), label).sum() for d in (-0.1, 0, 0.1))
        assert below < -1e-3
        assert at == pytest.approx(0, abs=1e-9)
        assert above > 1e-3
    if share != 0.5:
        majority = np.sign(share - 0.5)
        for name, best in {"hinge_loss": majority, "zero_one_loss": majority, "perceptron_loss": 0.0}.items():
            at = getattr(F, name)(np.full(100, best), label)
            for c in np.linspace(-2, 2, 41):
                assert at <= getattr(F, name)(np.full(100, c), label) + 1e-12


@given(score=st.floats(-30, 30), label=st.sampled_from([-1.0, 1.0]))
@settings(deadline=None)
def test_hinge_and_exponential_and_logistic_in_bits_bound_the_error_rate(score, label):
    error = F.zero_one_loss([score], [label])
    for name, unit in [
        ("hinge_loss", 1),
        ("squared_hinge_loss", 1),
        ("exponential_loss", 1),
        ("soft_margin_loss", np.log(2)),
    ]:
        assert getattr(F, name)([score], [label]) / unit >= error * (1 - 1e-12)


@pytest.mark.parametrize("name", [n for n in OF_SIGN if n != "zero_one_loss"] + ["soft_margin_loss"])
@given(a=st.floats(-20, 20), b=st.floats(-20, 20), label=st.sampled_from([-1.0, 1.0]))
@settings(max_examples=50, deadline=None)
def test_convex_and_steeper_than_no_chord(name, a, b, label):
    """ℓ(b) ≥ ℓ(a) + ℓ′(a)(b − a): the slope is a subgradient."""
    loss = getattr(F, name)
    at_a, at_b = float(loss([a], [label])), float(loss([b], [label]))
    assert at_b >= at_a + float(slope(name, [a], [label])[0]) * (b - a) - 1e-9 * (1 + at_a + at_b)


@over_signs
def test_turning_score_and_label_around_changes_nothing(name):
    score, label = scores_and_labels()
    value, gradient = value_and_grad(getattr(F, name))(score, label, reduction="none")
    turned, turned_gradient = value_and_grad(getattr(F, name))(-score, -label, reduction="none")
    np.testing.assert_array_equal(value, turned)
    np.testing.assert_array_equal(gradient, -turned_gradient)


def test_zero_one_has_no_slope_and_is_the_error_rate():
    score, label = scores_and_labels()
    value, gradient = value_and_grad(F.zero_one_loss)(score, label)
    assert value == np.mean(np.sign(score) != label)
    np.testing.assert_array_equal(gradient, np.zeros(200), strict=True)


def test_two_classes_are_a_hinge_of_their_difference():
    """Σ over the one rival / 2 = hinge(x₁ − x₀, ±1) / 2."""
    rng = np.random.default_rng(0)
    rows, label = rng.normal(size=(50, 2)), rng.integers(0, 2, size=50)
    expected = F.hinge_loss(rows[:, 1] - rows[:, 0], 2 * label - 1, reduction="none") / 2
    np.testing.assert_allclose(F.multi_margin_loss(rows, label, reduction="none"), expected, rtol=1e-12)
    squared = F.squared_hinge_loss(rows[:, 1] - rows[:, 0], 2 * label - 1, reduction="none") / 2
    np.testing.assert_allclose(F.multi_margin_loss(rows, label, p=2, reduction="none"), squared, rtol=1e-12)


def test_one_label_a_row_is_multi_margin():
    rng = np.random.default_rng(0)
    rows, label = rng.normal(size=(50, 5)), rng.integers(0, 5, size=50)
    sets = np.full((50, 5), -1)
    sets[:, 0] = label
    for mine, expected in zip(
        value_and_grad(F.multilabel_margin_loss)(rows, sets),
        value_and_grad(F.multi_margin_loss)(rows, label),
        strict=True,
    ):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)


@given(shift=st.floats(-100, 100), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_only_differences_of_class_scores_matter(shift, seed):
    rng = np.random.default_rng(seed)
    rows, label = rng.normal(size=(4, 3)), rng.integers(0, 3, size=4)
    assert F.multi_margin_loss(rows + shift, label) == pytest.approx(F.multi_margin_loss(rows, label), abs=1e-10)
    gradient = slope("multi_margin_loss", rows, label, p=2)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-12)
