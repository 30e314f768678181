"""Losses for a real-valued target: how far is the prediction off, and how hard does that pull?

Every formula returns the value and the slope with respect to ``input``. Most depend on the residual
r = input − target alone; the slope with respect to ``target`` is then the opposite. The last two compare ratios.

Some formulas work in float64 whatever the dtype is: near a zero of the slope, or in a power, a rounding of the
residual to float32 would be magnified.
"""

import math

import numpy as np

from lossutils.engine import elementwise
from lossutils.numerics import exp_excess_and_slope, log1p, log_cosh_and_slope, sign

__all__ = [
    "cauchy_loss",
    "expectile_loss",
    "general_robust_loss",
    "huber_loss",
    "l1_loss",
    "log_cosh_loss",
    "mape_loss",
    "mse_loss",
    "msle_loss",
    "pinball_loss",
    "pseudo_huber_loss",
    "smooth_l1_loss",
    "tukey_loss",
]


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

    Makes you predict a compromise of the mean (δ → ∞) and the median (δ → 0). The pull is the residual,
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
    return slope * (-0.5 * slope + residual), slope  # … and gives both branches of the value


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
    if residual.dtype.type(beta) == 0:
        return np.abs(residual), sign(residual)
    slope = np.clip(residual / beta, -1, 1)
    return slope * (-0.5 * beta * slope + residual), slope


@elementwise
def log_cosh_loss(input, target):
    """log cosh(input − target): a parabola near 0 that turns, with no seam, into |r| − log 2.

    Makes you predict a compromise of mean and median. The pull is tanh r: like Huber's with δ = 1, but smooth
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
    return log_cosh_and_slope(input - target)


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
    near = np.clip(np.subtract(input, target, dtype=np.float64), -c, c)  # float32 would round 1 − u below
    u = (near / c) ** 2
    return c * c / 6 * u * (3 - 3 * u + u * u), near * (1 - u) ** 2  # 1 − (1 − u)³ without its cancellation


@elementwise(weight="weights")
def pinball_loss(input, target, *, quantile: float = 0.5):
    """Pinball (quantile) loss: a target above the prediction costs τ per unit, one below it 1 − τ.

    Makes you predict the τ-quantile: of the targets, the share τ is below. The pull is −τ or 1 − τ at any distance,
    and 0 where the prediction is exact, the subgradient that ``l1_loss`` has too.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit, which is also the loss's.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    quantile : float, default 0.5
        τ, in [0, 1]. At 0.5 the loss is half the absolute error.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `quantile` isn't in [0, 1].
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.pinball_loss([0.0, 2.0], [1.0, 1.0], reduction="none", quantile=0.9).round(3).tolist()
    [0.9, 0.1]

    Source: Koenker and Bassett (1978), Regression Quantiles, doi:10.2307/1913643, who call it the check function;
    scikit-learn's ``mean_pinball_loss``, whose `alpha` is τ.
    """
    if not 0 <= quantile <= 1:
        raise ValueError(f"pinball_loss: quantile must be in [0, 1], got {quantile}")
    residual = input - target
    slope = np.multiply(residual > 0, 1 - quantile, dtype=residual.dtype)
    slope -= np.multiply(residual < 0, quantile, dtype=residual.dtype)
    return np.maximum((1 - quantile) * residual, -quantile * residual), slope


@elementwise(weight="weights")
def expectile_loss(input, target, *, expectile: float = 0.5):
    """Expectile loss: squared error where a target above the prediction counts τ and one below it 1 − τ.

    |τ − 1(r > 0)|·r², with r = input − target. Makes you predict the τ-expectile: the point that the targets above,
    pulling with τ, and those below, pulling with 1 − τ, hold in balance. The pull grows with the residual.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    expectile : float, default 0.5
        τ, strictly between 0 and 1. At 0.5 the loss is half the squared error, and the expectile is the mean; some
        write it with a factor 2, so that it is the squared error.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `expectile` isn't between 0 and 1.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.expectile_loss([0.0, 3.0], [1.0, 1.0], reduction="none", expectile=0.9).round(3).tolist()
    [0.9, 0.4]

    Source: Newey and Powell (1987), Asymmetric Least Squares Estimation and Testing, doi:10.2307/1911031.
    """
    if not 0 < expectile < 1:
        raise ValueError(f"expectile_loss: expectile must be between 0 and 1, got {expectile}")
    residual = input - target
    pull = (1 - expectile) * np.maximum(residual, 0) + expectile * np.minimum(residual, 0)
    return pull * residual, 2 * pull


@elementwise
def pseudo_huber_loss(input, target, *, delta: float = 1.0):
    """Pseudo-Huber loss, δ²(√(1 + (r/δ)²) − 1): Huber's parabola and straight lines, joined with no seam.

    Makes you predict a compromise of mean and median. The pull is r / √(1 + (r/δ)²), with r = input − target: the
    residual when small, ±δ when large.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    delta : float, default 1.0
        Where the parabola bends into a straight line, in the unit of `input`; positive.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `delta` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.pseudo_huber_loss([1e-9, 1.0, 100.0], [0.0, 0.0, 0.0], reduction="none")
    array([5.00000000e-19, 4.14213562e-01, 9.90049999e+01])

    Source: Charbonnier et al. (1997), Deterministic Edge-Preserving Regularization in Computed Imaging,
    doi:10.1109/83.551699, whence also Charbonnier loss, without the factor δ; ``scipy.special.pseudo_huber``.
    """
    if not delta > 0:
        raise ValueError(f"pseudo_huber_loss: delta must be positive, got {delta}")
    residual = input - target
    u = np.clip(residual / delta, -(2.0**60), 2.0**60)  # u² doesn't overflow, and √(1 + u²) = |u| at the ends
    root = np.sqrt(1 + u * u)
    return delta * (u / (1 + root)) * residual, delta * (u / root)  # √(1 + u²) − 1 = u² / (1 + √(1 + u²))


def _in_units(input, target, scale, reach):
    """u = (input − target) / scale; in float64 where |u| is beyond `reach`, or float32 may not hold the loss and u²."""
    u = (input - target) / scale
    if 1e-3 < scale < 1e3 and np.abs(u).max(initial=0) <= reach:
        return u
    return np.subtract(input, target, dtype=np.float64) / scale


@elementwise
def cauchy_loss(input, target, *, scale: float = 1.0):
    """Cauchy loss, ½c²·log(1 + (r/c)²): grows so slowly that an outlier's pull goes back to 0.

    Makes you predict the center of the crowd. The pull is r / (1 + (r/c)²), with r = input − target: strongest at
    |r| = c, then falling like c²/r. Not convex: the answer may depend on the start.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has the unit's square.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    scale : float, default 1.0
        c, where the pull is strongest, in the unit of `input`; positive. 2.385 gives 95 % efficiency for normally
        distributed residuals of unit standard deviation.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        Like Huber's, ½r² for small residuals. The negative log-likelihood of a Cauchy distribution is 2/c² times
        this, up to a constant; ``general_robust_loss(…, alpha=0, scale=s)`` is ``cauchy_loss(…, scale=√2·s)`` / s².

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `scale` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.cauchy_loss([0.1, 1.0, 100.0], [0.0, 0.0, 0.0], reduction="none").round(4).tolist()
    [0.005, 0.3466, 4.6052]

    Source: Holland and Welsch (1977), Robust Regression Using Iteratively Reweighted Least-Squares,
    doi:10.1080/03610927708827533; ``scipy.optimize.least_squares(loss="cauchy")``. Also called Lorentzian.
    """
    if not scale > 0:
        raise ValueError(f"cauchy_loss: scale must be positive, got {scale}")
    u = _in_units(input, target, scale, reach=1e18)
    return log1p(u * u) * (0.5 * scale * scale), scale / (u + 1 / u)


@elementwise
def general_robust_loss(input, target, *, alpha: float = 1.0, scale: float = 1.0):
    """Barron's loss: one parameter α leads from the squared error (2) to the most outlier-proof (−∞).

    (|α−2|/α)·((u²/|α−2| + 1)^(α/2) − 1) with u = (input − target)/c. α = 2 gives ½u²; 1, √(u² + 1) − 1 (pseudo-Huber);
    0, log(½u² + 1) (Cauchy); −2, 2u²/(u² + 4) (Geman and McClure); −∞, 1 − exp(−½u²) (Welsch).

    Makes you predict the mean for α = 2, a compromise of mean and median for 1 ≤ α < 2, and the center of a crowd
    below. The pull is u/c·(u²/|α−2| + 1)^(α/2 − 1): bounded for α ≤ 1, going back to 0 for α < 1. Convex for α ≥ 1.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has no unit.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    alpha : float, default 1.0
        The shape α; ±inf and values above 2, which punish outliers more than the squared error, are allowed.
    scale : float, default 1.0
        c, where the parabola ends, in the unit of `input`; positive.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `alpha` is NaN, or `scale` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> [round(float(F.general_robust_loss(3.0, 0.0, alpha=a)), 4) for a in (2, 1, 0, -2, float("-inf"))]
    [4.5, 2.1623, 1.7047, 1.3846, 0.9889]

    Source: Barron (2019), A General and Adaptive Robust Loss Function, arXiv:1701.03077.
    """
    if math.isnan(alpha):
        raise ValueError(f"general_robust_loss: alpha must be a number or infinite, got {alpha}")
    if not scale > 0:
        raise ValueError(f"general_robust_loss: scale must be positive, got {scale}")
    power, bend = 0.5 * alpha, abs(0.5 * alpha - 1)
    u = _in_units(input, target, scale, reach=30 if abs(power) <= 1 and bend > 0.2 else 0)
    half, slope = 0.5 * u * u, u / scale
    if bend == 0:
        return half, slope
    if abs(power) > 1e20:  # (1 + half/bend)^power has come to its limit
        exponent = half if power > 0 else -half
        return np.abs(exp_excess_and_slope(exponent)[1]), slope * np.exp(exponent)
    base = half / bend
    exponent = power * log1p(base)
    value = bend / power * exp_excess_and_slope(exponent)[1] if abs(power) > 1e-20 else bend * log1p(base)
    return value, slope * np.exp(exponent) / (1 + base)


@elementwise(weight="weights")
def msle_loss(input, target):
    """Squared logarithmic error, (log(1 + input) − log(1 + target))²: being off by a factor costs the same anywhere.

    Makes you predict the geometric mean (of 1 + target, less 1). The pull is 2·log((1 + input)/(1 + target)) /
    (1 + input): a prediction far too small is pulled hard, one far too large hardly.

    Parameters
    ----------
    input, target : array_like of float greater than −1, any shapes that broadcast
        Predictions and what came true: counts, prices. The 1 makes 0 legal, and blurs what is far below 1.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a number isn't greater than −1.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.msle_loss([9.0, 999.0], [0.0, 99.0], reduction="none").round(4).tolist()  # (log 10)², twice
    [5.3019, 5.3019]

    Source: scikit-learn's ``mean_squared_log_error``, Pedregosa et al. (2011), arXiv:1201.0490. Named as ``mse_loss``
    is, and as Keras abbreviates its MeanSquaredLogarithmicError, which takes negative numbers for 0.
    """
    smaller = np.minimum(input, target)
    if (smaller <= -1).any():
        raise ValueError(f"msle_loss: input and target must be greater than −1, got {smaller.min()}")
    residual = input - target
    log = np.copysign(log1p(np.abs(residual) / (1 + smaller)), residual)  # log((1 + ŷ)/(1 + y)), no cancellation
    return log * log, 2 * log / (1 + input), lambda: -2 * log / (1 + target)


@elementwise(weight="weights")
def mape_loss(input, target, *, eps: float = 2.0**-52):
    """Absolute percentage error as a fraction, |input − target| / max(|target|, ε): 0.1 is off by 10 %.

    Makes you predict too low: the median of the targets, each weighted with 1/|target|. The pull is ±1/|target|.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predictions and what came true, in the same unit. The loss has none.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    eps : float, default 2⁻⁵²
        ε, what a smaller |target| counts as, in the unit of `target`; positive. With the default, scikit-learn's, a
        target of 0 makes the loss huge; where 0 is a number like any other, use another loss.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        A fraction, as in scikit-learn; Keras' MeanAbsolutePercentageError is 100 times as much.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `eps` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.mape_loss([110.0, 90.0], [100.0, 100.0], reduction="none").tolist()
    [0.1, 0.1]

    Source: Hyndman and Koehler (2006), Another Look at Measures of Forecast Accuracy,
    doi:10.1016/j.ijforecast.2006.03.001; what it makes you predict: Gneiting (2011), Making and Evaluating Point
    Forecasts, doi:10.1198/jasa.2011.r10138.
    """
    if not eps > 0:
        raise ValueError(f"mape_loss: eps must be positive, got {eps}")
    residual, size = input - target, np.abs(target)
    share = 1 / np.maximum(size, eps)
    slope = sign(residual) * share
    # a function of ŷ/y, so its slope in y is −ŷ/y times that in ŷ; where y counts as ε, −1 times
    return np.abs(residual) * share, slope, lambda: -np.where(size > eps, input / target, 1) * slope
