"""Losses for a score: its sign, or its largest entry, is the answer."""

import numpy as np

from cases import Case, reduced, torch


def signs(rng, shape):
    return 2.0 * rng.integers(0, 2, size=shape) - 1


def labelled(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(0, 4)))
    target = signs(rng, shape)
    return {"input": rng.normal(size=shape) * 2, "target": target if rng.integers(2) else target.astype(int)}


def weighted(rng):
    arrays = labelled(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["input"].shape)}


def labels_may_be_shared(rng):
    """Where input has axes, the target may lack the first ones."""
    arrays = labelled(rng)
    if arrays["input"].ndim and rng.integers(2):
        arrays["target"] = signs(rng, arrays["input"].shape[1:])
    return arrays


def distances(rng):
    """Pairs with any number for a label, some alike and some not, and sometimes one label or distance for many."""
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)))
    target = rng.choice([1.0, -1.0, 1.0, -1.0, 0.5], size=shape if rng.integers(2) else shape[1:])
    return {"input": rng.uniform(0, 3, size=shape if rng.integers(2) else shape[-1:]), "target": target}


def classes(rng):
    c, shape = rng.integers(1, 6), tuple(rng.integers(6, 9, size=rng.integers(0, 2)))
    return {"input": rng.normal(size=(*shape, c)), "target": rng.integers(0, c, size=shape)}


def weighted_classes(rng):
    arrays = classes(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["input"].shape[-1])}


def label_sets(rng):
    """Each row lists some classes, then −1, then anything that should be ignored."""
    c, shape = rng.integers(1, 6), tuple(rng.integers(1, 9, size=rng.integers(0, 2)))
    target = rng.permuted(np.tile(np.arange(c), (*shape, 1)), axis=-1)
    target[rng.random(size=target.shape) < 0.3] = -1
    return {"input": rng.normal(size=(*shape, c)), "target": target}


def more_right(arrays):
    return arrays | {"input": arrays["input"] + 0.5 * arrays["target"]}


def closer_or_farther(arrays):
    return arrays | {"input": arrays["input"] - 0.5 * (arrays["target"] == 1) + 0.5 * (arrays["target"] == -1)}


def label_higher(arrays):
    is_label = arrays["target"][..., None] == range(arrays["input"].shape[-1])
    return arrays | {"input": arrays["input"] + 0.5 * is_label}


def labels_higher(arrays):
    """Every class listed before the first −1."""
    listed = np.logical_and.accumulate(arrays["target"] >= 0, axis=-1)[..., None]
    is_label = (listed & (arrays["target"][..., None] == range(arrays["input"].shape[-1]))).any(axis=-2)
    return arrays | {"input": arrays["input"] + 0.5 * is_label}


def hinge(input, target, reduction, weight=1):
    return reduced(weight * torch.relu(1 - input * target), reduction)


def squared_hinge(input, target, reduction, weight=1):
    return reduced(weight * torch.relu(1 - input * target).square(), reduction)


def exponential(input, target, reduction, weight=1):
    return reduced(weight * torch.exp(-input * target), reduction)


def perceptron(input, target, reduction, weight=1):
    return reduced(weight * torch.relu(-input * target), reduction)


def zero_one(input, target, reduction, weight=1):
    """Differentiable so that autograd says 0."""
    return reduced(weight * ((torch.sign(input) != target) + 0 * input), reduction)


def multilabel_margin(input, target, reduction):
    """Pair by pair, as it is written in PyTorch's documentation."""
    rows, labels = input.reshape(-1, input.shape[-1]), target.reshape(-1, target.shape[-1]).tolist()
    values = []
    for row, given in zip(rows, labels, strict=True):
        given = given[: given.index(-1)] if -1 in given else given
        others = [j for j in range(len(row)) if j not in given]
        terms = [torch.relu(1 - (row[y] - row[j])) for y in given for j in others]
        values.append(sum(terms, 0 * row.sum()) / len(row))
    return reduced(torch.stack(values).reshape(input.shape[:-1]), reduction)


def of_sign(name, reference, hand):
    """A loss of score and label, plain and weighted."""
    score = {"input": [3.0, 0.5, -1.0, 2.0], "target": [1, 1, 1, -1], "reduction": "none"}
    return [
        Case(name, labelled, wrt=("input",), reference=reference, hand=[(score, hand)], better=more_right),
        Case(name, weighted, wrt=("input", "weight"), reference=reference, better=more_right),
    ]


def multi_margin(hand=None, draw=classes, **parameters):
    wrt = ("input",)
    return Case("multi_margin_loss", draw, parameters, wrt, hand=hand or [], better=label_higher, items="rows")


ROW = {"input": [3.0, 2.5, 0.0, 1.0], "target": 0}
SETS = {"input": [0.5, 1.0, 3.0, 0.25], "target": [2, 1, -1, 0]}

CASES = [
    *of_sign("hinge_loss", hinge, [0, 0.5, 2, 3]),
    *of_sign("squared_hinge_loss", squared_hinge, [0, 0.25, 4, 9]),
    *of_sign(
        "exponential_loss", exponential, [0.049787068367863944, 0.6065306597126334, 2.718281828459045, 7.38905609893065]
    ),
    *of_sign("perceptron_loss", perceptron, [0, 0, 1, 2]),
    *of_sign("zero_one_loss", zero_one, [0, 0, 1, 1]),
    Case(
        "soft_margin_loss",
        labels_may_be_shared,
        wrt=("input",),
        hand=[({"input": [0.0], "target": [1]}, 0.6931471805599453), ({"input": [-1e4], "target": [1]}, 1e4)],
        better=more_right,
    ),
    Case(
        "hinge_embedding_loss",
        distances,
        wrt=("input",),
        hand=[({"input": [0.25, 0.25, 3.0], "target": [1, -1, -1], "reduction": "none"}, [0.25, 0.75, 0])],
        better=closer_or_farther,
    ),
    Case(
        "hinge_embedding_loss",
        distances,
        {"margin": 2.0},
        ("input",),
        hand=[({"input": [0.25, 0.25, 3.0], "target": [1, -1, 0], "reduction": "none"}, [0.25, 1.75, 3])],
        better=closer_or_farther,
    ),
    multi_margin([(ROW, 0.125)]),
    multi_margin([(ROW, 0.0625)], p=2),
    multi_margin([(ROW, (2.5 + 0 + 1) / 4)], margin=3.0),
    multi_margin([(ROW | {"weight": [2.0, 1.0, 1.0, 1.0]}, 0.25)], weighted_classes),
    multi_margin([], weighted_classes, p=2, margin=0.5),
    Case(
        "multilabel_margin_loss",
        label_sets,
        wrt=("input",),
        hand=[
            (SETS, (0.5 + 0.25) / 4),
            ({"input": [1.0, 1.0], "target": [0, 0]}, 1.0),
            ({"input": [[1.0], [1.0]], "target": [[0], [-1]]}, 0.0),
        ],
        better=labels_higher,
        items="rows",
    ),
    Case("multilabel_margin_loss", label_sets, wrt=("input",), reference=multilabel_margin, items="rows"),
]
