"""Losses for an order: which item should stand above which?

Only differences of scores matter: adding a constant to all scores of a pair or a list changes nothing. A list lies
along the last axis. Lists of different lengths are padded with scores of −inf, which take no part.
"""

import numpy as np

from lossutils.engine import elementwise, rowwise
from lossutils.numerics import log1p, softmax_parts, softplus_and_slope

__all__ = ["bpr_loss", "listnet_loss", "listwise_softmax_loss", "margin_ranking_loss", "relevance_diversity_loss"]


def _as_many_axes(arrays):
    if len({array.ndim for array in arrays.values()}) > 1:
        described = " and ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{described} don't have equally many axes")


@elementwise(
    weight=None,
    broadcast="allow",
    check=_as_many_axes,
    order="input1, input2, target, margin, reduction",
)
def margin_ranking_loss(input1, input2, target, *, margin: float = 0):
    """Pairwise hinge, max(0, margin − target·(input1 − input2)): the right one must lead by the margin.

    Makes you predict an order. The pull is ±1 until the lead is the margin, and 0 beyond.

    Parameters
    ----------
    input1, input2 : array_like of float, shapes with equally many axes that broadcast
        Scores of the two items.
    target : array_like of float or int, broadcasting likewise
        1 where `input1` should be the higher, −1 where `input2` should.
    margin : float, default 0
        The lead asked for, in the unit of the scores. With 0, equal scores are already good enough.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, or `reduction` is unknown.
    TypeError
        If no argument is floating point (PyTorch computes integers in float32).

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.margin_ranking_loss([3.0, 0.5], [0.0, 0.0], [1, 1], margin=1.0, reduction="none").tolist()
    [0.0, 0.5]

    Source: Herbrich, Graepel and Obermayer (1999), Support vector learning for ordinal regression,
    doi:10.1049/cp:19991091, has the hinge of a difference of scores. The slope at the kink is that of the hinge's
    straight part, as in PyTorch.
    """
    lead = input1 - input2
    missing = float(margin) - target * lead
    pull = target * (missing >= 0)
    return np.clip(missing, 0, np.inf), -pull, pull, -lead * (missing >= 0)


@elementwise
def bpr_loss(positive, negative):
    """Bayesian personalized ranking, −log σ(positive − negative): what was chosen should outrank what wasn't.

    Makes you predict an order: the difference becomes the log-odds that the first is preferred. The pull is the
    probability given to the wrong order, between 0 and 1.

    Parameters
    ----------
    positive, negative : array_like of float, any shapes that broadcast
        Scores of an item that a user chose, and of one sampled from those they didn't.
    reduction : {"mean", "sum", "none"}
        The paper sums, and adds L2 regularization, which is left to the optimizer.
    weight : array_like of positive's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.bpr_loss([2.0, -1000.0], [0.0, 0.0], reduction="none").round(4).tolist()
    [0.1269, 1000.0]

    Source: Rendle, Freudenthaler, Gantner and Schmidt-Thieme (2009), BPR: Bayesian Personalized Ranking from
    Implicit Feedback, arXiv:1205.2618. RankNet's loss for a known order (Burges et al. 2005) is the same formula.
    """
    value, wrong = softplus_and_slope(negative - positive)
    return value, -wrong


@rowwise("(n),(n)")
def listnet_loss(input, target):
    """ListNet's top-one loss, −Σ softmax(target)·log softmax(input): who comes first, by scores and by relevance?

    Makes you predict the relevance up to a constant. The pull is the difference of the two top-one probabilities.

    Parameters
    ----------
    input : array_like of float, shape (…, n)
        Scores; the last axis is a list. −inf pads a list, together with −inf in `target`.
    target : array_like of float, shape (…, n)
        Relevance, in the unit of the scores: softmax turns it into the probability of standing on top.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of lists.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``
        In nats. At its least it is the entropy of softmax(target), not 0.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.listnet_loss([2.0, 1.0, 0.0], [3.0, 0.0, 0.0])), 4)
    0.5434

    Source: Cao, Qin, Liu, Tsai and Li (2007), Learning to Rank: From Pairwise Approach to Listwise Approach,
    doi:10.1145/1273496.1273513.
    """
    _, others, exponentials, top = softmax_parts(target)
    p = exponentials / (1 + others)[..., None]
    value, slope, _ = _surprise(input, p)
    # p·(Σpₖuₖ − u) with u = −log softmax(input), where only differences of scores are left. Measured from the score of
    # the target's top, the top's own term is an exact 0, which leaves all digits to the small ones.
    lead = input - input[top][..., None]
    lead[p == 0] = 0  # padding, at −inf
    return value, slope, p * ((p * lead).sum(axis=-1, keepdims=True) - lead)


@rowwise("(n),(n)")
def listwise_softmax_loss(input, target):
    """Softmax cross-entropy of a list, −Σ target·log softmax(input), with relevances as they are.

    Makes you predict scores whose softmax is each item's share of the relevance. The pull is p·Σtarget − target, so
    a list with more relevance in it counts more.

    Parameters
    ----------
    input : array_like of float, shape (…, n)
        Scores; the last axis is a list. −inf pads a list, together with 0 in `target`.
    target : array_like of float or int, shape (…, n)
        Relevance, not negative; not normalized: a list with none has loss 0. Weights of items multiply it.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of lists.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.listwise_softmax_loss([2.0, 1.0, 0.0], [1, 0, 1])), 4)
    2.8152

    Source: Bruch, Wang, Bendersky and Najork (2019), An Analysis of the Softmax Cross Entropy Loss for
    Learning-to-Rank with Binary Relevance, doi:10.1145/3341981.3344221; optax's ``ranking_softmax_loss``, Rax's
    ``softmax_loss``.
    """
    return _surprise(input, target)


def _surprise(scores, share):
    """−Σ share·log softmax(scores), and its slopes; a share of 0 counts for nothing, even where the score is −inf."""
    largest, others, exponentials, top = softmax_parts(scores)
    surprise = (largest[..., None] - scores) + log1p(others)[..., None]
    p_top = 1 / (1 + others)
    total = share.sum(axis=-1)
    slope = exponentials * (p_top * total)[..., None] - share
    elsewhere = share.copy()
    elsewhere[top] = 0  # at the top p·Σs − s is Σ(other s) − Σs·(1 − p), where nothing cancels as p nears 1
    slope[top] = elsewhere.sum(axis=-1) - total * others * p_top
    return np.where(share == 0, 0, share * surprise).sum(axis=-1), slope, surprise


@rowwise("(n),(n),(n,n)", broadcast=True)
def relevance_diversity_loss(input, relevance, similarity, *, diversity: float = 1.0):
    """Relevance against redundancy, −p·r + λ·pᵀSp: pick what is relevant, but not the same thing twice.

    Makes you find a balance. The pull on an item's weight is −rᵢ + λ·Σⱼ(Sᵢⱼ + Sⱼᵢ)pⱼ: its relevance up, its similarity
    to all that is selected, itself included, down.

    Parameters
    ----------
    input : array_like of float, shape (…, n)
        Selection weights p: how much of each item is selected, such as softmax or sigmoid of scores.
    relevance : array_like of float, shape (…, n) or (n)
        r; what one unit of each item is worth.
    similarity : array_like of float, shape (…, n, n) or (n, n)
        S; inner products of embeddings, for instance. Convex in `input` if S is positive semidefinite. Without its
        diagonal, only pairs of different items are penalized.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of lists.
    diversity : float, default 1.0
        λ, what redundancy costs, in the unit of the relevance; not negative.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `diversity` is negative.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> twins = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]  # the first two items are the same
    >>> round(float(F.relevance_diversity_loss([0.5, 0.5, 0.0], [1.0, 1.0, 0.9], twins)), 4)
    0.0
    >>> round(float(F.relevance_diversity_loss([0.5, 0.0, 0.5], [1.0, 1.0, 0.9], twins)), 4)
    -0.45

    Source: this book's own, a smooth relative of maximal marginal relevance, whose λ weights the relevance instead
    and which picks items one by one: Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking for
    reordering documents and producing summaries, doi:10.1145/290941.291025.
    """
    if not diversity >= 0:
        raise ValueError(f"relevance_diversity_loss: diversity must not be negative, got {diversity}")
    input = np.broadcast_to(input, np.broadcast_shapes(input.shape, relevance.shape, similarity.shape[:-1]))
    column, row = input[..., :, None], input[..., None, :]
    redundancy = (similarity @ column)[..., 0]
    slope = diversity * (redundancy + (row @ similarity)[..., 0, :]) - relevance
    value = (input * (diversity * redundancy - relevance)).sum(axis=-1)
    return value, slope, -input, diversity * (column * row)
