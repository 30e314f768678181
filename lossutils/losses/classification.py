"""Losses for a class: how surprised is the model by what came true?

Logits are scores before sigmoid or softmax. Classes lie along axis 1 (axis 0 if there is but one), as in PyTorch.
"""

import numpy as np

from lossutils.engine import rowwise
from lossutils.numerics import log1p, softmax_parts

__all__ = ["cross_entropy"]


def _is_label(input, target, weight=None, *, ignore_index=-100, label_smoothing=0.0):
    """Which rows count, None for all; and an error for an index that is no class."""
    if target.dtype.kind == "f":
        return None
    classes = input.shape[-1]
    largest = np.maximum.reduce(target.view(f"u{target.itemsize}"), axis=None, initial=0)  # −1 would be huge here
    if largest < classes and not 0 <= ignore_index < classes:
        return None
    keep = target != ignore_index
    wrong = ((target < 0) | (target >= classes)) & keep
    if wrong.any():
        raise IndexError(f"target {target[wrong].flat[0]} is out of bounds for {classes} classes")
    return keep


def _weight_of_labels(input, target, weight=None, *, ignore_index=-100, label_smoothing=0.0):
    """What a mean divides by: the sum of the weights of the labels that aren't ignored."""
    if weight is None or target.dtype.kind == "f":
        return None
    return weight[target[target != ignore_index]].sum(dtype=np.float64)


@rowwise(
    "(c),(),(c) or (c),(c),(c)",
    axis="class",
    labels=("target",),
    keep=_is_label,
    count=_weight_of_labels,
    order="input, target, weight, ignore_index, reduction, label_smoothing",
)
def cross_entropy(input, target, weight=None, *, ignore_index: int = -100, label_smoothing: float = 0.0):
    """Cross-entropy from logits: −log softmax(input)[target], or −Σ target · log softmax(input).

    Makes you predict the probability of each class. The pull is p − y: what you said minus what came true.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits.
    target : array_like of int64, shape (), (N), or (N, d…); or of float, the shape of `input`
        Class indices; or the probability of each class.
    weight : array_like of shape (C), optional
        Weight of each class. With indices, "mean" is Σwℓ / Σw; with probabilities it divides by the number of rows.
    ignore_index : int, default -100
        Rows with this index count for nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float in [0, 1], default 0
        This share of the target is spread evenly over all classes.

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `label_smoothing` isn't in [0, 1].
    TypeError
        If `input` isn't floating point, or indices aren't int64.
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.cross_entropy([[2.0, 0.0, 0.0]], [0])), 4)
    0.2395
    >>> float(F.cross_entropy([50.0, 0.0], 0))  # PyTorch says 0
    1.9287498479639178e-22

    Source: Good (1952), Rational Decisions, doi:10.1111/j.2517-6161.1952.tb00104.x; label smoothing: Szegedy
    et al. (2015), arXiv:1512.00567.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    if target.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, label_smoothing)
    if label_smoothing:
        certain = (target[..., None] == np.arange(input.shape[-1])).astype(input.dtype)
        value, slope, *_ = _soft_cross_entropy(input, certain, weight, label_smoothing)
        return value, slope
    largest, others, exponentials, top = softmax_parts(input)
    label = (*top[:-1], target)
    value = (largest - input[label]) + log1p(others)
    exponentials[label] = (exponentials[label] - 1) - others  # (p − 1)·(1 + others): nothing cancels where p is 1
    p_top = 1 / (1 + others)
    if weight is None:
        return value, (exponentials, p_top)
    return weight[target] * value, (exponentials, weight[target] * p_top)


def _soft_cross_entropy(input, target, weight, label_smoothing):
    """−Σ w t log p; the slopes in input, target, and weight."""
    largest, others, exponentials, top = softmax_parts(input)
    surprise = (largest[..., None] - input) + log1p(others)[..., None]
    smooth = target if not label_smoothing else (1 - label_smoothing) * target + label_smoothing / input.shape[-1]
    weighted = smooth if weight is None else smooth * weight
    value = np.where(weighted == 0, 0, weighted * surprise).sum(axis=-1)
    p_top = 1 / (1 + others)
    total = weighted.sum(axis=-1)
    slope = exponentials * (p_top * total)[..., None] - weighted
    elsewhere = weighted.copy()
    elsewhere[top] = 0  # at the top, p·Σt − t is Σ(other t) − Σt·(1 − p), where nothing cancels if t = p = 1
    slope[top] = elsewhere.sum(axis=-1) - total * others * p_top
    slope_in_target = (1 - label_smoothing) * (surprise if weight is None else weight * surprise)
    return value, slope, slope_in_target, None if weight is None else smooth * surprise
