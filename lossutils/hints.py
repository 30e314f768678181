"""Checks that teach: compare an answer with the right one, and name the usual mistake that it looks like.

The test cells of the assignments are made of these. A wrong answer raises `AssertionError` with a sentence
that a student can act on; a right one says nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["check_any_shape", "check_close", "slope_report"]


def check_close(
    actual: Any,
    expected: ArrayLike,
    mistakes: Mapping[str, ArrayLike] | None = None,
    *,
    name: str = "value",
    rtol: float = 1e-6,
    atol: float = 1e-9,
) -> None:
    """Raise `AssertionError`, with a hint where possible, unless `actual` equals `expected` up to rounding.

    Parameters
    ----------
    actual : float or ndarray of float
        The answer to judge. Any floating dtype will do; the shape must be that of `expected`.
    expected : array_like of float
        The right answer.
    mistakes : mapping of str to array_like, optional
        For each hint, the answer that the mistake leads to, of any shape; NaN matches NaN.
    name : str
        What the answer is called in the message.
    rtol, atol : float
        Relative and absolute tolerance, as in ``numpy.testing.assert_allclose``.

    Raises
    ------
    AssertionError
        If the answer has no number in it, isn't floating point, or has another shape or value.

    Examples
    --------
    >>> check_close(0.5, 0.5)
    >>> check_close(1.5, 0.5, {"That is the sum. Divide by n.": 1.5})
    Traceback (most recent call last):
    AssertionError: value is 1.5, expected 0.5. That is the sum. Divide by n.
    """
    given = _as_floats(actual, name)
    wanted = np.asarray(expected, float)
    difference = f"{name} is {_show(given)}, expected {_show(wanted)}."
    if given.shape == wanted.shape and np.allclose(given, wanted, rtol, atol):
        return
    for hint, wrong in (mistakes or {}).items():
        if given.shape == np.shape(wrong) and np.allclose(given, wrong, rtol, atol, equal_nan=True):
            raise AssertionError(f"{difference} {hint}")
    if given.shape != wanted.shape:
        raise AssertionError(f"{name} has shape {given.shape}, expected {wanted.shape}.")
    np.testing.assert_allclose(given, wanted, rtol, atol, err_msg=difference, strict=True)


def check_any_shape(loss: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]) -> None:
    """Raise `AssertionError` unless a mean loss treats a table of numbers like the same numbers in a row.

    The check is blind to a constant factor or a wrong sign, so that a mistake is counted once, by the test
    of the value or of the gradient.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target)`` returning ``(value, gradient)``: a number, and an array of the shape of
        `prediction`.

    Raises
    ------
    AssertionError
        If the loss changes its arguments, returns something of another kind or shape, or nothing but zeros,
        or counts n wrongly for arrays of several dimensions.

    Examples
    --------
    >>> def by_rows(prediction, target):
    ...     gradient = 2 * (prediction - target) / len(prediction)
    ...     return np.mean((prediction - target) ** 2), gradient
    >>> check_any_shape(by_rows)
    Traceback (most recent call last):
    AssertionError: The gradient changes when numbers come as a table. n is prediction.size, not len(prediction).
    """
    prediction = np.array([[2.5, 0.0, 4.0], [1.0, -3.0, 0.25]])
    target = np.array([[2.0, 2.0, 1.0], [1.5, -1.5, 0.5]])
    before = prediction.copy(), target.copy()
    value, gradient = loss(prediction, target)
    if not (np.array_equal(prediction, before[0]) and np.array_equal(target, before[1])):
        raise AssertionError("The function changes its arguments: a -= b changes a; c = a - b doesn't.")
    value, gradient = _as_floats(value, "value"), _as_floats(gradient, "gradient")
    if value.shape != ():
        raise AssertionError(f"value has shape {value.shape}, expected a single number: the mean.")
    if gradient.shape != prediction.shape:
        raise AssertionError(f"gradient has shape {gradient.shape}, expected {prediction.shape} like prediction.")
    if value == 0 or np.any(gradient == 0):
        raise AssertionError("The loss or a slope is 0 although no prediction is exact.")
    row_value, row_gradient = loss(prediction.flatten(), target.flatten())
    for name, table, row in (("value", value, row_value), ("gradient", gradient.ravel(), row_gradient)):
        if not np.allclose(table, row):
            raise AssertionError(
                f"The {name} changes when numbers come as a table. n is prediction.size, not len(prediction)."
            )


def slope_report(
    loss: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]],
    prediction: np.ndarray,
    target: np.ndarray,
    *,
    step: float = 1e-6,
) -> str:
    """Say in one line whether the gradient of a loss is the slope of its value. Never raises.

    The slope is measured with central differences, (L(ŷ + h) − L(ŷ − h)) / 2h, one prediction at a time. Keep
    the residuals away from kinks, where there is none.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target)`` returning ``(value, gradient)``.
    prediction, target : ndarray of float, of one shape
    step : float
        h, in the unit of `prediction`.

    Examples
    --------
    >>> def doubled(prediction, target):
    ...     return np.mean((prediction - target) ** 2), 4 * (prediction - target) / prediction.size
    >>> slope_report(doubled, np.array([1.0, 2.0]), np.array([0.5, 3.0]))
    'the gradient is 2 times the slope of the value'
    """
    try:
        gradient = np.asarray(loss(prediction.copy(), target.copy())[1], float)
        slope = _measured_slope(loss, prediction, target, step)
    except NotImplementedError:
        return "not written yet"
    except Exception as error:  # whatever a half-written function does, the report goes on
        return f"stops with {type(error).__name__}: {error}"
    if gradient.shape != slope.shape:
        return f"the gradient has shape {gradient.shape}, not that of prediction, {slope.shape}"
    if np.allclose(gradient, slope, rtol=1e-4, atol=1e-7):
        return "the gradient is the slope of the value"
    if np.any(slope != 0):
        factor = np.sum(gradient * slope) / np.sum(slope * slope)  # least squares: gradient ≈ factor · slope
        if np.allclose(gradient, factor * slope, rtol=1e-4, atol=1e-7):
            return f"the gradient is {factor:.3g} times the slope of the value"
    return f"the gradient {_show(gradient)} is not the slope of the value {_show(slope)}"


def _measured_slope(loss, prediction, target, step):
    slope = np.empty(prediction.shape)
    for index in np.ndindex(prediction.shape):
        shift = np.zeros(prediction.shape)
        shift[index] = step
        rise = loss(prediction + shift, target.copy())[0] - loss(prediction - shift, target.copy())[0]
        slope[index] = rise / (2 * step)
    return slope


def _as_floats(answer, name):
    """The answer as a float64 array; an error where it isn't floating point."""
    if answer is None:
        raise AssertionError(f"{name} is None. Does the function return it?")
    array = np.asarray(answer)
    if array.dtype.kind != "f":
        raise AssertionError(f"{name} should be floating point, not {array.dtype}: {_show(array)}")
    return array.astype(float)


def _show(array):
    return np.array2string(array, precision=6, threshold=8, edgeitems=3, separator=", ")
