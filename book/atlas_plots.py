"""The small plot on each loss's card: its value, and its slope, along one line through its arguments.

A loss of many numbers is cut along a line that says most about it: the logit of the right class while the others rest,
the angle between two embeddings, a mask that fades in. `SLICES` says which, by what a loss takes or by its name.
"""

from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import numpy as np

from lossutils import functional, value_and_grad
from lossutils.atlas import entries

POINTS = 81
WIDTH, HEIGHT, LEFT, BELOW = 200, 110, 30, 16  # of a plot, and the room for its labels


class Slice(NamedTuple):
    """A line through a loss's arguments."""

    along: str  # what runs along the horizontal axis
    low: float
    high: float
    arguments: Callable[[float], dict[str, Any]]  # all arguments at one place of it, the first as floats


def share(t: float) -> list[float]:
    """Three probabilities, the last two equal."""
    return [t, (1 - t) / 2, (1 - t) / 2]


def angle(t: float) -> list[float]:
    """A unit vector at an angle of t degrees."""
    return [float(np.cos(np.radians(t))), float(np.sin(np.radians(t)))]


RESIDUAL = Slice("residual r", -6, 6, lambda t: {"input": [t], "target": [0.0]})
RIGHT_LOGIT = ("logit of the right class, two others at 0", -6, 6)
RIGHT_SHARE = ("probability of the right class", 0.02, 0.98)
MASK = Slice(
    "p on the mask, 1 − p beside it",
    0.02,
    0.98,
    lambda t: {"input": [[t, t, 1 - t, 1 - t]], "target": [[1.0, 1.0, 0.0, 0.0]]},
)
ANGLE = ("angle to the match, degrees; the other is at 90", -180, 180)

SLICES = {
    # by what the first argument is
    "number": RESIDUAL,
    "number above −1": Slice("prediction; the target is 2", 0, 8, lambda t: {"input": [t], "target": [2.0]}),
    "positive number": Slice("prediction; the target is 2", 0.2, 8, lambda t: {"input": [t], "target": [2.0]}),
    "log rate": Slice("log rate; the count is 2", -1.5, 3, lambda t: {"input": [t], "target": [2.0]}),
    "ensemble": Slice(
        "center of two members, 2 apart; the target is 0", -4, 4, lambda t: {"input": [[t - 1, t + 1]], "target": [0.0]}
    ),
    "logits": Slice(*RIGHT_LOGIT, lambda t: {"input": [[t, 0.0, 0.0]], "target": [0]}),
    "scores": Slice(
        "score of the right class, two others at 0", -3, 3, lambda t: {"input": [[t, 0.0, 0.0]], "target": [0]}
    ),
    "log-probabilities": Slice(*RIGHT_SHARE, lambda t: {"input": [list(np.log(share(t)))], "target": [0]}),
    "probabilities": Slice(*RIGHT_SHARE, lambda t: {"input": [share(t)], "target": [0]}),
    "probability": Slice("probability; the target is 1", 0.02, 0.98, lambda t: {"input": [t], "target": [1.0]}),
    "logit": Slice("logit; the target is 1", -6, 6, lambda t: {"input": [t], "target": [1.0]}),
    "score": Slice("score; the target is +1", -3, 3, lambda t: {"input": [t], "target": [1.0]}),
    "distance": Slice("distance of a pair that doesn't match", 0, 2.5, lambda t: {"input": [t], "target": [-1.0]}),
    "numbers": Slice(
        "shift of one sample against the other", -3, 3, lambda t: {"input": [[t, t + 1]], "target": [[0.0, 1.0]]}
    ),
    "score of a sample": Slice("score of a real sample; a fake has 0", -4, 4, lambda t: {"real": [t], "fake": [0.0]}),
    "score of an answer": Slice(
        "log-probability of the chosen answer over the other's",
        -6,
        6,
        lambda t: {"chosen": [t], "rejected": [0.0], "reference_chosen": [0.0], "reference_rejected": [0.0]},
    ),
    "losses": Slice("first loss; the second is 1", 0, 4, lambda t: {"losses": [[t, 1.0]]}),
    # by name, where that doesn't fit
    "mape_loss": Slice("prediction; the target is 2", -2, 8, lambda t: {"input": [t], "target": [2.0]}),
    "gaussian_nll_loss": Slice(
        "residual r; the variance is 1", -6, 6, lambda t: {"input": [t], "target": [0.0], "var": [1.0]}
    ),
    "gaussian_crps": Slice("residual r; σ is 1", -6, 6, lambda t: {"input": [t], "target": [0.0], "sigma": [1.0]}),
    "gaussian_kl_loss": Slice(
        "mean, with variance 1; the prior's is 0", -4, 4, lambda t: {"mean": [t], "log_variance": [0.0]}
    ),
    "distillation_loss": Slice(
        "logit of the teacher's favorite, at 2 for the teacher",
        -6,
        6,
        lambda t: {"input": [[t, 0.0, 0.0]], "target": [[2.0, 0.0, 0.0]]},
    ),
    "logit_adjusted_cross_entropy": Slice(
        "logit of the right class, which is rare (10 %)",
        -6,
        6,
        lambda t: {"input": [[t, 0.0, 0.0]], "target": [0], "prior": [0.1, 0.45, 0.45]},
    ),
    "class_balanced_cross_entropy": Slice(
        "logit of the right class, which is rare (10 cases in 210)",
        -6,
        6,
        lambda t: {"input": [[t, 0.0, 0.0]], "target": [0], "samples_per_class": [10.0, 100.0, 100.0]},
    ),
    "multilabel_margin_loss": Slice(*RIGHT_LOGIT, lambda t: {"input": [[t, 0.0, 0.0]], "target": [[0, -1, -1]]}),
    "multilabel_soft_margin_loss": Slice(
        "logit; the target is 1", -6, 6, lambda t: {"input": [[t]], "target": [[1.0]]}
    ),
    "kl_div": Slice(
        "probability of a class that has 0.3",
        0.02,
        0.98,
        lambda t: {"input": [float(np.log(t)), float(np.log(1 - t))], "target": [0.3, 0.7]},
    ),
    "ctc_loss": Slice(
        "probability of the letter in each of two frames",
        0.02,
        0.98,
        lambda t: {
            "log_probs": [[[float(np.log(1 - t)), float(np.log(t))]]] * 2,
            "targets": [[1]],
            "input_lengths": [2],
            "target_lengths": [1],
        },
    ),
    "dice_loss": MASK,
    "jaccard_loss": MASK,
    "tversky_loss": MASK,
    "focal_tversky_loss": MASK,
    "jensen_shannon_divergence": Slice(
        "probability of a class that has 0.6", 0.02, 0.98, lambda t: {"input": [share(t)], "target": [[0.6, 0.2, 0.2]]}
    ),
    "wasserstein_1d_loss": Slice(
        "mass in the first of three bins; the target has 0.6 there",
        0.02,
        0.98,
        lambda t: {"input": [share(t)], "target": [[0.6, 0.2, 0.2]]},
    ),
    "pairwise_distance": Slice(
        "place of one point; the other is at 0", -3, 3, lambda t: {"x1": [[t, 0.0]], "x2": [[0.0, 0.0]]}
    ),
    "cosine_distance": Slice("angle, degrees", -180, 180, lambda t: {"x1": [angle(t)], "x2": [angle(0)]}),
    "cosine_embedding_loss": Slice(
        "angle between a pair that matches, degrees",
        -180,
        180,
        lambda t: {"input1": [angle(t)], "input2": [angle(0)], "target": [1]},
    ),
    "contrastive_loss": Slice(
        "place of one point; the other, at 0, doesn't match",
        -2,
        2,
        lambda t: {"input1": [[t, 0.0]], "input2": [[0.0, 0.0]], "target": [0.0]},
    ),
    "triplet_margin_loss": Slice(
        "place of the anchor; match at 0, other at 2",
        -2,
        4,
        lambda t: {"anchor": [[t, 0.0]], "positive": [[0.0, 0.0]], "negative": [[2.0, 0.0]]},
    ),
    "info_nce_loss": Slice(*ANGLE, lambda t: {"query": [angle(t), angle(90)], "keys": [angle(0), angle(90)]}),
    "nt_xent_loss": Slice(*ANGLE, lambda t: {"view1": [angle(t), angle(90)], "view2": [angle(0), angle(90)]}),
    "clip_loss": Slice(*ANGLE, lambda t: {"image": [angle(t), angle(90)], "text": [angle(0), angle(90)]}),
    "supervised_contrastive_loss": Slice(
        *ANGLE, lambda t: {"embeddings": [angle(t), angle(0), angle(90)], "labels": [0, 0, 1]}
    ),
    "arcface_loss": Slice(*ANGLE, lambda t: {"embeddings": [angle(t)], "weight": [angle(0), angle(90)], "labels": [0]}),
    "circle_loss": Slice(*ANGLE, lambda t: {"embeddings": [angle(t), angle(0), angle(90)], "labels": [0, 0, 1]}),
    "margin_ranking_loss": Slice(
        "score of the better over the worse", -3, 3, lambda t: {"input1": [t], "input2": [0.0], "target": [1.0]}
    ),
    "bpr_loss": Slice("score of the wanted over the other", -6, 6, lambda t: {"positive": [t], "negative": [0.0]}),
    "listnet_loss": Slice(
        "score of the most relevant of three, others at 0",
        -6,
        6,
        lambda t: {"input": [[t, 0.0, 0.0]], "target": [[2.0, 0.0, 0.0]]},
    ),
    "relevance_diversity_loss": Slice(
        "score of an item; one like it, as relevant, has 0",
        -4,
        4,
        lambda t: {"input": [[t, 0.0]], "relevance": [[1.0, 1.0]], "similarity": [[[1.0, 0.8], [0.8, 1.0]]]},
    ),
    "linear_cross_entropy": Slice(
        "a feature that speaks for the right class",
        -4,
        4,
        lambda t: {"input": [[t]], "linear_weight": [[1.0], [-1.0]], "target": [0]},
    ),
    "bradley_terry_loss": Slice(
        "reward of the chosen over the other", -6, 6, lambda t: {"chosen": [t], "rejected": [0.0]}
    ),
    "ppo_loss": Slice(
        "log of the new over the old probability; the action was good",
        -1,
        1,
        lambda t: {"log_prob": [t], "old_log_prob": [0.0], "advantage": [1.0]},
    ),
    "weighted_sum_loss": Slice(
        "first loss; the second is 1", 0, 4, lambda t: {"losses": [[t, 1.0]], "weights": [0.7, 0.3]}
    ),
    "uncertainty_weighted_loss": Slice(
        "first loss; the second is 1", 0, 4, lambda t: {"losses": [[t, 1.0]], "log_variance": [0.5, 0.0]}
    ),
}
SLICES["listwise_softmax_loss"] = SLICES["listnet_loss"]
SLICES["triplet_margin_with_distance_loss"] = SLICES["triplet_margin_loss"]


def slice_of(name: str) -> Slice:
    """The line along which a loss is drawn."""
    function, takes = getattr(functional, name), entries()[name]["takes"]
    if function.loss.required == ("fake",):
        return Slice("score of a fake sample", -4, 4, lambda t: {"fake": [t]})
    return SLICES.get(name) or SLICES[takes]


def curve(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places along a loss's line, its value at each, and its slope along the line."""
    where = slice_of(name)
    places = np.linspace(where.low, where.high, POINTS)
    step = 1e-6 * (where.high - where.low)
    values, slopes = zip(*(_at(name, where.arguments, t, step) for t in places), strict=True)
    return places, np.array(values), np.array(slopes)


def _at(name, arguments, t, step):
    """The value at a place, and the slope: the loss's own gradient along the way that the first argument goes."""
    loss = getattr(functional, name)
    first = loss.loss.required[0]
    value, gradient = value_and_grad(loss, first)(**_arrays(loss, first, arguments(t)), reduction="sum")
    after, before = (np.asarray(arguments(place)[first], float) for place in (t + step, t - step))
    return float(value), float(np.sum(gradient * (after - before)) / (2 * step))


def _arrays(loss, first, arguments):
    known = {name: value for name, value in arguments.items() if name in loss.loss.arrays}
    return {name: np.asarray(value, float if name == first else None) for name, value in known.items()}


def svg(name: str, title: str) -> str:
    """The plot as SVG, to be styled by the page."""
    where = slice_of(name)
    places, values, slopes = curve(name)
    both = np.concatenate([values, slopes])
    low, high = min(0.0, np.quantile(both, 0.02)), max(0.0, np.quantile(both, 0.98))  # a pole may leave the plot
    high += high == low

    def at(x, y):
        return (
            LEFT + (WIDTH - LEFT) * (x - where.low) / (where.high - where.low),
            1 + (HEIGHT - BELOW - 2) * (high - np.clip(y, low, high)) / (high - low),
        )

    def path(kind, numbers):
        points = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in zip(places, numbers, strict=True))
        return f'<polyline class="{kind}" points="{points}"/>'

    (left, zero), (right, _) = at(where.low, 0), at(where.high, 0)
    lines = f'<path class="axis" d="M{left:.1f} {zero:.1f}H{right:.1f}"/>'
    if where.low < 0 < where.high:
        middle = at(0, 0)[0]
        lines += f'<path class="axis" d="M{middle:.1f} 0V{HEIGHT - BELOW}"/>'
    texts = [
        (left, HEIGHT - 4, "start", where.low),
        (right, HEIGHT - 4, "end", where.high),
        (LEFT - 4, 9, "end", high),
        (LEFT - 4, HEIGHT - BELOW, "end", low),
    ]
    labels = "".join(
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{_number(number)}</text>'
        for x, y, anchor, number in texts
    )
    described = escape(f"{title} and its slope, against: {where.along}")
    return (
        f'<figure class="loss-plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{described}">'
        f"{lines}{path('slope', slopes)}{path('value', values)}{labels}</svg>"
        f'<figcaption><span class="value">loss</span> and <span class="slope">slope</span>, against: {where.along}'
        "</figcaption></figure>"
    )


def _number(number: float) -> str:
    return f"{number:.2g}".replace("-", "−")
