"""The book's data sets, read from files that ship with the package. No function here opens a connection.

Sources and licences: ``lossutils/data/README.md``.
"""

from importlib import resources
from typing import NamedTuple

import numpy as np

__all__ = ["Dataset", "load_breast_cancer", "load_diabetes", "load_digits", "load_housing", "split"]


class Dataset(NamedTuple):
    """A table of numbers: ``X`` with one row a case, ``y`` the target.

    Attributes
    ----------
    X : ndarray of float64, shape (cases, features)
    y : ndarray, shape (cases,)
        float64; of classes, int64.
    features : tuple of str
        The columns of `X`.
    target : str
        What `y` is, with its unit.
    """

    X: np.ndarray
    y: np.ndarray
    features: tuple[str, ...]
    target: str


def load_breast_cancer() -> Dataset:
    """569 breast masses: thirty measurements of cell nuclei under the microscope, and which were malignant.

    Returns
    -------
    Dataset
        `X` of shape (569, 30): mean, standard error, and worst of ten measurements, in the units of the digitized
        image; `y` of int64: 1 malignant (212 cases), 0 benign (357), the reverse of scikit-learn's coding.

    Examples
    --------
    >>> data = load_breast_cancer()
    >>> data.X.shape, data.features[0], int(data.y.sum())
    ((569, 30), 'mean_radius', 212)

    Source: Street, Wolberg, and Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis,
    doi:10.1117/12.148698.
    """
    names, table = _read("breast_cancer.csv")
    return Dataset(table[:, :-1], table[:, -1].astype(np.int64), names[:-1], "1 malignant, 0 benign")


def load_diabetes() -> Dataset:
    """442 diabetes patients: ten measurements, and how far the disease progressed in the year after.

    Returns
    -------
    Dataset
        `X` of shape (442, 10) in original units (age in years, bmi in kg/m², …); `y` has no stated unit, 25 to 346.

    Examples
    --------
    >>> data = load_diabetes()
    >>> data.X.shape, data.features[:3], data.y[:2].tolist()
    ((442, 10), ('age', 'sex', 'bmi'), [151.0, 75.0])

    Source: Efron et al. (2004), Least Angle Regression, doi:10.1214/009053604000000067.
    """
    names, table = _read("diabetes.csv")
    return Dataset(table[:, :-1], table[:, -1], names[:-1], "disease progression after one year")


def load_digits() -> Dataset:
    """1,797 handwritten digits as images of 8 × 8 pixels.

    Returns
    -------
    Dataset
        `X` of shape (1797, 64), row by row from the top left: ink in each pixel, 0 to 16; `y` of int64, 0 to 9.

    Examples
    --------
    >>> data = load_digits()
    >>> data.X.shape, int(data.X.max()), data.y[:4].tolist()
    ((1797, 64), 16, [0, 1, 2, 3])

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository;
    these are its test set, written by 13 people.
    """
    names, table = _read("digits.csv")
    return Dataset(table[:, :-1], table[:, -1].astype(np.int64), names[:-1], "digit")


def load_housing() -> Dataset:
    """546 houses sold in Windsor, Canada, in the summer of 1987, with the price each fetched.

    Returns
    -------
    Dataset
        `X` of shape (546, 11): lot size in square feet, counts of rooms, stories and garage places, and six
        fittings as 0 or 1; `y` in thousands of Canadian dollars, 25 to 190.

    Examples
    --------
    >>> data = load_housing()
    >>> data.X.shape, data.features[0], data.y[:2].tolist()
    ((546, 11), 'lotsize', [42.0, 38.5])

    Source: Anglin and Gençay (1996), Journal of Applied Econometrics 11(6), 633–648.
    """
    names, table = _read("housing.csv")
    return Dataset(table[:, 1:], table[:, 0] / 1000, names[1:], "sale price, thousand Canadian dollars")


def split(cases: int, *fractions: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Shuffle the numbers 0 … cases − 1 and cut them into parts, the last of which takes the rest.

    Parameters
    ----------
    cases : int
    *fractions : float
        The share of each part but the last; positive, and less than 1 in sum.
    seed : int, default 0

    Returns
    -------
    tuple of ndarray of int
        One more part than fractions. Each case is in exactly one.

    Raises
    ------
    ValueError
        If the fractions leave nothing for the last part.

    Examples
    --------
    >>> train, test = split(10, 0.8)
    >>> train.size, test.size, sorted({*train.tolist(), *test.tolist()}) == list(range(10))
    (8, 2, True)
    """
    if any(fraction <= 0 for fraction in fractions) or sum(fractions) >= 1:
        raise ValueError(f"split: fractions must be positive and sum to less than 1, got {fractions}")
    ends = np.rint(np.cumsum(fractions) * cases).astype(int)
    return tuple(np.split(np.random.default_rng(seed).permutation(cases), ends))


def _read(file: str) -> tuple[tuple[str, ...], np.ndarray]:
    with resources.files("lossutils.data").joinpath(file).open(encoding="utf-8") as lines:
        names = tuple(next(lines).strip().split(","))
        return names, np.loadtxt(lines, delimiter=",")
