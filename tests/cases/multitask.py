"""Losses of several tasks."""

import numpy as np

from cases import Case, reduced, torch


def tasks(rng):
    shape = (*rng.integers(1, 4, size=rng.integers(0, 3)), rng.integers(1, 5))
    return {"losses": rng.exponential(3, size=shape), "weights": rng.uniform(0.2, 3, size=shape)}


def tasks_of_shared_weight(rng):
    return {"losses": rng.exponential(3, size=(rng.integers(1, 3), 3)), "weights": rng.uniform(0.2, 3, size=3)}


def uncertain(draw):
    def uncertain_tasks(rng):
        arrays = draw(rng)
        return {"losses": arrays["losses"], "log_variance": np.log(arrays["weights"]) * 2}

    return uncertain_tasks


def weighted_sum(losses, weights, *, reduction):
    return reduced(torch.linalg.vecdot(losses, weights), reduction)


def uncertainty_weighted(losses, log_variance, *, reduction):
    """As the paper writes it: ℓ/(2σ²) + log σ."""
    sigma = torch.exp(log_variance).sqrt()
    return reduced((losses / (2 * sigma**2) + sigma.log()).sum(-1), reduction)


def easier(arrays):
    return arrays | {"losses": 0.5 * arrays["losses"]}


def case(name, draw, second, reference, hand=()):
    return Case(name, draw, wrt=("losses", second), reference=reference, hand=list(hand), better=easier, items="rows")


CASES = [
    case("weighted_sum_loss", tasks, "weights", weighted_sum, [({"losses": [2.0, 3.0], "weights": [1.0, 10.0]}, 32.0)]),
    case("weighted_sum_loss", tasks_of_shared_weight, "weights", weighted_sum),
    case(
        "uncertainty_weighted_loss",
        uncertain(tasks),
        "log_variance",
        uncertainty_weighted,
        [
            ({"losses": [2.0, 3.0], "log_variance": [0.0, 0.0]}, 2.5),
            ({"losses": [8.0], "log_variance": [np.log(4)]}, 1 + np.log(2)),
        ],
    ),
    case("uncertainty_weighted_loss", uncertain(tasks_of_shared_weight), "log_variance", uncertainty_weighted),
]
