"""Losses between two distributions: how far is the predicted one from the target?

Most end in a sum of terms of both signs that nearly cancel where the distributions are close. They are written here
as sums of terms that are never negative, so that a small divergence has all its digits and is never below 0.
"""

import numpy as np

from lossutils.engine import elementwise, rowwise
from lossutils.numerics import exp_excess_and_slope, log1p, softmax_parts

__all__ = [
    "distillation_loss",
    "gaussian_kl_loss",
    "jensen_shannon_divergence",
    "kl_div",
    "wasserstein_1d_loss",
    "wasserstein_1d_sample_loss",
]


def _both_floating(arrays):
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise TypeError(f"{name} must be floating point, got {array.dtype}")


@elementwise(
    weight=None,
    broadcast="allow",
    check=_both_floating,
    reductions=("none", "mean", "sum", "batchmean"),
)
def kl_div(input, target, *, log_target: bool = False):
    """Kullback–Leibler divergence, element by element: target · (log target − input), for log-probabilities `input`.

    Makes you predict the target's probabilities, where those of a row are kept summing to 1, as log_softmax does. The
    pull is −target, at any distance: it is log_softmax that turns it into p − target.

    Parameters
    ----------
    input : array_like of float
        Log-probabilities.
    target : array_like of float, any shape that broadcasts with `input`
        Probabilities, or log-probabilities if `log_target`. Where a probability is 0, the value is 0, even if `input`
        is −inf (PyTorch: NaN), and the slope with respect to it is the limit, ∓inf (PyTorch: NaN).
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean" divides the sum by the first axis of `input`: with a row a sample, this is the mean divergence.
        "mean" divides it by the number of elements, as in PyTorch, which isn't.
    log_target : bool, default False

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If an argument isn't floating point.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> round(float(F.kl_div(np.log([[0.5, 0.5]]), [[0.9, 0.1]], reduction="batchmean")), 4)
    0.3681
    >>> F.kl_div([0.0, -np.inf], [1.0, 0.0], reduction="none").tolist()  # PyTorch says [0, nan]
    [0.0, 0.0]

    Source: Kullback and Leibler (1951), On Information and Sufficiency, doi:10.1214/aoms/1177729694. The order of
    arguments is PyTorch's: prediction first, though the divergence is written KL(target ‖ prediction).
    """
    p = np.exp(target) if log_target else target
    log_ratio = target - input if log_target else _log_ratio(target, input)
    value = p * log_ratio if np.minimum.reduce(p, initial=1) > 0 else _times_log_ratio(p, log_ratio, input)
    if log_target:
        return value, np.negative(p, out=p), np.subtract(value, p, out=log_ratio)
    log_ratio += 1
    return value, -p, log_ratio


def _log_ratio(p, log_q):
    """log p − log q, where rounding log p to single precision would be seen if the two are close."""
    return np.subtract(np.log(p, dtype=np.float64), log_q).astype(p.dtype, copy=False)


def _times_log_ratio(p, log_ratio, input):
    """p · log_ratio where some p are 0, and 0 · log 0 is 0; where the model has no chance, log_ratio becomes inf."""
    largest = np.finfo(p.dtype).max
    value = p * np.clip(log_ratio, -largest, largest)
    value += 0  # not −0
    if np.isinf(input).any():
        none = p == 0
        value = np.where(none & (input == input), 0, p * log_ratio)
        log_ratio[none & (input == -np.inf)] = np.inf  # any probability costs inf here
    return value


@rowwise("(c),(c)")
def jensen_shannon_divergence(input, target):
    """Jensen–Shannon divergence, ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2, of rows of probabilities.

    Makes you predict the target's probabilities. The pull is ½ log(p/m): never more than ½ log 2 down, and without
    bound up where the prediction is next to 0. Finite also where one of two probabilities is 0.

    Parameters
    ----------
    input, target : array_like of float, shape (…, C)
        Probabilities p and q, not negative; a row should sum to 1. Where both are 0, the slopes are 0.
    reduction : {"mean", "sum", "none"}
        Over rows.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``
        In nats, between 0 and log 2. Its square root is a metric, the Jensen–Shannon distance.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.jensen_shannon_divergence([[1.0, 0.0]], [[0.0, 1.0]])), 4)
    0.6931

    Source: Lin (1991), Divergence measures based on the Shannon entropy, doi:10.1109/18.61115.
    """
    nothing = (input == 0) & (target == 0)
    p, q = input + nothing, target + nothing  # 1 and 1 say the same as 0 and 0, and have logarithms
    m = 0.5 * p + 0.5 * q
    tilt = (0.5 * p - 0.5 * q) / m  # p = m(1 + tilt), q = m(1 − tilt)
    log_p, log_q = _log_one_plus(tilt, p / m), _log_one_plus(-tilt, q / m)
    # p log(p/m) + q log(q/m) is m times either of these; the first has no cancellation for small tilts
    close = log1p(-tilt * tilt) + tilt * (log_p - log_q)
    apart = p / m * np.maximum(log_p, -1000) + q / m * np.maximum(log_q, -1000)  # 0 · log 0 is 0
    value = (0.5 * m * np.where(np.abs(tilt) < 0.5, close, apart)).sum(axis=-1)
    return value, 0.5 * log_p, 0.5 * log_q


def _log_one_plus(x, sum):
    """log(1 + x), where 1 + x is also known as `sum`, whose digits count where x is next to −1."""
    return np.log(sum) + (x - (sum - 1))  # what rounding the sum lost counts where that is next to 1


@rowwise("(n),(n),(n)")
def wasserstein_1d_loss(input, target, positions=None):
    """Wasserstein-1 (earth mover's) distance on a line: ∫ |P(x) − Q(x)| dx, between cumulative distributions.

    Makes you predict the target's masses. The pull carries mass towards where it is missing, and grows with the way:
    unlike cross-entropy, it knows that a neighbouring bin is a smaller mistake than a far one.

    Parameters
    ----------
    input, target : array_like of float, shape (…, n)
        Masses at the positions. Those of a row should have the same sum; they aren't divided by it.
    reduction : {"mean", "sum", "none"}
        Over rows.
    positions : array_like of float, shape (n) or that of `input`, optional
        Where the masses are, ascending; 0, 1, …, n − 1 by default. The loss has their unit.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `positions` don't ascend.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.wasserstein_1d_loss([[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.0]]))  # half a mass over 2, half over 1
    1.5

    Source: Vallender (1974), Calculation of the Wasserstein Distance Between Probability Distributions on the Line,
    doi:10.1137/1118101; ``scipy.stats.wasserstein_distance``.
    """
    gap = np.ones(max(input.shape[-1] - 1, 0)) if positions is None else np.diff(positions)
    if (gap < 0).any():
        raise ValueError(f"wasserstein_1d_loss: positions must ascend, got a step of {gap.min()}")
    lead = np.cumsum(np.subtract(input, target, dtype=float), axis=-1)[..., :-1]  # P − Q between two positions
    size = np.abs(lead)
    slope = np.zeros(input.shape)
    slope[..., :-1] = np.cumsum((np.sign(lead) * gap)[..., ::-1], axis=-1)[..., ::-1]  # mass counts in P from there on
    slope_in_positions = None if positions is None else -np.diff(size, axis=-1, prepend=0, append=0)
    return np.vecdot(size, gap), slope, -slope, slope_in_positions


@rowwise("(n),(n)")
def wasserstein_1d_sample_loss(input, target):
    """Wasserstein-1 distance between two samples of n numbers: the mean of |input − target|, each sorted.

    Makes you produce numbers distributed like the target's, in any order. The pull is ±1/n on each number, towards
    the target of the same rank.

    Parameters
    ----------
    input, target : array_like of float, shape (…, n)
        A row is a sample.
    reduction : {"mean", "sum", "none"}
        Over rows.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``
        In the unit of the numbers.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.wasserstein_1d_sample_loss([3.0, 1.0], [1.0, 2.0]))
    0.5

    Source: Vallender (1974), doi:10.1137/1118101, for distributions of n steps of 1/n.
    """
    rank, rank_of_target = (np.argsort(a, axis=-1, kind="stable") for a in (input, target))
    residual = np.take_along_axis(input, rank, -1) - np.take_along_axis(target, rank_of_target, -1)
    slope, slope_in_target = np.empty_like(input), np.empty_like(target)
    pull = np.sign(residual) / input.shape[-1]
    np.put_along_axis(slope, rank, pull, -1)
    np.put_along_axis(slope_in_target, rank_of_target, -pull, -1)
    return np.abs(residual).mean(axis=-1), slope, slope_in_target


@rowwise("(c),(c)", axis="class")
def distillation_loss(input, target, *, temperature: float = 2.0):
    """Distillation: T² · KL(softmax(target/T) ‖ softmax(input/T)), for logits of a teacher, `target`.

    Makes you predict the teacher's probabilities. The pull is T(q − p), from the student's q to the teacher's p, both
    softened by the temperature; T² keeps its size about the same for all T.

    Parameters
    ----------
    input, target : array_like of float, shape (C), (N, C), or (N, C, d…)
        Logits of the student and of the teacher. A class that is −inf for both is left out.
    reduction : {"mean", "sum", "none"}
        Over rows.
    temperature : float, default 2.0
        T, positive: the higher, the more the teacher's small probabilities count. For T → ∞ the loss becomes half the
        mean squared difference between the logits, each row's mean subtracted.

    Returns
    -------
    number, or ndarray of the shape without classes for ``reduction="none"``
        T² nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `temperature` isn't positive and finite.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.distillation_loss([[0.0, 0.0]], [[4.0, 0.0]])), 4)
    1.3113

    Source: Hinton, Vinyals and Dean (2015), Distilling the Knowledge in a Neural Network, arXiv:1503.02531. What they
    add for hard labels is `cross_entropy`.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"distillation_loss: temperature must be positive and finite, got {temperature}")
    largest, others, q, _ = softmax_parts(input / temperature)
    largest_t, others_t, p, top = softmax_parts(target / temperature)
    q /= (1 + others)[..., None]
    p /= (1 + others_t)[..., None]
    # log(q/p) in double precision from the difference of logits, whose digits a difference of logarithms has lost
    normalizer = np.subtract(largest, largest_t, dtype=float) + (log1p(others) - log1p(others_t))
    log_ratio = np.subtract(input, target, dtype=float) / temperature - normalizer[..., None]
    log_ratio = np.fmin(log_ratio, 1000)  # from there on p is 0, also where both are −inf
    # With f(x) = eˣ − 1 − x, Σ p·f(log(q/p) − c) is e^−c − 1 + c + KL, as Σq = Σp; no term is negative. For c = 0 it
    # is KL. For c = Σ p·log(q/p) = −KL it is e^KL − 1, and an error of the normalizer doesn't matter: for small KL.
    mean = (np.vecdot(p, log_ratio) / p.sum(axis=-1, dtype=float))[..., None]
    center = np.where(mean > -1, mean, 0)
    log_ratio -= center
    centered = log_ratio.astype(p.dtype)
    offset, growth = (mean - center).astype(p.dtype), np.exp(-center).astype(p.dtype)
    term, gain = (p * factor for factor in exp_excess_and_slope(np.minimum(centered, 4)))
    steep = (q * growth - (p + gain)) * (centered > 4)  # eˣ could overflow; p·eˣ is known from q
    gain += steep
    term += steep - p * np.maximum(centered - 4, 0)
    total = term.sum(axis=-1)
    near = mean[..., 0] > -1
    beyond = np.where(near, total, 0)[..., None]
    slope = temperature * (gain - p * beyond) / (1 + beyond)
    slope_in_target = temperature * p * (offset - centered)
    for s in slope, slope_in_target:  # they sum to 0: what has few digits where p is next to 1 follows from the rest
        s[top] = 0
        s[top] = -s.sum(axis=-1)
    return temperature**2 * np.where(near, log1p(total), total), slope, slope_in_target


@elementwise(reductions=("none", "mean", "sum", "batchmean"))
def gaussian_kl_loss(mean, log_variance, prior_mean=None, prior_log_variance=None):
    """KL divergence from a normal distribution to a prior, the standard normal: ½(μ² + σ² − 1 − log σ²).

    Makes you predict the prior. In a variational autoencoder it is the half of the loss that keeps the code of each
    input near the prior. The pull on the mean is μ, and on the logarithm of the variance ½(σ² − 1).

    Parameters
    ----------
    mean, log_variance : array_like of float, any shapes that broadcast
        μ and log σ², one for each latent dimension.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean" divides the sum by the first axis of `mean`: the sum over dimensions, averaged over samples, is
        what the evidence lower bound asks for.
    prior_mean, prior_log_variance : array_like of float, shapes that broadcast to that of the others, optional
        Of the prior, if it isn't the standard normal: μ₀ and log σ₀².
    weight : array_like of mean's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.gaussian_kl_loss([1.0], [0.0]))
    0.5

    Source: Kingma and Welling (2013), Auto-Encoding Variational Bayes, arXiv:1312.6114, appendix B.
    """
    log_ratio = log_variance if prior_log_variance is None else log_variance - prior_log_variance
    value, slope_in_variance = exp_excess_and_slope(log_ratio)
    shift = mean if prior_mean is None else mean - prior_mean
    slope, square = shift, shift * shift
    if prior_log_variance is not None:
        deviations = np.exp(-0.5 * prior_log_variance)  # the shift in these can be squared where its square is 0
        slope, square = shift * deviations * deviations, (shift * deviations) ** 2
    value += square
    value *= 0.5
    slope_in_variance *= 0.5
    if prior_log_variance is None:
        return value, slope, slope_in_variance, -slope
    return value, slope, slope_in_variance, -slope, -0.5 * square - slope_in_variance
