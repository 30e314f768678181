"""Losses of preferences between answers."""

import numpy as np

from cases import Case, reduced, torch


def some_shape(rng):
    return tuple(rng.integers(1, 5, size=rng.integers(0, 4)))


def rewards(rng):
    shape = some_shape(rng)
    return {"chosen": rng.normal(size=shape) * 3, "rejected": rng.normal(size=shape) * 3}


def rewards_with_margin(rng):
    arrays = rewards(rng)
    shape = arrays["chosen"].shape
    return arrays | {"margin": rng.random(shape[-1:]) * 2, "weight": rng.uniform(0.5, 3, size=shape)}


def answers(rng):
    shape = some_shape(rng)
    chosen, rejected = -rng.exponential(20, size=(2, *shape))
    moved = rng.normal(size=(2, *shape)) * 5
    return {
        "chosen": chosen,
        "rejected": rejected,
        "reference_chosen": chosen + moved[0],
        "reference_rejected": rejected + moved[1],
    }


def answers_weighted(rng):
    arrays = answers(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["chosen"].shape)}


def actions(rng):
    """Ratios from 0.5 to 2, so that both bounds are passed on both sides."""
    shape = some_shape(rng)
    old = -rng.exponential(3, size=shape)
    return {
        "log_prob": old + rng.uniform(-0.7, 0.7, size=shape),
        "old_log_prob": old,
        "advantage": rng.normal(size=shape),
    }


def tokens(rng):
    """One advantage for each answer, and weights that leave out padding."""
    shape = tuple(rng.integers(1, 5, size=2))
    old = -rng.exponential(3, size=shape)
    weight = rng.integers(0, 2, size=shape).astype(float)
    weight[0, 0] = 1
    return {
        "log_prob": old + rng.uniform(-0.7, 0.7, size=shape),
        "old_log_prob": old,
        "advantage": rng.normal(size=(shape[0], 1)),
        "reference_log_prob": old + rng.normal(size=shape) * 2,
        "weight": weight,
    }


def leashed_actions(rng):
    arrays = actions(rng)
    return arrays | {"reference_log_prob": arrays["old_log_prob"] + rng.normal(size=arrays["old_log_prob"].shape) * 2}


def bradley_terry(chosen, rejected, margin=0, weight=1, *, reduction):
    return reduced(-weight * torch.log(torch.sigmoid(chosen - rejected - margin)), reduction)


def log_ratios(chosen, rejected, reference_chosen, reference_rejected):
    """As the papers and TRL write it."""
    return (chosen - rejected) - (reference_chosen - reference_rejected)


def dpo(chosen, rejected, reference_chosen, reference_rejected, weight=1, *, reduction, beta=0.1, label_smoothing=0.0):
    logits = beta * log_ratios(chosen, rejected, reference_chosen, reference_rejected)
    losses = -torch.nn.functional.logsigmoid(logits) * (1 - label_smoothing)
    return reduced(weight * (losses - torch.nn.functional.logsigmoid(-logits) * label_smoothing), reduction)


def ipo(chosen, rejected, reference_chosen, reference_rejected, weight=1, *, reduction, beta=0.1):
    logits = log_ratios(chosen, rejected, reference_chosen, reference_rejected)
    return reduced(weight * (logits - 1 / (2 * beta)) ** 2, reduction)


def ppo(
    log_prob,
    old_log_prob,
    advantage,
    reference_log_prob=None,
    weight=None,
    *,
    reduction,
    clip=0.2,
    kl_coefficient=0.1,
):
    ratio = torch.exp(log_prob - old_log_prob)
    objective = torch.min(ratio * advantage, torch.clamp(ratio, 1 - clip, 1 + clip) * advantage)
    if reference_log_prob is not None:
        against = torch.exp(reference_log_prob) / torch.exp(log_prob)
        objective = objective - kl_coefficient * (against - 1 - torch.log(against))
    if weight is None:
        return reduced(-objective, reduction)
    return reduced(-weight * objective, reduction if reduction == "none" else "sum") / (
        weight.sum() if reduction == "mean" else 1
    )


def preferred(arrays):
    return arrays | {"chosen": arrays["chosen"] + 0.5}


def nearer_to_the_lead(best):
    def better(arrays):
        lead = log_ratios(**{name: a for name, a in arrays.items() if name != "weight"})
        return arrays | {"chosen": arrays["chosen"] + 0.5 * (best - lead)}

    return better


def luckier(arrays):
    return arrays | {"advantage": arrays["advantage"] + 1}


PAIR = ("chosen", "rejected")
FOUR = (*PAIR, "reference_chosen", "reference_rejected")
THREE = ("log_prob", "old_log_prob", "advantage")
GAIN_3 = {"chosen": [-5.0], "rejected": [-9.0], "reference_chosen": [-6.0], "reference_rejected": [-7.0]}
LOG_2 = np.log(2)

CASES = [
    Case(
        "bradley_terry_loss",
        rewards,
        wrt=PAIR,
        reference=bradley_terry,
        hand=[({"chosen": [np.log(3)], "rejected": [0.0]}, np.log(4 / 3))],
        better=preferred,
    ),
    Case(
        "bradley_terry_loss",
        rewards_with_margin,
        wrt=(*PAIR, "margin", "weight"),
        reference=bradley_terry,
        hand=[({"chosen": [np.log(3)], "rejected": [0.0], "margin": [np.log(3)]}, LOG_2)],
        better=preferred,
    ),
    Case(
        "dpo_loss",
        answers,
        wrt=FOUR,
        reference=dpo,
        hand=[(GAIN_3, np.log(1 + np.exp(-0.3)))],
        better=preferred,
    ),
    Case("dpo_loss", answers_weighted, {"beta": 0.5}, wrt=(*FOUR, "weight"), reference=dpo, better=preferred),
    Case(
        "dpo_loss",
        answers,
        {"label_smoothing": 0.2},
        wrt=FOUR,
        reference=dpo,
        hand=[({**GAIN_3, "beta": 1 / 3}, np.log(1 + np.exp(-1)) + 0.2)],
        better=nearer_to_the_lead(np.log(4) / 0.1),
    ),
    Case(
        "ipo_loss",
        answers,
        wrt=FOUR,
        reference=ipo,
        hand=[(GAIN_3, 4.0)],
        better=nearer_to_the_lead(5),
    ),
    Case(
        "ipo_loss",
        answers_weighted,
        {"beta": 0.5},
        wrt=(*FOUR, "weight"),
        reference=ipo,
        hand=[(GAIN_3, 4.0)],
        better=nearer_to_the_lead(1),
    ),
    Case(
        "ppo_loss",
        actions,
        wrt=THREE,
        reference=ppo,
        hand=[
            ({"log_prob": [0.0], "old_log_prob": [0.0], "advantage": [3.0]}, -3.0),
            ({"log_prob": [LOG_2], "old_log_prob": [0.0], "advantage": [3.0]}, -3.6),
            ({"log_prob": [LOG_2], "old_log_prob": [0.0], "advantage": [-3.0]}, 6.0),
            ({"log_prob": [-LOG_2], "old_log_prob": [0.0], "advantage": [3.0]}, -1.5),
            ({"log_prob": [-LOG_2], "old_log_prob": [0.0], "advantage": [-3.0]}, 2.4),
        ],
        better=luckier,
    ),
    Case(
        "ppo_loss",
        actions,
        {"clip": 0.4},
        wrt=THREE,
        reference=ppo,
        hand=[({"log_prob": [LOG_2], "old_log_prob": [0.0], "advantage": [3.0]}, -4.2)],
        better=luckier,
    ),
    Case(
        "ppo_loss",
        leashed_actions,
        {"kl_coefficient": 0.7},
        wrt=(*THREE, "reference_log_prob"),
        reference=ppo,
        hand=[
            (
                {"log_prob": [0.0], "old_log_prob": [0.0], "advantage": [0.0], "reference_log_prob": [LOG_2]},
                0.7 * (1 - LOG_2),
            )
        ],
        better=luckier,
    ),
    Case("ppo_loss", tokens, wrt=(*THREE, "reference_log_prob", "weight"), reference=ppo, better=luckier),
]
