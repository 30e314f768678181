"""Stable primitives: functions whose textbook form loses digits or overflows, in a form that doesn't.

All take and return arrays of one floating dtype, and change no argument.
"""

import numpy as np

__all__ = [
    "along_last",
    "log1p",
    "log_cosh",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "norm",
    "sigmoid",
    "sign",
    "softmax",
    "softmax_parts",
    "softplus",
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
    rounded = 1 + x
    lost = x - (rounded - 1)
    return np.log(rounded) + lost / rounded


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
    exponentials = np.exp(x - largest[..., None])
    exponentials[top] = 0
    others = exponentials.sum(axis=-1)
    exponentials[top] = 1
    return largest, others, exponentials, top


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


def log_cosh(x: np.ndarray) -> np.ndarray:
    """log(cosh x), exact to rounding for tiny x and free of overflow for huge x.

    cosh x − 1 = 2 sinh²(x/2) has no cancellation, so log1p of it is exact where cosh x rounds to 1.
    Past |x| = 20 the function is a straight line to within 1e-17, so the excess over 20 is added as it is.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray
        Same shape and dtype as `x`.

    Examples
    --------
    >>> x = np.array([1e-8, 1.0, 1000.0])
    >>> print(log_cosh(x))
    [5.00000000e-17 4.33780830e-01 9.99306853e+02]

    Source: the half-angle identity; NIST DLMF, 4.35.
    """
    size = np.abs(x)
    curved = np.minimum(size, 20)
    return np.log1p(2 * np.sinh(0.5 * curved) ** 2) + (size - curved)


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
