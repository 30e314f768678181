"""The ranking losses against PyTorch, optax, scikit-learn, and 50 digits; and what is true of each."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import sklearn.metrics
import torch
import torch.nn.functional as TF

import lossutils.functional as F
from lossutils import value_and_grad

SPECIAL = [0.0, -0.0, 0.3, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30]
NONE = -np.inf  # the score of padding


def random(*shape, seed=0, scale=3.0):
    return np.random.default_rng(seed).normal(size=shape) * scale


# ---- margin_ranking_loss is torch's


def pairwise(arrays, margin=0.0, reduction="none", grad_output=None):
    """Value and gradients of both libraries."""
    names = ("input1", "input2", "target")
    ours = value_and_grad(F.margin_ranking_loss, names)(*arrays, margin, reduction, grad_output=grad_output)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = TF.margin_ranking_loss(*tensors, margin, reduction=reduction)
    value.backward(torch.ones_like(value) if grad_output is None else torch.tensor(grad_output))
    return ours, (value.detach().numpy(), [t.grad.numpy() for t in tensors])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("margin", [0, 0.5, -1.0, np.inf, np.nan])
def test_special_numbers_and_kinks_are_torchs(dtype, margin):
    triples = np.array(list(itertools.product(SPECIAL, SPECIAL, [1.0, -1.0, 0.0, 0.5, np.nan])), dtype)
    (value, gradients), (expected, expected_gradients) = pairwise(list(triples.T.copy()), margin)
    np.testing.assert_allclose(value, expected, rtol=1e-6, strict=True)
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_array_equal(gradient, reference, strict=True)


SHAPES = [
    ((3,), (1,), (3,)),
    ((2, 1), (1, 4), (1, 1)),
    ((1, 1, 5), (2, 3, 1), (1, 3, 1)),
    ((), (), ()),
    ((0, 3), (1, 3), (1, 1)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_shapes_of_equally_many_axes_broadcast_as_in_torch(shapes, reduction):
    arrays = [random(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    (value, gradients), (expected, expected_gradients) = pairwise(arrays, 1.0, reduction)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-12, strict=True)


@pytest.mark.parametrize("first", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("second", [np.float32, np.int64, np.uint8])
def test_dtypes_are_torchs(first, second):
    arrays = [np.array([3, 1, 2], dtype) for dtype in (first, second, np.int64)]
    expected = TF.margin_ranking_loss(*map(torch.tensor, arrays), 0.5, reduction="none").numpy()
    np.testing.assert_allclose(F.margin_ranking_loss(*arrays, 0.5, "none"), expected, rtol=1e-3, strict=True)


REJECTED = {
    "lengths": lambda a: (a([1.0, 2.0]), a([1.0, 2.0, 3.0]), a([1.0, 1.0])),
    "length of target": lambda a: (a([1.0, 2.0, 3.0]), a([1.0, 2.0, 3.0]), a([1.0, 1.0])),
    "axes of input2": lambda a: (a([1.0]), a(1.0), a([1.0])),
    "axes of target": lambda a: (a([[1.0]]), a([[1.0]]), a([1.0])),
    "bool input": lambda a: (a([True]), a([1.0]), a([1.0])),
    "bool target": lambda a: (a([1.0]), a([1.0]), a([True])),
    "margin None": lambda a: (a([1.0]), a([1.0]), a([1.0]), None),
    "margin of text": lambda a: (a([1.0]), a([1.0]), a([1.0]), "much"),
    "margin of many": lambda a: (a([1.0, 2.0]), a([1.0, 2.0]), a([1.0, 2.0]), a([1.0, 2.0])),
    "no target": lambda a: (a([1.0]), a([1.0])),
}


@pytest.mark.parametrize("arguments", REJECTED.values(), ids=REJECTED)
def test_what_torch_rejects_is_rejected(arguments):
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        TF.margin_ranking_loss(*arguments(torch.tensor))
    with pytest.raises((TypeError, ValueError)):
        F.margin_ranking_loss(*arguments(np.array))


def test_the_message_names_the_shapes():
    with pytest.raises(ValueError, match=r"margin_ranking_loss: input1 of shape \(1,\) and input2 of shape \(\) and"):
        F.margin_ranking_loss([1.0], 1.0, [1.0])
    with pytest.raises(TypeError, match="margin_ranking_loss needs floating point"):
        F.margin_ranking_loss([1], [1], [1])


# ---- independent implementations of what torch lacks


def optax_softmax(logits, labels, reduce_fn=jnp.mean, **options):
    with jax.enable_x64(True):
        return np.asarray(optax.losses.ranking_softmax_loss(logits, labels, reduce_fn=reduce_fn, **options))


def optax_gradients(logits, labels, **options):
    with jax.enable_x64(True):
        return jax.grad(lambda s, y: optax.losses.ranking_softmax_loss(s, y, **options), argnums=(0, 1))(logits, labels)


def test_listwise_softmax_is_optaxs():
    scores, relevance = random(2, 4, 5), np.abs(random(2, 4, 5, seed=1))
    for reduction, reduce_fn in (("mean", jnp.mean), ("sum", jnp.sum), ("none", None)):
        expected = optax_softmax(scores, relevance, reduce_fn)
        np.testing.assert_allclose(F.listwise_softmax_loss(scores, relevance, reduction), expected, rtol=1e-12)
    _, gradients = value_and_grad(F.listwise_softmax_loss, (0, 1))(scores, relevance)
    for gradient, reference in zip(gradients, optax_gradients(scores, relevance), strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-9, atol=1e-15)


def test_padding_with_minus_infinity_is_optaxs_where():
    scores, relevance = random(4, 5), np.abs(random(4, 5, seed=1))
    where = np.arange(5) < np.array([[5], [2], [3], [1]])
    expected = optax_softmax(scores, relevance, where=where)
    expected_gradient, _ = optax_gradients(scores, relevance, where=where)
    padded, shares = np.where(where, scores, NONE), np.where(where, relevance, 0)
    value, gradient = value_and_grad(F.listwise_softmax_loss)(padded, shares)
    assert value == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(gradient, np.where(where, expected_gradient, 0), rtol=1e-9, atol=1e-15)


def test_optaxs_weights_multiply_the_relevance():
    scores, relevance, weights = random(4, 5), np.abs(random(4, 5, seed=1)), np.abs(random(4, 5, seed=2))
    expected = optax_softmax(scores, relevance, weights=weights)
    assert F.listwise_softmax_loss(scores, relevance * weights) == pytest.approx(float(expected), rel=1e-12)


def test_listnet_is_the_listwise_softmax_of_top_one_probabilities():
    scores, relevance = random(4, 5), random(4, 5, seed=1)
    with jax.enable_x64(True):
        first = np.asarray(jax.nn.softmax(relevance, axis=-1))
    value, gradient = value_and_grad(F.listnet_loss)(scores, relevance)
    assert value == pytest.approx(float(optax_softmax(scores, first)), rel=1e-12)
    np.testing.assert_allclose(gradient, optax_gradients(scores, first)[0], rtol=1e-9, atol=1e-15)


def test_bpr_is_scikit_learns_log_loss_of_the_difference():
    positive, negative = random(50), random(50, seed=1)
    right = 1 / (1 + np.exp(negative - positive))
    expected = sklearn.metrics.log_loss(np.ones(50), np.stack([1 - right, right], axis=1), labels=[0, 1])
    assert F.bpr_loss(positive, negative) == pytest.approx(expected, rel=1e-12)


# ---- what is true of each


def test_listnet_of_a_padded_list_is_that_of_the_list():
    scores, relevance = random(3), random(3, seed=1)
    alone = value_and_grad(F.listnet_loss, (0, 1))(scores, relevance)
    padded = value_and_grad(F.listnet_loss, (0, 1))(np.append(scores, [NONE] * 2), np.append(relevance, [NONE] * 2))
    assert padded[0] == pytest.approx(alone[0], rel=1e-14)
    for gradient, reference in zip(padded[1], alone[1], strict=True):
        np.testing.assert_allclose(gradient, np.append(reference, [0, 0]), rtol=1e-12)


def test_listnet_is_least_at_the_relevance_up_to_a_constant_where_it_is_the_entropy():
    relevance = random(6, 4)
    values, gradient = value_and_grad(F.listnet_loss)(relevance + 7.0, relevance, "none")
    p = np.exp(relevance) / np.exp(relevance).sum(-1, keepdims=True)
    np.testing.assert_allclose(values, -(p * np.log(p)).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    assert np.all(F.listnet_loss(relevance + random(6, 4, seed=1), relevance, "none") > values)


@pytest.mark.parametrize("loss", [F.listnet_loss, F.listwise_softmax_loss])
def test_a_constant_added_to_the_scores_changes_nothing_and_slopes_add_up_to_0(loss):
    scores, relevance = random(5, 4), np.abs(random(5, 4, seed=1))
    values, gradient = value_and_grad(loss)(scores, relevance, "none")
    np.testing.assert_allclose(loss(scores + 100.0, relevance, "none"), values, rtol=1e-12)
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-13)


@pytest.mark.parametrize("loss", [F.listnet_loss, F.listwise_softmax_loss])
def test_a_list_of_one_item_has_no_order_to_get_wrong(loss):
    value, gradients = value_and_grad(loss, (0, 1))([[3.0], [-1e4]], [[2.0], [0.0]], "none")
    assert value.tolist() == [0, 0]
    assert [g.tolist() for g in gradients] == [[[0], [0]]] * 2


def test_listwise_softmax_is_least_where_softmax_is_the_share_of_the_relevance():
    relevance = np.array([3.0, 1.0, 4.0])
    np.testing.assert_allclose(value_and_grad(F.listwise_softmax_loss)(np.log(relevance), relevance)[1], 0, atol=1e-15)


def test_relevance_diversity_is_least_where_half_the_worth_is_paid_for_redundancy():
    """−p·r + λ·pᵀSp has its minimum −rᵀS⁻¹r/4λ at p = S⁻¹r/2λ."""
    e, relevance = random(3, 3), np.array([1.0, 2.0, 0.5])
    similarity = e @ e.T
    best = np.linalg.solve(similarity, relevance) / (2 * 0.4)
    value, slope = value_and_grad(F.relevance_diversity_loss)(best, relevance, similarity, diversity=0.4)
    assert value == pytest.approx(-relevance @ np.linalg.solve(similarity, relevance) / (4 * 0.4), rel=1e-9)
    np.testing.assert_allclose(slope, 0, atol=1e-9)


def test_selecting_one_item_more_costs_its_similarity_to_all_that_is_selected():
    """As in maximal marginal relevance: what is new counts, minus what is there already."""
    relevance, e = random(4), random(4, 2, seed=1)
    similarity = e @ e.T
    before, after = np.array([1.0, 0, 1, 0]), np.array([1.0, 0, 1, 1])
    gain = np.diff([F.relevance_diversity_loss(p, relevance, similarity) for p in (before, after)])[0]
    assert gain == pytest.approx(-relevance[3] + 2 * similarity[3, [0, 2]].sum() + similarity[3, 3], rel=1e-12)


def test_where_redundancy_is_free_only_relevance_counts():
    p, relevance = random(4), random(4, seed=1)
    assert F.relevance_diversity_loss(p, relevance, random(4, 4), diversity=0) == pytest.approx(
        -p @ relevance, rel=1e-12
    )


@pytest.mark.parametrize(
    "own", [["input"], ["relevance"], ["similarity"], ["input", "relevance", "similarity"]], ids=str
)
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_what_lists_share_counts_in_every_list(own, reduction):
    """Repeating what is shared changes no value, and the gradient of what is shared is the sum over its copies."""
    whole = {"input": random(5, 3), "relevance": random(5, 3, seed=1), "similarity": random(5, 3, 3, seed=2)}
    shared = {name: a if name in own else a[0] for name, a in whole.items()}
    repeated = {name: a if name in own else np.repeat(a[:1], 5, axis=0) for name, a in whole.items()}
    differentiated = value_and_grad(F.relevance_diversity_loss, tuple(whole))
    factor = random(5, seed=3) if reduction == "none" else None
    value, gradients = differentiated(**shared, reduction=reduction, grad_output=factor)
    expected, expected_gradients = differentiated(**repeated, reduction=reduction, grad_output=factor)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for name, gradient, each in zip(whole, gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, each if name in own else each.sum(0), rtol=1e-10, atol=1e-12)


# ---- exactness


def exact(function, arrays, dtype):
    """Value and gradients to 50 digits, rounded to the dtype."""
    with mpmath.workdps(50):
        arguments = [[mpmath.mpf(float(x)) for x in a] for a in arrays]
        gradients = []
        for k, a in enumerate(arguments):
            for i in range(len(a)):

                def along(x, k=k, i=i):
                    return function(*[[*b[:i], x, *b[i + 1 :]] if j == k else b for j, b in enumerate(arguments)])

                gradients.append(mpmath.diff(along, a[i], h=mpmath.mpf("1e-24")))
        return dtype(float(function(*arguments))), np.array([float(g) for g in gradients], dtype)


def exact_softmax(scores, relevance):
    total = mpmath.fsum(map(mpmath.exp, scores))
    return -mpmath.fsum(y * mpmath.log(mpmath.exp(s) / total) for s, y in zip(scores, relevance, strict=True))


def exact_listnet(scores, relevance):
    total = mpmath.fsum(map(mpmath.exp, relevance))
    return exact_softmax(scores, [mpmath.exp(y) / total for y in relevance])


LISTS = [
    ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
    ([50.0, 0.0, -30.0], [60.0, 0.0, 1.0]),  # right by far, both of them: all that is left is tiny
    ([-50.0, 0.0, 30.0], [60.0, 0.0, 1.0]),  # wrong by far
    ([0.0, 50.0, -30.0], [0.0, 60.0, 1.0]),
    ([50.0, 50.0, 0.0], [0.0, 40.0, 0.0]),
    ([1000.0, 1000.25, -1000.0], [0.5, -3.0, 0.0]),
    ([1e4, 0.0, -1e4], [3.0, 0.0, 0.0]),
    ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
    ([-20.0, 0.0, 0.0], [0.0, 2.0**-20, 0.0]),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scores", "relevance"), LISTS)
@pytest.mark.parametrize("name", ["listnet_loss", "listwise_softmax_loss"])
def test_lists_are_exact(name, scores, relevance, dtype):
    """Value, and gradients in scores and relevance, where PyTorch's have lost all digits."""
    arrays = np.array(scores, dtype), np.array(relevance, dtype)
    value, gradients = value_and_grad(getattr(F, name), (0, 1))(*arrays)
    formula = {"listnet_loss": exact_listnet, "listwise_softmax_loss": exact_softmax}[name]
    expected, expected_gradients = exact(formula, arrays, dtype)
    rtol, tiny = (1e-6, 1e-37) if dtype == np.float32 else (1e-14, 1e-60)
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=tiny)
    np.testing.assert_allclose(np.concatenate(gradients), expected_gradients, rtol=rtol, atol=tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bpr_is_exact(dtype):
    lead = np.array([0.0, 1e-30, 1.5, -1.5, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4, 1e30, -1e30, np.inf, -np.inf], dtype)
    value, gradients = value_and_grad(F.bpr_loss, (0, 1))(lead, np.zeros_like(lead), reduction="none")
    with mpmath.workdps(50):
        e = [mpmath.exp(-mpmath.mpf(float(x))) for x in lead[:10]]
        expected = [float(mpmath.log(1 + v)) for v in e] + [0, 1e30, 0, np.inf]
        slope = [float(-v / (1 + v)) for v in e] + [0, -1, 0, -1]
    rtol = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(value, np.array(expected, dtype), rtol=rtol)
    np.testing.assert_allclose(gradients[0], np.array(slope, dtype), rtol=rtol)
    np.testing.assert_array_equal(gradients[1], -gradients[0])


def test_optax_loses_what_is_exact_here():
    scores, relevance = np.array([50.0, 0.0]), np.array([1.0, 0.0])
    assert optax_softmax(scores, relevance) == 0
    assert F.listwise_softmax_loss(scores, relevance) == pytest.approx(np.exp(-50), rel=1e-14)


# ---- what is rejected


def test_what_makes_no_sense_is_rejected():
    with pytest.raises(ValueError, match="relevance_diversity_loss: diversity must not be negative, got -1"):
        F.relevance_diversity_loss([1.0], [1.0], [[1.0]], diversity=-1)
    with pytest.raises(ValueError, match="diversity must not be negative, got nan"):
        F.relevance_diversity_loss([1.0], [1.0], [[1.0]], diversity=np.nan)
    with pytest.raises(ValueError, match=r"relevance_diversity_loss: .*\(2,\).*\(3, 3\).*don't match"):
        F.relevance_diversity_loss(np.ones(2), np.ones(2), np.ones((3, 3)))
    with pytest.raises(ValueError, match="similarity needs 2 axis or more"):
        F.relevance_diversity_loss(np.ones(2), np.ones(2), np.ones(2))
    for loss in (F.listnet_loss, F.listwise_softmax_loss):
        with pytest.raises(ValueError, match=rf"{loss.__name__}: .*\(2, 3\).*\(3,\).*don't match"):
            loss(np.ones((2, 3)), np.ones(3))
        with pytest.raises(ValueError, match="input needs 1 axis or more"):
            loss(1.0, 1.0)
    with pytest.raises(ValueError, match="bpr_loss: positive of shape"):
        F.bpr_loss(np.ones(2), np.ones(3))


@pytest.mark.parametrize("loss", [F.listnet_loss, F.listwise_softmax_loss])
def test_no_lists_have_a_mean_of_nan(loss):
    value, gradient = value_and_grad(loss)(np.ones((0, 3)), np.ones((0, 3)))
    assert np.isnan(value)
    assert gradient.shape == (0, 3)
    assert loss(np.ones((0, 3)), np.ones((0, 3)), "sum") == 0
