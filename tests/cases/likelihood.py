"""Losses for a forecast that is a distribution."""

import math

import numpy as np

from cases import Case, reduced, torch
from cases.regression import closer, textbook, weighted


def shape(rng):
    return tuple(rng.integers(1, 5, size=rng.integers(0, 4)))


def log_rate_and_count(rng):
    size = shape(rng)
    return {"input": rng.normal(size=size), "target": rng.poisson(2, size=size).astype(float) + 0.25}


def rate_and_count(rng):
    arrays = log_rate_and_count(rng)
    return arrays | {"input": np.exp(arrays["input"])}


def nearer_rate(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + np.log(arrays["target"]))}


def amounts(rng):
    size = shape(rng)
    return {"input": rng.uniform(0.2, 4, size=size), "target": rng.uniform(0.2, 4, size=size)}


def real_amounts(rng):
    arrays = amounts(rng)
    return arrays | {"target": rng.normal(size=arrays["input"].shape) * 2}


def gaussian(*var_shapes):
    """Means and targets, and a variance of one of these shapes."""

    def draw(rng):
        size = (*shape(rng)[:2], rng.integers(1, 5))
        known = {"same": size, "lacking": size[:-1], "one": (*size[:-1], 1), "row": (1, *size[1:])}
        var = rng.uniform(0.3, 3, size=known[rng.choice(var_shapes)])
        return {"input": rng.normal(size=size), "target": rng.normal(size=size), "var": var}

    return draw


def mean_and_sigma(rng):
    size = shape(rng)
    return {
        "input": rng.normal(size=size) * 2,
        "target": rng.normal(size=size) * 2,
        "sigma": rng.uniform(0.1, 3, size=size),
    }


def ensemble(rng):
    size = shape(rng)[:2]
    members = np.round(rng.normal(size=(*size, rng.integers(2, 7))), 1)  # some are equal
    return {"input": members, "target": rng.normal(size=size)}


def closer_but_positive(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + np.maximum(arrays["target"], 0))}


def nearer_ensemble(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"][..., None])}


def tweedie(input, target, power=1.5):
    """As scikit-learn writes it, in float64: its terms cancel."""
    dtype, input, target = input.dtype, input.double(), target.double()
    if power == 0:
        value = (input - target) ** 2
    elif power == 1:
        value = 2 * (torch.xlogy(target, target / input) - target + input)
    elif power == 2:
        value = 2 * (torch.log(input / target) + target / input - 1)
    else:
        own = torch.relu(target) ** (2 - power) / ((1 - power) * (2 - power))
        value = 2 * (own - target * input ** (1 - power) / (1 - power) + input ** (2 - power) / (2 - power))
    return value.to(dtype)


def crps_by_cdf(input, target, sigma):
    z = (target - input) / sigma
    normal = torch.distributions.Normal(torch.zeros((), dtype=z.dtype), torch.ones((), dtype=z.dtype))
    return sigma * (z * (2 * normal.cdf(z) - 1) + 2 * torch.exp(normal.log_prob(z)) - math.pi**-0.5)


def with_sigma(input, target, sigma, *, reduction, weight=None):
    def loss(input, target):
        return crps_by_cdf(input, target, sigma)

    return textbook(loss, mean_of_weights=True)(input, target, reduction=reduction, weight=weight)


def crps_by_pairs(input, target, *, reduction, fair=False):
    m = input.shape[-1]
    distances = (input[..., :, None] - input[..., None, :]).abs().sum((-1, -2))
    values = (input - target[..., None]).abs().mean(-1) - distances / (2 * m * (m - fair))
    return reduced(values, reduction)


DEVIANCES = [
    ("poisson_deviance", {}, lambda i, t: tweedie(i, t, 1), amounts, ({"input": [1.0], "target": [0.0]}, 2.0)),
    (
        "gamma_deviance",
        {},
        lambda i, t: tweedie(i, t, 2),
        amounts,
        ({"input": [math.e], "target": [1.0]}, 2 / math.e),
    ),
    ("tweedie_deviance", {}, tweedie, amounts, ({"input": [4.0], "target": [1.0]}, 2.0)),
    ("tweedie_deviance", {"power": 0}, tweedie, real_amounts, ({"input": [4.0], "target": [1.0]}, 9.0)),
    ("tweedie_deviance", {"power": 1}, tweedie, amounts, ({"input": [1.0], "target": [0.0]}, 2.0)),
    ("tweedie_deviance", {"power": 2}, tweedie, amounts, ({"input": [math.e], "target": [1.0]}, 2 / math.e)),
    ("tweedie_deviance", {"power": 3}, tweedie, amounts, ({"input": [4.0], "target": [1.0]}, 9 / 16)),
    ("tweedie_deviance", {"power": -1}, tweedie, real_amounts, ({"input": [4.0], "target": [-1.0]}, 176 / 3)),
    *(
        ("tweedie_deviance", {"power": p}, tweedie, real_amounts if p < 0 else amounts, None)
        for p in (-2.5, 1.2, 1.8, 2.3, 4.5)
    ),
]

CASES = [
    Case(
        "poisson_nll_loss",
        log_rate_and_count,
        hand=[({"input": [0.0, math.log(2)], "target": [3.0, 1.0]}, 1.5 - 0.5 * math.log(2))],
        better=nearer_rate,
    ),
    Case(
        "poisson_nll_loss",
        log_rate_and_count,
        {"full": True},
        hand=[({"input": [0.0], "target": [2.0]}, 2 * math.log(2) - 1 + 0.5 * math.log(4 * math.pi))],
        better=nearer_rate,
    ),
    Case(
        "poisson_nll_loss",
        rate_and_count,
        {"log_input": False, "eps": 0.5},
        hand=[({"input": [1.5], "target": [3.0]}, 1.5 - 3 * math.log(2))],
    ),
    Case("poisson_nll_loss", rate_and_count, {"log_input": False, "full": True}, better=closer),
    Case(
        "gaussian_nll_loss",
        gaussian("same", "lacking", "one", "row"),
        wrt=("input", "target", "var"),
        hand=[({"input": [2.0], "target": [0.0], "var": [4.0]}, 0.5 + math.log(2))],
        better=closer,
    ),
    Case(
        "gaussian_nll_loss",
        gaussian("same", "lacking"),
        {"full": True},
        wrt=("input", "target", "var"),
        hand=[({"input": [1.0, 0.0], "target": [0.0, 0.0], "var": 1.0}, 0.25 + 0.5 * math.log(2 * math.pi))],
        better=closer,
    ),
    Case(
        "gaussian_nll_loss",
        gaussian("same"),
        {"eps": 0.1},
        wrt=("input", "target", "var"),
        hand=[({"input": [1.0], "target": [0.0], "var": [0.0]}, 5 + 0.5 * math.log(0.1))],
        better=closer,
    ),
    *(
        Case(
            name,
            draw,
            parameters,
            wrt=("input", "target", *extra),
            reference=textbook(reference, mean_of_weights=True),
            hand=[hand] if hand and not extra else [],
            better=closer_but_positive if parameters.get("power", 1) < 0 else closer,
        )
        for name, parameters, reference, unweighted, hand in DEVIANCES
        for draw, extra in ((unweighted, ()), (weighted(unweighted), ("weight",)))
    ),
    *(
        Case(
            "gaussian_crps",
            draw,
            wrt=("input", "target", "sigma", *extra),
            reference=with_sigma,
            hand=[({"input": [1.0], "target": [1.0], "sigma": [2.0]}, 2 * (math.sqrt(2) - 1) / math.sqrt(math.pi))],
            better=closer,
        )
        for draw, extra in ((mean_and_sigma, ()), (weighted(mean_and_sigma), ("weight",)))
    ),
    *(
        Case(
            "ensemble_crps",
            ensemble,
            {"fair": fair},
            reference=crps_by_pairs,
            hand=[({"input": [[5.0, 0.0, 1.0]], "target": [2.0]}, value)],
            better=nearer_ensemble,
            items="rows",
        )
        for fair, value in ((False, 2 - 20 / 18), (True, 2 - 20 / 12))
    ),
]
