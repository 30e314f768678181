"""Losses for a forecast that is a distribution: how surprising, or how far off, is what came true?

A count or a positive amount with its mean; a number with mean and variance; a number with a sample of what it may be.
Some formulas work in float64 whatever the dtype is, because their terms cancel where the forecast is good.
"""

import math

import numpy as np

from lossutils.engine import elementwise, must_fit_first, rowwise
from lossutils.numerics import log1p, sign

__all__ = [
    "ensemble_crps",
    "gamma_deviance",
    "gaussian_crps",
    "gaussian_nll_loss",
    "poisson_deviance",
    "poisson_nll_loss",
    "tweedie_deviance",
]

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
LOWEST = np.finfo(float).min  # for −inf in a product with 0, which is to be 0


def _with_floating_input(arrays):
    """A rate that is a whole number is float32, as in PyTorch, though the count be float16."""
    input = arrays["input"]
    return arrays if input.dtype.kind == "f" else arrays | {"input": input.astype(np.float32)}


@elementwise(
    weight=None,
    broadcast="allow",
    prepare=_with_floating_input,
    order="input, target, log_input, full, eps, reduction",
)
def poisson_nll_loss(input, target, *, log_input: bool = True, full: bool = False, eps: float = 1e-8):
    """Poisson negative log-likelihood of a count: λ − target · log λ, where input is log λ, or λ itself.

    Makes you predict the logarithm of the mean (the mean, if not `log_input`). The pull is λ − target, or
    1 − target/λ.

    Parameters
    ----------
    input : array_like of number, any shape
        log λ, the logarithm of the predicted mean; with ``log_input=False`` the mean λ itself, not negative.
    target : array_like of number, a shape that broadcasts
        Counts: not negative, whole or not.
    log_input : bool, default True
    full : bool, default False
        Add log target!, by Stirling's approximation where target > 1, and 0 elsewhere, as PyTorch does.
    eps : float, default 1e-8
        Added to λ inside the logarithm, if not `log_input`.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.poisson_nll_loss([0.0], [3.0]))
    1.0
    >>> round(float(F.poisson_nll_loss([3.0], [3.0], log_input=False, full=True)), 4)  # for −log 0.224 = 1.4959
    1.4682

    Source: Nelder and Wedderburn (1972), Generalized Linear Models, doi:10.2307/2344614.
    """
    if full:  # target · log target may be a million times what is left of it
        input, target = input.astype(np.float64), target.astype(np.float64)
    if log_input:
        log, rate = input, np.exp(input)
        value, slope = rate - _times(target, log), rate - target
    else:
        log, rate = np.log(input + eps), input + eps
        value, slope = input - _times(target, log), 1 - _over(target, rate)
    if not full:
        return value, slope, -log
    large = np.maximum(target, 1)
    log_large = np.log(large)
    value += ((large + 0.5) * log_large - large + HALF_LOG_2_PI) * (target > 1)
    return value, slope, lambda: (log_large + 0.5 / large) * (target > 1) - log


def _times(count, log):
    """count · log, and 0 where the count is 0, though the logarithm be −inf."""
    product = count * log
    return product if np.isfinite(product).all() else np.where((count == 0) & np.isinf(log), 0, product)


def _over(count, rate):
    """count / rate, and 0 where the count is 0, though the rate be 0 too."""
    ratio = count / rate
    return ratio if np.isfinite(ratio).all() else np.where((count == 0) & (rate == 0), 0, ratio)


def _with_axis(arrays):
    """The variance with the axes of input: it may be a single number, or lack the last axis."""
    input, var = arrays["input"], arrays["var"]
    if var.ndim == 0:
        var = var.astype(input.dtype if input.dtype.kind == "f" else np.float32)
    elif var.shape == input.shape[:-1] != input.shape:
        var = var[..., None]
    elif var.ndim != input.ndim or [n for n, m in zip(var.shape, input.shape, strict=True) if n != m] not in ([], [1]):
        raise ValueError(
            f"gaussian_nll_loss: var must have the shape of input, lack its last axis, or have length 1 along one, "
            f"got {var.shape} for {input.shape}"
        )
    return arrays | {"var": var}


@elementwise(
    weight=None,
    broadcast="allow",
    prepare=_with_axis,
    order="input, target, var, full, eps, reduction",
)
def gaussian_nll_loss(input, target, var, *, full: bool = False, eps: float = 1e-6):
    """Gaussian negative log-likelihood, ½(log var + (input − target)²/var).

    Makes you predict mean and variance. The pull on the mean is the residual over the variance: where the forecast
    admits that it is unsure, it is pulled little; for that it pays log var.

    Parameters
    ----------
    input : array_like of float, any shape
        Predicted means.
    target : array_like of float, a shape that broadcasts
        What came true, in the same unit.
    var : float; or array_like of float of the shape of `input`, or without its last axis, or with length 1 along one
        Predicted variances, in the unit's square; not negative.
    full : bool, default False
        Add the constant ½log 2π, so that it is a likelihood.
    eps : float, default 1e-6
        A variance below it counts as `eps`. Its slope is still that at `eps`, so that it can grow again.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats, up to the unit's logarithm.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or a variance is negative.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.gaussian_nll_loss([1.0, 1.0], [0.0, 0.0], [1.0, 4.0], reduction="none").round(4).tolist()
    [0.5, 0.8181]

    Source: Nix and Weigend (1994), Estimating the Mean and Variance of the Target Probability Distribution,
    doi:10.1109/ICNN.1994.374138.
    """
    if (var < 0).any():
        raise ValueError(f"gaussian_nll_loss: var must not be negative, got {var[var < 0][0]}")
    var = np.maximum(var, eps)
    slope = (input - target) / var
    log, twice = np.log(var), slope * (input - target)
    constant = HALF_LOG_2_PI if full else 0
    value = 0.5 * (log + twice) + constant
    poor = np.flatnonzero(np.abs(value) < 0.2 * np.abs(log))  # the terms cancel, and float32 has too few digits
    if poor.size:
        residual, wide = np.subtract(input[poor], target[poor], dtype=np.float64), var[poor].astype(np.float64)
        value[poor] = 0.5 * (np.log(wide) + residual * residual / wide) + constant
    return value, slope, lambda: -slope, lambda: _slope_in_var(input, target, var)


def _slope_in_var(input, target, var):
    residual = np.subtract(input, target, dtype=np.float64)
    return 0.5 * (1 - residual * residual / var) / var


@elementwise(weight="weights")
def poisson_deviance(input, target):
    """Poisson deviance, 2(target · log(target/input) − target + input): twice what the likelihood falls short.

    Makes you predict the mean. The pull is 2(1 − target/input): the same relative error counts more for large counts.

    Parameters
    ----------
    input : array_like of float, any shape
        Predicted means; positive.
    target : array_like of float, a shape that broadcasts
        Counts, or amounts; not negative.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        0 where input equals target. In the unit of `target`.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `input` isn't positive, or `target` is negative.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.poisson_deviance([1.0, 2.0, 2.0], [0.0, 2.0, 1.0], reduction="none").round(4).tolist()
    [2.0, 0.0, 0.6137]

    Source: Nelder and Wedderburn (1972), Generalized Linear Models, doi:10.2307/2344614; scikit-learn's
    ``mean_poisson_deviance``.
    """
    _check_domain("poisson_deviance", 1, input, target)
    ratio, excess, log = _relative(target, input)
    h = _series_near_1(ratio * np.maximum(log, LOWEST) - excess, log, 1, input.dtype)
    return 2 * input * h, -2 * excess, lambda: 2 * log


@elementwise(weight="weights")
def gamma_deviance(input, target):
    """Gamma deviance, 2(log(input/target) + target/input − 1): relative errors, whatever the unit.

    Makes you predict the mean. The pull is 2(input − target)/input²: it depends on the ratio of the two, and a
    prediction far too small is pulled much harder than one far too large.

    Parameters
    ----------
    input, target : array_like of float, any shapes that broadcast
        Predicted means, and positive amounts that came true: costs, durations. The loss has no unit.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        0 where input equals target.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `input` or `target` isn't positive.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.gamma_deviance([2.0, 200.0], [1.0, 100.0], reduction="none").round(4).tolist()
    [0.3863, 0.3863]

    Source: Nelder and Wedderburn (1972), Generalized Linear Models, doi:10.2307/2344614; scikit-learn's
    ``mean_gamma_deviance``. With spectra for amounts it is twice the Itakura-Saito distance.
    """
    _check_domain("gamma_deviance", 2, input, target)
    ratio, excess, log = _relative(target, input)
    h = _series_near_1(excess - log, log, 0, input.dtype)
    return 2 * h, -2 * excess / input, lambda: 2 * excess / (ratio * input)


@elementwise(weight="weights")
def tweedie_deviance(input, target, *, power: float = 1.5):
    """Tweedie deviance: for targets whose variance grows like mean^power; many zeros among amounts, for 1 < power < 2.

    2(y^(2−p)/((1−p)(2−p)) − y·μ^(1−p)/(1−p) + μ^(2−p)/(2−p)), with μ = input, y = target, p = power. p = 0 is the
    squared error, 1 the Poisson deviance, 2 the gamma deviance, 3 the inverse Gaussian's.

    Makes you predict the mean. The pull is 2(μ − y)/μ^p.

    Parameters
    ----------
    input : array_like of float, any shape
        Predicted means; positive, unless power is 0.
    target : array_like of float, a shape that broadcasts
        Amounts: any for power ≤ 0, not negative for 1 ≤ power < 2, positive for power ≥ 2.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    power : float, default 1.5
        At most 0 or at least 1; no distribution has a power between. scikit-learn's default is 0.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        0 where input equals target. In the unit of `target` to the power 2 − p.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `power` isn't legal, or a number isn't for that power.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> [round(float(F.tweedie_deviance(4.0, 1.0, power=p)), 4) for p in (0, 1, 1.5, 2, 3)]
    [9.0, 3.2274, 2.0, 1.2726, 0.5625]

    Source: Jørgensen (1987), Exponential Dispersion Models, doi:10.1111/j.2517-6161.1987.tb01685.x; scikit-learn's
    ``mean_tweedie_deviance``.
    """
    if not (-np.inf < power <= 0 or 1 <= power < np.inf):
        raise ValueError(f"tweedie_deviance: power must be at most 0 or at least 1, got {power}")
    if power == 0:
        residual = input - target
        return residual * residual, 2 * residual, -2 * residual
    _check_domain("tweedie_deviance", power, input, target)
    if power == 1.5:
        root, root_target = np.sqrt(input), np.sqrt(target)
        step = (input - target) / (root + root_target)  # √μ − √y
        return 4 * step * step / root, 2 * (input - target) / (input * root), lambda: -4 * step / (root * root_target)
    return _deviance(input, target, power)


def _check_domain(name, power, input, target):
    """An error for a mean or a target that no distribution of this power has."""
    if (input <= 0).any():
        raise ValueError(f"{name}: input must be positive, got {input.min()}")
    if power >= 2 and (target <= 0).any():
        raise ValueError(f"{name}: target must be positive, got {target.min()}")
    if 1 <= power < 2 and (target < 0).any():
        raise ValueError(f"{name}: target must not be negative, got {target.min()}")


def _deviance(mean, target, power):
    """The deviance 2∫(t − y)·t⁻ᵖ dt from y to μ, and its slopes.

    With R = y/μ it is 2μ^(2−p)·H, where H is made of integrals of powers of t from 1 to R: with I₁ of t⁻ᵖ,
    H = (R·I₁ − (R − 1))/(2 − p); or with I₂ of t^(1−p), H = (I₂ − (R − 1))/(1 − p). The slope in y is 2μ^(1−p)·I₁.
    """
    ratio, excess, log = _relative(target, mean)
    if power < 0:
        log = np.fmax(log, -np.inf)  # for NaN, where y is negative and counts as 0 in its own power
    if abs(power - 2) < 0.5:
        h = (_integral(2 - power, log) - excess) / (1 - power)
    else:
        h = (ratio * np.maximum(_integral(1 - power, log), LOWEST) - excess) / (2 - power)
    h = _series_near_1(h, log, 2 - power, mean.dtype)
    unit = np.exp((1 - power) * np.log(mean, dtype=np.float64))
    return 2 * unit * mean * h, -2 * unit * excess, lambda: 2 * unit * _integral(1 - power, log)


def _integral(a, log):
    """∫tᵃ⁻¹ dt from 1 to exp(log)."""
    return log if a == 0 else np.expm1(a * log) / a


def _relative(target, mean):
    """R = y/μ, R − 1, and log R in float64, with all digits where R is near 1."""
    ratio = np.divide(target, mean, dtype=np.float64)
    excess, log = ratio - 1, np.log(ratio)
    if mean.dtype == np.float64:
        excess = (target - mean) / mean
        log = np.where(np.abs(excess) < 0.5, log1p(excess), log)
    return ratio, excess, log


def _series_near_1(h, log, a, dtype):
    """H, where R is near 1 by its power series in log R, Σ log^k/k! · (1 + a + … + a^(k−2)).

    Numbers of float32 are never so close that H, computed in float64 as a difference, would lose digits it needs.
    """
    if dtype == np.float32:
        return h
    near = np.abs(log) * max(1, abs(a)) < 1 / 16
    log = np.where(near, log, 0)
    coefficients = [sum(a**j for j in range(k - 1)) / math.factorial(k) for k in range(11, 1, -1)]
    return np.where(near, log * log * _horner(coefficients, log), h)


def _horner(coefficients, x):
    """The polynomial with these coefficients, that of the highest power first."""
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


@elementwise(weight="weights", broadcast="allow", check=must_fit_first)
def gaussian_crps(input, target, sigma):
    """Continuous ranked probability score of a normal distribution: absolute error, less a credit for honest doubt.

    r·erf(z/√2) + σ·(2φ(z) − 1/√π) with r = input − target, z = r/σ, and φ the standard normal density. It is the
    squared difference between the forecast's distribution function and the step at what came true, integrated.

    Makes you predict mean and standard deviation. The pull on the mean is erf(z/√2): like that of the squared error
    within σ, ±1 beyond.

    Parameters
    ----------
    input : array_like of float, any shape
        Predicted means.
    target : array_like of float, a shape that broadcasts to input's
        What came true, in the same unit, which is also the loss's.
    sigma : array_like of float, a shape that broadcasts to input's
        Predicted standard deviations, in the same unit; positive.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw.
    weight : array_like of input's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `sigma` isn't positive.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.gaussian_crps([0.0, 0.0, 100.0], [0.0, 0.0, 0.0], [1.0, 0.1, 1.0], reduction="none").round(4).tolist()
    [0.2337, 0.0234, 99.4358]

    Source: Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation,
    doi:10.1198/016214506000001437, with the opposite sign.
    """
    if (sigma <= 0).any():
        raise ValueError(f"gaussian_crps: sigma must be positive, got {sigma.min()}")
    residual = np.subtract(input, target, dtype=np.float64)
    z = residual / sigma
    slope = _erf((z * math.sqrt(0.5)).astype(input.dtype, copy=False))
    slope_in_sigma = (math.sqrt(2) * np.exp(-0.5 * z * z) - 1) / math.sqrt(math.pi)
    return residual * slope + sigma * slope_in_sigma, slope, lambda: -slope, slope_in_sigma


# ----- the error function

# erf x = x·P(x²)/Q(x²) for |x| < 4, to 2.5e-8: fitted with weights that level the relative error. From 4 on it is 1.
ERF_P = (1.98664819e-06, 2.84555429e-04, 3.8833397e-03, 5.31017542e-02, 1.93546455e-01, 1.12837914)
ERF_Q = (3.74182072e-05, 1.1855494e-03, 1.52072713e-02, 1.15350412e-01, 5.04858637e-01, 1.0)


def _erf(x):
    """The error function, to rounding."""
    if x.dtype != np.float32:
        return np.frompyfunc(math.erf, 1, 1)(x).astype(x.dtype)
    x = np.clip(x, -4, 4)
    square = x * x
    return x * (_horner(ERF_P, square) / _horner(ERF_Q, square))


@rowwise("(m),()")
def ensemble_crps(input, target, *, fair: bool = False):
    """Continuous ranked probability score of a sample: mean |xᵢ − y| less half the mean distance between members.

    Makes you predict a sample that is spread like the targets. Each member is pulled toward the target, and away from
    the other members; the outermost hardly, those on the wrong side of the median most.

    Parameters
    ----------
    input : array_like of float, shape (…, m)
        The members of each ensemble, in any order.
    target : array_like of float, shape (…)
        What came true, in the same unit, which is also the loss's.
    reduction : {"mean", "sum", "none"}
    fair : bool, default False
        What members stand for. False: the members are the forecast, each with probability 1/m; they do best as its
        quantiles, and the mean distance divides by m². True: they are a random sample of the forecast, so the mean is
        over pairs of different members, m(m − 1); m must be 2 or more.

    Returns
    -------
    number, or ndarray of the shape of target for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or there are too few members.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.ensemble_crps([0.0, 1.0, 5.0], 2.0).round(4)), float(F.ensemble_crps([0.0, 1.0, 5.0], 2.0, fair=True))
    (0.8889, 0.3333333333333333)

    Source: Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation,
    doi:10.1198/016214506000001437, equation 21; fair: Ferro (2014), Fair Scores for Ensemble Forecasts,
    doi:10.1002/qj.2270.
    """
    members = input.shape[-1]
    if members < 1 + fair:
        raise ValueError(f"ensemble_crps: input must have {1 + fair} or more members, got {members}")
    residual = input - target[..., None]
    # Half the sum of distances is Σ(2k − m − 1)·x over the members in order, k = 1 … m; whole numbers stay exact.
    side = sign(residual)
    pull = side * (members - fair) - _centered_rank(residual)
    slope = pull / (members * (members - fair))
    return (slope * residual).sum(axis=-1), slope, -side.mean(axis=-1)


def _centered_rank(x):
    """2k − m − 1 for the k-th smallest of m numbers along the last axis; equal numbers get the mean of theirs."""
    order = x.argsort(axis=-1)
    members = x.shape[-1]
    rank = np.broadcast_to(np.arange(1 - members, members, 2, dtype=x.dtype), x.shape)
    ordered = np.take_along_axis(x, order, axis=-1)
    same = ordered[..., 1:] == ordered[..., :-1]
    if same.any():
        rank = _mean_of_runs(rank, same)
    result = np.empty_like(x)
    np.put_along_axis(result, order, rank, axis=-1)
    return result


def _mean_of_runs(rank, same):
    """Replace ranks of equal numbers by the mean of the first and last of the run."""
    starts, ends = np.ones(rank.shape, bool), np.ones(rank.shape, bool)
    starts[..., 1:] = ends[..., :-1] = ~same
    first = np.maximum.accumulate(np.where(starts, rank, -np.inf), axis=-1)
    last = np.minimum.accumulate(np.where(ends, rank, np.inf)[..., ::-1], axis=-1)[..., ::-1]
    return 0.5 * (first + last)
