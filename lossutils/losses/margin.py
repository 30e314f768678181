"""Losses for a score whose sign, or whose largest entry, is the answer: is it on the right side, by enough?

A label is −1 or 1 and the margin is target · input: positive where the sign is right. PyTorch's losses take any
number for a label, as PyTorch does; the others raise an error, because 0 would be a label that pulls nowhere. (Keras
turns 0 into −1 where a batch has no other labels than 0 and 1.)
"""

import numpy as np

from lossutils.engine import elementwise, must_fit_first, rowwise
from lossutils.numerics import along_last, softplus_and_slope

__all__ = [
    "exponential_loss",
    "hinge_embedding_loss",
    "hinge_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "perceptron_loss",
    "soft_margin_loss",
    "squared_hinge_loss",
    "zero_one_loss",
]


def _margin(loss, input, target):
    """target · input; and an error for labels that aren't −1 and 1."""
    wrong = target * target != 1
    if wrong.any():
        raise ValueError(f"{loss}: target must be -1 or 1, got {target[wrong][0]}; 0 and 1 become 2 * target - 1")
    return target * input


def _relu(x):
    """max(x, 0); of the ways to write it NumPy's fastest."""
    return np.clip(x, 0, np.inf)


@elementwise(constant=("target",))
def hinge_loss(input, target):
    """Hinge loss, max(0, 1 − target · input): a score must be right by a margin of 1, then it's left alone.

    Makes you predict the class of the majority, and no probability: the best score is ±1 whether 60 % agree or all.
    The pull is −target up to a margin of 1, and 0 from there on.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores; the sign is the predicted class.
    target : array_like, the shape of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If a label is neither −1 nor 1, shapes don't match, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.hinge_loss([3.0, 0.25, -1.0], [1, 1, 1], reduction="none").tolist()
    [0.0, 0.75, 2.0]

    Source: Cortes and Vapnik (1995), Support-Vector Networks, doi:10.1007/BF00994018. At the kink the slope is 0
    here, half of −target in optax, and −target in scikit-learn's ``SGDClassifier``: all three are subgradients.
    """
    gap = 1 - _margin("hinge_loss", input, target)
    return _relu(gap), (gap > 0) * -target


@elementwise(constant=("target",))
def squared_hinge_loss(input, target):
    """Squared hinge loss, max(0, 1 − target · input)².

    Makes you predict 2p − 1, where p is the probability of class 1. The pull is twice what is missing to a margin
    of 1, so that one wild point on the wrong side pulls hardest.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores; the sign is the predicted class.
    target : array_like, the shape of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If a label is neither −1 nor 1, shapes don't match, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.squared_hinge_loss([3.0, 0.5, -1.0], [1, 1, 1], reduction="none").tolist()
    [0.0, 0.25, 4.0]

    Source: Cortes and Vapnik (1995), doi:10.1007/BF00994018, with σ = 2; what it predicts: Zhang (2004), Statistical
    behavior and consistency of classification methods based on convex risk minimization,
    doi:10.1214/aos/1079120130.
    """
    short = _relu(1 - _margin("squared_hinge_loss", input, target))
    return short * short, short * (-2 * target)


@elementwise(constant=("target",))
def exponential_loss(input, target):
    """Exponential loss, exp(−target · input): what AdaBoost minimizes.

    Makes you predict half the logit, ½ log(p / (1 − p)), where p is the probability of class 1. The pull is the loss
    itself: it grows without bound on the wrong side, so that a wrong label takes over.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores; the sign is the predicted class.
    target : array_like, the shape of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If a label is neither −1 nor 1, shapes don't match, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.exponential_loss([2.0, 0.0, -2.0], [1, 1, 1], reduction="none").round(3).tolist()
    [0.135, 1.0, 7.389]

    Source: Freund and Schapire (1997), A Decision-Theoretic Generalization of On-Line Learning and an Application to
    Boosting, doi:10.1006/jcss.1997.1504; Friedman, Hastie and Tibshirani (2000), Additive logistic regression,
    doi:10.1214/aos/1016218223.
    """
    value = np.exp(-_margin("exponential_loss", input, target))
    return value, value * -target


@elementwise(constant=("target",))
def perceptron_loss(input, target):
    """Perceptron loss, max(0, −target · input): wrong by how much; a right score costs nothing, however small.

    Finds a line between classes that a line can separate. Where they can't be separated, the best constant score
    is 0, which says nothing. The pull is −target up to a margin of 0, and 0 beyond.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores; the sign is the predicted class.
    target : array_like, the shape of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If a label is neither −1 nor 1, shapes don't match, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.perceptron_loss([3.0, 0.5, -1.0], [1, 1, 1], reduction="none").tolist()
    [0.0, 0.0, 1.0]

    Source: Rosenblatt (1958), The Perceptron, doi:10.1037/h0042519. At score 0 the slope is −target, as in
    scikit-learn's ``SGDClassifier``, so that a model that starts at 0 learns; optax has half of it.
    """
    short = -_margin("perceptron_loss", input, target)
    return _relu(short), (short >= 0) * -target


@elementwise(constant=("target",))
def zero_one_loss(input, target):
    """Zero-one loss: 0 where the sign of the score is the label, 1 otherwise. Its mean is the error rate.

    Makes you predict the class of the majority. It doesn't pull at all: the slope is 0 everywhere, so it can be
    measured but not descended. A score of 0 decides nothing and counts as an error, as does NaN.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores; the sign is the predicted class.
    target : array_like, the shape of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If a label is neither −1 nor 1, shapes don't match, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.zero_one_loss([3.0, 0.0, -1.0], [1, 1, 1], reduction="none").tolist()
    [0.0, 1.0, 1.0]

    Source: Bartlett, Jordan and McAuliffe (2006), Convexity, Classification, and Risk Bounds,
    doi:10.1198/016214505000000907, on what may replace it; ``sklearn.metrics.zero_one_loss`` compares labels.
    """
    right = _margin("zero_one_loss", input, target) > 0
    return np.subtract(1, right, dtype=input.dtype), 0


@elementwise(
    weight=None,
    broadcast="allow",
    dtype=("input",),
    check=must_fit_first,
    constant=("target",),
)
def soft_margin_loss(input, target):
    """Soft margin loss, log(1 + exp(−target · input)): the logistic loss, for labels −1 and 1.

    Makes you predict the logit of class 1, log(p / (1 − p)). The pull is −target times the probability given to the
    other class: close to −target on the wrong side, and it fades out on the right side.

    Parameters
    ----------
    input : array_like of float, any shape
        Scores (logits); the sign is the predicted class. The result has this dtype.
    target : array_like of a shape that broadcasts to that of `input`
        Labels, −1 or 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of `input` for ``reduction="none"``

    Raises
    ------
    ValueError
        If `target` doesn't fit the shape of `input`, or `reduction` is unknown.
    TypeError
        If `input` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.soft_margin_loss([0.0, -1e4], [1, 1], reduction="none").round(3).tolist()  # PyTorch says inf for the second
    [0.693, 10000.0]

    Source: Cox (1958), The Regression Analysis of Binary Sequences, doi:10.1111/j.2517-6161.1958.tb00292.x. With
    labels 0 and 1 it is called binary cross-entropy with logits.
    """
    towards = -target
    value, slope = softplus_and_slope(towards * input)
    return value, slope * towards


@elementwise(
    weight=None,
    broadcast="allow",
    dtype=("input",),
    constant=("target",),
    order="input, target, margin, reduction",
)
def hinge_embedding_loss(input, target, *, margin: float = 1.0):
    """Hinge embedding loss: a distance d that should be small costs d; one that should be large, max(0, margin − d).

    Makes matching pairs close and pushes others at least a margin apart. The pull is 1 for the former at any
    distance; −1 for the latter up to the margin, and 0 beyond.

    Parameters
    ----------
    input : array_like of float, any shape
        Distances. The result has this dtype.
    target : array_like of a shape that broadcasts with that of `input`
        1 for pairs that belong together, −1 for others. PyTorch adds both terms for any other number, and so do we.
    margin : float, default 1.0
        How far apart pairs should be that don't belong together, in the unit of `input`.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If `input` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.hinge_embedding_loss([0.25, 0.25, 3.0], [1, -1, -1], reduction="none").tolist()
    [0.25, 0.75, 0.0]

    Source: Hadsell, Chopra and LeCun (2006), Dimensionality Reduction by Learning an Invariant Mapping,
    doi:10.1109/CVPR.2006.100, who square both terms; without squares it is PyTorch's.
    """
    together, apart = target != -1, target != 1
    gap = margin - input
    value = _only(together, input) + _only(apart, _relu(gap))
    return value, np.subtract(together, apart & (gap >= 0), dtype=input.dtype)


def _only(mask, x):
    """x where the mask is set, else 0, also for infinite x, by and-ing bits: np.where stumbles over random masks."""
    integer = f"i{x.itemsize}"
    return (x.view(integer) & -mask.astype(integer)).view(x.dtype)


def _check_labels(input, target, weight=None, *, p=1, margin=1.0):
    _check_scores("multi_margin_loss", input, target, 0)
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must have shape ({input.shape[-1]},), got {weight.shape}")


def _check_label_sets(input, target):
    _check_scores("multilabel_margin_loss", input, target, -1)


def _check_scores(loss, input, target, lowest):
    """An error for scores that aren't one or two axes with a class, and for a label that is no class."""
    classes = input.shape[-1]
    if input.ndim > 2 or not classes:
        raise ValueError(f"{loss}: input must have shape (C) or (N, C) with C > 0, got {input.shape}")
    wrong = (target < lowest) | (target >= classes)
    if wrong.any():
        raise IndexError(f"{loss}: target {target[wrong][0]} is out of bounds for {classes} classes")


@rowwise(
    "(c),(),(c)",
    labels=("target",),
    keep=_check_labels,
    constant=("target", "weight"),
    dtype="same",
    order="input, target, p, margin, weight, reduction",
)
def multi_margin_loss(input, target, weight=None, *, p: int = 1, margin: float = 1.0):
    """Multi-class hinge loss, Σ max(0, margin − (x_y − x_j))ᵖ / C over the classes j other than the label y.

    Makes the score of the right class exceed every other by a margin; no probability comes out. Each rival within
    the margin pulls the label's score up and its own down, by 1/C for p = 1.

    Parameters
    ----------
    input : array_like of float, shape (C) or (N, C)
        Scores x, one for each class.
    target : array_like of int64, shape () or (N)
        Class indices y.
    p : {1, 2}, default 1
        2 squares what is missing.
    margin : float, default 1.0
        In the unit of the scores.
    weight : array_like of shape (C), optional
        Weight of each class, in the dtype of `input`; the label's counts.
    reduction : {"mean", "sum", "none"}
        "mean" divides by N, weighted or not.

    Returns
    -------
    number, or ndarray of the shape of `target` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, there is no class, `p` isn't 1 or 2, or `reduction` is unknown.
    TypeError
        If `input` isn't floating point, labels aren't int64, or `weight` has another dtype than `input`.
    IndexError
        If a label isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.multi_margin_loss([3.0, 2.5, 0.0, 1.0], 0))  # only class 1 is too close, by 0.5
    0.125

    Source: Weston and Watkins (1999), Support Vector Machines for Multi-Class Pattern Recognition, ESANN; the
    division by C is PyTorch's. optax's ``multiclass_hinge_loss`` (Crammer and Singer) takes the largest term alone.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p}")
    here = along_last(target)
    wide = input.astype(float, copy=False)  # so that float32 scores lose no digit where the margin is nearly met
    short = _relu((wide - wide[here][..., None]) + margin)
    short[here] = 0  # the label is no rival of itself
    value, slope = (short, (short > 0).astype(float)) if p == 1 else (short * short, 2 * short)
    ones = np.ones(input.shape[-1])  # x @ ones is x.sum(axis=-1), faster for short rows
    slope[here] = -(slope @ ones)
    share = (1 if weight is None else weight[target]) / input.shape[-1]
    return share * (value @ ones), (slope, share)


@rowwise("(c),(c)", labels=("target",), keep=_check_label_sets, constant=("target",), dtype="same")
def multilabel_margin_loss(input, target):
    """Multi-label hinge loss, Σ max(0, 1 − (x_y − x_j)) / C over all labels y and all classes j that are no label.

    Puts every class that applies above every class that doesn't, by a margin of 1. Each pair that is too close pulls
    the label's score up and the other down, by 1/C.

    Parameters
    ----------
    input : array_like of float, shape (C) or (N, C)
        Scores x, one for each class.
    target : array_like of int64, the shape of `input`
        Class indices, in any order, that end at the first −1; what follows is ignored. A class that is listed twice
        counts twice.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of shape () or (N) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, there is no class, or `reduction` is unknown.
    TypeError
        If `input` isn't floating point, or labels aren't int64.
    IndexError
        If a label isn't in −1 … C − 1, also after the first −1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.multilabel_margin_loss([0.5, 1.0, 3.0, 0.25], [2, 1, -1, -1]))  # 1 is close to 0 by 0.5, to 3 by 0.25
    0.1875

    Source: Elisseeff and Weston (2001), A kernel method for multi-labelled classification, NIPS 14, who divide by
    the number of pairs; the division by C is PyTorch's.
    """
    listed = np.logical_and.accumulate(target >= 0, axis=-1)
    longest = listed.any(axis=tuple(range(listed.ndim - 1))).sum()
    label = np.where(listed, target, 0)
    columns = [along_last(label[..., k]) for k in range(longest)]
    rival = np.ones(input.shape, bool)
    for k, here in enumerate(columns):
        rival[here] &= ~listed[..., k]
    wide, ones = input.astype(float, copy=False), np.ones(input.shape[-1])  # as in multi_margin_loss
    value, slope = np.zeros(input.shape[:-1]), np.zeros(input.shape)
    for k, here in enumerate(columns):
        short = _only(rival & listed[..., k, None], _relu((wide - wide[here][..., None]) + 1))
        pulls = (short > 0).astype(float)
        value += short @ ones
        slope += pulls
        slope[here] -= pulls @ ones
    return value / input.shape[-1], (slope, 1 / input.shape[-1])
