"""Losses of an order."""

import numpy as np

from cases import Case, reduced, torch


def some_shape(rng):
    return tuple(rng.integers(1, 5, size=rng.integers(0, 4)))


def decided(rng):
    shape = some_shape(rng)
    target = np.where(rng.random(shape) < 0.5, -1.0, 1.0)
    return {"input1": rng.normal(size=shape) * 2, "input2": rng.normal(size=shape) * 2, "target": target}


def decided_broadcast(rng):
    shapes = {"input1": (3, 1, 2), "input2": (1, 4, 2), "target": (3, 4, 1)}
    return {name: rng.normal(size=shape) * 2 for name, shape in shapes.items()}


def scored(rng):
    shape = some_shape(rng)
    return {"positive": rng.normal(size=shape) * 3, "negative": rng.normal(size=shape) * 3}


def scored_weighted(rng):
    arrays = scored(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["positive"].shape)}


def lists(rng):
    shape = (*rng.integers(1, 4, size=rng.integers(0, 3)), rng.integers(2, 6))
    return {"input": rng.normal(size=shape) * 2, "target": rng.normal(size=shape) * 2}


def relevances(rng):
    arrays = lists(rng)
    return arrays | {"target": rng.integers(0, 4, size=arrays["input"].shape) + rng.random(arrays["input"].shape)}


def selections(rng):
    """S is positive semidefinite but for a skew part, which pᵀSp doesn't see and a forgotten transpose does."""
    batch, n = tuple(rng.integers(1, 4, size=rng.integers(0, 3))), rng.integers(1, 5)
    e, skew = rng.normal(size=(2, *batch, n, n))
    similarity = e @ np.swapaxes(e, -1, -2) + skew - np.swapaxes(skew, -1, -2)
    return {"input": rng.random((*batch, n)), "relevance": rng.normal(size=(*batch, n)), "similarity": similarity}


def selections_of_shared_items(rng):
    arrays = selections(rng)
    n = arrays["input"].shape[-1]
    return {
        "input": rng.random((n + 1, n)),
        "relevance": arrays["relevance"].reshape(-1, n)[0],
        "similarity": arrays["similarity"].reshape(-1, n, n)[0],
    }


def bpr(positive, negative, weight=None, *, reduction):
    values = -torch.log(torch.sigmoid(positive - negative))
    return reduced(values if weight is None else weight * values, reduction)


def listnet(input, target, *, reduction):
    """As the paper writes it: Σ −P_y(j)·log P_z(j), with the top-one probabilities P."""
    first, first_by_score = (torch.exp(s) / torch.exp(s).sum(-1, keepdim=True) for s in (target, input))
    return reduced(-(first * first_by_score.log()).sum(-1), reduction)


def listwise_softmax(input, target, *, reduction):
    return reduced(-(target * (input.exp() / input.exp().sum(-1, keepdim=True)).log()).sum(-1), reduction)


def relevance_diversity(input, relevance, similarity, *, reduction, diversity=1.0):
    redundancy = torch.einsum("...i,...ij,...j->...", input, similarity, input)
    return reduced(diversity * redundancy - torch.linalg.vecdot(input, relevance), reduction)


def led(arrays):
    step = np.sign(arrays["target"])
    return arrays | {"input1": arrays["input1"] + step * 20, "input2": arrays["input2"] - step * 20}


def ahead(arrays):
    return arrays | {"positive": arrays["positive"] + 0.5}


def toward_relevance(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"])}


def toward_share(arrays):
    share = np.log(arrays["target"] / arrays["target"].sum(-1, keepdims=True))
    return arrays | {"input": 0.5 * (arrays["input"] + share)}


def worthier(arrays):
    return arrays | {"relevance": arrays["relevance"] + 1}


PAIR = ("positive", "negative")
SELECTION = ("input", "relevance", "similarity")
HALF = {"input": [0.5, 0.0, 0.5], "relevance": [1.0, 1.0, 3.0], "similarity": [[2.0, 0, 4], [0, 0, 0], [2, 0, 0]]}

CASES = [
    Case(
        "margin_ranking_loss",
        decided,
        wrt=("input1", "input2", "target"),
        hand=[
            ({"input1": [3.0, 3.0], "input2": [1.0, 1.0], "target": [1.0, -1.0], "reduction": "none"}, [0.0, 2.0]),
            ({"input1": [3.0, 3.0], "input2": [1.0, 1.0], "target": [1, -1]}, 1.0),
        ],
        better=led,
    ),
    Case(
        "margin_ranking_loss",
        decided,
        {"margin": 1.5},
        wrt=("input1", "input2", "target"),
        hand=[({"input1": [3.0], "input2": [2.0], "target": [1.0]}, 0.5)],
        better=led,
    ),
    Case("margin_ranking_loss", decided_broadcast, {"margin": -0.5}, wrt=("input1", "input2", "target")),
    Case(
        "bpr_loss",
        scored,
        wrt=PAIR,
        reference=bpr,
        hand=[({"positive": [2.0], "negative": [2.0]}, np.log(2))],
        better=ahead,
    ),
    Case("bpr_loss", scored_weighted, wrt=(*PAIR, "weight"), reference=bpr, better=ahead),
    Case(
        "listnet_loss",
        lists,
        reference=listnet,
        hand=[({"input": [[np.log(3), 0.0]], "target": [[0.0, 0.0]]}, np.log(4) - 0.5 * np.log(3))],
        better=toward_relevance,
        items="rows",
    ),
    Case(
        "listwise_softmax_loss",
        relevances,
        reference=listwise_softmax,
        hand=[
            ({"input": [np.log(3), 0.0], "target": [2, 1]}, np.log(4) * 3 - np.log(3) * 2),
            ({"input": [1.0, 0.0], "target": [0, 0]}, 0.0),
        ],
        better=toward_share,
        items="rows",
    ),
    Case(
        "relevance_diversity_loss",
        selections,
        wrt=SELECTION,
        reference=relevance_diversity,
        hand=[(HALF, 0.25 * (2 + 4 + 2) - 2.0)],
        better=worthier,
        items="rows",
    ),
    Case(
        "relevance_diversity_loss",
        selections,
        {"diversity": 0.3},
        wrt=SELECTION,
        reference=relevance_diversity,
        hand=[(HALF, 0.3 * 2 - 2.0)],
        better=worthier,
        items="rows",
    ),
    Case(
        "relevance_diversity_loss",
        selections_of_shared_items,
        wrt=SELECTION,
        reference=relevance_diversity,
        better=worthier,
        items="rows",
    ),
]
