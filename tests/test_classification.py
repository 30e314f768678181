"""What is special to losses for a class: PyTorch's quirks, exactness at the extremes, other libraries, theorems."""

import functools
import itertools
import os

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import lossutils.functional as F
from lossutils import value_and_grad

os.environ.setdefault("KERAS_BACKEND", "torch")

REDUCTIONS = ["none", "mean", "sum"]
over_reductions = pytest.mark.parametrize("reduction", REDUCTIONS)
INF, NAN = np.inf, np.nan
SINGLE = np.finfo(np.float32)


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(size=shape) * scale


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 0.95, size=shape)


def labels(classes, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, classes, size=shape)


def ours(name, arrays, wrt=("input",), **parameters):
    return value_and_grad(getattr(F, name), tuple(wrt))(**arrays, **parameters)


def theirs(name, arrays, wrt=("input",), **parameters):
    tensors = {k: torch.tensor(np.asarray(a), requires_grad=k in wrt) for k, a in arrays.items()}
    value = getattr(TF, name)(**tensors, **parameters)
    value.backward(torch.ones_like(value))
    return value.detach().numpy(), [tensors[k].grad.numpy() for k in wrt]


def assert_is_torchs(name, arrays, wrt=("input",), **parameters):
    mine, reference = ours(name, arrays, wrt, **parameters), theirs(name, arrays, wrt, **parameters)
    for a, b in zip([mine[0], *mine[1]], [reference[0], *reference[1]], strict=True):
        assert np.asarray(a).dtype == b.dtype
        assert np.shape(a) == b.shape
        digits = min(np.asarray(array).dtype.itemsize for array in (*arrays.values(), b))
        rtol = {1: 3e-5, 2: 2e-3, 4: 3e-5, 8: 1e-11}[digits]  # of 1 byte: labels
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 1e-2)


# ---- labels, as in PyTorch


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@over_reductions
@pytest.mark.parametrize("ignore_index", [-100, -1, 1, 3, 255])
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]], ids=str)
def test_ignored_labels_count_for_nothing(name, reduction, ignore_index, weight):
    target = np.array([[0, 2, ignore_index, 2], [ignore_index, 0, 0, 2]])
    arrays = {"input": normal(2, 3, 4), "target": target} | ({} if weight is None else {"weight": np.array(weight)})
    assert_is_torchs(name, arrays, reduction=reduction, ignore_index=ignore_index)
    if name == "cross_entropy":
        assert_is_torchs(name, arrays, reduction=reduction, ignore_index=ignore_index, label_smoothing=0.3)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)], ids=str)
def test_if_all_labels_are_ignored_the_mean_is_nan_and_the_gradient_0(name, shape):
    arrays = {"input": normal(*shape), "target": np.full((*shape[:1], *shape[2:]) if len(shape) > 1 else (), -100)}
    value, (gradient,) = ours(name, arrays)
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, 0)
    for reduction in REDUCTIONS:
        assert_is_torchs(name, arrays, reduction=reduction)


@pytest.mark.parametrize("weight", [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]], ids=str)
@pytest.mark.parametrize("target", [[0, 0], [0, 1], [0, -100]], ids=str)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_weights_that_vanish(weight, target, label_smoothing):
    arrays = {"input": normal(2, 3), "target": np.array(target), "weight": np.array(weight)}
    for reduction in REDUCTIONS:
        assert_is_torchs("cross_entropy", arrays, reduction=reduction, label_smoothing=label_smoothing)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_labels_of_eight_bits(name):
    arrays = {"input": normal(4, 3), "target": np.array([0, 1, 2, 1], np.uint8)}
    assert_is_torchs(name, arrays)
    ignoring = arrays | {"target": np.array([0, 255, 2, 1], np.uint8), "weight": np.array([1.0, 3.0, 0.5])}
    assert_is_torchs(name, ignoring, ignore_index=255)


def test_labels_of_other_dtypes_and_out_of_range_are_rejected_by_every_loss():
    extra = {"logit_adjusted_cross_entropy": "prior", "class_balanced_cross_entropy": "samples_per_class"}
    for name in LABELLED:
        loss, more = getattr(F, name), {extra[name]: np.ones(3)} if name in extra else {}
        input = uniform(2, 3)
        for dtype in (np.int32, np.int8, np.uint16):
            with pytest.raises(TypeError, match=f"{name}: target must be int64"):
                loss(input, np.zeros(2, dtype), **more)
        for wrong in (3, -1, -100 if name not in ("cross_entropy", "nll_loss") else -99):
            with pytest.raises(IndexError, match=f"target {wrong} is out of bounds for 3 classes"):
                loss(input, np.array([0, wrong]), **more)
        with pytest.raises(ValueError, match=r"input of shape \(2, 3\) and target of shape \(1,\)"):
            loss(input, np.zeros(1, int), **more)
        with pytest.raises(ValueError, match="at least one class"):
            loss(np.ones((0, 0)), np.zeros(0, int), **{k: v[:0] for k, v in more.items()})
        assert loss(np.ones((0, 3)), np.zeros(0, int), reduction="sum", **more) == 0
        assert np.isnan(loss(np.ones((0, 3)), np.zeros(0, int), **more))


LABELLED = [
    "cross_entropy",
    "nll_loss",
    "generalized_cross_entropy",
    "poly1_cross_entropy",
    "logit_adjusted_cross_entropy",
    "class_balanced_cross_entropy",
    "spherical_loss",
    "sparsemax_loss",
    "brier_loss",
]


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (2, 3, 0)], ids=str)
@over_reductions
def test_empty_batches(shape, reduction):
    rows = (*shape[:1], *shape[2:])
    indices = {"input": np.ones(shape), "target": np.zeros(rows, int)}
    assert_is_torchs("cross_entropy", indices, reduction=reduction)
    assert_is_torchs("cross_entropy", indices, reduction=reduction, label_smoothing=0.1)
    assert_is_torchs("nll_loss", indices, reduction=reduction)
    same = {"input": np.ones(shape), "target": np.ones(shape)}
    assert_is_torchs("cross_entropy", same, ("input", "target"), reduction=reduction)
    for name in BINARY:
        assert_is_torchs(name, same, ("input", "target"), reduction=reduction)


BINARY = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"]


@pytest.mark.parametrize("shape", [(7, 5), (300, 5), (3, 5, 300), (2, 70, 3, 2), (5,)], ids=str)
def test_labels_of_rows_in_any_memory_order(shape):
    """Logits in C order have a way of their own."""
    rows = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    input, target = normal(*shape), labels(shape[min(1, len(shape) - 1)], *rows)
    expected = ours("cross_entropy", {"input": input, "target": target})
    for strange in (np.asfortranarray(input), np.repeat(input, 2, axis=-1)[..., ::2], input[::-1].copy()[::-1]):
        value, (gradient,) = ours("cross_entropy", {"input": strange, "target": target})
        np.testing.assert_allclose(value, expected[0], rtol=1e-13)
        np.testing.assert_allclose(gradient, expected[1][0], rtol=1e-12)


# ---- what PyTorch rejects

DTYPES = [np.float16, np.float32, np.float64, np.int64, np.int32, np.uint8]


def outcome(function):
    try:
        value, gradients = function()
    except Exception as error:  # PyTorch's classes are mixed
        return error
    return value.dtype, [g.dtype for g in gradients]


@pytest.mark.parametrize("name", [*BINARY, "cross_entropy", "nll_loss"])
@pytest.mark.parametrize("weighted", [False, True])
def test_dtypes_are_accepted_as_by_torch_and_give_the_same(name, weighted):
    accepted = 0
    for dtypes in itertools.product(DTYPES, DTYPES, DTYPES if weighted else [np.float64]):
        input = np.array([[0.2, 0.7, 1.0]]).astype(dtypes[0])
        soft = np.array([[1.0, 0.0, 1.0]]).astype(dtypes[1])
        hard = np.array([1]).astype(dtypes[1])
        targets = {"cross_entropy": [soft, hard], "nll_loss": [hard]}.get(name, [soft])
        for target in targets:
            arrays = {"input": input, "target": target}
            wrt = [k for k, a in arrays.items() if a.dtype.kind == "f"]
            arrays |= {"weight": np.array([2, 0, 1]).astype(dtypes[2])} if weighted else {}
            reference = outcome(lambda a=arrays, w=wrt: theirs(name, a, w))
            result = outcome(lambda a=arrays, w=wrt: ours(name, a, w))
            if isinstance(reference, Exception):
                assert isinstance(result, TypeError | ValueError), (dtypes, reference)
                assert any(word in str(result) for word in arrays), result
            else:
                assert result == reference, dtypes
                accepted += 1
    assert accepted >= 3


X = [[0.2, 0.7, 0.4], [0.1, 0.9, 0.3]]
REJECTED = {
    "label beyond": ("cross_entropy", [X, [0, 3]], {}),
    "label below 0": ("cross_entropy", [X, [0, -1]], {}),
    "one label more": ("cross_entropy", [X, [0, 1, 2]], {}),
    "one label for two rows": ("cross_entropy", [X, [0]], {}),
    "a label for a batch": ("cross_entropy", [X, 0], {}),
    "labels of the shape of logits": ("cross_entropy", [X, [[0, 1, 1], [1, 0, 1]]], {}),
    "probabilities of other shape": ("cross_entropy", [X, [[0.5, 0.5]]], {}),
    "probabilities of one row": ("cross_entropy", [X, [0.5, 0.5, 0.0]], {}),
    "scalar logits": ("cross_entropy", [1.0, 0], {}),
    "weight too short": ("cross_entropy", [X, [0, 1]], {"weight": [1.0, 2.0]}),
    "weight for rows": ("cross_entropy", [X, X], {"weight": [[1.0, 2.0, 3.0]]}),
    "weight too short, probabilities": ("cross_entropy", [X, X], {"weight": [1.0, 2.0]}),
    "scalar weight": ("cross_entropy", [X, [0, 1]], {"weight": 1.0}),
    "smoothing above 1": ("cross_entropy", [X, [0, 1]], {"label_smoothing": 1.1}),
    "smoothing above 1, probabilities": ("cross_entropy", [X, X], {"label_smoothing": 1.1}),
    "ignored index of probabilities": ("cross_entropy", [X, X], {"ignore_index": 1}),
    "integer logits": ("cross_entropy", [[[1, 2, 3]], [0]], {}),
    "other axes": ("cross_entropy", [[[[0.1, 0.2]] * 3], [[0]]], {}),
    "nll: label beyond": ("nll_loss", [X, [0, 3]], {}),
    "nll: label below 0": ("nll_loss", [X, [-2, 0]], {}),
    "nll: probabilities": ("nll_loss", [X, X], {}),
    "nll: weight too long": ("nll_loss", [X, [0, 1]], {"weight": [1.0, 2.0, 3.0, 4.0]}),
    "nll: one label for two rows": ("nll_loss", [X, [0]], {}),
    "nll: scalar": ("nll_loss", [1.0, 0], {}),
    "bce: above 1": ("binary_cross_entropy", [[1.5], [1.0]], {}),
    "bce: below 0": ("binary_cross_entropy", [[-0.1], [1.0]], {}),
    "bce: NaN": ("binary_cross_entropy", [[NAN], [1.0]], {}),
    "bce: target above 1": ("binary_cross_entropy", [[0.5], [1.5]], {}),
    "bce: target below 0": ("binary_cross_entropy", [[0.5], [-1.0]], {}),
    "bce: target NaN": ("binary_cross_entropy", [[0.5], [NAN]], {}),
    "bce: target broadcast": ("binary_cross_entropy", [X, X[0]], {}),
    "bce: target of more axes": ("binary_cross_entropy", [X[0], X], {}),
    "bce: target of one row": ("binary_cross_entropy", [X, [[0.5, 0.5, 0.5]]], {}),
    "bce: weight too short": ("binary_cross_entropy", [X, X], {"weight": [1.0, 2.0]}),
    "bce: weight of more axes": ("binary_cross_entropy", [X, X], {"weight": [X]}),
    "logits: target broadcast": ("binary_cross_entropy_with_logits", [X, X[0]], {}),
    "logits: one target": ("binary_cross_entropy_with_logits", [[0.3], 1.0], {}),
    "logits: weight too short": ("binary_cross_entropy_with_logits", [X, X], {"weight": [1.0, 2.0]}),
    "logits: pos_weight too short": ("binary_cross_entropy_with_logits", [X, X], {"pos_weight": [1.0, 2.0]}),
    "logits: weight of more axes": ("binary_cross_entropy_with_logits", [X, X], {"weight": [X]}),
    "logits: pos_weight of more axes": ("binary_cross_entropy_with_logits", [X, X], {"pos_weight": [X]}),
    "multilabel: scalar": ("multilabel_soft_margin_loss", [0.3, 1.0], {}),
    "multilabel: integer logits": ("multilabel_soft_margin_loss", [[1, 2], [1.0, 0.0]], {}),
    "multilabel: target too short": ("multilabel_soft_margin_loss", [X, [1.0, 0.0]], {}),
    "multilabel: weight too short": ("multilabel_soft_margin_loss", [X, X], {"weight": [1.0, 2.0]}),
}


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_what_torch_rejects_is_rejected(case):
    name, positional, more = REJECTED[case]
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError, NotImplementedError)):
        getattr(TF, name)(*map(torch.tensor, positional), **{k: tensor_or_number(v, torch) for k, v in more.items()})
    with pytest.raises((ValueError, TypeError, IndexError)) as raised:
        getattr(F, name)(*map(np.array, positional), **more)
    text = str(raised.value)
    assert any(word in text for word in ("input", "target", "weight", "label_smoothing", "ignore_index")), text


def tensor_or_number(value, library):
    return value if isinstance(value, int) else library.tensor(value) if isinstance(value, list) else value


def test_parameters_out_of_range_are_rejected():
    x, y = normal(2, 3), np.array([0, 1])
    for name, more, message in [
        ("generalized_cross_entropy", {"q": -0.1}, r"q must be in \[0, 1\], got -0.1"),
        ("generalized_cross_entropy", {"q": 1.1}, r"q must be in \[0, 1\], got 1.1"),
        ("poly1_cross_entropy", {"epsilon": -1.5}, "epsilon must be -1 or more, got -1.5"),
        ("logit_adjusted_cross_entropy", {"prior": [1.0, 0.0, 1.0]}, "prior must be positive, got 0.0"),
        ("logit_adjusted_cross_entropy", {"prior": [1.0, 1.0]}, "don't match"),
        ("class_balanced_cross_entropy", {"samples_per_class": [1, 1, 1], "beta": 1.0}, r"beta must be in \[0, 1\)"),
        ("class_balanced_cross_entropy", {"samples_per_class": [1, 1, 1], "beta": -0.5}, r"beta must be in \[0, 1\)"),
        ("class_balanced_cross_entropy", {"samples_per_class": [1, 0, 1]}, "samples_per_class must"),
        ("class_balanced_cross_entropy", {"samples_per_class": [[1, 1, 1]] * 2}, "samples_per_class must"),
    ]:
        for nan in ({}, {k: NAN for k, v in more.items() if isinstance(v, float)}):
            with pytest.raises(ValueError, match=name + ".*" + (message if not nan else "must")):
                getattr(F, name)(x, y, **(more | nan))
    for name, more, message in [
        ("sigmoid_focal_loss", {"gamma": -1.0}, "gamma must not be negative, got -1.0"),
        ("sigmoid_focal_loss", {"gamma": NAN}, "gamma must not be negative, got nan"),
        ("sigmoid_focal_loss", {"alpha": 1.5}, r"alpha must be in \[0, 1\], or None, got 1.5"),
        ("sigmoid_focal_loss", {"alpha": NAN}, r"alpha must be in \[0, 1\]"),
        ("cost_sensitive_binary_cross_entropy", {"false_negative_cost": 0.0}, "costs must be positive"),
        ("cost_sensitive_binary_cross_entropy", {"false_positive_cost": -2.0}, "costs must be positive"),
    ]:
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            getattr(F, name)(x, np.ones((2, 3)), **more)
    for p in (1.5, -0.1, NAN):
        with pytest.raises(ValueError, match=f"brier_loss: input must be probabilities, got {p}"):
            F.brier_loss([0.5, p], 0)
        with pytest.raises(ValueError, match=f"brier_loss: target must be probabilities, got {p}"):
            F.brier_loss([0.5, 0.5], [p, 0.5])


# ---- PyTorch's quirks


def test_bounds_of_binary_cross_entropy_are_torchs():
    """Logarithms of −100 or more, p(1 − p) of 1e-12 or more in the slope, no bound in the target's slope."""
    p = np.array([0, 1, 1e-44, 1e-20, 1e-13, 1e-12, 1e-6, 0.5, 1 - 1e-7, 1 - 6e-8])
    pairs = np.array(list(itertools.product(p, [0.0, 1.0, 0.25]))).astype(np.float32)
    for dtype in (np.float32, np.float64):
        arrays = {"input": pairs[:, 0].astype(dtype), "target": pairs[:, 1].astype(dtype)}
        assert_is_torchs("binary_cross_entropy", arrays, ("input", "target"), reduction="none")


@over_reductions
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3)], ids=str)
def test_weights_are_broadcast_and_leave_the_mean_alone(reduction, shape):
    weight = uniform(*shape, seed=2)
    for name, more in itertools.product(BINARY, ("weight", "pos_weight")):
        if (more == "pos_weight" and "logits" not in name) or (name.startswith("multi") and shape[-1:] != (3,)):
            continue
        arrays = {"input": uniform(2, 3), "target": uniform(2, 3, seed=1), more: weight}
        assert_is_torchs(name, arrays, ("input", "target"), reduction=reduction)


def test_multilabel_targets_have_the_shape_of_input():
    """PyTorch broadcasts them, and then takes the mean over the wrong axis or by the wrong number."""
    for a, b in [((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), (2, 1)), ((2, 1), (2, 3))]:
        with pytest.raises(ValueError, match=r"multilabel_soft_margin_loss: input of shape .* and target"):
            F.multilabel_soft_margin_loss(normal(*a), uniform(*b))


def test_result_has_the_dtype_of_the_target():
    for a, b in itertools.product([np.float16, np.float32, np.float64], repeat=2):
        arrays = {"input": normal(3).astype(a), "target": uniform(3).astype(b), "pos_weight": np.array([1.0, 2, 3])}
        assert_is_torchs("binary_cross_entropy_with_logits", arrays, ("input", "target"))


def test_special_numbers_are_torchs_where_torch_is_right():
    numbers = [0.0, -0.0, 0.3, -1.0, 1e-30, -1e-30, 1e30, -1e30, 88.0, -88.0, 40.0, -40.0]
    rows = np.array(list(itertools.product(numbers, repeat=2)))
    for name in ("cross_entropy", "nll_loss"):
        for target in (np.zeros(len(rows), int), np.ones(len(rows), int)):
            assert_is_torchs(name, {"input": rows, "target": target}, reduction="none")
    for target in (0.0, 1.0, 0.3):
        arrays = {"input": rows[:, 0].copy(), "target": np.full(len(rows), target)}
        value, (slope,) = ours("binary_cross_entropy_with_logits", arrays, reduction="none")
        expected, (expected_slope,) = theirs("binary_cross_entropy_with_logits", arrays, reduction="none")
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-12, atol=1e-16)


def test_nan_and_infinite_logits():
    for name in ("cross_entropy", "generalized_cross_entropy", "spherical_loss", "poly1_cross_entropy"):
        value, (slope,) = ours(name, {"input": np.array([[NAN, 1.0], [0.0, 1.0]]), "target": [0, 0]}, reduction="none")
        assert np.isnan(value[0])
        assert np.isnan(slope[0]).all()
        assert np.isfinite(value[1])
        assert np.isfinite(slope[1]).all()
        assert np.isnan(getattr(F, name)([INF, 1.0], 0)), "which of infinitely many probabilities?"
    arrays = {"input": np.array([[-INF, 1.0, 0.0]] * 2), "target": np.array([0, 1])}
    value, (slope,) = ours("cross_entropy", arrays, reduction="none")
    assert value[0] == INF
    np.testing.assert_allclose(value[1], np.log1p(np.exp(-1)))
    np.testing.assert_allclose(slope[1], [0, -1 / (1 + np.e), 1 / (1 + np.e)])
    assert F.sparsemax_loss(arrays["input"], [0, 1], reduction="none")[0] == INF
    for name in ("binary_cross_entropy_with_logits", "cost_sensitive_binary_cross_entropy"):
        x, t = np.array([INF, INF, -INF, -INF, NAN, NAN]), np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
        value, (slope,) = ours(name, {"input": x, "target": t}, reduction="none")
        np.testing.assert_array_equal(value, [0, INF, 0, INF, NAN, NAN])
        np.testing.assert_array_equal(slope, [0, 1, 0, -1, NAN, NAN])
    value, (slope,) = ours("sigmoid_focal_loss", {"input": x, "target": t}, alpha=None, reduction="none")
    np.testing.assert_array_equal(value, [0, INF, 0, INF, NAN, NAN])
    np.testing.assert_array_equal(slope, [0, 1, 0, -1, NAN, NAN])


# ---- exactness: float32 within 1e-6 of the exact value, wherever float32 can hold it


def exact(values):
    return np.array([float(v) for v in values])


def assert_exact(result, expected, rtol=1e-6):
    """Relative to each entry; entries below the normal numbers have fewer digits."""
    result, expected = np.ravel(result).astype(float), np.ravel(expected)
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=float(SINGLE.tiny) * 1e-2)
    held = np.abs(expected) > SINGLE.tiny
    np.testing.assert_allclose(result[held], expected[held], rtol=rtol, atol=0)


def softmax_mp(x):
    finite = [mpmath.mpf(float(v)) for v in x if v != -INF]
    total = mpmath.fsum(mpmath.exp(v - max(finite)) for v in finite)
    return [mpmath.exp(mpmath.mpf(float(v)) - max(finite)) / total if v != -INF else mpmath.mpf(0) for v in x]


def rows_to_try():
    rng = np.random.default_rng(5)
    yield [50, 0]
    yield [0, 50]
    yield [50, 0, 0]
    yield [0, 0, 0]
    yield [1e30, 0, -1e30]
    yield [1e30, 1e30, 0]
    yield [-1e30, -1e30, -1e30]
    yield [1000, 1000, 960]
    yield [-INF, 0, 3]
    yield [0.1, 0.1 + 1e-7, -80.3]
    yield [-75.3, 0.7, 0.2]
    yield [-40.1, -90.9, -3.3]
    yield [1e-30, 0, 1e-38]
    for classes, scale in [(2, 1), (2, 30), (10, 5), (10, 30), (100, 20)]:
        yield rng.normal(size=classes) * scale


ROWS = [np.array(row, np.float32) for row in rows_to_try()]


@functools.cache
def exact_parts(row, label):
    """Probabilities, one minus that of the label, and −log of the label's, in many digits."""
    p = softmax_mp(row)
    rest = mpmath.fsum(v for j, v in enumerate(p) if j != label)
    return p, rest, -mpmath.log1p(-rest) if rest < 0.5 else -mpmath.log(p[label])


def exact_losses():
    """For each loss its value and the factor of p − y in the slope, as functions of p, 1 − p, −log p of the label."""
    return {
        "cross_entropy": ({}, lambda p, rest, surprise: (surprise, 1)),
        "generalized_cross_entropy": ({}, lambda p, rest, surprise: (-mpmath.expm1(-Q * surprise) / Q, p**Q)),
        "poly1_cross_entropy": ({}, lambda p, rest, surprise: (surprise + 2 * rest, 1 + 2 * p)),
    }


Q = mpmath.mpf(0.7)
WORST = mpmath.mpf(-1e9)  # a surprise beyond this has a p of 0


@pytest.mark.parametrize("i", range(len(ROWS)))
@pytest.mark.parametrize("name", exact_losses())
def test_softmax_losses_are_exact_in_single_precision(name, i):
    parameters, formula = exact_losses()[name]
    row = ROWS[i]
    with mpmath.workdps(60):
        for label in {int(row.argmax()), 0, len(row) - 1}:
            if row[label] == -INF:
                continue
            p, rest, surprise = exact_parts(tuple(row), label)
            value, factor = formula(p[label], rest, surprise)
            gradient = exact(factor * (v if j != label else -rest) for j, v in enumerate(p))
            deep = np.repeat(row[None, :, None], 2, axis=2)  # classes that lie apart in memory
            for input, target in ((row, label), (row[None], [label]), (deep, [[label] * 2])):
                result, (slope,) = ours(name, {"input": input, "target": target}, reduction="sum", **parameters)
                copies = 2 if input.ndim == 3 else 1
                assert_exact(result / copies, exact([value]))
                assert_exact(slope[0, :, 1] if input.ndim == 3 else slope, gradient)


@pytest.mark.parametrize("i", range(len(ROWS)))
def test_spherical_loss_is_exact_in_single_precision(i):
    row = ROWS[i]
    with mpmath.workdps(60):
        label = int(row.argmax())
        p, rest, _ = exact_parts(tuple(2 * row.astype(float)), label)
        score = mpmath.sqrt(p[label])
        gradient = exact(score * (v if j != label else -rest) for j, v in enumerate(p))
        result, (slope,) = ours("spherical_loss", {"input": row, "target": label})
        assert_exact(result, exact([rest / (1 + score)]))
        assert_exact(slope, gradient)


@pytest.mark.parametrize("i", range(len(ROWS)))
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_soft_cross_entropy_is_exact_in_single_precision(i, label_smoothing):
    row = ROWS[i]
    if np.isinf(row).any() and label_smoothing:
        pytest.skip("smoothing asks for what is impossible")
    certain = np.eye(len(row), dtype=np.float32)[row.argmax()]
    spread = np.random.default_rng(1).dirichlet(np.ones(len(row))).astype(np.float32) * (row > -INF)
    for target in (certain, spread):
        with mpmath.workdps(60):
            t = [(1 - mpmath.mpf(label_smoothing)) * float(v) + mpmath.mpf(label_smoothing) / len(row) for v in target]
            p, _, surprise = exact_parts(tuple(row), int(row.argmax()))
            high = mpmath.mpf(float(row.max()))
            value = mpmath.fsum(w * (surprise + high - mpmath.mpf(float(x))) for w, x in zip(t, row, strict=True) if w)
            total = mpmath.fsum(t)
            gradient = exact(v * total - w for v, w in zip(p, t, strict=True))
        result, (slope,) = ours("cross_entropy", {"input": row, "target": target}, label_smoothing=label_smoothing)
        assert_exact(result, exact([value]))
        if target is certain and not label_smoothing:
            assert_exact(slope, gradient)
        else:  # p − t is a difference, as exact as its terms
            np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=3e-7 * float(max(t)))


LOGITS = [0.0, 1e-30, 0.3, -0.3, 3.0, -3.0, 17.0, -17.0, 50.0, -50.0, 86.0, -86.0, 200.0, -200.0, 1e30, -1e30]
TARGETS = [0.0, 1.0, 0.25, 1 - 2**-24, 1e-20]


def grid():
    pairs = np.array(list(itertools.product(LOGITS, TARGETS)), np.float32)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def yes_and_no(x):
    """softplus(x), softplus(−x), σ(x), σ(−x) in many digits."""
    x = mpmath.mpf(float(x))
    up, down = (mpmath.exp(v) if v < 1e6 else mpmath.inf for v in (x, -x))
    soft = [max(v, mpmath.mpf(0)) + mpmath.log1p(min(up, down)) for v in (x, -x)]
    return *soft, 1 / (1 + down), 1 / (1 + up)


@pytest.mark.parametrize(
    ("name", "more", "no_cost", "yes_cost"),
    [
        ("binary_cross_entropy_with_logits", {}, 1, 1),
        ("binary_cross_entropy_with_logits", {"pos_weight": np.float32(7)}, 1, 7),
        ("cost_sensitive_binary_cross_entropy", {"false_negative_cost": 10.0, "false_positive_cost": 0.5}, 0.5, 10),
    ],
)
def test_logistic_losses_are_exact_in_single_precision(name, more, no_cost, yes_cost):
    x, t = grid()
    value, (slope, target_slope) = ours(name, {"input": x, "target": t}, ("input", "target"), reduction="none", **more)
    with mpmath.workdps(60):
        expected = []
        for a, b in zip(x, t, strict=True):
            alarm, missed, p, other = yes_and_no(a)
            b = mpmath.mpf(float(b))
            no, yes = no_cost * (1 - b), yes_cost * b
            expected.append((no * alarm + yes * missed, no * p - yes * other, yes_cost * missed - no_cost * alarm))
    assert_exact(value, exact(e[0] for e in expected))
    assert_exact(target_slope, exact(e[2] for e in expected))
    certain = (t == 0) | (t == 1)
    assert_exact(slope[certain], exact(e[1] for e in expected)[certain])
    np.testing.assert_allclose(slope, exact(e[1] for e in expected), rtol=1e-6, atol=1e-7 * yes_cost)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_loss_is_exact_also_for_small_gamma(gamma, dtype):
    """Below γ = 1 autograd has 0 · ∞ where the answer is right (kornia's issue 918, Optax's 1267)."""
    x, t = grid()
    value, (slope,) = ours(
        "sigmoid_focal_loss", {"input": x.astype(dtype), "target": t.astype(dtype)}, gamma=gamma, reduction="none"
    )
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    with mpmath.workdps(60):
        expected = []
        for a, b in zip(x, t, strict=True):
            alarm, missed, p, other = yes_and_no(a)
            b = mpmath.mpf(float(b))
            surprise = (1 - b) * alarm + b * missed
            wrong = (1 - b) * p + b * other
            focus = wrong ** mpmath.mpf(gamma) if wrong > 0 else mpmath.mpf(gamma == 0)
            focus *= b / 4 + 3 * (1 - b) / 4
            bend = (1 - 2 * b) * p * other / wrong if wrong > 0 else 0
            pull = (1 - b) * p - b * other
            expected.append((focus * surprise, focus * (pull + gamma * surprise * bend)))
    certain = (t == 0) | (t == 1)
    held = t != np.float32(1e-20)  # its square is no normal number
    assert_exact(value[held], exact(e[0] for e in expected)[held])
    assert_exact(slope[certain], exact(e[1] for e in expected)[certain])
    np.testing.assert_allclose(slope, exact(e[1] for e in expected), rtol=1e-6, atol=1e-6)


def test_small_gamma_against_autograd():
    x = torch.tensor([-200.0], requires_grad=True)
    p_t = 1 - torch.sigmoid(x)
    (torch.nn.functional.softplus(x) * (1 - p_t) ** 0.5).backward()
    assert torch.isnan(x.grad).all(), "textbook form"
    assert ours("sigmoid_focal_loss", {"input": np.float32([-200]), "target": [0]}, gamma=0.5)[1][0] == 0


@pytest.mark.parametrize("p", [0.0, 1e-30, 1e-10, 0.3, 0.5, 0.9, 1 - 1e-6, 1.0])
@pytest.mark.parametrize("t", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_is_exact_in_single_precision(p, t):
    p = np.float32(p)
    value = F.binary_cross_entropy(p, np.float32(t))
    with mpmath.workdps(60):
        logs = [max(mpmath.log(v), -100) if v else -100 for v in (mpmath.mpf(float(p)), 1 - mpmath.mpf(float(p)))]
        assert_exact(value, exact([-t * logs[0] - (1 - t) * logs[1]]))


@pytest.mark.parametrize("i", range(20))
def test_sparsemax_is_exact_in_single_precision(i):
    rng = np.random.default_rng(i)
    row = (rng.normal(size=rng.integers(2, 30)) * rng.choice([0.1, 1, 10]) + rng.choice([0, 1e3])).astype(np.float32)
    for label in (int(row.argmax()), 0):
        with mpmath.workdps(60):
            z = sorted((mpmath.mpf(float(v)) for v in row), reverse=True)
            sums = [mpmath.fsum(z[: k + 1]) for k in range(len(z))]
            size = max(k + 1 for k in range(len(z)) if 1 + (k + 1) * z[k] > sums[k])
            tau = (sums[size - 1] - 1) / size
            p = [max(mpmath.mpf(float(v)) - tau, 0) for v in row]
            inside = mpmath.fsum(v**2 - tau**2 for v in z[:size])
            value = (inside + 1) / 2 - mpmath.mpf(float(row[label]))
            gradient = exact(v - (j == label) for j, v in enumerate(p))
        result, (slope,) = ours("sparsemax_loss", {"input": row, "target": label})
        assert_exact(result, exact([value]))
        assert_exact(slope, gradient)


def test_sparsemax_of_close_calls():
    """A margin just under 1: the loss is (1 − margin)² / 4, where the textbook's form has no digit."""
    for lacking in (2.0**-10, 2.0**-20, 2.0**-23):
        input = np.array([1 - lacking, 0], np.float32)
        result, (slope,) = ours("sparsemax_loss", {"input": input, "target": 0})
        np.testing.assert_allclose(result, lacking**2 / 4, rtol=1e-6)
        np.testing.assert_allclose(slope, [-lacking / 2, lacking / 2], rtol=1e-6)


def test_adjusted_and_balanced_are_exact_where_they_are_cross_entropy():
    input, target = np.float32([[50, 0, 0], [0, 50, 3]]), np.array([0, 0])
    expected, (slope,) = ours("cross_entropy", {"input": input.astype(float), "target": target}, reduction="none")
    adjusted = ours("logit_adjusted_cross_entropy", {"input": input, "target": target, "prior": [2, 2, 2]}, tau=0.0)
    balanced = ours("class_balanced_cross_entropy", {"input": input, "target": target, "samples_per_class": [9] * 3})
    for value, (gradient,) in (adjusted, balanced):
        np.testing.assert_allclose(value, expected.mean(), rtol=1e-6)
        np.testing.assert_allclose(gradient, slope / 2, rtol=1e-6)


def test_long_rows_and_many_rows_keep_their_digits():
    input = normal(3, 70_000).astype(np.float32)
    target = np.array([1, 2, 3])
    double = ours("cross_entropy", {"input": input.astype(float), "target": target}, reduction="none")
    single = ours("cross_entropy", {"input": input, "target": target}, reduction="none")
    np.testing.assert_allclose(single[0], double[0], rtol=1e-6)
    np.testing.assert_allclose(single[1][0], double[1][0], rtol=1e-6)


# ---- other libraries

TIMES = 3


def drawn(i, classes=None):
    rng = np.random.default_rng(i)
    classes = classes or rng.integers(3, 6)
    n = 20
    return rng.normal(size=(n, classes)) * 3, rng.integers(0, classes, size=n)


@pytest.fixture
def wide():
    import jax

    with jax.enable_x64(True):
        yield


def of_optax(function, *arrays):
    """Value and gradient of the sum."""
    import jax

    return jax.value_and_grad(lambda x: function(x, *arrays[1:]).sum())(arrays[0])


def assert_agrees(result, expected, rtol=1e-9):
    for a, b in zip([result[0], *result[1]], [expected[0], expected[1]], strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=rtol * 1e-2)


def test_against_optax(wide):
    import optax

    x, y = drawn(0)
    certain, maybe = np.eye(x.shape[1])[y], uniform(*x.shape)
    of_labels = {"input": x, "target": y}
    for name, arrays, parameters, function, target in [
        ("poly1_cross_entropy", of_labels, {}, optax.losses.poly_loss_cross_entropy, certain),
        (
            "poly1_cross_entropy",
            of_labels,
            {"epsilon": -0.5},
            lambda a, b: optax.losses.poly_loss_cross_entropy(a, b, epsilon=-0.5),
            certain,
        ),
        ("sparsemax_loss", of_labels, {}, optax.losses.multiclass_sparsemax_loss, y),
        (
            "sigmoid_focal_loss",
            {"input": x, "target": maybe},
            {"alpha": None},
            optax.losses.sigmoid_focal_loss,
            maybe,
        ),
        (
            "sigmoid_focal_loss",
            {"input": x, "target": certain},
            {"alpha": 0.3, "gamma": 0.7},
            lambda a, b: optax.losses.sigmoid_focal_loss(a, b, alpha=0.3, gamma=0.7),
            certain,
        ),
    ]:
        assert_agrees(ours(name, arrays, reduction="sum", **parameters), of_optax(function, x, target))


@pytest.mark.parametrize("i", range(TIMES))
def test_against_keras(i):
    import keras

    x, y = drawn(i)
    p, certain = np.asarray(F_softmax(x), np.float32), np.eye(x.shape[1], dtype=np.float32)[y]
    log_p = np.log(p.astype(float))
    for q in (0.3, 0.7):
        theirs = keras.losses.CategoricalGeneralizedCrossEntropy(q=q, reduction="sum")(y, p)
        np.testing.assert_allclose(
            F.generalized_cross_entropy(log_p, y, reduction="sum", q=q), float(theirs), rtol=1e-5
        )
    binary = {"from_logits": True, "reduction": "sum"}  # Keras takes the mean over the last axis
    x32, t32 = x.astype(np.float32), certain
    focal = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3, gamma=1.5, **binary)
    plain = keras.losses.BinaryCrossentropy(**binary)
    for theirs, mine in [
        (focal, F.sigmoid_focal_loss(x, certain, alpha=0.3, gamma=1.5, reduction="sum") / x.shape[1]),
        (plain, F.multilabel_soft_margin_loss(x, certain, reduction="sum")),
    ]:
        np.testing.assert_allclose(mine, float(theirs(t32, x32)), rtol=1e-5)


def F_softmax(x):
    return torch.softmax(torch.tensor(x), dim=-1).numpy()


@pytest.mark.parametrize("i", range(TIMES))
def test_sparsemax_against_entmax(i):
    import entmax

    x, y = drawn(i, classes=7)
    for scale in (0.3, 1.0):
        logits = torch.tensor(x * scale, requires_grad=True)
        value = entmax.SparsemaxLoss(reduction="sum")(logits, torch.tensor(y))
        value.backward()
        result = ours("sparsemax_loss", {"input": x * scale, "target": y}, reduction="sum")
        assert_agrees(result, (value.item(), logits.grad.numpy()))


@pytest.mark.parametrize("i", range(TIMES))
def test_against_scikit_learn(i):
    from sklearn.metrics import brier_score_loss, log_loss

    x, y = drawn(i, classes=4)
    p, classes = F_softmax(x), [0, 1, 2, 3]
    np.testing.assert_allclose(F.brier_loss(p, y), brier_score_loss(y, p, labels=classes, scale_by_half=False))
    np.testing.assert_allclose(F.cross_entropy(x, y), log_loss(y, p, labels=classes))
    two, yes = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True), y % 2
    expected = brier_score_loss(yes, two[:, 1], labels=[0, 1])
    np.testing.assert_allclose(F.brier_loss(two, yes), 2 * expected)
    np.testing.assert_allclose(F.mse_loss(two[:, 1], yes), expected)
    np.testing.assert_allclose(F.binary_cross_entropy(two[:, 1], yes.astype(float)), log_loss(yes, two, labels=[0, 1]))


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_focal_loss_against_monai(alpha):
    from monai.losses import FocalLoss

    x, t = normal(20, 1, 1, scale=3), labels(2, 20, 1, 1).astype(float)
    tensor = torch.tensor(x, requires_grad=True)
    value = FocalLoss(gamma=1.7, alpha=alpha, reduction="sum")(tensor, torch.tensor(t))
    value.backward()
    result = ours("sigmoid_focal_loss", {"input": x, "target": t}, alpha=alpha, gamma=1.7, reduction="sum")
    assert_agrees(result, (value.item(), tensor.grad.numpy()), rtol=1e-6)


# ---- theorems


def expected_loss(name, forecast, truth, **parameters):
    """The mean of the loss of one forecast over labels with the frequencies `truth`."""
    loss = getattr(F, name)
    return sum(share * float(loss(forecast, k, **parameters)) for k, share in enumerate(truth))


@pytest.mark.parametrize("name", ["cross_entropy", "brier_loss", "spherical_loss", "sparsemax_loss"])
@pytest.mark.parametrize("i", range(5))
def test_honest_probabilities_are_best(name, i):
    rng = np.random.default_rng(i)
    truth = rng.dirichlet(np.ones(4))
    forecast = {"brier_loss": lambda p: p, "sparsemax_loss": lambda p: p}.get(name, np.log)
    best = expected_loss(name, forecast(truth), truth)
    for other in (*rng.dirichlet(np.ones(4), size=20), truth**2 / (truth**2).sum(), np.full(4, 0.25)):
        assert best < expected_loss(name, forecast(other), truth) - 1e-9
    gradients = [value_and_grad(getattr(F, name))(forecast(truth), k)[1] for k in range(4)]
    pull = sum(share * gradient for share, gradient in zip(truth, gradients, strict=True))
    np.testing.assert_allclose(pull, pull.mean(), atol=1e-12, err_msg="no direction on the simplex is better")


def test_what_the_others_are_best_at():
    truth = np.array([0.5, 0.3, 0.2])
    powered = truth ** (1 / 0.3)
    for name, parameters, answer in [
        ("generalized_cross_entropy", {"q": 0.7}, np.log(powered)),
        ("logit_adjusted_cross_entropy", {"prior": np.array([0.5, 0.3, 0.2])}, np.zeros(3)),
        ("class_balanced_cross_entropy", {"samples_per_class": [5, 3, 2], "beta": 1 - 1e-12}, np.zeros(3)),
    ]:
        gradients = [value_and_grad(getattr(F, name))(answer, k, **parameters)[1] for k in range(3)]
        pull = sum(share * gradient for share, gradient in zip(truth, gradients, strict=True))
        np.testing.assert_allclose(pull, 0, atol=1e-4 if "balanced" in name else 1e-12)
        assert np.abs(gradients).max() > 0.1
    _, slope = value_and_grad(F.cost_sensitive_binary_cross_entropy)(
        np.full(10, np.log(10 / 9)), [1] + [0] * 9, false_negative_cost=10.0, reduction="none"
    )
    np.testing.assert_allclose(slope.sum(), 0, atol=1e-12)  # one yes in ten, ten times as dear: above 0


@pytest.mark.parametrize("name", [n for n in LABELLED if n not in ("nll_loss", "brier_loss")])
def test_only_differences_of_logits_matter(name):
    more = {"logit_adjusted_cross_entropy": {"prior": [1, 2, 3]}, "class_balanced_cross_entropy": {}}.get(name, {})
    if name == "class_balanced_cross_entropy":
        more = {"samples_per_class": [1, 20, 3]}
    x, y = normal(4, 3), labels(3, 4)
    value, slope = value_and_grad(getattr(F, name))(x, y, **more)
    shifted, shifted_slope = value_and_grad(getattr(F, name))(x + 64, y, **more)
    np.testing.assert_allclose(shifted, value, rtol=1e-12)
    np.testing.assert_allclose(shifted_slope, slope, rtol=1e-11)
    np.testing.assert_allclose(slope.sum(axis=1), 0, atol=1e-15)


def test_special_cases_of_each_other():
    x, y = normal(6, 4, scale=2), labels(4, 6)
    plain = ours("cross_entropy", {"input": x, "target": y}, reduction="none")
    for name, more in [
        ("generalized_cross_entropy", {"q": 0.0}),
        ("generalized_cross_entropy", {"q": 1e-14}),
        ("poly1_cross_entropy", {"epsilon": 0.0}),
        ("logit_adjusted_cross_entropy", {"prior": [1, 2, 3, 4], "tau": 0.0}),
        ("logit_adjusted_cross_entropy", {"prior": [3, 3, 3, 3]}),
        ("class_balanced_cross_entropy", {"samples_per_class": [1, 2, 3, 4], "beta": 0.0}),
        ("class_balanced_cross_entropy", {"samples_per_class": [5, 5, 5, 5]}),
    ]:
        value, (slope,) = ours(name, {"input": x, "target": y}, reduction="none", **more)
        np.testing.assert_allclose(value, plain[0], rtol=1e-12)
        np.testing.assert_allclose(slope, plain[1][0], rtol=1e-12)
    log_p = np.log(F_softmax(x))
    np.testing.assert_allclose(F.nll_loss(log_p, y, reduction="none"), plain[0], rtol=1e-12)
    p = np.exp(-plain[0])
    np.testing.assert_allclose(F.generalized_cross_entropy(x, y, reduction="none", q=1.0), 1 - p)
    halved = F.generalized_cross_entropy(2 * x, y, reduction="none", q=0.5) / 2
    np.testing.assert_allclose(F.spherical_loss(x, y, reduction="none"), halved, rtol=1e-12)
    certain = np.eye(4)[y]
    smooth = 0.7 * certain + 0.3 / 4
    np.testing.assert_allclose(F.cross_entropy(x, smooth), F.cross_entropy(x, y, label_smoothing=0.3), rtol=1e-12)
    rare = F.class_balanced_cross_entropy(x, y, [1, 2, 4, 8], reduction="none", beta=1 - 1e-9)
    frequency = np.array([1, 2, 4, 8])
    np.testing.assert_allclose(rare, plain[0] * ((1 / frequency) / (1 / frequency).mean())[y], rtol=1e-6)


def test_binary_special_cases_of_each_other():
    x, t = normal(5, 3, scale=2), uniform(5, 3)
    plain = ours("binary_cross_entropy_with_logits", {"input": x, "target": t}, reduction="none")
    for name, more in [
        ("cost_sensitive_binary_cross_entropy", {}),
        ("binary_cross_entropy_with_logits", {"pos_weight": 1.0}),
        ("sigmoid_focal_loss", {"alpha": None, "gamma": 0.0}),
        ("sigmoid_focal_loss", {"alpha": -1, "gamma": 0.0}),
    ]:
        value, (slope,) = ours(name, {"input": x, "target": t}, reduction="none", **more)
        np.testing.assert_allclose(value, plain[0], rtol=1e-12)
        np.testing.assert_allclose(slope, plain[1][0], rtol=1e-11)
    p = torch.sigmoid(torch.tensor(x)).numpy()
    np.testing.assert_allclose(F.binary_cross_entropy(p, t, reduction="none"), plain[0], rtol=1e-12)
    np.testing.assert_allclose(F.multilabel_soft_margin_loss(x, t, reduction="none"), plain[0].mean(axis=1))
    two = np.stack([np.zeros(15), x.ravel()], axis=1)
    np.testing.assert_allclose(F.cross_entropy(two, np.stack([1 - t.ravel(), t.ravel()], axis=1)), plain[0].mean())
    dear = F.binary_cross_entropy_with_logits(x, t, pos_weight=7.0)
    np.testing.assert_allclose(F.cost_sensitive_binary_cross_entropy(x, t, false_negative_cost=7.0), dear)


def test_sparsemax_lets_go_at_a_margin_of_1():
    for margin in (0.0, 0.5, 0.999, 1.0, 1.5, 1e30):
        value, (slope,) = ours("sparsemax_loss", {"input": np.array([margin, 0.0, -3.0]), "target": 0})
        assert (value == 0) == (margin >= 1)
        assert (slope == 0).all() == (margin >= 1)
    _, (slope,) = ours("sparsemax_loss", {"input": np.array([0.1, 0.0, -3.0]), "target": 1})
    assert slope[2] == 0, "a class that is far behind gets a probability of exactly 0"
    np.testing.assert_allclose(slope, [0.55, -0.55, 0])


def test_hopeless_examples_pull_less_and_less():
    """Bounded losses let go of what they got very wrong; cross-entropy pulls with all its force."""
    for name in ("generalized_cross_entropy", "spherical_loss"):
        pulls = [abs(ours(name, {"input": np.array([0.0, m]), "target": 0})[1][0][0]) for m in (1.0, 5.0, 20.0, 60.0)]
        assert pulls == sorted(pulls, reverse=True)
        assert pulls[-1] < 1e-10
    assert abs(ours("cross_entropy", {"input": np.array([0.0, 60.0]), "target": 0})[1][0][0]) == 1


def test_constant_arguments_have_no_gradient_as_in_torch():
    x, t = uniform(2, 3), uniform(2, 3, seed=1)
    for name, more in [
        ("binary_cross_entropy", "weight"),
        ("binary_cross_entropy_with_logits", "weight"),
        ("binary_cross_entropy_with_logits", "pos_weight"),
    ]:
        with pytest.raises(TypeError, match=f"not differentiable with respect to '{more}'"):
            ours(name, {"input": x, "target": t, more: np.ones(3)}, (more,))
        with pytest.raises(RuntimeError, match=f"not differentiable with respect to argument '{more}'"):
            theirs(name, {"input": x, "target": t, more: np.ones(3)}, (more,))
    with pytest.raises(TypeError, match="not differentiable with respect to weight with these arguments"):
        ours("cross_entropy", {"input": x, "target": np.array([0, 1]), "weight": np.ones(3)}, ("weight",))
    with pytest.raises(TypeError, match="not differentiable with respect to weight with these arguments"):
        ours(
            "cross_entropy",
            {"input": x, "target": labels(3, 2), "weight": np.ones(3)},
            ("weight",),
            label_smoothing=0.1,
        )


def test_labels_may_be_numpys_own_integers_where_those_have_32_bits(monkeypatch):
    """As in the browser; elsewhere int32 labels raise, as in PyTorch."""
    logits, labels = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), np.array([2, -100])
    expected = F.cross_entropy(logits, labels)
    with pytest.raises(TypeError, match="int64"):
        F.cross_entropy(logits, labels.astype(np.int32))
    monkeypatch.setattr("lossutils.engine._INTEGER", np.dtype(np.int32))
    assert F.cross_entropy(logits, labels.astype(np.int32)) == expected
