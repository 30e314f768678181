"""Losses for sequences."""

from math import log

import numpy as np

import lossutils.functional as F
from cases import Case
from lossutils import value_and_grad

# ---- connectionist temporal classification


def speech(rng):
    """Feasible: enough times for every label and a blank around each. More times than sequences."""
    longest, batch, classes = rng.integers(1, 4), rng.integers(1, 4), rng.integers(2, 6)
    times = 2 * longest + 2 + rng.integers(0, 3)
    scores = 2 * rng.normal(size=(times, batch, classes))
    return {
        "log_probs": scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)),
        "targets": rng.integers(1, classes, size=(batch, longest)),
        "input_lengths": rng.integers(2 * longest + 1, times + 1, size=batch),
        "target_lengths": rng.integers(0, longest + 1, size=batch),
    }


def concatenated(rng):
    arrays = speech(rng)
    parts = zip(arrays["targets"], arrays["target_lengths"], strict=True)
    return arrays | {"targets": np.concatenate([labels[:length] for labels, length in parts])}


def one_sequence(rng):
    arrays = speech(rng)
    length = arrays["target_lengths"][0]
    return {
        "log_probs": arrays["log_probs"][:, 0],
        "targets": arrays["targets"][0, :length],
        "input_lengths": arrays["input_lengths"][0],
        "target_lengths": length,
    }


def two_labels_and_blank_at_1(rng):
    arrays = speech(rng)
    scores = rng.normal(size=(*arrays["log_probs"].shape[:2], 3))
    log_probs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return arrays | {"log_probs": log_probs, "targets": rng.choice([0, 2], size=arrays["targets"].shape)}


def some_too_short(rng):
    arrays = speech(rng)
    arrays["input_lengths"][0] = max(arrays["target_lengths"][0] - 1, 0)
    return arrays


def expected_labels(arrays):
    """One step of expectation maximization: halfway to how probable each label is, given the target."""
    slope = value_and_grad(F.ctc_loss)(**arrays, reduction="sum")[1]
    p = np.exp(arrays["log_probs"])
    return arrays | {"log_probs": np.log(p - slope / 2)}


# ---- cross-entropy of a linear layer's outputs


def layer(rng, positions=()):
    """More classes than rows."""
    n, features, classes = rng.integers(1, 5), rng.integers(1, 5), rng.integers(5, 8)
    return {
        "input": rng.normal(size=(n, features)),
        "linear_weight": rng.normal(size=(classes, *positions, features)),
        "target": rng.integers(0, classes, size=(n, *positions)),
    }


def layer_and_bias(rng, positions=()):
    arrays = layer(rng, positions)
    return arrays | {"linear_bias": rng.normal(size=arrays["linear_weight"].shape[:-1])}


def weighted_layer(rng, positions=()):
    arrays = layer_and_bias(rng, positions)
    return arrays | {"weight": rng.uniform(0.5, 3, size=len(arrays["linear_weight"]))}


def some_ignored(rng):
    arrays = weighted_layer(rng)
    return arrays | {"target": np.append(arrays["target"][:-1], -7)} if len(arrays["target"]) > 1 else arrays


def with_probabilities(rng, positions=()):
    arrays = weighted_layer(rng, positions)
    shape = (len(arrays["input"]), *arrays["linear_weight"].shape[:-1])
    p = rng.uniform(0.1, 1, size=shape)
    return arrays | {"target": p / p.sum(axis=1, keepdims=True)}


def one_row(rng):
    arrays = weighted_layer(rng)
    return arrays | {"input": arrays["input"][0], "target": arrays["target"][0]}


def one_row_of_probabilities(rng):
    arrays = with_probabilities(rng)
    return arrays | {"input": arrays["input"][0], "target": arrays["target"][0]}


def at_positions(rng):
    return weighted_layer(rng, tuple(rng.integers(1, 4, size=rng.integers(1, 3))))


def probabilities_at_positions(rng):
    return with_probabilities(rng, tuple(rng.integers(1, 4, size=rng.integers(1, 3))))


def downhill(arrays):
    slope = value_and_grad(F.linear_cross_entropy)(**arrays, reduction="sum")[1]
    return arrays | {"input": arrays["input"] - 0.01 * slope}


CTC = {
    "wrt": ("log_probs",),
    "items": "batch",
    "gradient_differs": "as PyTorch's, it is the derivative only after log_softmax: test_sequence.py",
}
LAYER = ("input", "linear_weight")
BIASED = (*LAYER, "linear_bias")
ALL_FLOATS = (*LAYER, "target", "linear_bias", "weight")

CASES = [
    Case(
        "ctc_loss",
        speech,
        hand=[
            # blank or label 1 at two times, each with probability ½: 01, 10, and 11 of the four paths say 1
            (
                {
                    "log_probs": [[[log(0.5)] * 2]] * 2,
                    "targets": [[1]],
                    "input_lengths": [2],
                    "target_lengths": [1],
                },
                log(4 / 3),
            ),
            # 1, 1 needs a blank between: one path of 2³; a mean divides by the two labels
            (
                {"log_probs": [[log(0.5)] * 2] * 3, "targets": [1, 1], "input_lengths": 3, "target_lengths": 2},
                3 * log(2) / 2,
            ),
        ],
        better=expected_labels,
        **CTC,
    ),
    Case("ctc_loss", concatenated, {"blank": 0}, better=expected_labels, **CTC),
    Case("ctc_loss", one_sequence, better=expected_labels, **CTC),
    Case("ctc_loss", two_labels_and_blank_at_1, {"blank": 1}, **CTC),
    Case(
        "ctc_loss",
        some_too_short,
        {"zero_infinity": True},
        hand=[
            (
                {"log_probs": [[log(0.5)] * 2] * 2, "targets": [1, 1], "input_lengths": 2, "target_lengths": 2},
                0,
            )
        ],
        **CTC,
    ),
    Case(
        "linear_cross_entropy",
        layer,
        wrt=LAYER,
        hand=[
            (
                {"input": [[1.0, 2.0]], "linear_weight": [[log(6), 0.0], [0.0, log(2)], [0.0, 0.0]], "target": [1]},
                log(11 / 4),
            )
        ],
        better=downhill,
        items="rows",
    ),
    Case("linear_cross_entropy", weighted_layer, wrt=BIASED, better=downhill, items="rows"),
    Case("linear_cross_entropy", some_ignored, {"ignore_index": -7}, wrt=BIASED, items="rows"),
    Case("linear_cross_entropy", weighted_layer, {"label_smoothing": 0.2}, wrt=BIASED, items="rows"),
    Case("linear_cross_entropy", with_probabilities, wrt=ALL_FLOATS, items="rows"),
    Case("linear_cross_entropy", with_probabilities, {"label_smoothing": 0.2}, wrt=ALL_FLOATS, items="rows"),
    Case("linear_cross_entropy", one_row, wrt=BIASED, items="rows"),
    Case("linear_cross_entropy", one_row_of_probabilities, wrt=ALL_FLOATS, items="rows"),
    Case("linear_cross_entropy", at_positions, wrt=BIASED, items="rows"),
    Case("linear_cross_entropy", probabilities_at_positions, wrt=ALL_FLOATS, items="rows"),
]
