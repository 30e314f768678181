"""Losses for embeddings: what belongs together should lie close, what doesn't should lie apart.

Everything is computed in float64: two float32 vectors at an angle of 1e-4 have a cosine that float32 can't tell from 1.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from lossutils.engine import _RowwiseLoss, batchwise, rowwise, value_and_grad
from lossutils.numerics import log1p, logsumexp, norm, sign, softmax_parts, softplus_and_slope

__all__ = [
    "arcface_loss",
    "circle_loss",
    "clip_loss",
    "contrastive_loss",
    "cosine_distance",
    "cosine_embedding_loss",
    "info_nce_loss",
    "nt_xent_loss",
    "pairwise_distance",
    "supervised_contrastive_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


# ---- distances


def _wide(*arrays):
    return [array.astype(np.result_type(array, np.float64), copy=False) for array in arrays]


def _direction(x):
    """x / ‖x‖ and ‖x‖. A zero vector counts as infinitely long: its direction is 0, and so is its gradient."""
    length = norm(x)
    length = np.where(length == 0, np.inf, length)
    return x / length, length


def _cosine_distance(x, y):
    """1 − cos, and its slope in both vectors.

    Between unit vectors u and v it is ½‖v − u‖², in which nothing cancels; a zero vector is perpendicular to all.
    """
    (u, x_length), (v, y_length) = _direction(x), _direction(y)
    apart = v - u
    missing = 0.5 * np.isinf(x_length) + 0.5 * np.isinf(y_length)  # what ½‖u‖² + ½‖v‖² lacks of 1
    distance = 0.5 * np.vecdot(apart, apart)[..., None] + missing
    u, v = distance * u + apart, apart - distance * v  # the parts of v across u, v − cos·u, and of −u across v
    u /= -x_length
    v /= y_length
    return distance[..., 0], u, v


def _p_norm(x, p):
    """‖x‖ₚ and its slope; at a kink PyTorch's choice: 0 at 0, and the largest share where several are largest."""
    if p == 2:
        length = norm(x)
        return length[..., 0], x / np.where(length == 0, np.inf, length)
    size = np.abs(x)
    if p == 1:
        return size.sum(axis=-1), sign(x)
    if p == 0:
        return (size > 0).sum(axis=-1, dtype=x.dtype), np.zeros_like(x)
    leading = size.max(axis=-1, keepdims=True, initial=0) if p > 0 else size.min(axis=-1, keepdims=True, initial=np.inf)
    if math.isinf(p):
        leads = size == leading
        return leading[..., 0], sign(x) * leads / leads.sum(axis=-1, keepdims=True)
    scaled = size / np.where(leading == 0, 1, leading)  # so that no power overflows
    length = leading * (scaled**p).sum(axis=-1, keepdims=True) ** (1 / p)
    return length[..., 0], sign(x) * np.where(size == 0, 0, (size / length) ** (p - 1))


def _pairwise_distance(x1, x2, p=2, eps=1e-6):
    length, slope = _p_norm(x1 - x2 + eps, p)
    slopes = slope, -slope
    if x1.shape[-1] != x2.shape[-1]:  # of a single coordinate that is repeated, the slopes are added up
        slopes = [
            s.sum(axis=-1, keepdims=True) if x.shape[-1] == 1 else s for x, s in zip((x1, x2), slopes, strict=True)
        ]
    return length, *slopes


@rowwise("(d),(d)", room=8, broadcast="all", reduction="none", order="x1, x2, p, eps, *, reduction")
def pairwise_distance(x1, x2, *, p: float = 2.0, eps: float = 1e-6):
    """Distance of two vectors, ‖x1 − x2 + eps‖ₚ.

    Makes you predict the vector itself. For p = 2 the pull has length 1 at any distance.

    Parameters
    ----------
    x1, x2 : array_like of float, shapes (…, D) that broadcast
    p : float, default 2
        Which norm: 1 sums sizes, 2 is Euclid's, ``math.inf`` takes the largest.
    eps : float, default 1e-6
        Added to every coordinate of the difference, as PyTorch does, so that equal vectors have a slope.
    reduction : {"none", "mean", "sum"}
        PyTorch's function has "none" alone; it has ``keepdim`` besides.

    Returns
    -------
    ndarray of the shape of the rows, or a number if there is one row or `reduction` isn't "none"

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `p` is NaN.
    TypeError
        If neither array is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.pairwise_distance([[3.0, 4.0], [0.0, 0.0]], [0.0, 0.0], eps=0.0).tolist()
    [5.0, 0.0]

    Source: Minkowski (1896), Geometrie der Zahlen; ``torch.nn.functional.pairwise_distance``.
    """
    _check_norm("pairwise_distance", p)
    return _pairwise_distance(*_wide(x1, x2), p, eps)


@rowwise("(d),(d)", room=8, broadcast=True, reduction="none", order="x1, x2, *, reduction")
def cosine_distance(x1, x2):
    """One minus the cosine of the angle between two vectors, 1 − x1·x2 / ‖x1‖‖x2‖.

    Makes you predict a vector's direction; lengths don't matter. The pull is across the vector, sin θ / ‖x‖ long:
    weak at a small angle and at a half turn, strong for short vectors.

    Parameters
    ----------
    x1, x2 : array_like of float, shapes (…, D) whose rows broadcast
        A zero vector is perpendicular to all: its distance is 1, and it gets no gradient.
    reduction : {"none", "mean", "sum"}

    Returns
    -------
    ndarray of the shape of the rows, or a number if there is one row or `reduction` isn't "none"
        From 0 to 2.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither array is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.cosine_distance([[2.0, 0.0], [1.0, 1e-9]], [1.0, 0.0]).tolist()
    [0.0, 5e-19]

    Source: Salton, Wong and Yang (1975), A Vector Space Model for Automatic Indexing, doi:10.1145/361219.361220.
    """
    return _cosine_distance(*_wide(x1, x2))


def _check_norm(name, p):
    if math.isnan(p):
        raise ValueError(f"{name}: p must be a number, got {p}")


# ---- pairs


def _check_one_target_a_pair(input1, input2, target, *, margin):
    """PyTorch takes two vectors with one target, or two lists of vectors with a list of targets."""
    if not input1.ndim == input2.ndim == target.ndim + 1 <= 2:
        raise ValueError(
            "cosine_embedding_loss: input1, input2, and target must have shapes (D), (D), () or (N, D), (N, D), (N), "
            f"got {input1.shape}, {input2.shape}, {target.shape}"
        )


@rowwise(
    "(d),(d),()",
    broadcast=True,
    room=8,
    keep=_check_one_target_a_pair,
    constant=("target",),
    dtype=("input1", "input2"),
    order="input1, input2, target, margin, reduction",
)
def cosine_embedding_loss(input1, input2, target, *, margin: float = 0.0):
    """For a pair that belongs together 1 − cos, for one that doesn't max(0, cos − margin).

    Makes vectors of a pair point the same way (target 1), or apart by a cosine of at least `margin` (target −1).
    Both pulls are across the vector, sin θ / ‖x‖ long, and so weakest where a pair is most wrong: at a half turn.

    Parameters
    ----------
    input1, input2 : array_like of float, shape (D) or (N, D); an N of 1 is repeated
        Embeddings. A zero vector is perpendicular to all, and gets no gradient. PyTorch adds 1e-12 to squared
        lengths instead: it calls vectors shorter than about 1e-6 perpendicular to all, and is off by 1e-12 for
        vectors of length 1, which is all the loss of a pair that is 1e-6 apart.
    target : array_like of float or int, shape () or (N)
        1 for a pair that belongs together, −1 for one that doesn't; with anything else a pair counts 0.
        `contrastive_loss` has 0 for −1.
    margin : float, default 0
        Dissimilar pairs may have this cosine; from −1 to 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither input is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.cosine_embedding_loss([[1.0, 0.0], [1.0, 1.0]], [[0.0, 2.0], [1.0, 1.0]], [1, -1], reduction="none").tolist()
    [1.0, 1.0]

    Source: ``torch.nn.functional.cosine_embedding_loss``; the cosine of a pair of twin networks: Bromley et al. (1993),
    Signature Verification using a "Siamese" Time Delay Neural Network.
    """
    distance, slope_in_1, slope_in_2 = _cosine_distance(*_wide(input1, input2))
    above = (1 - margin) - distance
    value = np.where(target == 1, distance, np.where(target == -1, np.maximum(above, 0), 0))
    pull = (target == 1) - (target == -1) * (above >= 0).astype(distance.dtype)
    return value, (slope_in_1, pull), (slope_in_2, pull)


@rowwise("(d),(d),()", room=8, broadcast=True, dtype=("input1", "input2"))
def contrastive_loss(input1, input2, target, *, margin: float = 1.0):
    """For a pair that belongs together ½D², for one that doesn't ½max(0, margin − D)², with D = ‖input1 − input2‖.

    Makes vectors of a pair equal (target 1), or at least `margin` apart (target 0). The pull is a spring: the
    distance itself, or what it lacks of the margin.

    Parameters
    ----------
    input1, input2 : array_like of float, shapes (…, D) whose rows broadcast
        Embeddings. Equal vectors of a dissimilar pair have no direction to part in, and get no gradient.
    target : array_like of float or int, shape (…)
        1 for a pair that belongs together, 0 for one that doesn't, as most code has it; the paper has them the other
        way round, and `cosine_embedding_loss` has −1 for 0. In between, the two losses are mixed.
    reduction : {"mean", "sum", "none"}
    margin : float, default 1
        Dissimilar pairs this far apart are left alone, in the unit of the embeddings; positive.

    Returns
    -------
    number, or ndarray of the shape of the rows for ``reduction="none"``
        In the square of the embeddings' unit. The paper's factor ½ is kept; some code leaves it out.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, a target isn't in [0, 1], or `margin` isn't positive.
    TypeError
        If neither input is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.contrastive_loss([[0.0], [0.0]], [[0.5], [0.5]], [1, 0], reduction="none", margin=2.0).tolist()
    [0.125, 1.125]

    Source: Hadsell, Chopra and LeCun (2006), Dimensionality Reduction by Learning an Invariant Mapping,
    doi:10.1109/CVPR.2006.100.
    """
    if not margin > 0:
        raise ValueError(f"contrastive_loss: margin must be positive, got {margin}")
    if ((target < 0) | (target > 1)).any():
        raise ValueError("contrastive_loss: target must be 1 for a similar pair and 0 for a dissimilar one")
    input1, input2, target = _wide(input1, input2, target)
    apart = input1 - input2
    distance = norm(apart)[..., 0]
    lacking = np.maximum(margin - distance, 0)
    value = 0.5 * (target * distance**2 + (1 - target) * lacking**2)
    pull = target - (1 - target) * lacking / np.where(distance == 0, np.inf, distance)
    return value, (apart, pull), (apart, -pull), 0.5 * (distance**2 - lacking**2)


# ---- triplets


def _check_triplet(anchor, positive, negative, **_):
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            "a triplet's anchor, positive, and negative must have the same number of axes, "
            f"got shapes {anchor.shape}, {positive.shape}, {negative.shape}"
        )


def _triplet(distance, anchor, positive, negative, margin, swap):
    """max(0, margin + near − far), and its slopes if `distance` returns slopes; the kink has that of the right."""
    near, *near_slopes = distance(anchor, positive)
    far, *far_slopes = distance(anchor, negative)
    across, *across_slopes = distance(positive, negative) if swap else (far,)
    value = margin + near - np.minimum(far, across)
    if not near_slopes:
        return (np.maximum(value, 0),)
    violated = (value >= 0).astype(value.dtype)
    (near_a, near_p), (far_a, far_n) = near_slopes, far_slopes
    if swap:  # the smaller distance counts; of two equal ones, half of each
        share = (0.5 * (far < across) + 0.5 * (far <= across))[..., None]
        across_p, across_n = across_slopes
        near_p -= (1 - share) * across_p
        far_a *= share
        far_n = share * far_n + (1 - share) * across_n
    return np.maximum(value, 0), (near_a - far_a, violated), (near_p, violated), (far_n, -violated)


@rowwise(
    "(d),(d),(d)",
    broadcast="all",
    room=8,
    keep=_check_triplet,
    order="anchor, positive, negative, margin, p, eps, swap, reduction",
)
def triplet_margin_loss(
    anchor, positive, negative, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False
):
    """max(0, margin + d(anchor, positive) − d(anchor, negative)): the stranger must be farther off than the kin.

    Makes the positive lie nearer to the anchor than the negative, by `margin`. The pull towards the one and away
    from the other has length 1, however far they are, and stops once the margin is kept.

    Parameters
    ----------
    anchor, positive, negative : array_like of float, shapes (…, D) that broadcast, with the same number of axes
        Embeddings.
    margin : float, default 1
        In the unit of the embeddings; positive.
    p : float, default 2
        Which norm the distance is, see `pairwise_distance`.
    eps : float, default 1e-6
        Added to every coordinate of a difference, as PyTorch does, so that equal vectors have a slope.
    swap : bool, default False
        Compare with the distance of positive and negative where that is the smaller one.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the rows for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `margin` isn't positive, or `p` is NaN.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.triplet_margin_loss([0.0, 0.0], [3.0, 4.0], [0.0, 2.0])), 4)
    4.0

    Source: Balntas et al. (2016), Learning Local Feature Descriptors with Triplets and Shallow Convolutional Neural
    Networks, doi:10.5244/C.30.119; with squared distances: Schroff et al. (2015), FaceNet, arXiv:1503.03832.
    """
    _check_margin("triplet_margin_loss", margin)
    _check_norm("triplet_margin_loss", p)
    distance = partial(_pairwise_distance, p=p, eps=eps)
    return _triplet(distance, *_wide(anchor, positive, negative), margin, swap)


@rowwise(
    "(d),(d),(d)",
    broadcast="all",
    room=8,
    keep=_check_triplet,
    order="anchor, positive, negative, *, distance_function, margin, swap, reduction",
)
def triplet_margin_with_distance_loss(
    anchor,
    positive,
    negative,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
):
    """max(0, margin + d(anchor, positive) − d(anchor, negative)), with a distance of your choice.

    Makes the positive lie nearer to the anchor than the negative, by `margin`. The pull is the distance's own.

    Parameters
    ----------
    anchor, positive, negative : array_like of float, shapes (…, D) that broadcast, with the same number of axes
        Embeddings.
    distance_function : callable, optional
        Takes two arrays of rows and returns one number a row. For a gradient it must be a loss of this library that
        has a value for each row, such as `pairwise_distance` (the default) or `cosine_distance`. Embeddings come in
        float64 and in blocks of rows, not as the whole arrays.
    margin : float, default 1
        In the unit of the distance; positive.
    swap : bool, default False
        Compare with the distance of positive and negative where that is the smaller one.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the shape of the rows for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `margin` isn't positive, or `distance_function` doesn't return
        one number a row.
    TypeError
        If no argument is floating point, or a gradient is asked for and `distance_function` has none.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> triplet = [1.0, 0.0], [2.0, 0.0], [0.0, 3.0]
    >>> float(F.triplet_margin_with_distance_loss(*triplet, distance_function=F.cosine_distance, margin=1.5))
    0.5

    Source: as `triplet_margin_loss`; ``torch.nn.functional.triplet_margin_with_distance_loss``.
    """
    _check_margin("triplet_margin_with_distance_loss", margin)
    distance = _pairwise_distance if distance_function is None else partial(_measured, distance_function)
    value, *slopes = _triplet(distance, *_wide(anchor, positive, negative), margin, swap)

    def refuse():
        raise TypeError(
            "triplet_margin_with_distance_loss: distance_function must be a loss of this library with a value for each "
            f"row, such as pairwise_distance, to have a gradient; got {distance_function!r}"
        )

    return value, *(slopes or [refuse] * 3)


def _measured(distance_function, x, y):
    """Distances by a function of the caller's, and their slopes if it is a rowwise loss."""
    if isinstance(getattr(distance_function, "loss", None), _RowwiseLoss):
        distance, slopes = value_and_grad(distance_function, (0, 1))(x, y, reduction="none")
    else:
        distance, slopes = np.asarray(distance_function(x, y)), ()
    rows = np.broadcast_shapes(x.shape, y.shape)[:-1]
    if np.shape(distance) != rows:
        raise ValueError(
            f"triplet_margin_with_distance_loss: distance_function must return one number a row, shape {rows}, "
            f"got {np.shape(distance)}"
        )
    return distance, *slopes


def _check_margin(name, margin):
    if margin <= 0:
        raise ValueError(f"{name}: margin must be greater than 0, got {margin}")


# ---- a whole batch


def _log_loss(logits, anchor, positive):
    """−log softmax(logits), on average over a row's positives, and its slope, softmax − share of each positive.

    Row anchor[k] has the positive positive[k]; a row without any has value and slope 0. Every row of slopes sums to 0:
    that of the largest logit is what the others leave, with all digits also where its softmax is next to 1.
    """
    if not logits.size:
        return np.zeros(len(logits), logits.dtype), logits
    count = np.bincount(anchor, minlength=len(logits))
    share = 1 / np.maximum(count, 1)
    largest, others, slope, top = softmax_parts(logits)
    behind = np.bincount(anchor, largest[anchor] - logits[anchor, positive], minlength=len(logits))
    value = log1p(others) + share * behind
    slope /= (1 + others)[:, None]
    slope[anchor, positive] -= share[anchor]
    slope[top] = 0
    slope[top] = -slope.sum(axis=-1)
    value[count == 0] = slope[count == 0] = 0
    return value, slope


def _through_cosines(slope, factor, u, v, u_length, v_length):
    """The gradients in the vectors with directions u and v, from the slopes in the matrix of their cosines."""
    factor = factor[:, None]
    return (
        _through_direction(factor * (slope @ v), u, u_length),
        _through_direction(slope.T @ (factor * u), v, v_length),
    )


def _through_direction(gradient, direction, length):
    """The gradient in a vector, from that in its direction: the part across it, over its length."""
    return (gradient - np.vecdot(gradient, direction)[:, None] * direction) / length


def _check_temperature(name, temperature):
    if not temperature > 0:
        raise ValueError(f"{name}: temperature must be positive, got {temperature}")


@batchwise("(n,d),(m,d)->(n)")
def info_nce_loss(query, keys, *, factor, temperature: float = 0.1):
    """Which key belongs to the query? −log softmax(cos(queryᵢ, keys) / temperature)ᵢ: key i does, all others don't.

    Makes matching rows point the same way, and others apart. The pull is that of cross-entropy: it comes from those
    wrong keys that are taken for right, and from few of them at a low temperature.

    Parameters
    ----------
    query : array_like of float, shape (N, D)
        Embeddings; lengths don't matter. A zero vector has cosine 0 with all, and gets no gradient.
    keys : array_like of float, shape (M, D), M ≥ N
        Row i is query i's positive; rows after the N-th are additional negatives for all.
    reduction : {"mean", "sum", "none"}
    temperature : float, default 0.1
        What cosines are divided by; positive.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats; log N minus it is a lower bound of the mutual information, on average. The paper leaves the score open;
        the cosine is what is usual.

    Raises
    ------
    ValueError
        If shapes don't match, there are fewer keys than queries, `reduction` is unknown, or `temperature` isn't
        positive.
    TypeError
        If neither array is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> views = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(F.info_nce_loss(views, views, temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133

    Source: van den Oord, Li and Vinyals (2018), Representation Learning with Contrastive Predictive Coding,
    arXiv:1807.03748.
    """
    _check_temperature("info_nce_loss", temperature)
    if len(keys) < len(query):
        raise ValueError(f"info_nce_loss: query i needs keys[i], got {len(query)} queries and {len(keys)} keys")
    (u, query_length), (v, keys_length) = map(_direction, _wide(query, keys))
    logits = u @ v.T
    logits /= temperature
    own = np.arange(len(u))
    value, slope = _log_loss(logits, own, own)
    if factor is None:
        return (value,)
    return value, *_through_cosines(slope, factor / temperature, u, v, query_length, keys_length)


@batchwise("(n,d),(n,d)->(n)")
def nt_xent_loss(view1, view2, *, factor, temperature: float = 0.5):
    """SimCLR's loss: which of the other 2N − 1 is the other view of the same thing? −log softmax of its cosine.

    Makes two views of a thing point the same way, and views of different things apart. The pull is that of
    cross-entropy: it comes from those wrong views that are taken for right.

    Parameters
    ----------
    view1, view2 : array_like of float, shape (N, D)
        Embeddings of N things, twice; lengths don't matter. A zero vector has cosine 0 with all, and gets no gradient.
    reduction : {"mean", "sum", "none"}
    temperature : float, default 0.5
        What cosines are divided by; positive.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats. The value of a thing is the mean over its two views, so that the mean is the paper's.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `temperature` isn't positive.
    TypeError
        If neither view is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> views = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(F.nt_xent_loss(views, views, temperature=1.0)), 4)  # log(1 + 2/e)
    0.5514

    Source: Chen et al. (2020), A Simple Framework for Contrastive Learning of Visual Representations,
    arXiv:2002.05709; NT-Xent is short for normalized temperature-scaled cross-entropy.
    """
    _check_temperature("nt_xent_loss", temperature)
    n = len(view1)
    u, length = _direction(np.concatenate(_wide(view1, view2)))
    logits = u @ u.T
    logits /= temperature
    np.fill_diagonal(logits, -np.inf)  # nobody is asked about itself
    anchor = np.arange(2 * n)
    value, slope = _log_loss(logits, anchor, np.roll(anchor, n))
    value = 0.5 * (value[:n] + value[n:])
    if factor is None:
        return (value,)
    gradient = sum(_through_cosines(slope, np.tile(0.5 * factor / temperature, 2), u, u, length, length))
    return value, gradient[:n], gradient[n:]


@batchwise("(n,d),(n,d),()->(n)", dtype=("image", "text"))
def clip_loss(image, text, logit_scale=None, *, factor, temperature: float = 0.07):
    """CLIP's loss: which text belongs to this image, which image to this text? The mean of both cross-entropies.

    Makes an image and its text point the same way, and others apart. The pull is that of cross-entropy, from both
    sides.

    Parameters
    ----------
    image, text : array_like of float, shape (N, D)
        Embeddings; row i of one belongs to row i of the other; lengths don't matter. A zero vector has cosine 0 with
        all, and gets no gradient.
    reduction : {"mean", "sum", "none"}
    temperature : float, default 0.07
        What cosines are divided by; positive.
    logit_scale : float, or array_like of shape (), optional
        What cosines are multiplied by, in place of 1 / `temperature`, to be learned. CLIP's parameter of that name is
        this one's logarithm: its gradient is the one here times `logit_scale`.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats. The value of a pair is the mean of both directions.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `temperature` isn't positive.
    TypeError
        If neither image nor text is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.clip_loss([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 3.0]], logit_scale=1.0)), 4)
    0.3133

    Source: Radford et al. (2021), Learning Transferable Visual Models From Natural Language Supervision,
    arXiv:2103.00020, figure 3.
    """
    _check_temperature("clip_loss", temperature)
    scale = 1 / temperature if logit_scale is None else np.float64(logit_scale)
    (u, image_length), (v, text_length) = map(_direction, _wide(image, text))
    cosines = u @ v.T
    own = np.arange(len(u))
    by_image, slope = _log_loss(scale * cosines, own, own)
    by_text, slope_by_text = _log_loss(scale * cosines.T, own, own)
    value = 0.5 * (by_image + by_text)
    if factor is None:
        return (value,)
    slope *= 0.5 * factor[:, None]
    slope += (0.5 * factor) * slope_by_text.T
    gradients = _through_cosines(slope, np.full(len(u), scale), u, v, image_length, text_length)
    return value, *gradients, np.vdot(slope, cosines)


def _same_label(labels):
    """Which pairs have the same label, of two different members."""
    same = _checked(labels)[:, None] == labels
    np.fill_diagonal(same, False)
    return same


def _checked(labels):
    if labels.dtype.kind == "f":
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    return labels


def _anchors_with_positives(embeddings, labels, **_):
    """What a mean divides by; 1 if nobody has a positive, so that the mean is 0."""
    return np.count_nonzero(_same_label(labels).any(axis=-1)) or min(len(labels), 1)


@batchwise("(n,d),(n)->(n)", labels=("labels",), constant=("labels",), count=_anchors_with_positives)
def supervised_contrastive_loss(embeddings, labels, *, factor, temperature: float = 0.1):
    """Which of the others have my label? The mean over those of −log softmax(cosine / temperature).

    Makes embeddings with the same label point the same way, and others apart. The pull is that of cross-entropy, with
    all who share the label as equally right.

    Parameters
    ----------
    embeddings : array_like of float, shape (N, D)
        Lengths don't matter. A zero vector has cosine 0 with all, and gets no gradient.
    labels : array_like of int, shape (N)
    reduction : {"mean", "sum", "none"}
        An anchor whose label nobody shares has value 0. "mean" divides by the number of the other anchors, as
        pytorch-metric-learning does; if there are none, the mean is 0.
    temperature : float, default 0.1
        What cosines are divided by; positive. The authors' code multiplies the loss by temperature / 0.07.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats; with k positives at least log k. This is the paper's L_out, with the sum outside of the logarithm.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `temperature` isn't positive.
    TypeError
        If `embeddings` isn't floating point, or labels aren't integers.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> embeddings = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    >>> F.supervised_contrastive_loss(embeddings, [0, 0, 1], temperature=1.0, reduction="none").round(4).tolist()
    [0.3133, 0.3133, 0.0]

    Source: Khosla et al. (2020), Supervised Contrastive Learning, arXiv:2004.11362, equation 2.
    """
    _check_temperature("supervised_contrastive_loss", temperature)
    u, length = _direction(*_wide(embeddings))
    logits = u @ u.T
    logits /= temperature
    np.fill_diagonal(logits, -np.inf)  # nobody is asked about itself
    value, slope = _log_loss(logits, *np.nonzero(_same_label(labels)))
    if factor is None:
        return (value,)
    return value, sum(_through_cosines(slope, factor / temperature, u, u, length, length))


@batchwise("(n,d),(c,d),(n)->(n)", labels=("labels",), constant=("labels",))
def arcface_loss(embeddings, weight, labels, *, factor, margin: float = 0.5, scale: float = 64.0):
    """Cross-entropy of scale · cosines with each class, where that of the right class has `margin` added to its angle.

    Makes embeddings of a class lie within a narrow cone around its weight: the right class must win with a handicap.
    The pull turns the embedding towards its weight, at a rate of sin(θ + margin) · scale, while it doesn't win.

    Parameters
    ----------
    embeddings : array_like of float, shape (N, D)
        Lengths don't matter. A zero vector has cosine 0 with all, and gets no gradient.
    weight : array_like of float, shape (C, D)
        The direction of each class; lengths don't matter.
    labels : array_like of int, shape (N)
        Class indices, 0 … C − 1.
    reduction : {"mean", "sum", "none"}
    margin : float, default 0.5
        In radians, from 0 to π. Where θ + margin is beyond a half turn, the authors' code, and this, takes
        cos θ − margin · sin(margin), so that turning back still helps; the paper's formula doesn't say so. There is a
        small jump.
    scale : float, default 64
        Positive.

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `margin` isn't in [0, π], or `scale` isn't positive.
    TypeError
        If neither embeddings nor weight are floating point, or labels aren't integers.
    IndexError
        If a label isn't in 0 … C − 1.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> weight = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(F.arcface_loss([[1.0, 1.0]], weight, [0], margin=0.0)), 4)  # half way: log 2
    0.6931

    Source: Deng et al. (2019), ArcFace: Additive Angular Margin Loss for Deep Face Recognition, arXiv:1801.07698.
    """
    if not 0 <= margin <= math.pi:
        raise ValueError(f"arcface_loss: margin must be in [0, π], got {margin}")
    if not scale > 0:
        raise ValueError(f"arcface_loss: scale must be positive, got {scale}")
    wrong = (_checked(labels) < 0) | (labels >= len(weight))
    if wrong.any():
        raise IndexError(f"arcface_loss: label {labels[wrong][0]} is out of bounds for {len(weight)} classes")
    embeddings, weight = _wide(embeddings, weight)
    (u, embedding_length), (v, weight_length) = _direction(embeddings), _direction(weight)
    distance, own_slope, class_slope = _cosine_distance(embeddings, weight[labels])
    cosine, sine = 1 - distance, np.sqrt(np.maximum(distance * (2 - distance), 0))
    within = cosine >= -math.cos(margin)
    here = np.arange(len(u)), labels
    logits = scale * (u @ v.T)
    logits[here] = scale * np.where(
        within, cosine * math.cos(margin) - sine * math.sin(margin), cosine - margin * math.sin(margin)
    )
    value, slope = _log_loss(logits, *here)
    if factor is None:
        return (value,)
    # Where the sine is 0, so are the slopes of the distance: the quotient of the two stays within 1 / length.
    steepness = np.where(within, math.cos(margin) + math.sin(margin) * cosine / np.where(sine == 0, np.inf, sine), 1)
    own = (-scale * factor * slope[here] * steepness)[:, None]
    slope[here] = 0
    gradient, class_gradient = _through_cosines(slope, scale * factor, u, v, embedding_length, weight_length)
    np.add.at(class_gradient, labels, own * class_slope)
    return value, gradient + own * own_slope, class_gradient


@batchwise("(n,d),(n)->(n)", labels=("labels",), constant=("labels",), count=_anchors_with_positives)
def circle_loss(
    embeddings, labels, *, factor, margin: float = 0.4, gamma: float = 80.0, constant_weights: bool = False
):
    """log(1 + Σₙ e^(γ αₙ (sₙ − m)) · Σₚ e^(−γ αₚ (sₚ − 1 + m))), with αₙ = max(0, sₙ + m) and αₚ = 1 + m − sₚ.

    s are an anchor's cosines, with the others of its label (p) and those of other labels (n). Makes sₚ ≥ 1 − m and
    sₙ ≤ m, roughly. The pull on each cosine is weighted with how far that cosine is from its best, 1 or 0.

    Parameters
    ----------
    embeddings : array_like of float, shape (N, D)
        Lengths don't matter. A zero vector has cosine 0 with all, and gets no gradient.
    labels : array_like of int, shape (N)
    reduction : {"mean", "sum", "none"}
        An anchor without others of its label, or without any of other labels, has value 0. "mean" divides by the
        number of the other anchors, as pytorch-metric-learning does; if there are none, the mean is 0.
    margin : float, default 0.4
        m, in [0, 1].
    gamma : float, default 80
        γ, how sharply the worst cosines prevail; positive. The paper has 80 for image retrieval (m = 0.4), and 256 for
        faces (m = 0.25).
    constant_weights : bool, default False
        Whether the gradient takes α as a constant, as the paper and pytorch-metric-learning do: then it isn't the
        derivative of the value, and pulls harder near the optimum, by γ(1 + m − sₚ) instead of 2γ(1 − sₚ).

    Returns
    -------
    number, or ndarray of shape (N) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `margin` isn't in [0, 1], or `gamma` isn't positive.
    TypeError
        If `embeddings` isn't floating point, or labels aren't integers.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> embeddings = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    >>> round(float(F.circle_loss(embeddings, [0, 0, 1, 1], gamma=1.0)), 4)
    0.897

    Source: Sun et al. (2020), Circle Loss: A Unified Perspective of Pair Similarity Optimization, arXiv:2002.10857.
    """
    if not 0 <= margin <= 1:
        raise ValueError(f"circle_loss: margin must be in [0, 1], got {margin}")
    if not gamma > 0:
        raise ValueError(f"circle_loss: gamma must be positive, got {gamma}")
    u, length = _direction(*_wide(embeddings))
    same = _same_label(labels)
    other = labels[:, None] != labels
    cosine = u @ u.T
    off = np.where(same, 1 - cosine, cosine)  # how far a cosine is from its best, 1 or 0
    weight = np.maximum(off + margin, 0)
    exponent = gamma * weight * (off - margin)
    (near, near_sum), (far, far_sum) = (_softmax_of(exponent, chosen) for chosen in (same, other))
    value, slope = softplus_and_slope(near_sum + far_sum)
    if factor is None:
        return (value,)
    steepness = weight if constant_weights else 2 * off * (weight > 0)  # the exponent is γ(off² − margin²)
    steepness *= np.where(same, -gamma, gamma) * (near + far)
    return value, sum(_through_cosines(steepness, factor * slope, u, u, length, length))


def _softmax_of(logits, chosen):
    """Softmax over a row's chosen ones, 0 elsewhere; and the log of the sum, −inf if there are none."""
    if not logits.size:
        return logits, np.zeros(len(logits), logits.dtype)
    logits = np.where(chosen, logits, -np.inf)
    log_sum = logsumexp(logits)
    return np.exp(logits - np.where(np.isneginf(log_sum), 0, log_sum)[:, None]), log_sum
