"""Losses for sequences: of labels whose times aren't known, and of words from a large vocabulary."""

import itertools

import numpy as np

from lossutils.engine import batchwise
from lossutils.numerics import log1p, soft_cross_entropy, softmax_parts

__all__ = ["ctc_loss", "linear_cross_entropy"]


# ---- connectionist temporal classification


def _ctc_dtypes(arrays):
    for name in ("targets", "input_lengths", "target_lengths"):
        if arrays[name].dtype.kind == "f" and arrays[name].size:
            raise TypeError(f"{name} must be integers, got {arrays[name].dtype}")


def _ctc_count(log_probs, targets, input_lengths, target_lengths, *, blank=0, zero_infinity=False):
    """A mean divides each value by the length of its target, and by the number of sequences."""
    return (log_probs.shape[1] if log_probs.ndim == 3 else 1) * np.maximum(target_lengths.reshape(-1), 1)


def _ctc_cores():
    """Each sequence's lengths in an array of one axis, or of none where there is one sequence."""
    for lengths in ("(n),(n)", "(),()"):
        yield f"(t,n,c),(n,s),{lengths}->(n)"
        yield f"(t,n,c),(k),{lengths}->(n)"
    for targets, lengths in itertools.product(("(s)", "(one,s)"), ("(),()", "(one),(one)")):
        yield f"(t,c),{targets},{lengths}->()"


@batchwise(
    " or ".join(_ctc_cores()),
    labels=("targets", "input_lengths", "target_lengths"),
    count=_ctc_count,
    constant=("targets", "input_lengths", "target_lengths"),
    check=_ctc_dtypes,
    order="log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity",
)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, *, factor, blank: int = 0, zero_infinity: bool = False):
    """Connectionist temporal classification: −log of the probability that the labels are heard, at whatever times.

    A path says one label or the blank at each time. It says the target if merging equal neighbours and then
    dropping blanks leaves the target. The loss is −log of the sum over all such paths, computed from prefixes.

    Makes you predict a sequence of labels. The pull at each time is p − γ: what you said minus how probable, given
    the target, each label is at that time.

    Parameters
    ----------
    log_probs : array_like of float, shape (T, N, C) or (T, C)
        Logarithms of the probabilities of C labels, one of them the blank, at T times: from log_softmax. The gradient
        is right after log_softmax and only there, as in PyTorch: it is exp(log_probs) − γ, not the derivative −γ.
        What both differ in, log_softmax ignores.
    targets : array_like of int, shape (N, S), or (Σ target_lengths) for one after the other
        Labels; those past `target_lengths` don't matter.
    input_lengths, target_lengths : array_like of int, shape (N) or ()
        How many times and labels of each sequence count.
    blank : int, default 0
        The label that says nothing.
    reduction : {"mean", "sum", "none"}
        "mean" divides each value by the length of its target, if that isn't 0, and averages over sequences.
    zero_infinity : bool, default False
        Whether a sequence too short for its target, whose loss is inf, counts 0 instead. Its gradient is NaN
        otherwise.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, an array is empty, a length is negative or too large, `blank` isn't a label, or
        `reduction` is unknown.
    TypeError
        If `log_probs` isn't floating point, or something else is.
    IndexError
        If a label isn't in 0 … C − 1.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> half = np.log([[0.5, 0.5], [0.5, 0.5]])  # blank or label 1, at two times: 01, 10, and 11 say 1
    >>> float(np.exp(-F.ctc_loss(half, [1], 2, 1)).round(4))
    0.75

    Source: Graves, Fernández, Gomez and Schmidhuber (2006), Connectionist Temporal Classification: Labelling
    Unsegmented Sequence Data with Recurrent Neural Networks, doi:10.1145/1143844.1143891.
    """
    if not log_probs.size:
        raise ValueError(f"ctc_loss: log_probs must not be empty, got shape {log_probs.shape}")
    shape = log_probs.shape[1:-1]
    log_probs = log_probs.reshape(len(log_probs), -1, log_probs.shape[-1])
    times, batch, classes = log_probs.shape
    times_of, length = input_lengths.reshape(-1).astype(int), target_lengths.reshape(-1).astype(int)
    states = _ctc_states(log_probs.shape, targets, times_of, length, blank)
    past_blank = np.full(states.shape, -np.inf)  # from s − 2 to s: past a blank, between two different labels
    past_blank[:, 2:][states[:, 2:] != states[:, :-2]] = 0
    said = np.take_along_axis(log_probs, states[None], axis=2).astype(float)

    # prefix[t, :, 2 + s]: log-probability of all ways to be in state s after t times; double, as errors add up
    prefix = np.full((times + 1, batch, 2 + states.shape[1]), -np.inf)
    prefix[0, :, 2] = 0
    for t in range(times):
        before = prefix[t]
        prefix[t + 1, :, 2:] = said[t] + _log_sum(before[:, 2:], before[:, 1:-1], before[:, :-2] + past_blank)
    everyone = np.arange(batch)
    at_blank, at_label = prefix[times_of, everyone, 2 + 2 * length], prefix[times_of, everyone, 1 + 2 * length]
    value = 0 - np.logaddexp(at_blank, at_label)
    impossible = np.isposinf(value)
    total = np.where(impossible & zero_infinity, 0, value).reshape(shape)
    if factor is None:
        return (total,)

    # suffix[:, s]: log-probability of all ways to go on from state s to the end
    gradient = np.empty_like(log_probs)
    suffix = np.full(states.shape, -np.inf)
    after = np.full((batch, states.shape[1] + 2), -np.inf)
    onwards = np.full(states.shape, -np.inf)  # from s to s + 2
    onwards[:, :-2] = past_blank[:, 2:]
    place = (everyone[:, None] * classes + states).ravel().astype(np.intp)  # all that bincount takes on 32 bits
    for t in range(times, 0, -1):
        ends = everyone[times_of == t]
        suffix[ends, 2 * length[ends]] = 0
        suffix[ends, np.maximum(2 * length[ends] - 1, 0)] = 0
        posterior = np.exp(prefix[t, :, 2:] + suffix + value[:, None])
        gamma = np.bincount(place, posterior.ravel(), batch * classes).reshape(batch, classes)
        gradient[t - 1] = np.exp(log_probs[t - 1], dtype=float) - gamma
        after[:, :-2] = said[t - 1] + suffix
        suffix = _log_sum(after[:, :-2], after[:, 1:-1], after[:, 2:] + onwards)
    gradient[:, impossible] = 0 if zero_infinity else np.nan
    gradient[np.arange(times)[:, None] >= times_of] = 0
    gradient *= factor.reshape(-1, 1)
    return total, gradient.reshape(times, *shape, classes)


def _ctc_states(shape, targets, times_of, length, blank):
    """The labels of each target with blanks around and between them, (N, 2S + 1); and errors in lengths and labels."""
    times, batch, classes = shape
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank must be one of {classes} labels, got {blank}")
    longest = targets.shape[1] if targets.ndim == 2 else length.sum()
    for name, lengths, most in ("input_lengths", times_of, times), ("target_lengths", length, longest):
        if lengths.shape != (batch,):
            raise ValueError(f"ctc_loss: {name} must have one entry for each of {batch} sequences, got {lengths.size}")
        if lengths.min() < 0 or lengths.max() > most:
            raise ValueError(f"ctc_loss: {name} must be in 0 … {most}, got {lengths.tolist()}")
    counts = np.arange(length.max()) < length[:, None]
    if targets.ndim == 2 and len(targets) != batch:
        raise ValueError(f"ctc_loss: targets of shape {targets.shape} don't match {batch} sequences")
    if targets.ndim == 1 and len(targets) != length.sum():
        raise ValueError(f"ctc_loss: targets must have Σ target_lengths = {length.sum()} labels, got {len(targets)}")
    labels = targets[:, : length.max()][counts] if targets.ndim == 2 else targets
    if ((labels < 0) | (labels >= classes)).any():
        raise IndexError(f"ctc_loss: targets must be in 0 … {classes - 1}, got {labels.tolist()}")
    states = np.full((batch, 2 * length.max() + 1), blank)
    states[:, 1::2][counts] = labels
    return states


def _log_sum(a, b, c):
    """log(eᵃ + eᵇ + eᶜ), without overflow; −inf where all are."""
    largest = np.maximum(np.maximum(a, b), c)
    np.maximum(largest, np.finfo(float).min, out=largest)
    total = np.exp(a - largest)
    total += np.exp(b - largest)
    total += np.exp(c - largest)
    return largest + np.log(total)


# ---- cross-entropy of a linear layer's outputs

# Logits at a time: 4 MB of float32, so that three arrays of them are nothing beside the weights of a vocabulary.
CHUNK = 1 << 20


def _linear_dtypes(arrays):
    """A linear layer has one dtype, as in PyTorch, and class weights for indices have it too."""
    dtype = arrays["input"].dtype
    indices = arrays["target"].dtype.kind != "f"
    for name in ("input", "linear_weight", "linear_bias", *(["weight"] if indices else [])):
        if name in arrays and (arrays[name].dtype != dtype or dtype.kind != "f"):
            raise TypeError(f"{name} must be floating point, and of input's dtype, {dtype}; got {arrays[name].dtype}")
    target, axes_of_logits = arrays["target"], arrays["input"].ndim + arrays["linear_weight"].ndim - 2
    if arrays["linear_weight"].ndim < 2:
        raise ValueError(f"linear_weight needs two axes or more, got shape {arrays['linear_weight'].shape}")
    if target.ndim == axes_of_logits and indices:
        raise TypeError(f"target of the logits' shape must be floating point, got {target.dtype}")
    if target.ndim == axes_of_logits - 1 and target.dtype not in (np.int64, np.uint8):
        raise TypeError(f"target must be int64 class indices, got {target.dtype}")


def _linear_count(
    input, linear_weight, target, linear_bias=None, weight=None, *, ignore_index=None, label_smoothing=0.0
):
    """What a mean divides by: the sum of the weights of the labels that count, or the number of probability rows."""
    if target.dtype.kind == "f":
        return target.size / max(len(linear_weight), 1)
    labels = target[target != (-100 if ignore_index is None else ignore_index)]
    return labels.size if weight is None else weight.take(labels, mode="clip").sum(dtype=float)


def _linear_cores():
    for k in ("", ",i", ",i,j", ",i,j,k"):
        yield from (f"(n,d),(c{k},d),({target}{k}),(c{k}),(c)->(n{k})" for target in ("n", "n,c"))
    yield from ("(d),(c,d),(),(c),(c)->()", "(d),(c,d),(c),(c),(c)->()")


@batchwise(
    " or ".join(_linear_cores()),
    labels=("target",),
    count=_linear_count,
    check=_linear_dtypes,
    order="input, linear_weight, target, *, linear_bias, weight, reduction, ignore_index, label_smoothing",
)
def linear_cross_entropy(
    input,
    linear_weight,
    target,
    linear_bias=None,
    weight=None,
    *,
    factor,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
):
    """Cross-entropy of a linear layer: cross_entropy(input @ linear_weight.T + linear_bias, target).

    Makes you predict the probability of each class. The pull on the logits is p − y; but for a language model with its
    10⁵ words, logits and their gradient are the largest arrays of all. Here they exist for a few rows at a time.

    Parameters
    ----------
    input : array_like of float, shape (D) or (N, D)
        What the layer gets.
    linear_weight : array_like of float, shape (C, D), or (C, d…, D) for up to three further axes
        The weights of the layer; with further axes, each input is scored at each of these positions.
    target : array_like of int64, shape (), (N), or (N, d…); or of float, shape (C), (N, C), or (N, C, d…)
        Class indices; or the probability of each class.
    linear_bias : array_like of float, shape (C) or (C, d…), optional
    weight : array_like of shape (C), optional
        Weight of each class. With indices, "mean" is Σwℓ / Σw; with probabilities it divides by the number of rows.
    reduction : {"mean", "sum", "none"}
    ignore_index : int, optional
        Rows with this index count for nothing; -100 by default. Not for probabilities.
    label_smoothing : float in [0, 1], default 0
        This share of the target is spread evenly over all classes.

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `label_smoothing` isn't in [0, 1], or `ignore_index` is given
        with probabilities.
    TypeError
        If `input`, `linear_weight`, and `linear_bias` aren't of one floating dtype, or indices aren't int64.
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.linear_cross_entropy([[1.0, 2.0]], [[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [0])), 4)
    0.2395

    Source: Wijmans et al. (2024), Cut Your Losses in Large-Vocabulary Language Models, arXiv:2411.09009; PyTorch, whose
    argument `options` switches this on, where here there is nothing to choose.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"linear_cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    soft = target.dtype.kind == "f"
    if soft and ignore_index is not None:
        raise ValueError(f"linear_cross_entropy: ignore_index is for indices, got {ignore_index} with probabilities")
    input_shape, target_shape = input.shape, target.shape
    if input.ndim == 1:
        input, target, factor = input[None], target[None], None if factor is None else factor[None]
    classes, *positions, _ = linear_weight.shape
    value = np.zeros((len(input), *positions), input.dtype)
    arrays = input, linear_weight, target if soft else None, linear_bias, weight if soft else None
    slopes = [None if a is None or factor is None else np.zeros(a.shape, input.dtype) for a in arrays]
    of_input, of_layer, of_target, of_bias, of_class = slopes
    for k in np.ndindex(*positions):
        here = (slice(None), *k)
        layer = linear_weight[here]
        aim = target[:, *here] if soft else target[here]
        for rows in _rows_that_count(aim, classes, ignore_index):
            logits = input[rows] @ layer.T
            if linear_bias is not None:
                logits += linear_bias[here]
            value[rows, *k], slope, *other_slopes = _surprise(logits, aim[rows], weight, label_smoothing)
            if factor is None:
                continue
            share = factor[rows, *k][:, None]
            slope *= share
            of_input[rows] += slope @ layer
            of_layer[here] += slope.T @ input[rows]
            if linear_bias is not None:
                of_bias[here] += slope.sum(axis=0)
            if soft:
                of_target[rows, *here] = other_slopes[0] * share
            if soft and weight is not None:
                of_class += (other_slopes[1] * share).sum(axis=0)
    value = value.reshape(input_shape[:-1] + value.shape[1:])
    if factor is None:
        return (value,)
    of_target = of_target.reshape(target_shape) if soft else None
    return value, of_input.reshape(input_shape), of_layer, of_target, of_bias, of_class


def _rows_that_count(target, classes, ignore_index):
    """Yield the numbers of the rows that aren't ignored, so many that their logits are about CHUNK numbers."""
    rows = np.arange(len(target))
    if target.dtype.kind != "f":
        rows = np.flatnonzero(target != (-100 if ignore_index is None else ignore_index))
        wrong = target[rows][(target[rows] < 0) | (target[rows] >= classes)]
        if wrong.size:
            raise IndexError(f"linear_cross_entropy: target {wrong[0]} is out of bounds for {classes} classes")
    step = max(1, CHUNK // max(classes, 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _surprise(logits, target, weight, label_smoothing):
    """The cross-entropy of each row, and its slopes in logits and, where it has them, in target and weight."""
    if target.dtype.kind != "f" and label_smoothing:
        target = (target[:, None] == np.arange(logits.shape[1])).astype(logits.dtype)
    if target.dtype.kind == "f":
        return soft_cross_entropy(logits, target, weight, label_smoothing)
    largest, others, slope, _ = softmax_parts(logits)
    label = np.arange(len(target)), target
    value = (largest - logits[label]) + log1p(others)
    slope[label] = (slope[label] - 1) - others  # (p − 1)·(1 + others): nothing cancels where p is 1
    share = 1 if weight is None else weight[target]
    slope *= (share / (1 + others))[:, None]
    return share * value, slope
