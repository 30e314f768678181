"""Losses between two distributions."""

from math import log

import numpy as np

from cases import Case, reduced, torch

# ---- draws


def probabilities(rng, lead, n):
    p = rng.uniform(0.1, 1, size=(*lead, n)) ** 3
    return p / p.sum(axis=-1, keepdims=True)


def leading(rng, most=3):
    return tuple(rng.integers(1, 4, size=rng.integers(0, most)))


def rows(rng):
    lead, n = leading(rng), rng.integers(1, 8)
    return {"input": probabilities(rng, lead, n), "target": probabilities(rng, lead, n)}


def log_input(rng):
    arrays = rows(rng)
    return arrays | {"input": np.log(arrays["input"])}


def log_both(rng):
    return {name: np.log(p) for name, p in rows(rng).items()}


def one_number(rng):
    return {"input": np.log(rng.uniform(0.1, 1)), "target": rng.uniform(0.1, 1)}


def broadcast(rng):
    arrays = log_input(rng)
    other = probabilities(rng, (int(rng.integers(1, 4)),), arrays["target"].shape[-1])
    return {"input": arrays["input"][..., None, :], "target": other}


def masses(rng):
    """Nearly one-hot, so that mass has far to go."""
    lead, n = leading(rng), rng.integers(2, 14)
    return {name: rng.dirichlet(np.full(n, 0.4), size=lead) for name in ("input", "target")}


def at_positions(rng):
    arrays = masses(rng)
    return arrays | {"positions": np.cumsum(rng.uniform(0.2, 2, size=arrays["input"].shape[-1]))}


def samples(rng):
    shape = (*leading(rng), rng.integers(1, 7))
    return {name: 3 * rng.normal(size=shape) for name in ("input", "target")}


def teacher(rng):
    lead, classes = leading(rng, 4), rng.integers(1, 6)
    shape = (*lead[:1], classes, *lead[1:])
    return {name: 2 * rng.normal(size=shape) for name in ("input", "target")}


def latent(rng):
    shape = leading(rng)
    return {"mean": 2 * rng.normal(size=shape), "log_variance": rng.normal(size=shape)}


def latent_and_prior(rng):
    arrays = latent(rng)
    shape = arrays["mean"].shape[-1:]
    return arrays | {"prior_mean": rng.normal(size=shape), "prior_log_variance": rng.normal(size=shape)}


def latent_and_weight(rng):
    arrays = latent(rng)
    return arrays | {"weight": rng.uniform(0.5, 2, size=arrays["mean"].shape)}


def latent_and_prior_mean(rng):
    arrays = latent_and_prior(rng)
    del arrays["prior_log_variance"]
    return arrays


def latent_and_prior_variance(rng):
    arrays = latent_and_prior(rng)
    del arrays["prior_mean"]
    return arrays


# ---- what is better


def halfway(arrays):
    return arrays | {"input": (arrays["input"] + arrays["target"]) / 2}


def halfway_in_probability(arrays):
    return arrays | {"input": np.log((np.exp(arrays["input"]) + arrays["target"]) / 2)}


def halfway_in_rank(arrays):
    return arrays | {"input": (np.sort(arrays["input"]) + np.sort(arrays["target"])) / 2}


def nearer_to_prior(arrays):
    mean, log_variance = arrays.get("prior_mean", 0), arrays.get("prior_log_variance", 0)
    return arrays | {
        "mean": (arrays["mean"] + mean) / 2,
        "log_variance": (arrays["log_variance"] + log_variance) / 2,
    }


# ---- the same a second way


def jensen_shannon(input, target, reduction):
    """The entropy of the mixture minus the mean entropy."""

    def entropy(p):
        return -torch.xlogy(p, p).sum(-1)

    return reduced(entropy((input + target) / 2) - (entropy(input) + entropy(target)) / 2, reduction)


def wasserstein(input, target, reduction, positions=None):
    """Mass up to each position, as a product with a triangle of ones; the last position has all of it in both."""
    n = input.shape[-1]
    gap = torch.ones(n - 1, dtype=input.dtype) if positions is None else positions[..., 1:] - positions[..., :-1]
    up_to = torch.ones(n, n, dtype=input.dtype).triu()[:, :-1]
    return reduced((((input - target) @ up_to).abs() * gap).sum(-1), reduction)


def sorted_samples(input, target, reduction):
    return reduced((input.sort(-1).values - target.sort(-1).values).abs().mean(-1), reduction)


def distillation(input, target, reduction, temperature):
    """Cross-entropy minus entropy."""
    axis = min(1, input.ndim - 1)
    log_q, log_p = ((z / temperature).log_softmax(axis) for z in (input, target))
    return reduced(temperature**2 * ((log_p - log_q) * log_p.exp()).sum(axis), reduction)


def gaussian_kl(mean, log_variance, reduction, prior_mean=None, prior_log_variance=None, weight=None):
    zero = torch.zeros((), dtype=mean.dtype)
    prior_mean = zero if prior_mean is None else prior_mean
    prior_log_variance = zero if prior_log_variance is None else prior_log_variance
    q, p = (
        torch.distributions.Normal(m, torch.exp(v / 2))
        for m, v in ((mean, log_variance), (prior_mean, prior_log_variance))
    )
    value = torch.distributions.kl_divergence(q, p)
    value = value if weight is None else weight * value
    return value.sum() / value.shape[0] if reduction == "batchmean" else reduced(value, reduction)


WITH_BATCHMEAN = ("none", "mean", "sum", "batchmean")
LATENT = ("mean", "log_variance")

CASES = [
    Case(
        "kl_div",
        log_input,
        hand=[
            ({"input": [[log(0.5)] * 2], "target": [[0.9, 0.1]], "reduction": "sum"}, 0.9 * log(1.8) + 0.1 * log(0.2)),
            ({"input": [[log(0.5)] * 2] * 3, "target": [[1.0, 0.0]] * 3, "reduction": "batchmean"}, log(2)),
            ({"input": [log(0.5)] * 2, "target": [1.0, 0.0], "reduction": "none"}, [log(2), 0]),
        ],
        reductions=WITH_BATCHMEAN,
        better=halfway_in_probability,
    ),
    Case(
        "kl_div",
        log_both,
        {"log_target": True},
        hand=[({"input": [log(0.5)] * 2, "target": [0.0, -np.inf], "reduction": "sum"}, log(2))],
        reductions=WITH_BATCHMEAN,
    ),
    Case("kl_div", one_number, {"log_target": False}, reductions=WITH_BATCHMEAN),
    Case("kl_div", broadcast, reductions=WITH_BATCHMEAN),
    Case(
        "jensen_shannon_divergence",
        rows,
        reference=jensen_shannon,
        hand=[
            ({"input": [[1.0, 0.0]], "target": [[0.0, 1.0]]}, log(2)),
            ({"input": [0.5, 0.5], "target": [1.0, 0.0]}, 0.25 * log(2 / 3) + 0.5 * log(4 / 3) + 0.25 * log(2)),
        ],
        better=halfway,
        items="rows",
    ),
    Case(
        "wasserstein_1d_loss",
        masses,
        reference=wasserstein,
        hand=[
            ({"input": [[0.0, 0.0, 1.0], [0.5, 0.0, 0.5]], "target": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}, 1.5),
            ({"input": [0.25, 0.75, 0.0], "target": [0.0, 0.75, 0.25]}, 0.5),
        ],
        better=halfway,
        items="rows",
    ),
    Case(
        "wasserstein_1d_loss",
        at_positions,
        wrt=("input", "target", "positions"),
        reference=wasserstein,
        hand=[({"input": [1.0, 0.0, 0.0], "target": [0.0, 0.5, 0.5], "positions": [-1.0, 2.0, 7.0]}, 5.5)],
        better=halfway,
        items="rows",
    ),
    Case(
        "wasserstein_1d_sample_loss",
        samples,
        reference=sorted_samples,
        hand=[
            ({"input": [[5.0, 1.0], [0.0, 0.0]], "target": [[1.0, 2.0], [1.0, -1.0]], "reduction": "none"}, [1.5, 1])
        ],
        better=halfway_in_rank,
        items="rows",
    ),
    Case(
        "distillation_loss",
        teacher,
        {"temperature": 2.0},
        reference=distillation,
        hand=[({"input": [0.0, 0.0], "target": [2 * log(3), 0.0]}, 4 * (0.75 * log(1.5) + 0.25 * log(0.5)))],
        better=halfway,
        items="class",
    ),
    *[
        Case("distillation_loss", teacher, {"temperature": t}, reference=distillation, better=halfway, items="class")
        for t in (1.0, 0.7, 20.0)
    ],
    Case(
        "gaussian_kl_loss",
        latent,
        wrt=LATENT,
        reference=gaussian_kl,
        hand=[
            ({"mean": [3.0, 0.0], "log_variance": [0.0, log(2)], "reduction": "none"}, [4.5, 0.5 * (1 - log(2))]),
            ({"mean": [[1.0, 1.0]], "log_variance": [[0.0, 0.0]], "reduction": "batchmean"}, 1.0),
        ],
        better=nearer_to_prior,
    ),
    Case(
        "gaussian_kl_loss",
        latent_and_prior,
        wrt=(*LATENT, "prior_mean", "prior_log_variance"),
        reference=gaussian_kl,
        hand=[
            (
                {"mean": [1.0], "log_variance": [log(2)], "prior_mean": [4.0], "prior_log_variance": [log(6)]},
                0.5 * (2 / 6 + 9 / 6 - 1 + log(3)),
            )
        ],
        better=nearer_to_prior,
    ),
    Case("gaussian_kl_loss", latent_and_prior_mean, wrt=(*LATENT, "prior_mean"), reference=gaussian_kl),
    Case("gaussian_kl_loss", latent_and_prior_variance, wrt=(*LATENT, "prior_log_variance"), reference=gaussian_kl),
    Case("gaussian_kl_loss", latent_and_weight, wrt=(*LATENT, "weight"), reference=gaussian_kl),
]
