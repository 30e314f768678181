"""What is special to losses for embeddings: the libraries that have them too, extremes, quirks, and invariances."""

import math

import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import torch
import torch.nn.functional as TF
from pytorch_metric_learning import distances, losses, reducers

import lossutils.functional as F
from lossutils import value_and_grad

REDUCTIONS = ["none", "mean", "sum"]
over_reductions = pytest.mark.parametrize("reduction", REDUCTIONS)
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0, dtype=np.float64):
    return rng(seed).normal(size=shape).astype(dtype)


def ours(name, arrays, wrt, **options):
    return value_and_grad(getattr(F, name), wrt)(**arrays, **options)


def theirs(function, arrays, wrt, **options):
    """Value and gradients of a function of tensors."""
    tensors = {k: torch.tensor(a, requires_grad=k in wrt) for k, a in arrays.items()}
    value = function(**tensors, **options)
    value.sum().backward()
    gradients = [tensors[k].grad for k in wrt]
    return value.detach().numpy(), [g.numpy() for g in gradients]


def assert_same(mine, reference, rtol=1e-11):
    """Value and gradients, their shapes and dtypes; gradients up to a rounding of the largest entry."""
    for a, b in zip([mine[0], *mine[1]], [reference[0], *reference[1]], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b), initial=0, where=np.isfinite(b)))


# ---- PyTorch


TRIPLET = ("anchor", "positive", "negative")
PAIR = ("input1", "input2")


@over_reductions
@pytest.mark.parametrize(
    "shapes",
    [
        [(4, 3), (1, 3), (4, 3)],
        [(4, 3), (4, 1), (4, 3)],
        [(1, 3), (4, 1), (4, 1)],
        [(4, 1), (4, 3), (1, 1)],
        [(3,), (1,), (3,)],
        [(1,), (3,), (1,)],
        [(2, 4, 3), (1, 4, 3), (2, 1, 1)],
        [(0, 3), (0, 3), (0, 3)],
        [(2, 0), (2, 0), (2, 0)],
    ],
    ids=str,
)
@pytest.mark.parametrize("swap", [False, True])
def test_triplets_broadcast_as_in_torch(shapes, swap, reduction):
    arrays = {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(zip(TRIPLET, shapes, strict=True))}
    for name in ("triplet_margin_loss", "triplet_margin_with_distance_loss"):
        options = {"swap": swap, "reduction": reduction}
        assert_same(ours(name, arrays, TRIPLET, **options), theirs(getattr(TF, name), arrays, TRIPLET, **options))


@pytest.mark.parametrize("shapes", [[(4, 3), (3,)], [(3,), (4, 3)], [(2, 1, 3), (4, 1)], [(4, 1), (4, 3)]], ids=str)
@pytest.mark.parametrize("p", [0, -1, -math.inf, 0.5, 1, 2, 3.5, math.inf])
def test_pairwise_distance_broadcasts_and_has_every_norm_as_in_torch(shapes, p):
    arrays = {"x1": normal(*shapes[0]), "x2": normal(*shapes[1], seed=1)}
    mine, reference = ours("pairwise_distance", arrays, ("x1", "x2"), p=p), None
    if p == 0:  # torch has no gradient
        np.testing.assert_array_equal(mine[0], TF.pairwise_distance(*map(torch.tensor, arrays.values()), p=0))
        assert not mine[1][0].any()
        return
    reference = theirs(TF.pairwise_distance, arrays, ("x1", "x2"), p=p)
    assert_same(mine, reference)
    assert_same((F.pairwise_distance(arrays["x1"], arrays["x2"], p), []), (reference[0], []))


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, math.inf])
def test_slopes_at_a_kink_are_torchs(p):
    """Equal vectors, a coordinate that is equal, several that are largest."""
    x1 = np.array([[0.0, 0, 0], [1, 0, -1], [2, 2, 1], [-3, 0, 0]])
    arrays = {"x1": x1, "x2": np.zeros_like(x1)}
    wrt = ("x1", "x2")
    assert_same(
        ours("pairwise_distance", arrays, wrt, p=p, eps=0.0), theirs(TF.pairwise_distance, arrays, wrt, p=p, eps=0.0)
    )


@pytest.mark.parametrize(
    ("arrays", "swap"),
    [
        (([0.0, 0.0], [1.0, 0.0], [2.0, 0.0]), False),  # the margin is kept exactly
        (([0.0, 0.0], [1.0, 0.0], [0.5, 1.0]), True),  # both distances to the negative are the same
        (([0.0, 0.0], [1.0, 0.0], [0.0, 0.0]), True),
        (([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]), True),
    ],
)
def test_triplets_at_a_kink_are_torchs(arrays, swap):
    arrays = dict(zip(TRIPLET, map(np.array, arrays), strict=True))
    for name in ("triplet_margin_loss", "triplet_margin_with_distance_loss"):
        options = {"swap": swap} | ({"eps": 0.0} if name == "triplet_margin_loss" else {})
        assert_same(ours(name, arrays, TRIPLET, **options), theirs(getattr(TF, name), arrays, TRIPLET, **options))


@over_reductions
@pytest.mark.parametrize(
    "shapes",
    [
        [(4, 3), (1, 3), (4,)],
        [(1, 3), (1, 3), (4,)],
        [(4, 3), (4, 3), (1,)],
        [(3,), (3,), ()],
        [(0, 3), (0, 3), (0,)],
        [(2, 0), (2, 0), (2,)],
    ],
    ids=str,
)
@pytest.mark.parametrize("margin", [0.0, -0.5, 0.4])
def test_cosine_embedding_broadcasts_as_in_torch(shapes, margin, reduction):
    arrays = {
        "input1": 1e3 * normal(*shapes[0]),
        "input2": 1e3 * normal(*shapes[1], seed=1),
        "target": rng(2).choice([-1.0, 1.0], shapes[2]),
    }
    options = {"margin": margin, "reduction": reduction}
    mine = ours("cosine_embedding_loss", arrays, PAIR, **options)
    assert_same(mine, theirs(TF.cosine_embedding_loss, arrays, PAIR, **options))


def test_cosine_embedding_counts_a_pair_with_another_target_as_0():
    arrays = {"input1": normal(5, 3), "input2": normal(5, 3, seed=1), "target": np.array([0.0, 2.0, 1.5, np.nan, -0.0])}
    value, gradients = ours("cosine_embedding_loss", arrays, PAIR, margin=-0.9, reduction="sum")
    assert value == theirs(TF.cosine_embedding_loss, arrays, PAIR, margin=-0.9, reduction="sum")[0] == 0
    assert not np.any(gradients)


def test_cosine_embedding_at_its_kink_has_torchs_slope():
    arrays = {"input1": np.array([3e3, 0.0]), "input2": np.array([0.0, 2e3]), "target": np.array(-1)}
    mine = ours("cosine_embedding_loss", arrays, PAIR)
    assert_same(mine, theirs(TF.cosine_embedding_loss, arrays, PAIR))
    assert mine[1][0].any()


@pytest.mark.parametrize("target", [np.float64, np.float32, np.int64, np.int8, np.float16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("second", [np.float16, np.float32, np.float64], ids=lambda d: d.__name__)
def test_dtype_of_the_target_does_not_matter(target, second):
    arrays = {
        "input1": normal(3, 2, dtype=np.float32),
        "input2": normal(3, 2, seed=1).astype(second),
        "target": np.array([1, -1, 1]).astype(target),
    }
    assert_same(ours("cosine_embedding_loss", arrays, PAIR), theirs(TF.cosine_embedding_loss, arrays, PAIR), rtol=2e-3)


def test_dtypes_of_triplets_are_promoted_as_in_torch():
    arrays = dict(zip(TRIPLET, [normal(3, 2), normal(3, 2, dtype=np.float32), normal(3, 2, seed=3)], strict=True))
    mine = ours("triplet_margin_loss", arrays, TRIPLET)
    assert_same(mine, theirs(TF.triplet_margin_loss, arrays, TRIPLET), rtol=1e-6)
    arrays["negative"] = np.array([[1, 2], [0, 1], [2, 2]])
    mine = ours("triplet_margin_loss", arrays, TRIPLET[:2])
    assert_same(mine, theirs(TF.triplet_margin_loss, arrays, TRIPLET[:2]), rtol=1e-6)


ones = np.ones
REJECTED = [
    ("triplet_margin_loss", [ones((4, 3)), ones(3), ones((4, 3))], {}),
    ("triplet_margin_loss", [ones((4, 3)), ones((4, 2)), ones((4, 3))], {}),
    ("triplet_margin_loss", [ones((4, 3)), ones((5, 3)), ones((4, 3))], {}),
    ("triplet_margin_loss", [ones((4, 3))] * 3, {"margin": 0}),
    ("triplet_margin_loss", [ones((4, 3))] * 3, {"margin": -1.0}),
    ("triplet_margin_loss", [ones((4, 3))] * 3, {"reduction": "median"}),
    ("triplet_margin_loss", [ones((4, 3), bool)] * 3, {}),
    ("triplet_margin_loss", [ones((4, 3))] * 2, {}),
    ("triplet_margin_with_distance_loss", [ones((4, 3)), ones(3), ones((4, 3))], {}),
    ("triplet_margin_with_distance_loss", [ones((4, 3)), ones((4, 2)), ones((4, 3))], {}),
    ("triplet_margin_with_distance_loss", [ones((4, 3))] * 3, {"margin": 0}),
    ("triplet_margin_with_distance_loss", [ones((4, 3))] * 3, {"reduction": "median"}),
    ("triplet_margin_with_distance_loss", [ones((4, 3))] * 3, {"distance_function": "cosine"}),
    ("cosine_embedding_loss", [ones(3), ones(3), ones(1)], {}),
    ("cosine_embedding_loss", [ones((4, 3)), ones((4, 3)), np.array(1.0)], {}),
    ("cosine_embedding_loss", [ones((2, 4, 3)), ones((2, 4, 3)), ones((2, 4))], {}),
    ("cosine_embedding_loss", [ones((4, 3)), ones((4, 3)), ones(3)], {}),
    ("cosine_embedding_loss", [ones((4, 3)), ones((4, 2)), ones(4)], {}),
    ("cosine_embedding_loss", [ones((4, 3)), ones(3), ones(4)], {}),
    ("cosine_embedding_loss", [np.array(1.0)] * 3, {}),
    ("cosine_embedding_loss", [ones((4, 3)), ones((4, 3)), ones(4)], {"reduction": "median"}),
    ("pairwise_distance", [ones((4, 3)), ones((4, 2))], {}),
    ("pairwise_distance", [ones((4, 3)), ones((5, 3))], {}),
]


@pytest.mark.parametrize(("name", "arrays", "options"), REJECTED)
def test_what_torch_rejects_is_rejected(name, arrays, options):
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        getattr(TF, name)(*[torch.tensor(a) for a in arrays], **options)
    with pytest.raises((ValueError, TypeError)):
        getattr(F, name)(*arrays, **options)


SPECIAL = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30]


@over_dtypes
@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_special_numbers_are_as_in_torch(p, dtype):
    """One coordinate, so that no square of torch's overflows in float64; in float32 the distances must be torch's."""
    a, b, c = (np.ravel(x)[:, None].astype(dtype) for x in np.meshgrid(SPECIAL, SPECIAL, SPECIAL))
    if dtype is np.float32 and p == 2:  # torch squares 1e30
        fine = ~np.isin(np.abs(np.hstack([a, b, c])), np.float32([1e30])).any(axis=1)
        a, b, c = a[fine], b[fine], c[fine]
    expected = TF.triplet_margin_loss(*map(torch.tensor, (a, b, c)), p=p, reduction="none").numpy()
    np.testing.assert_allclose(F.triplet_margin_loss(a, b, c, p=p, reduction="none"), expected, rtol=1e-6, atol=1e-6)


def test_special_numbers_in_a_cosine():
    """NaN and inf have no direction; huge and tiny numbers do, which torch loses."""
    for bad in (np.nan, np.inf, -np.inf):
        assert np.isnan(F.cosine_embedding_loss([bad, 1.0], [1.0, 1.0], 1))
        assert np.isnan(F.cosine_distance([1.0, 1.0], [bad, 1.0]))
    one = np.float32([[1e30, 0], [1e-30, 0], [1e-30, 0]])
    other = np.float32([[1e30, 1e30], [0, 1e-30], [1e30, 0]])
    value = F.cosine_embedding_loss(one, other, [1, 1, 1], reduction="none")
    np.testing.assert_allclose(value, [1 - math.sqrt(0.5), 1, 0], rtol=1e-6)
    torchs = TF.cosine_embedding_loss(torch.tensor(one), torch.tensor(other), torch.ones(3), reduction="none")
    assert not np.allclose(torchs.numpy(), value, equal_nan=True)


# ---- pytorch-metric-learning and optax


def as_tensors(*arrays):
    return [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_nt_xent_is_pytorch_metric_learnings_and_optaxs(temperature):
    one, two = normal(6, 4), normal(6, 4, seed=1)
    value, (first, second) = value_and_grad(F.nt_xent_loss, (0, 1))(one, two, temperature=temperature)
    (embeddings,) = as_tensors(np.concatenate([one, two]))
    labels = np.tile(np.arange(6), 2)
    reference = losses.NTXentLoss(temperature)(embeddings, torch.tensor(labels))
    reference.backward()
    np.testing.assert_allclose(value, reference.item(), rtol=1e-9)
    np.testing.assert_allclose(np.concatenate([first, second]), embeddings.grad, rtol=1e-9, atol=1e-12)
    optaxs = optax.losses.ntxent(jnp.array(np.concatenate([one, two])), jnp.array(labels), temperature)
    np.testing.assert_allclose(value, optaxs, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_info_nce_is_pytorch_metric_learnings_nt_xent_of_queries_with_keys(temperature):
    """With queries as anchors and keys as references, which it takes as constants."""
    query, keys = as_tensors(normal(5, 3), normal(5, 3, seed=1))
    labels = torch.arange(5)
    reference = losses.NTXentLoss(temperature)(query, labels, ref_emb=keys.detach(), ref_labels=labels.clone())
    reference.backward()
    arrays = {"query": query.detach().numpy(), "keys": keys.detach().numpy()}
    mine = ours("info_nce_loss", arrays, ("query",), temperature=temperature)
    assert_same(mine, (np.float64(reference.item()), [query.grad.numpy()]), rtol=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 0], [0, 0, 1, 2, 3], [2, 2, 1, 1, 5]], ids=str)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_supervised_contrastive_is_pytorch_metric_learnings(labels, temperature):
    (embeddings,) = as_tensors(normal(5, 3))
    reference = losses.SupConLoss(temperature)(embeddings, torch.tensor(labels))
    reference.backward()
    arrays = {"embeddings": embeddings.detach().numpy(), "labels": np.array(labels)}
    mine = ours("supervised_contrastive_loss", arrays, ("embeddings",), temperature=temperature)
    assert_same(mine, (np.float64(reference.item()), [embeddings.grad.numpy()]), rtol=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 0], [0, 0, 1, 2, 3], [2, 2, 1, 1, 5]], ids=str)
@pytest.mark.parametrize(("margin", "gamma"), [(0.4, 80.0), (0.25, 2.0)])
def test_circle_is_pytorch_metric_learnings(labels, margin, gamma):
    (embeddings,) = as_tensors(normal(5, 3))
    reference = losses.CircleLoss(m=margin, gamma=gamma)(embeddings, torch.tensor(labels))
    reference.backward()
    arrays = {"embeddings": embeddings.detach().numpy(), "labels": np.array(labels)}
    mine = ours("circle_loss", arrays, ("embeddings",), margin=margin, gamma=gamma, constant_weights=True)
    assert_same(mine, (np.float64(reference.item()), [embeddings.grad.numpy()]), rtol=1e-9)


@pytest.mark.parametrize(("degrees", "scale"), [(28.6, 64.0), (5.0, 4.0), (120.0, 2.0)])
def test_arcface_is_pytorch_metric_learnings(degrees, scale):
    """With 120 degrees some angles are past the half turn."""
    embeddings, weight = as_tensors(normal(12, 3), normal(4, 3, seed=1))
    labels = torch.arange(12) % 4
    loss = losses.ArcFaceLoss(4, 3, margin=degrees, scale=scale).double()
    loss.W = torch.nn.Parameter(weight.detach().T.clone())
    reference = loss(embeddings, labels)
    reference.backward()
    arrays = {"embeddings": embeddings.detach().numpy(), "weight": weight.detach().numpy(), "labels": labels.numpy()}
    mine = ours("arcface_loss", arrays, ("embeddings", "weight"), margin=math.radians(degrees), scale=scale)
    expected = [embeddings.grad.numpy(), loss.W.grad.numpy().T]
    assert_same(mine, (np.float64(reference.item()), expected), rtol=1e-9)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1, 2])
def test_triplet_margin_is_pytorch_metric_learnings_and_optaxs(swap, p):
    triplets = [normal(6, 3, seed=i) for i in range(3)]
    (embeddings,) = as_tensors(np.concatenate(triplets))
    distance = distances.LpDistance(normalize_embeddings=False, p=p)
    loss = losses.TripletMarginLoss(margin=0.7, swap=swap, distance=distance, reducer=reducers.MeanReducer())
    indices = tuple(torch.arange(6) + 6 * i for i in range(3))
    reference = loss(embeddings, indices_tuple=indices)
    reference.backward()
    value, gradients = value_and_grad(F.triplet_margin_loss, (0, 1, 2))(*triplets, 0.7, p, 0.0, swap)
    np.testing.assert_allclose(value, reference.item(), rtol=1e-9)
    np.testing.assert_allclose(np.concatenate(gradients), embeddings.grad, rtol=1e-9, atol=1e-12)
    if not swap and p == 2:
        optaxs = optax.losses.triplet_margin_loss(*map(jnp.array, triplets), margin=0.7)
        np.testing.assert_allclose(F.triplet_margin_loss(*triplets, 0.7, reduction="none"), optaxs, rtol=1e-4)


def test_contrastive_is_half_the_square_of_pytorch_metric_learnings():
    """It has the distance itself, and what that lacks of the margin."""
    embeddings = normal(8, 3)
    loss = losses.ContrastiveLoss(
        0, 2.5, distance=distances.LpDistance(normalize_embeddings=False), reducer=reducers.DoNothingReducer()
    )
    first, second = np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7])
    rows = tuple(map(torch.tensor, (first[:2], second[:2], first[2:], second[2:])))
    parts = loss(torch.tensor(embeddings), indices_tuple=rows)
    expected = np.concatenate([parts["pos_loss"]["losses"], parts["neg_loss"]["losses"]]) ** 2 / 2
    assert (expected > 0).all()
    mine = F.contrastive_loss(embeddings[first], embeddings[second], [1, 1, 0, 0], margin=2.5, reduction="none")
    np.testing.assert_allclose(mine, expected, rtol=1e-9)


def test_cosine_distance_is_optaxs():
    one, two = normal(2, 6, 3), normal(2, 6, 3, seed=1)
    np.testing.assert_allclose(
        F.cosine_distance(one, two), optax.losses.cosine_distance(jnp.array(one), jnp.array(two)), rtol=1e-4
    )


# ---- extremes, against 250 digits


def cos(a, b):
    return mpmath.fdot(a, b) / mpmath.sqrt(mpmath.fdot(a, a) * mpmath.fdot(b, b))


def p_norm(a, b, p=2, eps=0):
    sizes = [abs(x - y + mpmath.mpf(eps)) for x, y in zip(a, b, strict=True)]
    return max(sizes) if p == math.inf else mpmath.fsum(s**p for s in sizes) ** (mpmath.mpf(1) / p)


def mean(values):
    values = list(values)
    return mpmath.fsum(values) / len(values)


def surprise(logits, right):
    return mpmath.log(mpmath.fsum(mpmath.exp(x - logits[right]) for x in logits))


def without(row, i):
    return [x for j, x in enumerate(row) if j != i]


def exact_cosine_embedding(input1, input2, target, margin=0):
    pairs = zip(input1, input2, target, strict=True)
    return mean(1 - cos(a, b) if t == 1 else max(cos(a, b) - mpmath.mpf(margin), 0) for a, b, t in pairs)


def exact_contrastive(input1, input2, target, margin=1):
    pairs = zip(input1, input2, target, strict=True)
    return mean((p_norm(a, b) if t == 1 else max(mpmath.mpf(margin) - p_norm(a, b), 0)) ** 2 / 2 for a, b, t in pairs)


def exact_triplet(anchor, positive, negative, margin=1, p=2, eps=1e-6):
    near = [p_norm(a, b, p, eps) for a, b in zip(anchor, positive, strict=True)]
    far = [p_norm(a, b, p, eps) for a, b in zip(anchor, negative, strict=True)]
    return mean(max(0, mpmath.mpf(margin) + n - f) for n, f in zip(near, far, strict=True))


def exact_info_nce(query, keys, temperature=0.1):
    return mean(surprise([cos(q, k) / mpmath.mpf(temperature) for k in keys], i) for i, q in enumerate(query))


def exact_nt_xent(view1, view2, temperature=0.5):
    both, n = [*view1, *view2], len(view1)
    rows = [[cos(a, b) / mpmath.mpf(temperature) for b in both] for a in both]
    return mean(surprise(without(row, i), (i + n) % (2 * n) - ((i + n) % (2 * n) > i)) for i, row in enumerate(rows))


def exact_clip(image, text, logit_scale=None, temperature=0.07):
    temperature = mpmath.mpf(temperature) if logit_scale is None else 1 / logit_scale
    return (exact_info_nce(image, text, temperature) + exact_info_nce(text, image, temperature)) / 2


def exact_supervised_contrastive(embeddings, labels, temperature=0.1):
    values = []
    for i, a in enumerate(embeddings):
        logits = [cos(a, b) / mpmath.mpf(temperature) for b in without(embeddings, i)]
        near = [j for j, label in enumerate(without(labels, i)) if label == labels[i]]
        if near:
            values.append(mean(surprise(logits, j) for j in near))
    return mean(values)


def exact_arcface(embeddings, weight, labels, margin=0.5, scale=64):
    margin, values = mpmath.mpf(margin), []
    for a, label in zip(embeddings, labels, strict=True):
        logits = [scale * cos(a, w) for w in weight]
        angle = mpmath.acos(logits[label] / scale)
        past = angle > mpmath.pi - margin
        logits[label] = scale * (
            mpmath.cos(angle) - margin * mpmath.sin(margin) if past else mpmath.cos(angle + margin)
        )
        values.append(surprise(logits, label))
    return mean(values)


def exact_circle(embeddings, labels, margin=0.4, gamma=80):
    margin, values = mpmath.mpf(margin), []
    for i, a in enumerate(embeddings):
        near, far = [], []
        for b, label in zip(without(embeddings, i), without(labels, i), strict=True):
            s = cos(a, b)
            if label == labels[i]:
                near.append(mpmath.exp(-gamma * (1 + margin - s) * (s - 1 + margin)))
            else:
                far.append(mpmath.exp(gamma * max(s + margin, 0) * (s - margin)))
        if near and far:
            values.append(mpmath.log(1 + mpmath.fsum(near) * mpmath.fsum(far)))
    return mean(values)


EXACT = {
    "pairwise_distance": lambda x1, x2, p=2, eps=1e-6: mean(p_norm(a, b, p, eps) for a, b in zip(x1, x2, strict=True)),
    "cosine_distance": lambda x1, x2: mean(1 - cos(a, b) for a, b in zip(x1, x2, strict=True)),
    "cosine_embedding_loss": exact_cosine_embedding,
    "contrastive_loss": exact_contrastive,
    "triplet_margin_loss": exact_triplet,
    "info_nce_loss": exact_info_nce,
    "nt_xent_loss": exact_nt_xent,
    "clip_loss": exact_clip,
    "supervised_contrastive_loss": exact_supervised_contrastive,
    "arcface_loss": exact_arcface,
    "circle_loss": exact_circle,
}


def to_mpf(array):
    if array.dtype.kind in "iu":
        return [int(x) for x in array]
    return mpmath.mpf(float(array)) if array.ndim == 0 else [to_mpf(row) for row in array]


def exact(name, arrays, wrt, parameters):
    """The value, and central differences so fine that they are exact to 40 digits."""
    with mpmath.workdps(250):
        function = EXACT[name]
        numbers = {k: to_mpf(a) for k, a in arrays.items()}
        gradients = []
        for which in wrt:
            gradient = np.empty(arrays[which].shape)
            h = mpmath.mpf(10) ** -50 * float(np.abs(arrays[which].astype(float)).max())
            for index in np.ndindex(gradient.shape):
                ends = []
                for step in (h, -h):
                    moved = dict(numbers) | {which: to_mpf(arrays[which])}
                    if index:
                        row = moved[which]
                        for k in index[:-1]:
                            row = row[k]
                        row[index[-1]] += step
                    else:
                        moved[which] += step
                    ends.append(function(**moved, **parameters))
                gradient[index] = float((ends[0] - ends[1]) / (2 * h))
            gradients.append(gradient)
        return float(function(**numbers, **parameters)), gradients


near = [[1.0, 0.0, 0.0], [1.0, 1e-4, 0.0]]
square = [[1.0, 0.1], [0.1, 1.0], [-1.0, 0.2]]
tilted = [[1.0, 0.2], [0.0, 2.0], [-3.0, 0.3]]
six = [[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0], [-1.0, 0.1], [-1.0, 0.0]]
EXTREMES = [
    ("cosine_distance", {"x1": [near[0]], "x2": [near[1]]}, {}),
    ("cosine_distance", {"x1": [[1e20, 0.0]], "x2": [[1e-20, 1e-24]]}, {}),
    ("cosine_distance", {"x1": [[3.0, 4.0, 5.0]], "x2": [[3.0, 4.0, 5.0000005]]}, {}),
    ("cosine_distance", {"x1": [[1.0, 2.0]], "x2": [[-1.0, -2.001]]}, {}),
    ("cosine_embedding_loss", {"input1": [near[0]], "input2": [near[1]], "target": [1]}, {}),
    ("cosine_embedding_loss", {"input1": [[1e20, 1e20]], "input2": [[1e-20, 1.0001e-20]], "target": [1]}, {}),
    ("cosine_embedding_loss", {"input1": [[3.0, 4.0]], "input2": [[1.0, 0.0]], "target": [-1]}, {"margin": 0.5999999}),
    ("cosine_embedding_loss", {"input1": [near[0]], "input2": [near[1]], "target": [-1]}, {"margin": 0.9999}),
    ("pairwise_distance", {"x1": [[1e-20, 2e-20]], "x2": [[3e-20, -2e-20]]}, {"eps": 0.0}),
    ("pairwise_distance", {"x1": [[1e20, 2e20]], "x2": [[3e20, -2e20]]}, {}),
    ("pairwise_distance", {"x1": [[1e-20, 2e-20]], "x2": [[3e-20, -2e-20]]}, {"eps": 0.0, "p": 3.5}),
    ("pairwise_distance", {"x1": [[1e20, 2e20]], "x2": [[3e20, -2e20]]}, {"p": 7}),
    ("pairwise_distance", {"x1": [[1e-20, 2e-20]], "x2": [[3e-20, -2e-20]]}, {"eps": 0.0, "p": 0.5}),
    *(
        (
            "triplet_margin_loss",
            {"anchor": [[s, 0.0]], "positive": [[0.0, 2 * s]], "negative": [[s, -s]]},
            {"margin": s, "eps": 0.0, "p": p},
        )
        for s in (1e-20, 1e20)
        for p in (1, 2, 4, math.inf)
    ),
    ("triplet_margin_loss", {"anchor": [[0.0, 1.0]], "positive": [[1e4, 0]], "negative": [[1e4, 2.0005]]}, {}),
    ("triplet_margin_loss", {"anchor": [[1.0]], "positive": [[2.0]], "negative": [[3.0]]}, {"margin": 1.0 + 1e-6}),
    ("contrastive_loss", {"input1": [[1e-20, 0]], "input2": [[0, 1e-18]], "target": [1]}, {}),
    ("contrastive_loss", {"input1": [[1e18, 0]], "input2": [[0, 1e17]], "target": [1]}, {}),
    ("contrastive_loss", {"input1": [[0.6, 0]], "input2": [[0, 0.7999]], "target": [0]}, {}),
    ("contrastive_loss", {"input1": [[1e-30, 0]], "input2": [[0, 1e-30]], "target": [0]}, {}),
    ("info_nce_loss", {"query": square, "keys": tilted}, {"temperature": 0.01}),
    ("info_nce_loss", {"query": square, "keys": tilted[::-1]}, {"temperature": 0.01}),
    ("info_nce_loss", {"query": np.multiply(square, 1e18), "keys": np.multiply(tilted, 1e-18)}, {}),
    ("nt_xent_loss", {"view1": square, "view2": tilted}, {"temperature": 0.01}),
    ("nt_xent_loss", {"view1": square, "view2": tilted[::-1]}, {"temperature": 0.01}),
    ("clip_loss", {"image": square, "text": tilted}, {"temperature": 0.01}),
    ("clip_loss", {"image": square, "text": tilted, "logit_scale": 100.0}, {}),
    ("clip_loss", {"image": square, "text": tilted[::-1], "logit_scale": 100.0}, {}),
    ("supervised_contrastive_loss", {"embeddings": six, "labels": [0, 0, 1, 1, 2, 2]}, {"temperature": 0.01}),
    ("supervised_contrastive_loss", {"embeddings": six, "labels": [0, 1, 1, 0, 2, 2]}, {"temperature": 0.01}),
    ("supervised_contrastive_loss", {"embeddings": six, "labels": [0, 0, 0, 1, 1, 2]}, {"temperature": 0.05}),
    ("arcface_loss", {"embeddings": [[1.0, 1e-4], [0.0, 1.0]], "weight": square, "labels": [0, 1]}, {}),
    ("arcface_loss", {"embeddings": [[1.0, 1e-4], [1.0, 0.0]], "weight": [[1.0, 0.0], [0, 1.0]], "labels": [0, 1]}, {}),
    ("arcface_loss", {"embeddings": [[-1.0, 1e-3], [-1, -1]], "weight": [[1.0, 0.0], [0, 1.0]], "labels": [0, 1]}, {}),
    ("arcface_loss", {"embeddings": [[1e19, 1e15]], "weight": [[1e-19, 0], [0, 1.0]], "labels": [0]}, {"scale": 200}),
    ("circle_loss", {"embeddings": six, "labels": [0, 0, 1, 1, 2, 2]}, {"gamma": 256, "margin": 0.25}),
    ("circle_loss", {"embeddings": six, "labels": [0, 1, 1, 0, 2, 2]}, {"gamma": 256, "margin": 0.25}),
    ("circle_loss", {"embeddings": six, "labels": [0, 0, 0, 1, 1, 2]}, {}),
]


@over_dtypes
@pytest.mark.parametrize(("name", "arrays", "parameters"), EXTREMES)
def test_extremes_are_exact(name, arrays, parameters, dtype):
    arrays = {k: np.asarray(a) if k in ("labels", "target") else np.asarray(a, dtype) for k, a in arrays.items()}
    wrt = tuple(k for k in arrays if k not in ("labels", "target"))
    value, gradients = ours(name, arrays, wrt, **parameters, reduction="mean")
    expected, expected_gradients = exact(name, arrays, wrt, parameters)
    assert expected > 0
    rtol = 1e-6 if dtype is np.float32 else 1e-8
    tiny = np.finfo(dtype).tiny
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=tiny)
    for k, gradient, reference in zip(wrt, gradients, expected_gradients, strict=True):
        atol = max(tiny, 1e-9 * np.abs(reference).max() * (dtype is np.float32), 1e-11 * np.abs(reference).max())
        np.testing.assert_allclose(gradient, reference, rtol=rtol, atol=atol, err_msg=k)


def test_distances_neither_overflow_nor_underflow_in_float64():
    for size in (1e-300, 1e300):
        far = F.pairwise_distance([3 * size, 0.0], [0.0, 4 * size], eps=0.0)
        np.testing.assert_allclose(far, 5 * size, rtol=1e-15)
        np.testing.assert_allclose(F.cosine_distance([3 * size, 0.0], [size, size]), 1 - math.sqrt(0.5), rtol=1e-14)


# ---- zero vectors


COSINE_LOSSES = [
    ("cosine_distance", ("x1", "x2"), {}),
    ("cosine_embedding_loss", PAIR, {"target": np.array([1, -1, 1])}),
    ("info_nce_loss", ("query", "keys"), {}),
    ("nt_xent_loss", ("view1", "view2"), {}),
    ("clip_loss", ("image", "text"), {}),
    ("arcface_loss", ("embeddings", "weight"), {"labels": np.array([0, 1, 0])}),
    ("supervised_contrastive_loss", ("embeddings",), {"labels": np.array([0, 1, 0])}),
    ("circle_loss", ("embeddings",), {"labels": np.array([0, 1, 0])}),
]
over_cosine_losses = pytest.mark.parametrize(("name", "wrt", "rest"), COSINE_LOSSES, ids=[c[0] for c in COSINE_LOSSES])


@over_dtypes
@over_cosine_losses
def test_a_zero_vector_has_cosine_0_and_no_gradient(name, wrt, rest, dtype):
    """Its value is that of a vector perpendicular to all others; all other gradients are those of that vector too."""
    arrays = {k: np.pad(normal(3, 2, seed=i), ((0, 0), (0, 1))).astype(dtype) for i, k in enumerate(wrt)}
    with_zero, perpendicular = dict(arrays), dict(arrays)
    with_zero[wrt[0]] = arrays[wrt[0]] * np.array([[0], [1], [1]], dtype)
    perpendicular[wrt[0]] = with_zero[wrt[0]] + np.array([[0, 0, 1], [0] * 3, [0] * 3], dtype)
    value, gradients = ours(name, with_zero | rest, wrt, reduction="mean")
    expected, expected_gradients = ours(name, perpendicular | rest, wrt, reduction="mean")
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert not gradients[0][0].any()
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient[1:, :2], reference[1:, :2], rtol=1e-5, atol=1e-7)
    nothing = {k: np.zeros((3, 3), dtype) for k in wrt}
    value, gradients = ours(name, nothing | rest, wrt)
    assert np.isfinite(value).all()
    assert not np.any(gradients)


# ---- what holds for losses of directions


@over_cosine_losses
def test_lengths_do_not_matter_and_gradients_lie_across_the_vectors(name, wrt, rest):
    arrays = {k: normal(3, 4, seed=i) for i, k in enumerate(wrt)}
    scaled = {k: a * np.array([[0.01], [3.0], [50.0]]) for k, a in arrays.items()}
    value, gradients = ours(name, arrays | rest, wrt)
    same, shorter = ours(name, scaled | rest, wrt)
    np.testing.assert_allclose(value, same, rtol=1e-11)
    for k, gradient, other in zip(wrt, gradients, shorter, strict=True):
        assert np.abs(gradient).max() > 1e-12
        np.testing.assert_allclose((gradient * arrays[k]).sum(axis=-1), 0, atol=1e-12 * np.abs(gradient).max())
        np.testing.assert_allclose(other * np.array([[0.01], [3.0], [50.0]]), gradient, rtol=1e-9, atol=1e-12)


@over_cosine_losses
def test_turning_all_vectors_changes_nothing(name, wrt, rest):
    arrays = {k: normal(3, 4, seed=i) for i, k in enumerate(wrt)}
    rotation = np.linalg.qr(normal(4, 4))[0]
    value, gradients = ours(name, arrays | rest, wrt)
    turned, turned_gradients = ours(name, {k: a @ rotation for k, a in arrays.items()} | rest, wrt)
    np.testing.assert_allclose(value, turned, rtol=1e-11)
    for gradient, other in zip(gradients, turned_gradients, strict=True):
        np.testing.assert_allclose(gradient @ rotation, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["info_nce_loss", "nt_xent_loss", "clip_loss"])
def test_equal_vectors_are_told_apart_by_chance(name):
    value, gradients = value_and_grad(getattr(F, name), (0, 1))(np.ones((5, 3)), np.ones((5, 3)), reduction="none")
    np.testing.assert_allclose(value, math.log(9 if name == "nt_xent_loss" else 5), rtol=1e-14)
    np.testing.assert_allclose(gradients, 0, atol=1e-14)


@pytest.mark.parametrize("name", ["info_nce_loss", "nt_xent_loss", "clip_loss"])
def test_alone_there_is_nothing_to_be_confused_with(name):
    value, gradients = value_and_grad(getattr(F, name), (0, 1))(normal(1, 3), normal(1, 3, seed=1))
    assert value == 0
    assert not np.any(gradients)


def test_the_anchor_is_left_out_even_where_its_share_of_the_sum_is_everything():
    """Subtracting e^(1/temperature) of itself from a sum would leave no digit of the others."""
    axes = np.eye(2, dtype=np.float32)
    opposite = np.float32([[-1, 0], [0, -1]])
    value = F.nt_xent_loss(axes, opposite, temperature=0.01)
    np.testing.assert_allclose(value, 100 + math.log(2), rtol=1e-6)
    value = F.supervised_contrastive_loss(np.vstack([axes, opposite]), [0, 1, 0, 1], temperature=0.01)
    np.testing.assert_allclose(value, 100 + math.log(2), rtol=1e-6)


def test_more_keys_are_more_negatives():
    query, keys = normal(3, 4), normal(7, 4, seed=1)
    logits = torch.nn.functional.normalize(torch.tensor(query)) @ torch.nn.functional.normalize(torch.tensor(keys)).T
    expected = TF.cross_entropy(logits / 0.1, torch.arange(3), reduction="none")
    value, (_, gradient) = value_and_grad(F.info_nce_loss, (0, 1))(query, keys, reduction="none")
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    assert gradient.shape == (7, 4)
    assert (np.abs(gradient).max(axis=1) > 0).all()
    assert (value > F.info_nce_loss(query, keys[:3], reduction="none")).all()


def test_clips_logit_scale_is_one_over_the_temperature():
    image, text = normal(4, 3, dtype=np.float32), normal(4, 3, seed=1, dtype=np.float32)
    value = F.clip_loss(image, text, logit_scale=4.0)
    assert value == F.clip_loss(image, text, temperature=0.25)
    assert value.dtype == np.float32  # the scale, a Python float, has no say in the dtype
    _, gradient = value_and_grad(F.clip_loss, "logit_scale")(image, text, logit_scale=np.float64(4.0))
    assert gradient.shape == ()
    assert gradient.dtype == np.float64
    assert F.clip_loss(image, text) == F.clip_loss(text, image)
    with pytest.raises(TypeError, match="logit_scale, which wasn't given"):
        value_and_grad(F.clip_loss, "logit_scale")(image, text)


# ---- anchors without positives, or without negatives


def test_anchors_without_positives_count_0_and_not_in_the_mean():
    embeddings = normal(5, 3)
    labels = np.array([0, 1, 0, 2, 3])
    values = F.supervised_contrastive_loss(embeddings, labels, reduction="none")
    assert (values[[0, 2]] > 0).all()
    assert not values[[1, 3, 4]].any()
    np.testing.assert_allclose(F.supervised_contrastive_loss(embeddings, labels), values.sum() / 2, rtol=1e-14)
    values = F.circle_loss(embeddings, labels, reduction="none")
    assert (values[[0, 2]] > 0).all()
    assert not values[[1, 3, 4]].any()
    np.testing.assert_allclose(F.circle_loss(embeddings, labels), values.sum() / 2, rtol=1e-14)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0]], ids=str)
@pytest.mark.parametrize("name", ["supervised_contrastive_loss", "circle_loss"])
def test_without_any_positive_the_mean_is_0(name, labels):
    arrays = {"embeddings": normal(len(labels), 3), "labels": np.array(labels)}
    value, (gradient,) = ours(name, arrays, ("embeddings",))
    assert value == 0
    assert not gradient.any()


def test_without_any_negative_circle_loss_is_0():
    value, (gradient,) = ours("circle_loss", {"embeddings": normal(3, 2), "labels": np.zeros(3, int)}, ("embeddings",))
    assert value == 0
    assert not gradient.any()


def test_with_k_positives_supervised_contrastive_loss_is_at_least_log_k():
    embeddings = np.repeat(np.eye(3), 4, axis=0)
    values = F.supervised_contrastive_loss(embeddings, np.repeat(np.arange(3), 4), temperature=0.01, reduction="none")
    np.testing.assert_allclose(values, math.log(3), rtol=1e-14)


@pytest.mark.parametrize("name", ["info_nce_loss", "nt_xent_loss", "clip_loss"])
@over_reductions
def test_empty_batches_of_pairs(name, reduction):
    value, gradients = value_and_grad(getattr(F, name), (0, 1))(ones((0, 3)), ones((0, 3)), reduction=reduction)
    assert {"none": np.shape(value) == (0,), "sum": value == 0, "mean": np.isnan(value)}[reduction]
    assert gradients[0].shape == gradients[1].shape == (0, 3)


@pytest.mark.parametrize("name", ["supervised_contrastive_loss", "circle_loss"])
@over_reductions
def test_empty_batches_with_labels(name, reduction):
    arrays = {"embeddings": ones((0, 3)), "labels": np.empty(0, int)}
    value, (gradient,) = ours(name, arrays, ("embeddings",), reduction=reduction)
    assert {"none": np.shape(value) == (0,), "sum": value == 0, "mean": np.isnan(value)}[reduction]
    assert gradient.shape == (0, 3)


# ---- ArcFace at its edges


@over_dtypes
@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, -0.3])
def test_arcface_is_finite_where_embedding_and_weight_are_parallel(factor, dtype):
    weight = normal(3, 5, dtype=dtype)
    value, gradients = value_and_grad(F.arcface_loss, (0, 1))(dtype(factor) * weight, weight, [0, 1, 2])
    assert np.isfinite(value)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() <= 2 * 64 / min(1, abs(factor)) / np.linalg.norm(weight, axis=1).min()


def test_arcface_without_margin_is_cross_entropy_of_cosines():
    embeddings, weight, labels = normal(6, 3), normal(4, 3, seed=1), np.arange(6) % 4
    cosines = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)) @ (
        weight / np.linalg.norm(weight, axis=1, keepdims=True)
    ).T
    expected = F.cross_entropy(30 * cosines, labels, reduction="none")
    value = F.arcface_loss(embeddings, weight, labels, margin=0.0, scale=30.0, reduction="none")
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    assert (F.arcface_loss(embeddings, weight, labels, margin=0.3, scale=30.0, reduction="none") > value).all()


def test_a_class_without_members_only_repels():
    weight = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]])
    _, gradient = value_and_grad(F.arcface_loss, "weight")([[1.0, 0.2], [0.2, 1.0]], weight, [0, 1], scale=2.0)
    moved = weight - 1e-3 * gradient
    before, after = (F.cosine_distance(w[2], [[1.0, 0.2], [0.2, 1.0]]).sum() for w in (weight, moved))
    assert after > before


# ---- distances of one's own


def test_a_plain_function_gives_the_value_and_no_gradient():
    arrays = {name: normal(4, 3, seed=i) for i, name in enumerate(TRIPLET)}

    def city_block(x, y):
        return np.abs(x - y).sum(axis=-1)

    value = F.triplet_margin_with_distance_loss(**arrays, distance_function=city_block, swap=True)
    expected = F.triplet_margin_loss(**arrays, p=1, eps=0.0, swap=True)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    with pytest.raises(TypeError, match=r"distance_function must be a loss of this library.*city_block"):
        ours("triplet_margin_with_distance_loss", arrays, TRIPLET, distance_function=city_block)


@pytest.mark.parametrize(
    "function", [lambda x, y: np.abs(x - y), lambda x, y: 1.0, F.mse_loss, F.info_nce_loss], ids=range(4)
)
def test_a_distance_must_have_one_number_a_row(function):
    with pytest.raises(ValueError, match=r"distance_function must return one number a row, shape \(4,\)"):
        F.triplet_margin_with_distance_loss(normal(4, 3), normal(4, 3), normal(4, 3), distance_function=function)


def test_a_loss_whose_values_hang_together_is_no_distance_with_a_gradient():
    def of_a_batch(x, y):
        return F.info_nce_loss(x, y, reduction="none")

    of_a_batch.loss = F.info_nce_loss.loss
    x = normal(4, 3)
    assert F.triplet_margin_with_distance_loss(x, x + 1, x - 1, distance_function=of_a_batch) >= 0
    with pytest.raises(TypeError, match="distance_function must be a loss of this library"):
        value_and_grad(F.triplet_margin_with_distance_loss)(x, x + 1, x - 1, distance_function=of_a_batch)


def test_any_rowwise_loss_is_a_distance():
    """Cross-entropy of probabilities: the gradient in the second argument isn't the opposite of that in the first."""
    arrays = {name: np.exp(normal(4, 3, seed=i)) for i, name in enumerate(TRIPLET)}
    arrays = {name: a / a.sum(axis=-1, keepdims=True) for name, a in arrays.items()}

    def torchs(x, y):
        return TF.cross_entropy(x, y, reduction="none")

    for swap in (False, True):
        mine = ours("triplet_margin_with_distance_loss", arrays, TRIPLET, distance_function=F.cross_entropy, swap=swap)
        reference = theirs(TF.triplet_margin_with_distance_loss, arrays, TRIPLET, distance_function=torchs, swap=swap)
        assert_same(mine, reference)


# ---- more of pairs


def test_contrastive_leaves_equal_vectors_of_a_dissimilar_pair_alone():
    value, (first, second) = value_and_grad(F.contrastive_loss, (0, 1))([1.0, 2.0], [1.0, 2.0], 0, margin=3.0)
    assert value == 4.5
    assert not first.any()
    assert not second.any()


def test_contrastive_is_mixed_by_a_soft_target():
    one, two = normal(3, 2), normal(3, 2, seed=1)
    pure = [F.contrastive_loss(one, two, np.full(3, t), margin=4.0, reduction="none") for t in (0, 1)]
    mixed = F.contrastive_loss(one, two, np.full(3, 0.3), margin=4.0, reduction="none")
    np.testing.assert_allclose(mixed, 0.7 * pure[0] + 0.3 * pure[1], rtol=1e-14)


def test_pulls_on_both_of_a_pair_cancel():
    """A distance doesn't change when all vectors are moved."""
    pair = {"input1": normal(4, 3), "input2": normal(4, 3, seed=1), "target": np.array([0, 1, 0, 1])}
    _, (first, second) = ours("contrastive_loss", pair, PAIR, margin=3.0)
    np.testing.assert_array_equal(first, -second)
    arrays = {name: normal(4, 3, seed=i) for i, name in enumerate(TRIPLET)}
    for swap in (False, True):
        _, gradients = ours("triplet_margin_loss", arrays, TRIPLET, swap=swap)
        np.testing.assert_allclose(sum(gradients), 0, atol=1e-15)
        assert np.any(gradients)


# ---- what is rejected


X = normal(4, 3)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("name", "arguments", "options", "error", "text"),
    [
        ("contrastive_loss", (X, X, LABELS), {"margin": 0}, ValueError, "margin must be positive, got 0"),
        ("contrastive_loss", (X, X, [1, -1, 1, 1]), {}, ValueError, "target must be 1"),
        ("contrastive_loss", (X, X, [1, 2, 1, 1]), {}, ValueError, "target must be 1"),
        ("contrastive_loss", (X, X[:, :2], LABELS), {}, ValueError, "don't match"),
        ("cosine_distance", (X, X[:, :1]), {}, ValueError, "don't match"),
        ("cosine_embedding_loss", (X, X[:, :1], LABELS), {}, ValueError, "don't match"),
        ("pairwise_distance", (X, X), {"p": math.nan}, ValueError, "p must be a number"),
        ("triplet_margin_loss", (X, X, X), {"p": math.nan}, ValueError, "p must be a number"),
        ("info_nce_loss", (X, X[:3]), {}, ValueError, "4 queries and 3 keys"),
        ("info_nce_loss", (X, X), {"temperature": 0}, ValueError, "temperature must be positive, got 0"),
        ("info_nce_loss", (X[0], X), {}, ValueError, "query needs axes"),
        ("nt_xent_loss", (X, X), {"temperature": -1.0}, ValueError, "temperature must be positive, got -1.0"),
        ("nt_xent_loss", (X, X[:3]), {}, ValueError, "don't match"),
        ("clip_loss", (X, X), {"temperature": math.nan}, ValueError, "temperature must be positive, got nan"),
        ("clip_loss", (X, X), {"logit_scale": [1.0]}, ValueError, "logit_scale needs axes"),
        ("supervised_contrastive_loss", (X, LABELS), {"temperature": 0}, ValueError, "temperature must be positive"),
        ("supervised_contrastive_loss", (X, LABELS[:3]), {}, ValueError, "don't match"),
        ("supervised_contrastive_loss", (X, LABELS * 1.0), {}, TypeError, "labels must be integers, got float64"),
        ("circle_loss", (X, LABELS * 1.0), {}, TypeError, "labels must be integers, got float64"),
        ("circle_loss", (X, LABELS), {"margin": 1.5}, ValueError, "margin must be in"),
        ("circle_loss", (X, LABELS), {"margin": -0.1}, ValueError, "margin must be in"),
        ("circle_loss", (X, LABELS), {"gamma": 0}, ValueError, "gamma must be positive"),
        ("arcface_loss", (X, X, LABELS * 1.0), {}, TypeError, "labels must be integers, got float64"),
        ("arcface_loss", (X, X[:2], [0, 1, 2, 0]), {}, IndexError, "label 2 is out of bounds for 2 classes"),
        ("arcface_loss", (X, X[:2], [0, -1, 1, 0]), {}, IndexError, "label -1 is out of bounds"),
        ("arcface_loss", (X, X, LABELS), {"margin": 3.2}, ValueError, "margin must be in"),
        ("arcface_loss", (X, X, LABELS), {"margin": -0.1}, ValueError, "margin must be in"),
        ("arcface_loss", (X, X, LABELS), {"scale": 0}, ValueError, "scale must be positive"),
        ("arcface_loss", (X, X[:, :2], LABELS), {}, ValueError, "don't match"),
    ],
)
def test_what_cannot_be_is_rejected(name, arguments, options, error, text):
    with pytest.raises(error, match=text):
        getattr(F, name)(*arguments, **options)
