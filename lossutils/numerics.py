"""Stable primitives: functions whose textbook form loses digits or overflows, in a form that doesn't.

All take and return arrays of one floating dtype, and change no argument.
"""

import functools

import numpy as np

__all__ = [
    "along_last",
    "exp_difference",
    "exp_excess_and_slope",
    "log1p",
    "log1p_unit",
    "log_cosh_and_slope",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "norm",
    "sigmoid",
    "sign",
    "soft_cross_entropy",
    "softmax",
    "softmax_parts",
    "softplus",
    "softplus_and_slope",
    "sum_last",
    "xlogy",
]


def log1p(x: np.ndarray) -> np.ndarray:
    """log(1 + x) for x > −1, exact to rounding also for tiny x, several times as fast as ``np.log1p``.

    Rounding 1 + x to u loses x − (u − 1), which can be computed exactly; to first order, that is all of the error.

    Parameters
    ----------
    x : ndarray of float, any shape
        Greater than −1.

    Returns
    -------
    ndarray
        Same shape and dtype as `x`; inf for inf.

    Examples
    --------
    >>> log1p(np.array([1e-20, 1e-8, 1.0])).tolist()
    [1e-20, 9.999999950000001e-09, 0.6931471805599453]

    Source: Goldberg (1991), What Every Computer Scientist Should Know About Floating-Point Arithmetic,
    doi:10.1145/103162.103163, theorem 4, in a form that needs no case for x = 0.
    """
    if x.size < 256:  # here it's the number of steps that costs time
        return np.log1p(x)
    rounded = 1 + x
    lost = (x - (rounded - 1)) / rounded
    return np.log(rounded) + np.fmax(lost, -1)  # NaN, from inf − inf or 0 / 0, gives way to −1


# Of the polynomial P with 2·artanh(s) ≈ s·P(s²) for 0 ≤ s ≤ ⅓, to 5e-9 relative: the last is exact, the others
# minimize the largest error.
_ARTANH = (0.28011992, 0.28001804, 0.40021527, 0.66666416, 2.0)


def log1p_unit(x: np.ndarray) -> np.ndarray:
    """log(1 + x) for 0 ≤ x ≤ 1, as exact as `log1p`; in single precision in two thirds of the time.

    Parameters
    ----------
    x : ndarray of float, any shape
        From 0 to 1.

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> x = np.linspace(0, 1, 1001, dtype=np.float32)
    >>> bool(np.allclose(log1p_unit(x), np.log1p(x.astype(float)), rtol=3e-7))
    True

    Source: log(1 + x) = 2·artanh(x / (2 + x)), DLMF 4.37.24; the polynomial is fitted by reweighted least squares.
    """
    if x.dtype != np.float32 or x.size < 256:
        return log1p(x)
    share = x / (2 + x)
    square = share * share
    value = square * _ARTANH[0]
    for coefficient in _ARTANH[1:-1]:
        value += coefficient
        value *= square
    value += _ARTANH[-1]
    value *= share
    return value


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + eˣ), the smooth max(x, 0), without overflow and with all digits where it is tiny.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> softplus(np.array([-1000.0, -50.0, 0.0, 1000.0])).tolist()
    [0.0, 1.9287498479639178e-22, 0.6931471805599453, 1000.0]

    Source: log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|).
    """
    return np.maximum(x, 0) + log1p(np.exp(-np.abs(x)))


def softplus_and_slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`softplus` and its slope, `sigmoid`, from one exponential: half the time of both.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    tuple of ndarray
        log(1 + eˣ) and 1 / (1 + e⁻ˣ), same shape and dtype as `x`.

    Examples
    --------
    >>> value, slope = softplus_and_slope(np.array([-50.0, 0.0, 1000.0]))
    >>> value.tolist(), slope.tolist()
    ([1.9287498479639178e-22, 0.6931471805599453, 1000.0], [1.9287498479639178e-22, 0.5, 1.0])

    Source: with e = e^−|x|, log(1 + eˣ) = max(x, 0) + log1p(e), and σ(x) = (1 if x > 0 else e) / (1 + e).
    """
    e = np.abs(x)  # in place from here on, in three quarters of the time
    np.negative(e, out=e)
    np.exp(e, out=e)
    value = log1p_unit(e)
    value += np.clip(x, 0, np.inf)
    slope = np.maximum(e, x > 0)
    e += 1
    slope /= e
    return value, slope


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ˣ), without overflow and with all digits where it is tiny.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> sigmoid(np.array([-50.0, 0.0, 1000.0])).tolist()
    [1.9287498479639178e-22, 0.5, 1.0]

    Source: σ(x) = e^min(x, 0) / (1 + e^−|x|).
    """
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    """log(1 / (1 + e⁻ˣ)) = −softplus(−x).

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> log_sigmoid(np.array([-1000.0, 0.0, 50.0])).tolist()
    [-1000.0, -0.6931471805599453, -1.9287498479639178e-22]

    Source: the definition, by `softplus`.
    """
    return -softplus(-x)


def logsumexp(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """log Σ eˣ along an axis, without overflow and with all digits where one term is far ahead of the others.

    The largest term is left out of the sum, so that the small ones aren't lost beside its 1: the result is
    max x + log1p(Σ of the others).

    Parameters
    ----------
    x : ndarray of float
        Not empty along `axis`. All −inf gives −inf, any +inf gives inf.

    Returns
    -------
    ndarray
        Without `axis`; the dtype of `x`.

    Examples
    --------
    >>> logsumexp(np.array([0.0, -50.0])).tolist(), logsumexp(np.array([1000.0, 1000.0])).tolist()
    (1.9287498479639178e-22, 1000.6931471805599)

    Source: Blanchard, Higham and Higham (2021), Accurately computing the log-sum-exp and softmax functions,
    doi:10.1093/imanum/draa038, algorithm 3.2.
    """
    x = np.moveaxis(x, axis, -1)
    largest, others = softmax_parts(x)[:2]
    return np.where(np.isinf(largest), largest, largest + log1p(others))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """exp(x) / Σ exp(x) along an axis, without overflow.

    Parameters
    ----------
    x : ndarray of float
        Not empty along `axis`.

    Returns
    -------
    ndarray
        Same shape and dtype as `x`; sums to 1 along `axis`.

    Examples
    --------
    >>> softmax(np.array([1000.0, 1000.0, -np.inf])).tolist()
    [0.5, 0.5, 0.0]

    Source: Blanchard, Higham and Higham (2021), doi:10.1093/imanum/draa038.
    """
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """x − log Σ exp(x) along an axis; all digits also where a probability is next to 1.

    Parameters
    ----------
    x : ndarray of float
        Not empty along `axis`.

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> log_softmax(np.array([50.0, 0.0])).tolist()
    [-1.9287498479639178e-22, -50.0]

    Source: Blanchard, Higham and Higham (2021), doi:10.1093/imanum/draa038.
    """
    x = np.moveaxis(x, axis, -1)
    largest, others = softmax_parts(x)[:2]
    return np.moveaxis((x - largest[..., None]) - log1p(others)[..., None], -1, axis)


def softmax_parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What softmax and log-sum-exp along the last axis are made of, with no digit lost beside the largest term.

    Parameters
    ----------
    x : ndarray of float, shape (…, C), C > 0

    Returns
    -------
    largest : ndarray, shape (…)
        The largest x.
    others : ndarray, shape (…)
        Σ exp(x − largest) over all but one largest x: log-sum-exp is largest + log1p(others), and the largest
        probability is 1 / (1 + others).
    exponentials : ndarray, shape (…, C)
        exp(x − largest); its sum is 1 + others.
    top : tuple of ndarray
        Index of that one largest x: ``x[top]`` is `largest`.

    Examples
    --------
    >>> largest, others, exponentials, top = softmax_parts(np.array([[0.0, 3.0, -50.0]]))
    >>> largest.tolist(), exponentials[top].tolist(), others.round(4).tolist()
    ([3.0], [1.0], [0.0498])

    Source: Blanchard, Higham and Higham (2021), doi:10.1093/imanum/draa038, algorithm 3.2.
    """
    top = along_last(x.argmax(axis=-1))
    largest = x[top]
    exponentials = exp_difference(x, largest[..., None])
    exponentials[top] = 0
    others = sum_last(exponentials)
    exponentials[top] = 1
    return largest, others, exponentials, top


def exp_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """exp(x − y) without the error of rounding x − y, which for float32 and x − y = −80 would be 4e-6.

    Parameters
    ----------
    x : ndarray of float
    y : ndarray of the same dtype, not less than x
        Broadcastable to `x`.

    Returns
    -------
    ndarray
        Same shape and dtype as `x`; 0 where x is −inf.

    Examples
    --------
    >>> x, y = np.array([-75.3], np.float32), np.array([0.7], np.float32)
    >>> for result in (exp_difference(x, y), np.exp(x.astype(float) - y), np.exp(x - y)):
    ...     print(f"{result[0]:.4e}")
    9.8541e-34
    9.8541e-34
    9.8542e-34

    Source: the rounding error of a sum is a floating-point number, which six operations give: Knuth (1969), The Art
    of Computer Programming, volume 2, section 4.2.2, theorem B. To first order, exp(d + lost) = exp(d)·(1 + lost).
    """
    exponentials = x - y
    single = x.dtype == np.float32 and x.size
    lowest = exponentials.item(exponentials.argmin()) if single else 0  # twice as fast as min
    np.exp(exponentials, out=exponentials)
    if lowest < -16:  # nearer to 0 the error is less than that of exp
        difference = x - y
        minus_y = difference - x
        difference -= minus_y
        lost = np.subtract(x, difference, out=difference)
        minus_y += y
        lost -= minus_y
        if lowest == -np.inf:
            np.fmax(lost, -1, out=lost)  # inf − inf was NaN
        lost *= exponentials
        exponentials += lost
    return exponentials


def soft_cross_entropy(
    logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None, label_smoothing: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """−Σ w·t·log softmax(logits) along the last axis, and its slopes; all digits where a softmax is next to 1.

    Parameters
    ----------
    logits, target : ndarray of float, shape (…, C)
        Scores and probabilities.
    weight : ndarray of shape (C), optional
        Of each class.
    label_smoothing : float
        This share of the target is spread evenly over all classes.

    Returns
    -------
    value : ndarray, shape (…)
    slope, slope_in_target : ndarray, shape (…, C)
    slope_in_weight : ndarray, shape (…, C), or None without weights

    Examples
    --------
    >>> value, slope, *_ = soft_cross_entropy(np.array([50.0, 0.0]), np.array([1.0, 0.0]))
    >>> float(value), slope.tolist()
    (1.9287498479639178e-22, [-1.9287498479639178e-22, 1.9287498479639178e-22])

    Source: the definition, by `softmax_parts`.
    """
    largest, others, slope, top = softmax_parts(logits)
    weighted = (1 - label_smoothing) * target + label_smoothing / logits.shape[-1] if label_smoothing else target
    smooth = weighted
    if weight is not None:
        weighted = smooth * weight
    surprise = largest[..., None] - logits
    surprise += log1p(others)[..., None]
    short = logits.flags.c_contiguous and logits.shape[-1] <= 1024  # or BLAS adds too many numbers one by one
    value = np.vecdot(weighted, surprise) if short else sum_last(weighted * surprise)
    if np.isnan(value).any():  # 0 · inf, where what never happens is impossible
        value = sum_last(np.where(weighted == 0, 0, weighted * surprise))
    # At the top, p·Σt − t is Σ(other t) − Σt·(1 − p), where nothing cancels if t = p = 1.
    elsewhere = -weighted
    elsewhere[top] = 0
    rest = -sum_last(elsewhere)
    total = rest + weighted[top]
    share = total / (1 + others)
    slope *= share[..., None]
    slope += elsewhere
    slope[top] = rest - others * share
    if weight is None and not label_smoothing:
        return value, slope, surprise, None
    slope_in_target = (1 - label_smoothing) * (surprise if weight is None else weight * surprise)
    return value, slope, slope_in_target, None if weight is None else smooth * surprise


def along_last(index: np.ndarray) -> tuple[np.ndarray, ...]:
    """The full index of one element a row: ``x[along_last(i)]`` has the shape of i, where x has one axis more.

    Parameters
    ----------
    index : ndarray of int, shape (…)
        Positions along the last axis.

    Examples
    --------
    >>> np.array([[1, 2, 3], [4, 5, 6]])[along_last(np.array([2, 0]))].tolist()
    [3, 4]

    Source: what ``numpy.take_along_axis`` does, without its overhead, and for assignment too.
    """
    n = index.ndim
    return *(np.arange(length).reshape((-1,) + (1,) * (n - 1 - k)) for k, length in enumerate(index.shape)), index


@functools.cache
def _ones(length, dtype):
    """At most 1024 of them; making them takes as long as adding up ten short rows."""
    return np.ones(length, dtype)


def sum_last(x: np.ndarray) -> np.ndarray:
    """The sum along the last axis, exact to a few roundings, and fast also where that axis is short.

    BLAS is ten times as fast as NumPy for short rows, but adds one by one what lies apart in memory.

    Parameters
    ----------
    x : ndarray of float, shape (…, C)

    Returns
    -------
    ndarray, shape (…)
        Of the dtype of `x`, or of float64 where that is narrower and rows are long.

    Examples
    --------
    >>> sum_last(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [3.0, 7.0]

    Source: the definition.
    """
    length = x.shape[-1]
    if length <= (1024 if x.flags.c_contiguous else 64):
        return x @ _ones(length, x.dtype)
    return x.sum(axis=-1, dtype=np.float64)


def norm(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """√Σx² along an axis, without overflow or underflow of the squares; the axis is kept, with length 1.

    Parameters
    ----------
    x : ndarray of float

    Returns
    -------
    ndarray
        Like `x`, with length 1 along `axis`.

    Examples
    --------
    >>> print(norm(np.array([3e-30, 4e-30], dtype=np.float32)))
    [5.e-30]

    Source: the sum is scaled by a power of two, which rounds nothing; Blue (1978), A Portable Fortran Program to
    Find the Euclidean Norm of a Vector, doi:10.1145/355769.355771.
    """
    squares = np.expand_dims(np.vecdot(x, x, axis=axis), axis)
    lost = np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps ** 2  # what underflows is no digit of a sum above this
    if squares.size and squares.min() > lost and squares.max() < np.inf:
        return np.sqrt(squares)
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    _, exponent = np.frexp(largest)
    scaled = np.ldexp(x, -exponent)
    return np.ldexp(np.sqrt((scaled * scaled).sum(axis=axis, keepdims=True)), exponent)


def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x · log y, and 0 where x is 0, whatever y is.

    Parameters
    ----------
    x, y : ndarray of float, shapes that broadcast
        y is not negative.

    Returns
    -------
    ndarray
        The broadcast shape.

    Examples
    --------
    >>> with np.errstate(divide="ignore"):
    ...     xlogy(np.array([0.0, 2.0]), np.array([0.0, 1.0])).tolist()
    [0.0, 0.0]

    Source: the limit for x → 0; ``scipy.special.xlogy``.
    """
    return x * np.log(np.where(x == 0, 1, y))


def exp_excess_and_slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """eˣ − 1 − x, by how much the exponential exceeds its tangent at 0, and its slope eˣ − 1; all digits for tiny x.

    For |x| ≤ 1.5 there is no exponential in it: x·coth(x/2) = 2 + r with r = x²/(6 + x²/(10 + x²/(14 + …))), from
    which follows eˣ − 1 − x = x·(x − r) / (2 − (x − r)). What is beyond is added by an exponential.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    tuple of ndarray
        eˣ − 1 − x and eˣ − 1, same shape and dtype as `x`.

    Examples
    --------
    >>> excess, slope = exp_excess_and_slope(np.array([1e-20, 0.0, 1.0, -1000.0]))
    >>> excess.round(4).tolist(), slope.round(4).tolist()
    ([0.0, 0.0, 0.7183, 999.0], [0.0, 0.0, 1.7183, -1.0])
    >>> excess[0] == 0.5e-40, slope[0] == 1e-20
    (np.True_, np.True_)

    Source: Lambert's continued fraction for the hyperbolic tangent, NIST DLMF, 4.39.1; cut off where what is missing
    is less than half a unit in the last place. Computed in place: a quarter faster.
    """
    if x.size > 1 << 16:  # piece by piece, so that the temporaries stay in the cache
        pieces = [exp_excess_and_slope(piece) for piece in np.array_split(x.reshape(-1), -(-x.size >> 15))]
        excess, slope = (np.concatenate(parts).reshape(x.shape) for parts in zip(*pieces, strict=True))
        return excess, slope
    near = np.clip(x, -1.5, 1.5)
    square = near * near
    levels = (18, 14, 10, 6) if x.dtype == np.float32 else (30, 26, 22, 18, 14, 10, 6)
    r = square / levels[0]
    for odd in levels[1:]:
        r += odd
        np.divide(square, r, out=r)
    np.subtract(near, r, out=r)
    excess = np.multiply(near, r, out=square)
    excess /= np.subtract(2, r, out=r)
    slope = np.add(near, excess, out=r)
    far = np.subtract(x, near, out=near)
    jump = np.exp(far)
    jump -= 1
    jump *= slope + 1  # eˣ − e^near: exactly 0 for |x| ≤ 1.5
    slope += jump
    jump -= far
    excess += jump
    return excess, slope


def log_cosh_and_slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(cosh x) and its slope tanh x, exact to rounding for tiny x and free of overflow for huge x.

    With m = eˣ − 1, cosh x − 1 is m²/2eˣ, which has no cancellation, and log1p of it is exact where cosh x rounds to
    1. Past |x| = 20 the function is a straight line to within 1e-17, so the excess over 20 is added as it is.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    tuple of ndarray
        log(cosh x) and tanh x, same shape and dtype as `x`.

    Examples
    --------
    >>> value, slope = log_cosh_and_slope(np.array([1e-8, 1.0, 1000.0]))
    >>> print(value, slope)
    [5.00000000e-17 4.33780830e-01 9.99306853e+02] [1.00000000e-08 7.61594156e-01 1.00000000e+00]

    Source: the definitions, NIST DLMF, 4.28; what rounding eˣ loses, as in `log1p`. Computed in place: a fifth faster.
    """
    near = np.clip(x, -20, 20)
    e = np.exp(near)
    m = np.log(e)
    np.subtract(near, m, out=m)
    m *= e
    m += e - 1
    sinh = m + 2  # 2eˣ sinh x = e²ˣ − 1 = (m + 2)·m, and 2eˣ cosh x is 2 more
    sinh *= m
    m *= m
    m /= e
    m *= 0.5  # cosh x − 1
    cosh = np.add(m, 1, out=e)
    lost = cosh - 1
    np.subtract(m, lost, out=lost)
    lost /= cosh
    value = np.log(cosh, out=cosh)
    value += lost
    value += np.abs(x - near)
    return value, sinh / (sinh + 2)


def sign(x: np.ndarray) -> np.ndarray:
    """−1, 0, or 1; and 0 for NaN, where ``np.sign`` has NaN, because PyTorch's absolute error has that slope.

    Parameters
    ----------
    x : ndarray of float or int, any shape

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> sign(np.array([-3.0, 0.0, np.nan])).tolist()
    [-1.0, 0.0, 0.0]

    Source: ``torch.sign``.
    """
    return np.subtract(x > 0, x < 0, dtype=x.dtype)
