"""Losses for a real-valued target."""

import math

from cases import Case, reduced, torch


def pair(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(0, 4)))
    return {"input": rng.normal(size=shape) * 3, "target": rng.normal(size=shape) * 3}


def positive_pair(rng):
    arrays = pair(rng)
    return {name: abs(array) + 0.1 for name, array in arrays.items()}


def weighted(draw):
    """With weights, and some elements: where all values are nearly equal, their mean has no slope to speak of."""

    def drawn(rng):
        while True:
            arrays = draw(rng)
            if arrays["input"].size > 3:
                return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["input"].shape)}

    return drawn


def closer(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"])}


def textbook(loss, mean_of_weights=False):
    """A reference of ``loss(input, target, **parameters)``; a weighted mean divides by Σw, or by the number."""

    def reference(input, target, *, reduction, weight=None, **parameters):
        values = loss(input, target, **parameters)
        if weight is None:
            return reduced(values, reduction)
        if reduction == "mean" and mean_of_weights:
            return (weight * values).sum() / weight.sum()
        return reduced(weight * values, reduction)

    return reference


def pinball(input, target, quantile=0.5):
    return torch.where(target > input, quantile * (target - input), (1 - quantile) * (input - target))


def expectile(input, target, expectile=0.5):
    square = (input - target) ** 2
    return torch.where(target > input, expectile * square, (1 - expectile) * square)


def tukey(input, target, c=4.685):
    return c**2 / 6 * (1 - torch.relu(1 - ((input - target) / c) ** 2) ** 3)


def barron(input, target, alpha=1.0, scale=1.0):
    square = ((input - target) / scale) ** 2
    if alpha == 2:
        return square / 2
    if alpha == 0:
        return torch.log(square / 2 + 1)
    if math.isinf(alpha):
        return math.copysign(1, alpha) * (torch.exp(math.copysign(0.5, alpha) * square) - 1)
    return abs(alpha - 2) / alpha * ((square / abs(alpha - 2) + 1) ** (alpha / 2) - 1)


def near(rng):
    """Residuals small enough for exp(r²/2)."""
    arrays = pair(rng)
    return {name: array / 3 for name, array in arrays.items()}


ZERO = {"target": [0.0], "reduction": "none"}

# name, parameters, reference, whether a mean divides by Σw, how it is drawn, worked by hand
LOSSES = [
    ("mse_loss", {}, None, True, pair, ({"input": [2.5, 0.0], "target": [3.0, -0.5]}, 0.25)),
    ("l1_loss", {}, None, True, pair, ({"input": [2.5, 0.0], "target": [3.0, -0.5]}, 0.5)),
    ("huber_loss", {}, None, False, pair, ({"input": [0.5, 3.0], "target": [0.0, 0.0]}, 1.3125)),
    ("huber_loss", {"delta": 2.0}, None, False, pair, ({"input": [1.0, 5.0], "target": [0.0, 0.0]}, 4.25)),
    ("log_cosh_loss", {}, lambda i, t: torch.log(torch.cosh(i - t)), False, pair, ZERO | {"input": [math.log(2)]}),
    ("tukey_loss", {}, tukey, False, pair, ({"input": [0.0, 99.0], "target": [0.0, 0.0]}, 4.685**2 / 12)),
    ("tukey_loss", {"c": 2.0}, tukey, False, pair, ({"input": [1.0], "target": [0.0]}, 2 / 3 * (1 - 0.75**3))),
    ("pinball_loss", {}, pinball, True, pair, ({"input": [0.0, 3.0], "target": [1.0, 1.0]}, 0.75)),
    ("pinball_loss", {"quantile": 0.9}, pinball, True, pair, ({"input": [0.0, 3.0], "target": [1.0, 1.0]}, 0.55)),
    ("expectile_loss", {}, expectile, True, pair, ({"input": [0.0, 3.0], "target": [1.0, 1.0]}, 1.25)),
    ("expectile_loss", {"expectile": 0.9}, expectile, True, pair, ({"input": [0.0, 3.0], "target": [1.0, 1.0]}, 0.65)),
    ("pseudo_huber_loss", {}, lambda i, t: ((i - t) ** 2 + 1) ** 0.5 - 1, False, pair, None),
    (
        "pseudo_huber_loss",
        {"delta": 4.0},
        lambda i, t, delta: delta**2 * ((((i - t) / delta) ** 2 + 1) ** 0.5 - 1),
        False,
        pair,
        ({"input": [3.0], "target": [0.0]}, 4.0),
    ),
    ("cauchy_loss", {}, lambda i, t: torch.log(1 + (i - t) ** 2) / 2, False, pair, None),
    (
        "cauchy_loss",
        {"scale": 2.0},
        lambda i, t, scale: scale**2 / 2 * torch.log(1 + ((i - t) / scale) ** 2),
        False,
        pair,
        ({"input": [2.0], "target": [0.0]}, 2 * math.log(2)),
    ),
    ("general_robust_loss", {}, barron, False, pair, ({"input": [3.0], "target": [0.0]}, 10**0.5 - 1)),
    ("general_robust_loss", {"scale": 2.0}, barron, False, pair, ({"input": [6.0], "target": [0.0]}, 10**0.5 - 1)),
    *(
        ("general_robust_loss", {"alpha": alpha, "scale": 1.5}, barron, False, near if alpha > 2 else pair, hand)
        for alpha, hand in {
            2.0: ({"input": [3.0], "target": [0.0]}, 2.0),
            1.7: None,
            0.3: None,
            0.0: ({"input": [3.0], "target": [0.0]}, math.log(3)),
            -2.0: ({"input": [3.0], "target": [0.0]}, 1.0),
            -5.0: None,
            -math.inf: ({"input": [3.0], "target": [0.0]}, 1 - math.exp(-2)),
            4.0: ({"input": [3.0], "target": [0.0]}, 4.0),
            math.inf: ({"input": [3.0], "target": [0.0]}, math.exp(2) - 1),
        }.items()
    ),
    (
        "msle_loss",
        {},
        lambda i, t: (torch.log(1 + i) - torch.log(1 + t)) ** 2,
        True,
        positive_pair,
        ({"input": [0.0, math.e - 1], "target": [math.e - 1, math.e - 1]}, 0.5),
    ),
    (
        "mape_loss",
        {},
        lambda i, t: abs((i - t) / t),
        True,
        positive_pair,
        ({"input": [1.0, 5.0], "target": [2.0, -5.0]}, 1.25),
    ),
    (
        "mape_loss",
        {"eps": 2.0},
        lambda i, t, eps: abs(i - t) / torch.clamp(abs(t), min=eps),
        True,
        pair,
        ({"input": [1.0, 5.0], "target": [0.0, -4.0]}, 1.375),
    ),
]

CASES = [
    Case(
        name,
        draw,
        parameters,
        wrt=("input", "target", *extra),
        reference=reference and textbook(reference, mean_of_weights),
        hand=[hand if isinstance(hand, tuple) else (hand, math.log(1.25))] if hand and not extra else [],
        better=closer,
    )
    for name, parameters, reference, mean_of_weights, unweighted, hand in LOSSES
    for draw, extra in ((unweighted, ()), (weighted(unweighted), ("weight",)))
] + [
    Case(
        "smooth_l1_loss",
        pair,
        parameters,
        hand=[({"input": [1.0, -3.0], "target": [0.0, 0.0]}, value)],
        better=closer,
    )
    for parameters, value in (({}, 1.5), ({"beta": 2.0}, 1.125), ({"beta": 0.0}, 2.0))
]
