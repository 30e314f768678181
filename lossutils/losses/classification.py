"""Losses for a class: how surprised is the model by what came true?

Logits are scores before sigmoid or softmax. Classes lie along axis 1 (axis 0 if there is but one), as in PyTorch,
except in `multilabel_soft_margin_loss`, where PyTorch has them last.
"""

import functools
import math

import numpy as np

from lossutils.engine import elementwise, rowwise
from lossutils.numerics import along_last, exp_difference, log1p, log1p_unit, soft_cross_entropy, softplus, sum_last

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "brier_loss",
    "class_balanced_cross_entropy",
    "cost_sensitive_binary_cross_entropy",
    "cross_entropy",
    "generalized_cross_entropy",
    "logit_adjusted_cross_entropy",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poly1_cross_entropy",
    "sigmoid_focal_loss",
    "sparsemax_loss",
    "spherical_loss",
]


# ---- one class of several


def _is_label(input, target, *_, ignore_index=None, **__):
    """Which rows count, None for all; and an error for an index that is no class."""
    classes = input.shape[-1]
    if classes == 0:
        raise ValueError(f"input must have at least one class, got shape {input.shape}")
    if target.dtype.kind == "f":
        if ignore_index is not None and ignore_index >= 0:
            raise ValueError(f"ignore_index is for class indices, got {ignore_index} with probabilities as target")
        return None
    if target.shape != input.shape[:-1]:
        raise ValueError(f"input of shape {input.shape} and target of shape {target.shape} don't match")
    unsigned = target.view(np.uint64) if target.itemsize == 8 else target  # −1 is huge here
    within = not target.size or unsigned.item(unsigned.argmax()) < classes
    if within and (ignore_index is None or ignore_index not in range(classes)):
        return None
    keep = np.not_equal(target, ignore_index) if ignore_index is not None else np.ones(target.shape, bool)
    wrong = ((target < 0) | (target >= classes)) & keep
    if wrong.any():
        raise IndexError(f"target {target[wrong].flat[0]} is out of bounds for {classes} classes")
    return keep


def _weight_of_labels(input, target, weight=None, *, ignore_index, label_smoothing=0.0):
    """What a mean divides by: the sum of the weights of the labels that aren't ignored."""
    if weight is None or target.dtype.kind == "f":
        return None
    total = weight[target[target != ignore_index]].sum(dtype=np.float64)
    return total if total or not label_smoothing else np.nan  # PyTorch adds 0/0 and smoothing/0


def _dtypes_of_classes(arrays):
    """As in PyTorch, input is floating point, and of one dtype with the weights of indices."""
    input, weight = arrays["input"], arrays.get("weight")
    if input.dtype.kind != "f":
        raise TypeError(f"input must be floating point, got {input.dtype}")
    if weight is None:
        return
    if weight.dtype != input.dtype and arrays["target"].dtype.kind != "f":
        raise TypeError(f"input and weight must have one dtype, got {input.dtype} and {weight.dtype}")
    if weight.ndim != 1:
        raise ValueError(f"weight must have one number for each class, got shape {weight.shape}")


def _places(array, index):
    """Where in ``array.ravel("K")``, the entries in their order in memory, each row has the class `index`.

    NumPy indexes one axis several times as fast as two or three. `array` has no gaps.
    """
    *strides, step = [stride // array.itemsize for stride in array.strides]
    places = np.multiply(index, step, dtype=np.intp)
    for axis, stride in enumerate(strides):
        places += (np.arange(index.shape[axis]) * stride).reshape([-1] + [1] * (index.ndim - 1 - axis))
    return places


@functools.lru_cache(maxsize=4)
def _row_starts(batch, classes):
    """Where each row of an array without gaps begins in memory: the same in every step of a training loop."""
    starts = np.arange(0, math.prod(batch) * classes, classes).reshape(batch)
    starts.setflags(write=False)
    return starts


def _surprise(input, target, dtype=None):
    """−log p of the label with p = softmax(input), and its slope, p − y, as an array and a factor for each row.

    The label's own term is left out of the sum. What is left is 1 − p, up to the factor, and where the label is the
    largest, log1p of it is the value: no digit is lost beside the 1.

    `dtype` is the value's; a power of p needs float64, as rounding −log p = 80 to float32 changes p by 4e-6.
    """
    if input.flags.c_contiguous:  # then NumPy's argmax takes half the time of its max
        logits, first = input.reshape(-1), _row_starts(target.shape, input.shape[-1])
        label = first + target
        largest, own = logits[first + input.argmax(axis=-1)], logits[label]
        slope = exp_difference(input, largest[..., None])
    else:
        largest = input.max(axis=-1)
        slope = exp_difference(input, largest[..., None])
        label = _places(slope, target)
        alike = input.strides == slope.strides
        own = input.ravel("K")[label] if alike else input[along_last(target)]
    entries = slope.ravel("K")
    excess = entries[label] - 1
    entries[label] = 0
    rest = sum_last(slope)
    entries[label] = -rest
    rest += excess
    value = np.subtract(largest, own, dtype=dtype)
    value += log1p(rest)
    rest += 1
    return value, slope, 1 / rest


@rowwise(
    "(c),(),(c) or (c),(c),(c)",
    axis="class",
    labels=("target",),
    keep=_is_label,
    count=_weight_of_labels,
    check=_dtypes_of_classes,
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
        Weight of each class; with indices, of input's dtype. With indices, "mean" is Σwℓ / Σw; with probabilities it
        divides by the number of rows.
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
        If `input` isn't floating point, indices aren't int64 (or uint8), or weights of indices differ in dtype.
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
    et al. (2016), arXiv:1512.00567.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    if target.dtype.kind == "f":
        return soft_cross_entropy(input, target, weight, label_smoothing)
    if label_smoothing:
        smooth = np.full_like(input, label_smoothing / input.shape[-1])
        smooth.ravel("K")[_places(smooth, target)] += 1 - label_smoothing
        return soft_cross_entropy(input, smooth, weight)[:2]
    value, slope, share = _surprise(input, target)
    if weight is None:
        return value, (slope, share)
    weight = weight[target]
    return weight * value, (slope, weight * share)


@rowwise(
    "(c),(),(c)",
    axis="class",
    labels=("target",),
    keep=_is_label,
    count=_weight_of_labels,
    check=_dtypes_of_classes,
    constant=("weight",),
    order="input, target, weight, ignore_index, reduction",
)
def nll_loss(input, target, weight=None, *, ignore_index: int = -100):
    """Negative log-likelihood, −input[target], of log-probabilities.

    After log-softmax it is `cross_entropy`; by itself it doesn't know that probabilities sum to 1. The pull is −1 on
    the class that came true, and 0 on the others.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Log-probabilities.
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    weight : array_like of shape (C) and input's dtype, optional
        Weight of each class. "mean" is Σwℓ / Σw.
    ignore_index : int, default -100
        Rows with this index count for nothing.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        In nats, for natural logarithms.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` isn't floating point, indices aren't int64 (or uint8), or `weight` differs in dtype.
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> round(float(F.nll_loss(np.log([[0.5, 0.25, 0.25]]), [1])), 4)
    1.3863

    Source: Fisher (1922), On the Mathematical Foundations of Theoretical Statistics, doi:10.1098/rsta.1922.0009, for
    maximum likelihood.
    """
    slope = np.zeros_like(input)
    slope.ravel("K")[_places(slope, target)] = -1
    value = -input[along_last(target)]
    return (value, slope) if weight is None else (weight[target] * value, (slope, weight[target]))


@rowwise("(c),()", axis="class", labels=("target",), keep=_is_label)
def generalized_cross_entropy(input, target, *, q: float = 0.7):
    """Generalized cross-entropy from logits: (1 − p^q) / q, with p = softmax(input)[target].

    Between cross-entropy (q → 0), which a wrong label pulls at with all its force, and the absolute error 1 − p
    (q = 1), which it hardly moves. Makes you predict the most frequent class, with more confidence than its
    frequency: the best p is proportional to frequency^(1 / (1 − q)). The pull is cross-entropy's times p^q, so that
    it lets go of examples that look hopeless.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits. (Keras' ``CategoricalGeneralizedCrossEntropy`` takes probabilities.)
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    reduction : {"mean", "sum", "none"}
    q : float in [0, 1], default 0.7
        0 is cross-entropy.

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        From 0 to 1/q.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `q` isn't in [0, 1].
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> round(float(F.generalized_cross_entropy(np.log([0.25, 0.75]), 0, q=0.5)), 4)  # (1 − √¼) / ½
    1.0

    Source: Zhang and Sabuncu (2018), Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy
    Labels, arXiv:1805.07836.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"generalized_cross_entropy: q must be in [0, 1], got {q}")
    surprise, slope, share = _surprise(input, target, np.float64)
    if q == 0:
        return surprise, (slope, share)
    return np.expm1(-q * surprise) / -q, (slope, share * np.exp(-q * surprise))


@rowwise("(c),()", axis="class", labels=("target",), keep=_is_label)
def poly1_cross_entropy(input, target, *, epsilon: float = 2.0):
    """Poly-1 loss from logits: −log p + ε·(1 − p), with p = softmax(input)[target].

    Cross-entropy is the series Σ (1 − p)ʲ / j; this changes the weight of its first term from 1 to 1 + ε. Makes you
    predict the most frequent class, for ε > 0 with more confidence than its frequency. The pull is cross-entropy's
    times 1 + ε·p: stronger, for ε > 0, on what is right already.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits.
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices. (Optax's ``poly_loss_cross_entropy`` takes probabilities.)
    reduction : {"mean", "sum", "none"}
    epsilon : float, default 2.0
        Added to the weight of 1 − p; −1 or more. 0 is cross-entropy.

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `epsilon` is less than −1.
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> round(float(F.poly1_cross_entropy(np.log([0.25, 0.75]), 0)), 4)  # log 4 + 2·¾
    2.8863

    Source: Leng et al. (2022), PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions,
    arXiv:2204.12511.
    """
    if not epsilon >= -1:
        raise ValueError(f"poly1_cross_entropy: epsilon must be -1 or more, got {epsilon}")
    surprise, slope, share = _surprise(input, target, np.float64)
    excess = np.expm1(-surprise)  # p − 1
    return surprise - epsilon * excess, (slope, share * (1 + epsilon + epsilon * excess))


@rowwise("(c),(),(c)", axis="class", labels=("target",), keep=_is_label, broadcast=True, constant=("prior",))
def logit_adjusted_cross_entropy(input, target, prior, *, tau: float = 1.0):
    """Cross-entropy of input + τ·log prior: rare classes must be right by a wider margin.

    Makes you predict, for τ = 1, how much more likely the data are under each class than under the others, whatever
    its frequency: the largest logit then errs least on average over classes. The pull is p − y of the adjusted
    logits.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits; use them unadjusted for predictions.
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    prior : array_like of shape (C)
        How frequent each class is in training: shares or counts, positive.
    reduction : {"mean", "sum", "none"}
    tau : float, default 1.0
        Strength of the adjustment; 0 is cross-entropy.

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a prior isn't positive.
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.logit_adjusted_cross_entropy([0.0, 0.0], 1, prior=[3, 1])), 4)  # log 4: one in four
    1.3863

    Source: Menon et al. (2021), Long-tail learning via logit adjustment, arXiv:2007.07314.
    """
    if not prior.min(initial=1) > 0:
        raise ValueError(f"logit_adjusted_cross_entropy: prior must be positive, got {prior.min()}")
    value, slope, share = _surprise(input + tau * np.log(prior), target)
    return value, (slope, share)


@rowwise(
    "(c),(),(c)",
    axis="class",
    labels=("target",),
    keep=_is_label,
    broadcast=True,
    constant=("samples_per_class",),
)
def class_balanced_cross_entropy(input, target, samples_per_class, *, beta: float = 0.9999):
    """Cross-entropy times the class's weight (1 − β) / (1 − βⁿ), with n its number of samples in training.

    (1 − βⁿ) / (1 − β) = 1 + β + … + βⁿ⁻¹ is the *effective* number of samples, in which every further one counts for
    less. β = 0 leaves cross-entropy, β → 1 divides by the frequency. Weights are scaled to a mean of 1 over classes.
    Makes you predict the probability of each class in a population where class c is so much more frequent. The pull is
    cross-entropy's, p − y, times the weight.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits.
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    samples_per_class : array_like of shape (C)
        How many training samples each class has; positive.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of rows, where `cross_entropy` with these weights divides by their sum.
    beta : float in [0, 1), default 0.9999

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `beta` isn't in [0, 1), or a number of samples isn't positive.
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.class_balanced_cross_entropy([[0.0, 0.0]] * 2, [0, 1], [1, 2], reduction="none", beta=0.5).round(4).tolist()
    [0.8318, 0.5545]

    Source: Cui et al. (2019), Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"class_balanced_cross_entropy: beta must be in [0, 1), got {beta}")
    if samples_per_class.ndim != 1 or not samples_per_class.min(initial=1) > 0:
        raise ValueError("class_balanced_cross_entropy: samples_per_class must have one positive number for each class")
    weight = np.reciprocal(np.expm1(samples_per_class * np.log(beta, dtype=np.float64)))  # −1 / (1 − βⁿ)
    weight = (weight / weight.mean())[target]
    value, slope, share = _surprise(input, target)
    return weight * value, (slope, weight * share)


@rowwise("(c),()", axis="class", labels=("target",), keep=_is_label)
def spherical_loss(input, target):
    """1 minus the spherical score, from logits: 1 − p[target] / √Σp², with p = softmax(input).

    The forecast as a direction: the loss is 1 minus the cosine of the angle between p and the class that came true.
    Makes you predict the probability of each class. The pull fades where the class that came true was thought
    impossible: unlike cross-entropy it is bounded, and yet honest probabilities are its minimum.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits.
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        From 0 to 1.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> round(float(F.spherical_loss(np.log([3.0, 4.0]), 1)), 4)  # 1 − 4/5
    0.2

    Source: Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation,
    doi:10.1198/016214506000001437, section 4.1, for the score.
    """
    surprise, slope, share = _surprise(2 * input, target, np.float64)  # (p / √Σp²)² is the softmax of 2·input
    return -np.expm1(-surprise / 2), (slope, share * np.exp(-surprise / 2))


@rowwise("(c),()", axis="class", labels=("target",), keep=_is_label)
def sparsemax_loss(input, target):
    """Sparsemax loss from logits: ½‖p − y‖² + max(0, τ − input[target]), with p = max(0, input − τ) summing to 1.

    p, the *sparsemax*, is the point of the probability simplex nearest to the logits: classes that are a margin of 1
    behind get a probability of exactly 0. Makes you predict the probability of each class. The pull is p − y, as in
    cross-entropy, and ends where the label is ahead of all others by 1.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits, which here are close to probabilities: for two classes p = ½ + ½·(difference), clipped to [0, 1].
    target : array_like of int64, shape (), (N), or (N, d…)
        Class indices.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.sparsemax_loss([0.5, 0.0], 0)), float(F.sparsemax_loss([2.0, 0.0], 0))
    (0.0625, 0.0)

    Source: Martins and Astudillo (2016), From Softmax to Sparsemax, arXiv:1602.02068. Theirs is
    ½Σ(z² − τ²) + ½ − z[target] over the classes with p > 0; with z = p + τ there, this form has no cancellation.
    """
    height = 1 + (input.astype(np.float64) - input.max(axis=-1, keepdims=True))  # 1 for the largest; p > 0 needs > 0
    ranked = -np.sort(-height, axis=-1)
    ranked[..., 0] = 0
    above = ranked.cumsum(axis=-1)  # Σ height − 1 of the k largest: were p > 0 for them alone, τ would be above / k
    rank = np.arange(1, input.shape[-1] + 1)
    support = 1 + (rank * ranked > above).sum(axis=-1)
    threshold = above[along_last(support - 1)] / support
    p = np.maximum(height - threshold[..., None], 0)
    label = along_last(target)
    p[label] = 0
    p[label] = -p.sum(axis=-1)
    return 0.5 * (p * p).sum(axis=-1) + np.maximum(threshold - height[label], 0), p


def _check_probabilities(loss, **arrays):
    for name, p in arrays.items():
        if not (p.min(initial=0) >= 0 and p.max(initial=1) <= 1):  # NaN isn't either
            raise ValueError(f"{loss}: {name} must be probabilities, got {p[~((p >= 0) & (p <= 1))].flat[0]}")


@rowwise("(c),() or (c),(c)", axis="class", labels=("target",), keep=_is_label)
def brier_loss(input, target):
    """Brier score from probabilities: Σ (p − y)² over the classes, with y = 1 for the class that came true.

    Makes you predict the probability of each class. The pull is 2(p − y): bounded, so that even a forecast of 0 for
    what came true costs no more than 2.

    Parameters
    ----------
    input : array_like of float, shape (C), (N, C), or (N, C, d…)
        Probabilities of the classes. That they sum to 1 isn't checked.
    target : array_like of int64, shape (), (N), or (N, d…); or of float, the shape of `input`
        Class indices; or the probability of each class.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the indices for ``reduction="none"``
        From 0 to 2. With two classes it is twice the (p − y)² of the one probability in scikit-learn's
        ``brier_score_loss``; for a single probability of yes or no use `mse_loss`.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a number isn't in [0, 1].
    TypeError
        If `input` isn't floating point or indices aren't int64 (or uint8).
    IndexError
        If an index isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.brier_loss([[0.7, 0.2, 0.1]], [0])), 4)
    0.14

    Source: Brier (1950), Verification of Forecasts Expressed in Terms of Probability,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    _check_probabilities("brier_loss", input=input)
    if target.dtype.kind == "f":
        _check_probabilities("brier_loss", target=target)
        residual = input - target
    else:
        residual = input.copy("K")
        residual.ravel("K")[_places(residual, target)] -= 1
    return sum_last(residual * residual), (residual, 2), (residual, -2)


# ---- yes or no, for each element by itself


_SMALLEST_VARIANCE = np.float32(1e-12)  # PyTorch has this number in double precision too


def _one_floating_dtype(arrays):
    input, target = arrays["input"].dtype, arrays["target"].dtype
    if input.kind != "f" or input != target:
        raise TypeError(f"input and target must have one floating-point dtype, got {input} and {target}")


def _floating_dtypes(arrays):
    for name in ("input", "target"):
        if arrays[name].dtype.kind != "f":
            raise TypeError(f"{name} must be floating point, got {arrays[name].dtype}")


def _floating_input(arrays):
    if arrays["input"].dtype.kind != "f":
        raise TypeError(f"input must be floating point, got {arrays['input'].dtype}")


@elementwise(
    weight="broadcast",
    broadcast="raise",
    dtype=("target",),
    check=_one_floating_dtype,
    constant=("weight",),
    order="input, target, weight, reduction",
)
def binary_cross_entropy(input, target):
    """Binary cross-entropy from a probability: −t·log p − (1 − t)·log(1 − p), with logarithms of −100 or more.

    Makes you predict the probability of yes. The pull is (p − t) / (p(1 − p)): hard on confident mistakes, 10¹² at
    most. From logits use `binary_cross_entropy_with_logits`, which is exact where a probability rounds to 0 or 1.

    Parameters
    ----------
    input : array_like of float, any shape
        Probabilities of yes.
    target : array_like of input's shape and dtype
        1 for yes, 0 for no, or a probability.
    weight : array_like, optional
        Broadcastable to input's shape. "mean" divides by the number of elements all the same.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of input's shape for ``reduction="none"``
        In nats; a certain forecast that fails costs 100.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a number isn't in [0, 1].
    TypeError
        If `input` or `target` isn't floating point, or their dtypes differ.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.binary_cross_entropy([0.8, 0.8, 0.0], [1.0, 0.0, 1.0], reduction="none").round(4).tolist()
    [0.2231, 1.6094, 100.0]

    Source: Good (1952), Rational Decisions, doi:10.1111/j.2517-6161.1952.tb00104.x; the bounds, on the logarithms and
    on p(1 − p) in the slope, are PyTorch's, and its slope with respect to `target` has none.
    """
    _check_probabilities("binary_cross_entropy", input=input, target=target)
    other = 1 - input
    log_p, log_other = np.log(input), np.log(other)
    log_other += (1 - other) - input  # what rounding 1 − p lost, which is 0 beyond p = ½
    value = (target - 1) * np.maximum(log_other, -100) - target * np.maximum(log_p, -100)
    return value, (input - target) / np.maximum(input * other, _SMALLEST_VARIANCE), lambda: log_other - log_p


def _bend(x):
    """e = exp(−|x|), and log(1 + e), by which softplus is above its two straight lines."""
    e = np.abs(x)
    np.negative(e, out=e)
    np.exp(e, out=e)
    return e, log1p_unit(e)


def _straight(slope, x, out=None):
    """slope · x, and 0 where the slope is 0, also for infinite x."""
    product = np.multiply(slope, x, out=out)
    return product if np.isfinite(product.max(initial=0)) else np.where(slope == 0, 0, product)


def _logistic(x, t):
    """(1 − t)·softplus(x) + t·softplus(−x), and its slope σ(x) − t, where nothing cancels if t is 0 or 1.

    With u = 1 for x > 0, else 0, that is (u − t)·x + log(1 + e) and ((u − t) + e·(1 − u − t)) / (1 + e). In place, it
    takes three quarters of the time.
    """
    e, value = _bend(x)
    up = (x > 0).astype(x.dtype)
    slope = 1 - t
    slope -= up
    slope *= e
    up -= t
    slope += up
    e += 1
    slope /= e
    value += _straight(up, x, out=e)
    return value, slope


def _weighted_logistic(x, t, yes, no):
    """no·(1 − t)·softplus(x) + yes·t·softplus(−x), and its slopes in x and t; as `_logistic`."""
    e, value = _bend(x)
    above, below = no * (1 - t), yes * t
    value *= above + below
    up = (x > 0).astype(x.dtype)
    straight = up * above  # of these and the next two differences one term is 0
    up *= below
    slope = above
    slope -= straight
    slope -= up
    below -= up
    straight -= below
    slope *= e
    slope += straight
    e += 1
    slope /= e
    value += _straight(straight, x, out=e)
    return value, slope, lambda: yes * softplus(-x) - no * softplus(x)


@elementwise(
    weight="broadcast",
    broadcast="raise",
    dtype=("target",),
    check=_floating_dtypes,
    constant=("weight", "pos_weight"),
    order="input, target, weight, reduction, pos_weight",
)
def binary_cross_entropy_with_logits(input, target, pos_weight=None):
    """Binary cross-entropy from a logit: (1 − t)·softplus(x) + w·t·softplus(−x), with softplus(x) = log(1 + eˣ).

    Makes you predict the log-odds of yes. The pull is σ(x) − t, for w = 1: what you said minus what came true.

    Parameters
    ----------
    input : array_like of float, any shape
        Logits x; the probability of yes is σ(x) = 1 / (1 + e⁻ˣ).
    target : array_like of float, input's shape
        1 for yes, 0 for no, or a probability. The result has its dtype.
    weight : array_like, optional
        Broadcastable to input's shape. "mean" divides by the number of elements all the same.
    reduction : {"mean", "sum", "none"}
    pos_weight : array_like, optional
        Weight w of yes; broadcastable to input's shape.

    Returns
    -------
    number, or ndarray of input's shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` or `target` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.binary_cross_entropy_with_logits([0.0, -50.0], [1.0, 0.0], reduction="none").tolist()  # PyTorch: 0 for 2e-22
    [0.6931471805599453, 1.9287498479639178e-22]

    Source: Cox (1958), The Regression Analysis of Binary Sequences, doi:10.1111/j.2517-6161.1958.tb00292.x.
    """
    if pos_weight is None:
        return *_logistic(input, target), lambda: -input
    return _weighted_logistic(input, target, pos_weight, 1)


@elementwise
def cost_sensitive_binary_cross_entropy(
    input, target, *, false_negative_cost: float = 1.0, false_positive_cost: float = 1.0
):
    """Binary cross-entropy from a logit, by cost: c_FN·t·softplus(−x) + c_FP·(1 − t)·softplus(x).

    For a diagnosis that had better raise a false alarm than miss an illness. Makes you predict the log-odds of yes
    plus log(c_FN / c_FP): above 0 where "yes" costs less on average than "no". The pull is c_FP·σ(x) where the truth
    is no, and −c_FN·σ(−x) where it is yes.

    Parameters
    ----------
    input : array_like of float, any shape
        Logits x.
    target : array_like, input's shape
        1 for yes, 0 for no, or a probability.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    false_negative_cost, false_positive_cost : float, default 1.0
        What it costs to say no to a yes, and yes to a no, in a unit of your choice; positive.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In the unit of the costs.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a cost isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> costs = {"false_negative_cost": 10.0, "false_positive_cost": 1.0}
    >>> F.cost_sensitive_binary_cross_entropy([0.0, 0.0], [1, 0], reduction="none", **costs).round(4).tolist()
    [6.9315, 0.6931]

    Source: Elkan (2001), The Foundations of Cost-Sensitive Learning, IJCAI 17, for the costs; with c_FP = 1 it is
    `binary_cross_entropy_with_logits` with ``pos_weight=c_FN``.
    """
    if not (false_negative_cost > 0 and false_positive_cost > 0):
        costs = f"false_negative_cost={false_negative_cost} and false_positive_cost={false_positive_cost}"
        raise ValueError(f"cost_sensitive_binary_cross_entropy: costs must be positive, got {costs}")
    return _weighted_logistic(input, target, false_negative_cost, false_positive_cost)


@rowwise("(c),(c),(c)", check=_floating_input, order="input, target, weight, reduction")
def multilabel_soft_margin_loss(input, target, weight=None):
    """Mean over the classes of the binary cross-entropy from logits: each class is a yes or no by itself.

    Makes you predict the log-odds of each class; several may be true of one row. The pull is (σ(x) − t) / C.

    Parameters
    ----------
    input : array_like of float, shape (C) or (…, C)
        Logits x. Classes are on the last axis, and are averaged for every reduction.
    target : array_like, input's shape
        1 for yes, 0 for no, or a probability.
    weight : array_like of shape (C) or (…, C), optional
        Weight of each class; the mean over the classes divides by C all the same.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray without the last axis for ``reduction="none"``
        In nats for each class.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.multilabel_soft_margin_loss([[0.0, 3.0]], [[1, 1]])), 4)
    0.3709

    Source: Boutell et al. (2004), Learning multi-label scene classification, doi:10.1016/j.patcog.2004.03.009, for a
    classifier for each class; the name is PyTorch's, though no margin is asked for.
    """
    value, slope = _logistic(input, target)
    classes = value.shape[-1]
    if weight is None:
        return value.sum(axis=-1) / classes, slope / classes, lambda: input / -classes
    slopes = weight * slope / classes, lambda: weight * input / -classes, lambda: value / classes
    return (weight * value).sum(axis=-1) / classes, *slopes


@elementwise(constant=("target",), order="input, target, alpha, gamma, reduction, weight")
def sigmoid_focal_loss(input, target, *, alpha: float | None = 0.25, gamma: float = 2.0):
    """Focal loss from a logit: binary cross-entropy times α_t·(1 − p_t)^γ, with p_t the probability of what came true.

    For a rare yes among easy nos: a no with p = 0.1 counts for a hundredth with γ = 2. Makes you predict which of the
    two is likelier, and no probability: the answers are less certain than the frequencies, and shifted by α. The pull
    fades where the answer is right, ever faster with γ.

    Parameters
    ----------
    input : array_like of float, any shape
        Logits x; p = σ(x).
    target : array_like, input's shape
        1 for yes, 0 for no. In between p_t is p·t + (1 − p)·(1 − t), and α_t likewise.
    alpha : float in [0, 1], default 0.25
        Weight of yes; 1 − alpha is that of no. None, or torchvision's −1: both are 1.
    gamma : float, default 2.0
        How much less what is easy counts; not negative. 0 is binary cross-entropy times α_t.
    reduction : {"mean", "sum", "none"}
        torchvision's default is "none". "mean" divides by the number of elements, weighted or not; the paper divides
        by the number of yeses.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `alpha` isn't in [0, 1], or `gamma` is negative.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.sigmoid_focal_loss([0.0, 3.0], [1, 1], reduction="none").round(6).tolist()
    [0.043322, 2.7e-05]

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, arXiv:1708.02002.
    """
    if not gamma >= 0:
        raise ValueError(f"sigmoid_focal_loss: gamma must not be negative, got {gamma}")
    if alpha is not None and alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"sigmoid_focal_loss: alpha must be in [0, 1], or None, got {alpha}")
    e, bend = _bend(input)
    whole, no = 1 + e, 1 - target
    up = (input > 0).astype(input.dtype)
    surprise = bend + _straight(up - target, input)
    p, other = np.maximum(e, up) / whole, np.maximum(e, 1 - up) / whole  # σ(x), σ(−x)
    missed = no * p + target * other  # 1 − p_t
    focus = missed**gamma
    if alpha is not None and alpha != -1:
        focus *= alpha * target + (1 - alpha) * no
    bent = p * other / np.maximum(missed, np.finfo(input.dtype).tiny)  # (log missed)′ = (1 − 2t)·bent, also for γ < 1
    slope = no * p - target * other + gamma * (no - target) * _straight(bent, surprise)
    return focus * surprise, focus * slope
