"""Losses for a real-valued target: how far is the prediction off, and how hard does that pull?

Every formula returns the value and the slope with respect to ``input``. All of them depend on the residual
r = input − target alone, so the slope with respect to ``target`` is the opposite.
"""

import numpy as np

from lossutils.engine import elementwise
from lossutils.numerics import log_cosh, sign

__all__ = ["huber_loss", "l1_loss", "log_cosh_loss", "mse_loss", "smooth_l1_loss", "tukey_loss"]


@elementwise(weight="weights")
def mse_loss(input, target):
    """Squared error, (input − target)².

    Makes you predict the mean. The pull grows with the residual: an outlier pulls hardest.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.mse_loss([2.5, 0.0], [3.0, -0.5]))
    0.25

    Source: Legendre (1805), Nouvelles méthodes pour la détermination des orbites des comètes; no factor ½, as
    in ``torch.nn.functional.mse_loss``.
    """
    residual = input - target
    return residual * residual, 2 * residual


@elementwise(weight="weights", integers=True)
def l1_loss(input, target):
    """Absolute error, |input − target|.

    Makes you predict the median. The pull is ±1 at any distance, and 0 where the prediction is exact.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit, which is also the loss's. Integers are accepted for
        ``reduction="none"`` and ``"sum"``.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If a mean is asked for and neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.l1_loss([2.5, 0.0], [3.0, -0.5]))
    0.5

    Source: Boscovich (1757); Laplace (1774), Mémoire sur la probabilité des causes par les événements. The
    subgradient 0 at the kink is PyTorch's choice too.
    """
    residual = input - target
    return np.abs(residual), sign(residual)


@elementwise(dtype="input")
def huber_loss(input, target, *, delta: float = 1.0):
    """Huber loss: ½r² for |r| ≤ δ, and δ(|r| − ½δ) beyond, with r = input − target.

    Makes you predict something between the mean (δ → ∞) and the median (δ → 0). The pull is the residual,
    clipped to ±δ.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    delta : float, default 1.0
        Where the parabola goes over into a straight line, in the unit of `input`; positive.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `delta` isn't positive.
    TypeError
        If `input` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.huber_loss([0.5, 3.0], [0.0, 0.0], reduction="none").tolist()
    [0.125, 2.5]

    Source: Huber (1964), Robust Estimation of a Location Parameter, doi:10.1214/aoms/1177703732.
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    residual = input - target
    slope = np.clip(residual, -delta, delta)  # the gradient is the clipped residual …
    return slope * (residual - 0.5 * slope), slope  # … and gives both branches of the value


@elementwise(weight=None)
def smooth_l1_loss(input, target, *, beta: float = 1.0):
    """Smooth L1: Huber's loss divided by its threshold, so that the pull is never more than 1.

    ½r²/β for |r| ≤ β, and |r| − ½β beyond, with r = input − target. As β → 0 it becomes the absolute error,
    where Huber's loss becomes 0.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit, which is also the loss's.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1.0
        Where the parabola goes over into a straight line, in the unit of `input`; not negative.

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `beta` is negative.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.smooth_l1_loss([0.5, 3.0], [0.0, 0.0], reduction="none", beta=2.0).tolist()
    [0.0625, 2.0]

    Source: Girshick (2015), Fast R-CNN, arXiv:1504.08083, for β = 1.
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    residual = input - target
    if beta == 0:
        return np.abs(residual), sign(residual)
    slope = np.clip(residual / beta, -1, 1)
    return slope * (residual - 0.5 * beta * slope), slope


@elementwise
def log_cosh_loss(input, target):
    """log cosh(input − target): a parabola near 0 that turns, with no seam, into |r| − log 2.

    Makes you predict something between mean and median. The pull is tanh r: like Huber's with δ = 1, but smooth
    in every derivative.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true. The loss has a built-in scale of 1: rescale both to move the bend.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.log_cosh_loss([1.0, 1000.0], [0.0, 0.0], reduction="none").round(3).tolist()
    [0.434, 999.307]

    Source: Green (1990), Bayesian reconstructions from emission tomography data using a modified EM algorithm,
    doi:10.1109/42.52985; Keras' ``log_cosh``.
    """
    residual = input - target
    return log_cosh(residual), np.tanh(residual)


@elementwise
def tukey_loss(input, target, *, c: float = 4.685):
    """Tukey's biweight: like a parabola near 0, constant c²/6 beyond c, so that an outlier doesn't pull at all.

    (c²/6)·(1 − (1 − (r/c)²)³) for |r| ≤ c, with r = input − target. Not convex: the answer depends on the start.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    c : float, default 4.685
        From here on a residual counts as an outlier, in the unit of `input`; positive. The default gives 95 %
        efficiency for normally distributed residuals of unit standard deviation.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `c` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.tukey_loss([1.0, 2.0, 200.0], [0.0, 0.0, 0.0], reduction="none", c=2.0).round(3).tolist()
    [0.385, 0.667, 0.667]

    Source: Beaton and Tukey (1974), The Fitting of Power Series, Meaning Polynomials, Illustrated on
    Band-Spectroscopic Data, doi:10.1080/00401706.1974.10489171.
    """
    if not c > 0:
        raise ValueError(f"tukey_loss: c must be positive, got {c}")
    near = np.clip(input - target, -c, c)
    u = (near / c) ** 2
    return c * c / 6 * u * (3 - 3 * u + u * u), near * (1 - u) ** 2  # 1 − (1 − u)³ without its cancellation
