"""Metrics: what a model is judged by once it is trained, whatever loss it was trained with.

Names and argument order are scikit-learn's where it has them: the truth comes first. Sums are taken in float64.
What isn't defined for the data raises an error, or follows a convention that the function names. Columns of a matrix
of probabilities are the classes 0, 1, …; a vector of probabilities is that of class 1, against labels 0 and 1.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

__all__ = [
    "BrierDecomposition",
    "CalibrationCurve",
    "PrecisionRecallCurve",
    "RocCurve",
    "accuracy_score",
    "average_precision_score",
    "brier_decomposition",
    "brier_score_loss",
    "calibration_curve",
    "calibration_error",
    "confusion_matrix",
    "expected_cost",
    "f1_score",
    "interval_coverage",
    "interval_width",
    "log_loss",
    "ndcg_score",
    "net_benefit",
    "perplexity",
    "precision_recall_curve",
    "precision_score",
    "recall_score",
    "roc_auc_score",
    "roc_curve",
    "squared_calibration_error",
]


class RocCurve(NamedTuple):
    """The points of a ROC curve, from strict to lenient: one a distinct score, after the point (0, 0).

    Attributes
    ----------
    fpr, tpr : ndarray of float64
        Share of the negatives, and of the positives, whose score is at least the threshold. Both rise from 0 to 1.
    thresholds : ndarray of float64
        Falling; the first is infinite: nothing is called positive.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


class PrecisionRecallCurve(NamedTuple):
    """The points of a precision-recall curve, from lenient to strict, and a last one at recall 0.

    Attributes
    ----------
    precision, recall : ndarray of float64, one longer than `thresholds`
        The last point, precision 1 at recall 0, is a convention and has no threshold.
    thresholds : ndarray
        The distinct scores, rising.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray


class BrierDecomposition(NamedTuple):
    """The parts of a Brier score: reliability − resolution + uncertainty + the two parts within bins.

    Attributes
    ----------
    reliability : float
        Squared distance between what was forecast and what came true, bin by bin; 0 is calibrated.
    resolution : float
        Variance, between bins, of what came true; the more, the better.
    uncertainty : float
        Variance of the outcome itself, which no forecast changes.
    within_bin_variance : float
        Variance of the forecasts within bins; 0 if a bin holds one value. It adds.
    within_bin_covariance : float
        Twice the covariance of forecast and outcome within bins; 0 if a bin holds one value. It subtracts.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float


class CalibrationCurve(NamedTuple):
    """A reliability diagram: one entry a bin that isn't empty.

    Attributes
    ----------
    prob_true : ndarray of float64
        How often it came true.
    prob_pred : ndarray of float64
        The mean forecast.
    count : ndarray of int64
        Cases in the bin.
    lower, upper : ndarray of float64
        Confidence interval around `prob_true`.
    """

    prob_true: np.ndarray
    prob_pred: np.ndarray
    count: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def accuracy_score(y_true, y_pred, *, sample_weight=None) -> float:
    """Share of cases whose label was predicted: Σ w·[y = ŷ] / Σ w.

    Parameters
    ----------
    y_true, y_pred : array_like of int, bool or str, shape (cases,)
        Labels; floats are accepted if they are whole.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, something isn't a label, or a weight is negative.

    Examples
    --------
    >>> accuracy_score([0, 1, 2, 2], [0, 1, 1, 2])
    0.75

    Source: scikit-learn's ``accuracy_score``.
    """
    y_true, y_pred = _label_pair(y_true, y_pred)
    return _mean(y_true == y_pred, _weights(sample_weight, y_true.size))


def confusion_matrix(y_true, y_pred, *, labels=None, sample_weight=None) -> np.ndarray:
    """Count how often class i was predicted as class j: C[i, j] = Σ w·[y = i, ŷ = j].

    Parameters
    ----------
    y_true, y_pred : array_like of int, bool or str, shape (cases,)
    labels : array_like, shape (classes,), optional
        The classes in the order of rows and columns; by default all that occur, sorted.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    ndarray of int64, or of float64 with weights, shape (classes, classes)

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, `labels` lacks a label that occurs or names one twice, or a weight is
        negative.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1]).tolist()
    [[1, 0], [1, 2]]

    Source: scikit-learn's ``confusion_matrix``, which leaves out cases whose label isn't in `labels`.
    """
    y_true, y_pred = _label_pair(y_true, y_pred)
    both = np.concatenate([y_true, y_pred])
    classes = np.unique(both) if labels is None else _labels("labels", labels)
    _check_kinds(y_true=y_true, labels=classes)
    number = _positions(both, classes)
    cells = number[: y_true.size] * classes.size + number[y_true.size :]
    weights = _weights(sample_weight, y_true.size)
    return np.bincount(cells, weights, minlength=classes.size**2).reshape(classes.size, classes.size)


def precision_score(y_true, y_pred, *, labels=None, average="binary", sample_weight=None, zero_division=0.0):
    """Of what was called positive, the share that is: TP / (TP + FP).

    Parameters
    ----------
    y_true, y_pred : array_like of int, bool or str, shape (cases,)
    labels : array_like, shape (classes,), optional
        The classes, if some don't occur or the order matters; by default all that occur, sorted. "binary" ignores it.
    average : {"binary", "micro", "macro", "weighted", None}
        "binary" scores class 1 of labels 0 and 1. With more classes each in turn is the positive one: None returns
        a score a class, "macro" their mean, "weighted" their mean weighted by how often a class is true, "micro"
        divides sums over all classes, which is the accuracy.
    sample_weight : array_like of float, shape (cases,), optional
    zero_division : {0, 1, nan}
        The score of a class that was never predicted. Classes of score nan are left out of means.

    Returns
    -------
    float, or ndarray of shape (classes,) for ``average=None``

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, `average` or `zero_division` is unknown, or "binary" meets a label that
        is neither 0 nor 1.

    Examples
    --------
    >>> precision_score([0, 0, 1, 1], [0, 1, 1, 1]) * 3
    2.0
    >>> precision_score([0, 1, 2, 2], [0, 2, 2, 1], average=None).tolist()
    [1.0, 0.0, 0.5]

    Source: van Rijsbergen (1979), Information Retrieval, 2nd ed., chapter 7; averages as in scikit-learn.
    """
    hits, predicted, actual = _hits(y_true, y_pred, labels, average, sample_weight)
    return _averaged(hits, predicted, actual, average, zero_division)


def recall_score(y_true, y_pred, *, labels=None, average="binary", sample_weight=None, zero_division=0.0):
    """Of what is positive, the share that was called so: TP / (TP + FN).

    Parameters
    ----------
    y_true, y_pred : array_like of int, bool or str, shape (cases,)
    labels : array_like, shape (classes,), optional
        The classes, if some don't occur or the order matters; by default all that occur, sorted. "binary" ignores it.
    average : {"binary", "micro", "macro", "weighted", None}
        As in `precision_score`. "weighted" is the accuracy.
    sample_weight : array_like of float, shape (cases,), optional
    zero_division : {0, 1, nan}
        The score of a class that is never true. Classes of score nan are left out of means.

    Returns
    -------
    float, or ndarray of shape (classes,) for ``average=None``

    Raises
    ------
    ValueError
        As `precision_score`.

    Examples
    --------
    >>> recall_score([0, 1, 1, 1, 1], [1, 1, 1, 1, 0])
    0.75

    Source: van Rijsbergen (1979), Information Retrieval, 2nd ed., chapter 7; averages as in scikit-learn.
    """
    hits, _, actual = _hits(y_true, y_pred, labels, average, sample_weight)
    return _averaged(hits, actual, actual, average, zero_division)


def f1_score(y_true, y_pred, *, labels=None, average="binary", sample_weight=None, zero_division=0.0):
    """Harmonic mean of precision and recall: 2·TP / (2·TP + FP + FN).

    Parameters
    ----------
    y_true, y_pred : array_like of int, bool or str, shape (cases,)
    labels : array_like, shape (classes,), optional
        The classes, if some don't occur or the order matters; by default all that occur, sorted. "binary" ignores it.
    average : {"binary", "micro", "macro", "weighted", None}
        As in `precision_score`. "macro" is the mean of the classes' scores, not the score of two means.
    sample_weight : array_like of float, shape (cases,), optional
    zero_division : {0, 1, nan}
        The score of a class that is neither true nor predicted. Classes of score nan are left out of means.

    Returns
    -------
    float, or ndarray of shape (classes,) for ``average=None``

    Raises
    ------
    ValueError
        As `precision_score`.

    Examples
    --------
    >>> f1_score([0, 1, 1, 1], [1, 1, 0, 0])
    0.4

    Source: van Rijsbergen (1979), Information Retrieval, 2nd ed., chapter 7; averages as in scikit-learn.
    """
    hits, predicted, actual = _hits(y_true, y_pred, labels, average, sample_weight)
    return _averaged(2 * hits, predicted + actual, actual, average, zero_division)


def roc_curve(y_true, y_score, *, sample_weight=None) -> RocCurve:
    """For each threshold, the share of negatives and the share of positives at or above it.

    Equal scores make one step, so that the curve doesn't depend on the order of the cases. No point is dropped, as
    with scikit-learn's ``drop_intermediate=False``.

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_score : array_like of float, shape (cases,)
        The higher, the more positive; any unit, as only the order counts.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    RocCurve
        ``fpr``, ``tpr`` and ``thresholds``, each one longer than there are distinct scores.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label is neither 0 nor 1, only one class has weight, or a score isn't
        finite.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    >>> curve.fpr.tolist(), curve.tpr.tolist(), curve.thresholds.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0], [inf, 0.8, 0.4, 0.1])

    Source: Fawcett (2006), An introduction to ROC analysis, doi:10.1016/j.patrec.2005.10.010.
    """
    fp, tp, thresholds = _above(y_true, y_score, sample_weight)
    for count, missing in ((fp, "negative (0)"), (tp, "positive (1)")):
        if not count[-1] > 0:
            raise ValueError(f"y_true must contain both classes for a ROC curve, got no {missing} case of any weight")
    return RocCurve(
        np.concatenate([[0.0], fp / fp[-1]]),
        np.concatenate([[0.0], tp / tp[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def roc_auc_score(y_true, y_score, *, sample_weight=None) -> float:
    """Area under the ROC curve: how likely a positive scores above a negative, P(s⁺ > s⁻) + ½·P(s⁺ = s⁻).

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_score : array_like of float, shape (cases,)
        The higher, the more positive; any unit, as only the order counts.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        From 0 to 1; ½ is no better than chance.

    Raises
    ------
    ValueError
        As `roc_curve`.

    Examples
    --------
    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875

    Source: Hanley and McNeil (1982), The meaning and use of the area under a receiver operating characteristic
    (ROC) curve, doi:10.1148/radiology.143.1.7063747.
    """
    curve = roc_curve(y_true, y_score, sample_weight=sample_weight)
    return float(np.trapezoid(curve.tpr, curve.fpr))


def precision_recall_curve(y_true, y_score, *, sample_weight=None) -> PrecisionRecallCurve:
    """For each threshold, precision and recall if scores at or above it are called positive.

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_score : array_like of float, shape (cases,)
        The higher, the more positive; any unit, as only the order counts.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    PrecisionRecallCurve
        ``precision`` and ``recall``, one longer than there are distinct scores, and ``thresholds``.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label is neither 0 nor 1, no positive has weight, or a score isn't
        finite.

    Examples
    --------
    >>> curve = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8])
    >>> curve.precision.round(2).tolist(), curve.recall.tolist(), curve.thresholds.tolist()
    ([0.5, 0.67, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.5, 0.0], [0.1, 0.3, 0.4, 0.8])

    Source: Davis and Goadrich (2006), The relationship between Precision-Recall and ROC curves,
    doi:10.1145/1143844.1143874.
    """
    fp, tp, thresholds = _above(y_true, y_score, sample_weight)
    if not tp[-1] > 0:
        raise ValueError("y_true must contain a positive (1) of some weight for recall to be defined, got none")
    precision, recall = tp / (tp + fp), tp / tp[-1]
    return PrecisionRecallCurve(np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1])


def average_precision_score(y_true, y_score, *, sample_weight=None) -> float:
    """Precision, averaged over the steps of recall: Σ (Rₙ − Rₙ₋₁)·Pₙ from strict to lenient.

    A sum of rectangles. Trapezoids would be too optimistic, as precision isn't linear in recall between two
    thresholds.

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_score : array_like of float, shape (cases,)
        The higher, the more positive; any unit, as only the order counts.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        From 0 to 1; scores without information give about the share of positives.

    Raises
    ------
    ValueError
        As `precision_recall_curve`.

    Examples
    --------
    >>> average_precision_score([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.8]) * 6
    5.0

    Source: Davis and Goadrich (2006), The relationship between Precision-Recall and ROC curves,
    doi:10.1145/1143844.1143874, on why not to interpolate; the sum is scikit-learn's.
    """
    curve = precision_recall_curve(y_true, y_score, sample_weight=sample_weight)
    return float(-np.diff(curve.recall) @ curve.precision[:-1])


def log_loss(y_true, y_prob, *, sample_weight=None) -> float:
    """Mean negative log of the probability given to what came true, −log p(y).

    Nothing is clipped: probability 0 for what came true costs infinitely much. scikit-learn clips to the machine
    epsilon of the probabilities' dtype, so that the same forecast costs 36.0 in float64 and 15.9 in float32.

    Parameters
    ----------
    y_true : array_like of int, shape (cases,)
        0 and 1 for a vector of probabilities, else numbers of columns.
    y_prob : array_like of float, shape (cases,) or (cases, classes)
        Probability of class 1, or of every class; rows sum to 1.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        In nats; 0 is perfect, log(classes) is what equal probabilities cost.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label has no column, a probability is outside [0, 1], or a row
        doesn't sum to 1.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    >>> log_loss([1, 0], [0.0, 0.5])
    inf

    Source: Good (1952), Rational Decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    y_true, y_prob = _forecasts(y_true, y_prob)
    y_prob = y_prob.astype(np.float64)  # before 1 − p, which would round a float32 near 0 to 1
    with np.errstate(divide="ignore"):
        if y_prob.ndim == 1:
            log_prob = np.where(y_true == 1, np.log(y_prob), np.log1p(-y_prob))
        else:
            log_prob = np.log(y_prob[np.arange(y_true.size), y_true])
    return 0.0 - _mean(log_prob, _weights(sample_weight, y_true.size))  # 0.0 − 0.0 is 0.0, where −0.0 looks odd


def brier_score_loss(y_true, y_prob, *, sample_weight=None) -> float:
    """Mean squared distance between forecast and outcome: (p − y)², or Σₖ (pₖ − [y = k])² for many classes.

    Parameters
    ----------
    y_true : array_like of int, shape (cases,)
        0 and 1 for a vector of probabilities, else numbers of columns.
    y_prob : array_like of float, shape (cases,) or (cases, classes)
        Probability of class 1, or of every class; rows sum to 1.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        From 0 to 1 for a vector or two columns, where the sum over both is halved, as in scikit-learn, so that the
        two agree; from 0 to 2 for three columns or more.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label has no column, a probability is outside [0, 1], or a row
        doesn't sum to 1.

    Examples
    --------
    >>> brier_score_loss([1, 0], [0.5, 0.5])
    0.25
    >>> brier_score_loss([2], [[0.25, 0.25, 0.5]])
    0.375

    Source: Brier (1950), Verification of forecasts expressed in terms of probability,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, who sums over two classes too.
    """
    y_true, y_prob = _forecasts(y_true, y_prob)
    error = y_prob.astype(np.float64)
    if error.ndim == 1:
        squares = (error - y_true) ** 2
    else:
        error[np.arange(y_true.size), y_true] -= 1
        squares = (error**2).sum(axis=1) / (2 if error.shape[1] == 2 else 1)
    return _mean(squares, _weights(sample_weight, y_true.size))


def brier_decomposition(y_true, y_prob, *, n_bins=None, strategy="uniform") -> BrierDecomposition:
    """Split a Brier score: reliability − resolution + uncertainty + within-bin variance − within-bin covariance.

    With nₖ cases in bin k, mean forecast f̄ₖ and frequency ōₖ there, and frequency ō overall, the parts are
    Σ nₖ(f̄ₖ − ōₖ)²/n, Σ nₖ(ōₖ − ō)²/n, ō(1 − ō), Σ(f − f̄ₖ)²/n and 2·Σ(f − f̄ₖ)(o − ōₖ)/n. The sum is the score
    exactly, with any bins. Murphy's three parts suffice if a bin holds one forecast value, as by default; with
    wider bins they miss the score by the other two.

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_prob : array_like of float, shape (cases,)
        Probability of class 1.
    n_bins : int, optional
        By default one bin for each value that was forecast. Forecasts that all differ make bins of one case, where
        frequencies are 0 or 1 and reliability is the whole score: give `n_bins` then.
    strategy : {"uniform", "quantile"}
        Bins of equal width or of equal mass, as in `calibration_curve`.

    Returns
    -------
    BrierDecomposition

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label is neither 0 nor 1, a probability is outside [0, 1], `n_bins`
        isn't positive, or `strategy` is unknown.

    Examples
    --------
    >>> parts = brier_decomposition([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75])
    >>> parts.reliability, parts.resolution, parts.uncertainty
    (0.03125, 0.0625, 0.1875)
    >>> brier_score_loss([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75])
    0.15625

    Source: Murphy (1973), A New Vector Partition of the Probability Score,
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; within bins Stephenson, Coelho and Jolliffe (2008), Two
    Extra Components in the Brier Score Decomposition, doi:10.1175/2007WAF2006116.1.
    """
    y_true, y_prob = _forecasts(y_true, y_prob, columns=False)
    if n_bins is None:
        index = np.unique(y_prob, return_inverse=True)[1]
    else:
        index = np.unique(_bin(y_prob, n_bins, strategy), return_inverse=True)[1]  # numbers without gaps
    count, forecast, outcome = _bin_means(index, y_true, y_prob)
    share, rate = count / y_true.size, y_true.mean()
    around_forecast, around_outcome = y_prob - forecast[index], y_true - outcome[index]
    return BrierDecomposition(
        reliability=float(share @ (forecast - outcome) ** 2),
        resolution=float(share @ (outcome - rate) ** 2),
        uncertainty=float(rate * (1 - rate)),
        within_bin_variance=float(np.mean(around_forecast**2)),
        within_bin_covariance=float(2 * np.mean(around_forecast * around_outcome)),
    )


def calibration_curve(y_true, y_prob, *, n_bins=5, strategy="uniform", level=0.95) -> CalibrationCurve:
    """Bin the forecasts, and compare the mean forecast of each bin with how often it came true.

    Bins are closed on the right, (a, b], and the first holds 0 too, as in Guo et al. (2017), arXiv:1706.04599, and
    scikit-learn. Edges of equal width are k/n_bins, rounded to the dtype of `y_prob`: 0.3 is in (0.2, 0.3] in float32
    too. Edges of equal mass are quantiles, interpolated linearly. Equal forecasts share a bin, so that ties can leave
    fewer bins, of unequal mass. Empty bins are left out.

    The interval is Wilson's, [p̂ + z²/2n ± z·√(p̂(1 − p̂)/n + z²/4n²)] / (1 + z²/n). It takes the cases of a bin as
    draws of one probability, and is a little too wide where their probabilities differ.

    Parameters
    ----------
    y_true : array_like of int, shape (cases,)
        0 and 1 for a vector of probabilities, else numbers of columns.
    y_prob : array_like of float, shape (cases,) or (cases, classes)
        Probability of class 1. With a column a class the forecast is the highest probability, and it comes true if
        that class is right; the first counts if several are highest.
    n_bins : int, default 5
    strategy : {"uniform", "quantile"}
        Bins of equal width, or bins with about equally many cases.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    CalibrationCurve

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label has no column, a probability is outside [0, 1], a row doesn't
        sum to 1, `n_bins` isn't positive, `strategy` is unknown, or `level` isn't between 0 and 1.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.0, 0.5, 0.75, 1.0], n_bins=2)
    >>> curve.prob_true.tolist(), curve.prob_pred.tolist(), curve.count.tolist()
    ([0.0, 1.0], [0.25, 0.875], [2, 2])
    >>> curve.lower.round(3).tolist(), curve.upper.round(3).tolist()
    ([0.0, 0.342], [0.658, 1.0])

    Source: Niculescu-Mizil and Caruana (2005), Predicting good probabilities with supervised learning,
    doi:10.1145/1102351.1102430; Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference,
    doi:10.1080/01621459.1927.10502953.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    count, prob_pred, prob_true = _calibration_bins(y_true, y_prob, n_bins, strategy)
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle = (prob_true + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (prob_true * (1 - prob_true) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    # the interval never leaves [0, 1], but its rounding does
    return CalibrationCurve(prob_true, prob_pred, count, np.maximum(middle - half, 0), np.minimum(middle + half, 1))


def calibration_error(y_true, y_prob, *, n_bins=15, strategy="uniform", norm="l1") -> float:
    """Distance between forecast and frequency over the bins of a reliability diagram; "l1" is the ECE.

    With share sₖ = nₖ/n, mean forecast f̄ₖ and frequency ōₖ: "l1" is Σ sₖ|f̄ₖ − ōₖ|, "l2" is √(Σ sₖ(f̄ₖ − ōₖ)²), and
    "max" is the largest |f̄ₖ − ōₖ|, however few cases its bin has.

    It depends on the bins. Few hide errors that cancel within a bin. Many overstate it: a calibrated forecast too has
    an error of the order of √(n_bins/n), as frequencies scatter. `squared_calibration_error` corrects for that.

    Parameters
    ----------
    y_true : array_like of int, shape (cases,)
        0 and 1 for a vector of probabilities, else numbers of columns.
    y_prob : array_like of float, shape (cases,) or (cases, classes)
        Probability of class 1. With a column a class the forecast is the highest probability, and it comes true if
        that class is right; so the two columns (1 − p, p) are judged differently from the vector p.
    n_bins : int, default 15
    strategy : {"uniform", "quantile"}
        Bins as in `calibration_curve`. torchmetrics closes its bins on the left instead, and gives the forecasts
        that are exactly 1 a bin of their own.
    norm : {"l1", "l2", "max"}

    Returns
    -------
    float
        From 0, calibrated, to 1.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label has no column, a probability is outside [0, 1], a row doesn't
        sum to 1, `n_bins` isn't positive, or `strategy` or `norm` is unknown.

    Examples
    --------
    >>> calibration_error([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75])
    0.125

    Source: Naeini, Cooper and Hauskrecht (2015), Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    doi:10.1609/aaai.v29i1.9602; for many classes Guo et al. (2017), arXiv:1706.04599; bins of equal mass Nixon et al.
    (2019), arXiv:1904.01685.
    """
    if norm not in ("l1", "l2", "max"):
        raise ValueError(f"norm must be 'l1', 'l2' or 'max', got {norm!r}")
    count, forecast, outcome = _calibration_bins(y_true, y_prob, n_bins, strategy)
    gap = np.abs(forecast - outcome)
    if norm == "max":
        return float(gap.max())
    share = count / count.sum()
    return float(share @ gap if norm == "l1" else np.sqrt(share @ gap**2))


def squared_calibration_error(y_true, y_prob, *, n_bins=15, strategy="uniform", debias=True) -> float:
    """Squared calibration error, less what chance alone adds: Σ sₖ[(f̄ₖ − ōₖ)² − ōₖ(1 − ōₖ)/(nₖ − 1)].

    A frequency of nₖ cases scatters around its probability, and squaring turns the scatter into an error that isn't
    there. What is subtracted estimates it without bias for given bins whose forecasts are equal; where they vary
    within a bin it is too much by about their variance/nₖ. The result can be negative: an unbiased estimate of 0
    must be. So don't take its root.

    Parameters
    ----------
    y_true : array_like of int, shape (cases,)
        0 and 1 for a vector of probabilities, else numbers of columns.
    y_prob : array_like of float, shape (cases,) or (cases, classes)
        Probability of class 1, or of every class; judged as in `calibration_error`.
    n_bins : int, default 15
    strategy : {"uniform", "quantile"}
        Bins as in `calibration_curve`.
    debias : bool, default True
        False is the square of ``calibration_error(…, norm="l2")``. If True, a bin of a single case adds 0, as one
        case says nothing of its scatter.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As `calibration_error`.

    Examples
    --------
    >>> squared_calibration_error([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75])
    -0.09375
    >>> squared_calibration_error([0, 1, 1, 1], [0.5, 0.5, 0.75, 0.75], debias=False)
    0.03125

    Source: Kumar, Liang and Ma (2019), Verified Uncertainty Calibration, arXiv:1909.10155, as in their code for
    bins of one case; the same correction of the reliability in Ferro and Fricker (2012), A bias-corrected
    decomposition of the Brier score, doi:10.1002/qj.1924.
    """
    count, forecast, outcome = _calibration_bins(y_true, y_prob, n_bins, strategy)
    square = (forecast - outcome) ** 2
    if debias:
        square = np.where(count > 1, square - outcome * (1 - outcome) / np.maximum(count - 1, 1), 0)
    return float(count / count.sum() @ square)


def expected_cost(y_true, y_pred, cost=None, *, c_fp=None, c_fn=None, sample_weight=None) -> float:
    """Mean cost of the decisions: Σ w·cost[y, ŷ] / Σ w.

    With two classes and calibrated probabilities it is least if you predict 1 where p ≥ c_FP/(c_FP + c_FN).

    Parameters
    ----------
    y_true, y_pred : array_like of int, shape (cases,)
        Numbers of rows and columns of the matrix; 0 and 1 with `c_fp` and `c_fn`.
    cost : array_like of float, shape (classes, classes), optional
        What it costs to predict the column if the row is true, in any unit; negative is a gain.
    c_fp, c_fn : float, optional
        What a false alarm and a miss cost, instead of the matrix [[0, c_fp], [c_fn, 0]].
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        Per case, in the unit of the cost.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, `cost` isn't square and finite, a label isn't in it, or not exactly one
        of `cost` and the pair is given.

    Examples
    --------
    >>> expected_cost([0, 0, 1, 1], [0, 1, 0, 1], c_fp=1, c_fn=5)
    1.5
    >>> expected_cost([0, 0, 1, 1], [0, 1, 0, 1], [[0, 1], [5, -2]])
    1.0

    Source: Elkan (2001), The Foundations of Cost-Sensitive Learning, IJCAI 17, 973–978.
    """
    if (c_fp is None) != (c_fn is None) or (cost is None) == (c_fp is None):
        raise ValueError(f"give either cost or both c_fp and c_fn, got cost={cost}, c_fp={c_fp}, c_fn={c_fn}")
    cost = np.asarray([[0, c_fp], [c_fn, 0]] if cost is None else cost, dtype=np.float64)
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1] or not np.isfinite(cost).all():
        raise ValueError(f"cost must be a square matrix of finite numbers, got shape {cost.shape}: {cost.tolist()}")
    y_true, y_pred = _class_numbers("y_true", y_true, len(cost)), _class_numbers("y_pred", y_pred, len(cost))
    matrix = confusion_matrix(y_true, y_pred, labels=np.arange(len(cost)), sample_weight=sample_weight)
    return float((matrix * cost).sum() / matrix.sum())


def net_benefit(y_true, y_prob, threshold):
    """Gain of treating where p ≥ t, in true positives a case: TP/n − FP/n · t/(1 − t).

    A decision curve shows it over t, which is the probability at which treating and not treating are equally good
    to you: it fixes what a false positive costs, t/(1 − t) true positives. Treating nobody gives 0.

    Parameters
    ----------
    y_true : array_like of 0 and 1, shape (cases,)
    y_prob : array_like of float, shape (cases,)
        Probability of class 1.
    threshold : float or array_like of float, any shape
        Probabilities t, from 0 up to but not including 1.

    Returns
    -------
    float, or ndarray of the shape of `threshold`
        At most the share of positives.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label is neither 0 nor 1, a probability is outside [0, 1], or a
        threshold outside [0, 1).

    Examples
    --------
    >>> net_benefit([0, 0, 1, 1], [0.1, 0.6, 0.6, 0.9], 0.5)
    0.25
    >>> net_benefit([0, 0, 1, 1], [1, 1, 1, 1], [0.0, 0.5]).tolist()
    [0.5, 0.0]

    Source: Vickers and Elkin (2006), Decision Curve Analysis: A Novel Method for Evaluating Prediction Models,
    doi:10.1177/0272989X06295361.
    """
    y_true, y_prob = _forecasts(y_true, y_prob, columns=False)
    threshold = np.asarray(threshold, dtype=np.float64)
    outside = ~((threshold >= 0) & (threshold < 1))
    if outside.any():
        raise ValueError(f"threshold must be at least 0 and less than 1, got {threshold[outside].flat[0]}")
    # in the dtype of y_prob 0.7 ≥ 0.7 holds in float32 too, whose 0.7 is less than that of float64
    cut = threshold.astype(y_prob.dtype)
    fp, tp = (np.sum(y_true == k) - np.searchsorted(np.sort(y_prob[y_true == k]), cut) for k in (0, 1))
    benefit = (tp - fp * threshold / (1 - threshold)) / y_true.size
    return float(benefit) if benefit.ndim == 0 else benefit


def interval_coverage(y_true, lower, upper, *, sample_weight=None) -> float:
    """Share of the truth that its interval contains, ends included: mean of [lower ≤ y ≤ upper].

    Compare it with the nominal level. Alone it says little, as an infinite interval always covers: look at
    `interval_width` too.

    Parameters
    ----------
    y_true : array_like of float, shape (cases,)
    lower, upper : array_like of float, shape (cases,), or one number for all
        Ends of the intervals, in the unit of `y_true`; they may be infinite.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If shapes don't match, nothing is given, something is nan, or an interval ends before it begins.

    Examples
    --------
    >>> interval_coverage([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 3.5, 3.0], [2.0, 3.0, 4.0, 5.0])
    0.75

    Source: Gneiting, Balabdaoui and Raftery (2007), Probabilistic forecasts, calibration and sharpness,
    doi:10.1111/j.1467-9868.2007.00587.x.
    """
    y_true = _numbers("y_true", y_true)
    lower, upper = _intervals(lower, upper, y_true.size)
    return _mean((lower <= y_true) & (y_true <= upper), _weights(sample_weight, y_true.size))


def interval_width(lower, upper, *, sample_weight=None) -> float:
    """Sharpness of prediction intervals, mean of upper − lower: of two that cover alike, prefer the narrower.

    Parameters
    ----------
    lower, upper : array_like of float, shape (cases,)
        Ends of the intervals.
    sample_weight : array_like of float, shape (cases,), optional

    Returns
    -------
    float
        In the unit of the ends.

    Raises
    ------
    ValueError
        If shapes don't match, nothing is given, something is nan, or an interval ends before it begins.

    Examples
    --------
    >>> interval_width([0.0, 2.0], [2.0, 3.0])
    1.5

    Source: Gneiting, Balabdaoui and Raftery (2007), Probabilistic forecasts, calibration and sharpness,
    doi:10.1111/j.1467-9868.2007.00587.x.
    """
    lower = _numbers("lower", lower)
    lower, upper = _intervals(lower, upper, lower.size)
    return _mean(upper - lower, _weights(sample_weight, lower.size))


def perplexity(log_prob, *, mask=None) -> float:
    """exp(−mean log p): among how many equally likely tokens the model was, on average, left to guess.

    The mean goes over all tokens at once; the mean of the perplexities of sequences is something else. For a mean
    loss in nats, pass −loss.

    Parameters
    ----------
    log_prob : array_like of float, any shape
        Natural logarithm of the probability given to each token that came. Not logits.
    mask : array_like of bool, shape of `log_prob`, optional
        False where a token doesn't count, as padding; what `log_prob` holds there doesn't matter.

    Returns
    -------
    float
        At least 1; infinite if a token that came had probability 0.

    Raises
    ------
    ValueError
        If a logarithm is positive or nan, the shape of `mask` differs, it isn't of 0 and 1, or no token counts.

    Examples
    --------
    >>> round(perplexity(np.log([[0.5, 0.125], [0.25, 0.9]]), mask=[[True, True], [True, False]]), 9)
    4.0

    Source: Jelinek, Mercer, Bahl and Baker (1977), Perplexity—a measure of the difficulty of speech recognition
    tasks, doi:10.1121/1.2016299.
    """
    log_prob = _floating(log_prob)
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != log_prob.shape or not np.isin(mask, (0, 1)).all():
            raise ValueError(f"mask must be of booleans and shape {log_prob.shape}, got {mask.dtype}, {mask.shape}")
        log_prob = log_prob[mask.astype(bool)]  # chosen, not multiplied by 0: padding may be nan or −inf
    if log_prob.size == 0:
        raise ValueError("log_prob must have a token that counts, got none")
    if not (log_prob <= _slack(log_prob.dtype)).all():
        raise ValueError(f"log_prob must hold logarithms of probabilities, at most 0, got {log_prob.max()}")
    with np.errstate(over="ignore"):
        return float(np.exp(-np.mean(log_prob, dtype=np.float64)))


def ndcg_score(y_true, y_score, *, k=None, gain="linear") -> float:
    """Quality of a ranking, DCG/ideal DCG with DCG = Σ gain/log₂(1 + rank), averaged over the queries.

    Documents of equal score share the mean of their gains, as if all their orders were averaged. A query without
    anything relevant counts as 0. Both are scikit-learn's conventions.

    Parameters
    ----------
    y_true : array_like of float, shape (queries, documents) or (documents,)
        How relevant each document is; not negative.
    y_score : array_like of float, shape of `y_true`
        By which documents are ranked, highest first.
    k : int, optional
        Only the first k ranks count; by default all.
    gain : {"linear", "exponential"}
        The relevance itself, or 2^relevance − 1, which stresses the top grades. They agree on relevances 0 and 1.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If shapes differ, nothing is given, a relevance is negative, something isn't finite, `k` isn't positive, or
        `gain` is unknown.

    Examples
    --------
    >>> round(ndcg_score([3, 0, 1], [0.9, 0.8, 0.1]), 4)
    0.9639
    >>> round(ndcg_score([3, 0, 1], [0.9, 0.8, 0.1], gain="exponential"), 4)
    0.9828

    Source: Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques,
    doi:10.1145/582415.582418; exponential gains and the discount Burges et al. (2005), Learning to rank using
    gradient descent, doi:10.1145/1102351.1102363; ties McSherry and Najork (2008), Computing Information Retrieval
    Performance Measures Efficiently in the Presence of Tied Scores, doi:10.1007/978-3-540-78646-7_38.
    """
    relevance, scores = (np.asarray(values, dtype=np.float64) for values in (y_true, y_score))
    if relevance.ndim not in (1, 2) or relevance.size == 0 or scores.shape != relevance.shape:
        raise ValueError(
            "y_true and y_score must have one shape, (queries, documents) or (documents,), and not be empty, "
            f"got {relevance.shape} and {scores.shape}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(relevance).all() and relevance.min() >= 0):
        raise ValueError("y_true must be finite and not negative, and y_score finite")
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain must be 'linear' or 'exponential', got {gain!r}")
    gains, scores = np.atleast_2d(relevance if gain == "linear" else np.exp2(relevance) - 1, scores)
    discount = 1 / np.log2(np.arange(gains.shape[1]) + 2)
    discount[_positive_int("k", gains.shape[1] if k is None else k) :] = 0
    ideal = np.sort(gains)[:, ::-1] @ discount
    dcg = np.array([_dcg(*query, discount) for query in zip(gains, scores, strict=True)])
    return float(np.mean(np.divide(dcg, ideal, out=np.zeros_like(dcg), where=ideal > 0)))


def _dcg(gains, scores, discount):
    _, group, size = np.unique(-scores, return_inverse=True, return_counts=True)
    discounts = np.add.reduceat(discount, np.cumsum(size) - size)
    return np.bincount(group, gains) / size @ discounts


def _hits(y_true, y_pred, labels, average, sample_weight):
    """Per class, what was predicted and true, what was predicted, and what is true."""
    if average not in ("binary", "micro", "macro", "weighted", None):
        raise ValueError(f"average must be 'binary', 'micro', 'macro', 'weighted' or None, got {average!r}")
    if average == "binary":
        y_true, y_pred = _class_numbers("y_true", y_true), _class_numbers("y_pred", y_pred)
        labels = [0, 1]
    matrix = confusion_matrix(y_true, y_pred, labels=labels, sample_weight=sample_weight)
    counts = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "binary":
        return tuple(count[1:] for count in counts)
    return tuple(count.sum(keepdims=True) for count in counts) if average == "micro" else counts


def _averaged(numerator, denominator, actual, average, zero_division):
    if not (zero_division in (0, 1) or zero_division != zero_division):  # only nan differs from itself
        raise ValueError(f"zero_division must be 0, 1 or nan, got {zero_division!r}")
    scores = np.full(denominator.shape, float(zero_division))
    np.divide(numerator, denominator, out=scores, where=denominator > 0)
    if average is None:
        return scores
    weight = np.where(np.isnan(scores), 0, actual if average == "weighted" else 1)
    return float(np.nansum(weight * scores) / weight.sum()) if weight.any() else float("nan")


def _above(y_true, y_score, sample_weight):
    """Weight of the negatives, and of the positives, at or above each distinct score, highest first."""
    y_true, y_score = _class_numbers("y_true", y_true), _numbers("y_score", y_score)
    _check_lengths(y_true=y_true, y_score=y_score)
    if not np.isfinite(y_score).all():
        raise ValueError(f"y_score must be finite, got {y_score[~np.isfinite(y_score)][0]}")
    weights = _weights(sample_weight, y_true.size)
    if weights is None:
        weights = np.ones(y_true.size)
    order = np.argsort(y_score)[::-1]
    order = order[weights[order] > 0]  # a case without weight must not add a threshold
    y_true, y_score, weights = y_true[order], y_score[order], weights[order]
    last = np.append(np.flatnonzero(y_score[1:] != y_score[:-1]), y_score.size - 1)
    return np.cumsum(weights * (1 - y_true))[last], np.cumsum(weights * y_true)[last], y_score[last]


def _calibration_bins(y_true, y_prob, n_bins, strategy):
    y_true, y_prob = _forecasts(y_true, y_prob)
    if y_prob.ndim == 2:
        y_true, y_prob = y_prob.argmax(axis=1) == y_true, y_prob.max(axis=1)
    return _bin_means(_bin(y_prob, n_bins, strategy), y_true, y_prob)


def _bin(y_prob, n_bins, strategy):
    """Number of the bin of each forecast; a bin (a, b] holds its right edge."""
    inner = np.arange(1, _positive_int("n_bins", n_bins)) / n_bins
    if strategy == "uniform":
        edges = inner.astype(y_prob.dtype)
    elif strategy == "quantile":
        edges = np.quantile(y_prob.astype(np.float64), inner)
    else:
        raise ValueError(f"strategy must be 'uniform' or 'quantile', got {strategy!r}")
    return np.searchsorted(edges, y_prob, side="left")


def _bin_means(index, y_true, y_prob):
    """Cases, mean forecast and frequency of the bins that aren't empty."""
    count = np.bincount(index)
    filled = count > 0
    count = count[filled]
    return count, np.bincount(index, y_prob)[filled] / count, np.bincount(index, y_true)[filled] / count


def _mean(values, weights):
    if weights is not None:  # without the cases of weight 0, of which an infinite one would make nan
        values, weights = values[weights > 0], weights[weights > 0]
    return float(np.average(values, weights=weights))


def _vector(name, values):
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be one-dimensional and not empty, got shape {values.shape}")
    return values


def _numbers(name, values):
    values = _vector(name, values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, got dtype {values.dtype}")
    if np.isnan(values).any():
        raise ValueError(f"{name} must not contain nan, got {np.isnan(values).sum()} of them")
    return values


def _labels(name, values):
    values = _vector(name, values)
    if values.dtype.kind not in "biufUS":
        raise ValueError(f"{name} must hold labels, integers or strings, got dtype {values.dtype}")
    if values.dtype.kind == "f" and not (whole := np.isfinite(values) & (values == np.rint(values))).all():
        raise ValueError(f"{name} must hold labels, got {values[~whole][0]}; if it's a probability, apply a threshold")
    return values


def _label_pair(y_true, y_pred):
    y_true, y_pred = _labels("y_true", y_true), _labels("y_pred", y_pred)
    _check_lengths(y_true=y_true, y_pred=y_pred)
    _check_kinds(y_true=y_true, y_pred=y_pred)
    return y_true, y_pred


def _check_kinds(**arrays):
    if len({array.dtype.kind in "US" for array in arrays.values()}) > 1:
        dtypes = " and ".join(str(array.dtype) for array in arrays.values())
        raise ValueError(f"{' and '.join(arrays)} must both hold numbers, or both strings, got {dtypes}")


def _class_numbers(name, values, classes=2):
    values = _labels(name, values)
    known = np.zeros(values.shape, bool) if values.dtype.kind in "US" else (values >= 0) & (values < classes)
    if not known.all():
        raise ValueError(f"{name} must contain only labels from 0 to {classes - 1}, got {values[~known][0]!s}")
    return values.astype(np.int64)


def _positions(values, classes):
    """Where in `classes` each of `values` is."""
    if np.unique(classes).size < classes.size:
        raise ValueError(f"labels must differ, got {classes.tolist()}")
    order = np.argsort(classes)
    position = order[np.searchsorted(classes, values, sorter=order).clip(max=classes.size - 1)]
    if not (known := classes[position] == values).all():
        raise ValueError(f"labels must contain every label, got {classes.tolist()} without {values[~known][0]!s}")
    return position


def _forecasts(y_true, y_prob, *, columns=True):
    """Labels as integers, and probabilities in the floating dtype they came in, both checked."""
    y_prob = _floating(y_prob)
    if y_prob.ndim not in ((1, 2) if columns else (1,)) or y_prob.size == 0:
        expected = "(cases,) or (cases, classes)" if columns else "(cases,)"
        raise ValueError(f"y_prob must have shape {expected} and not be empty, got {y_prob.shape}")
    if not (inside := (y_prob >= 0) & (y_prob <= 1)).all():
        raise ValueError(f"y_prob must lie in [0, 1], got {y_prob[~inside][0]}; logits need a sigmoid or softmax first")
    if y_prob.ndim == 2:
        _check_rows(y_prob)
    y_true = _class_numbers("y_true", y_true, 2 if y_prob.ndim == 1 else y_prob.shape[1])
    _check_lengths(y_true=y_true, y_prob=y_prob)
    return y_true, y_prob


def _check_rows(y_prob):
    if y_prob.shape[1] < 2:
        raise ValueError(f"y_prob must have a column for each class, got shape {y_prob.shape}; a vector is class 1's")
    total = y_prob.sum(axis=1, dtype=np.float64)
    if (off := np.abs(total - 1) > _slack(y_prob.dtype)).any():
        raise ValueError(f"rows of y_prob must sum to 1, got {total[off][0]} in row {np.flatnonzero(off)[0]}")


def _intervals(lower, upper, cases):
    ends = []
    for name, values in (("lower", lower), ("upper", upper)):
        values = np.asarray(values)
        if values.shape not in ((), (cases,)):
            raise ValueError(f"{name} must have shape ({cases},) or be one number, got shape {values.shape}")
        ends.append(_numbers(name, np.broadcast_to(values, cases)).astype(np.float64))
    if (crossed := ends[0] > ends[1]).any():
        raise ValueError(f"lower must not exceed upper, but does in {crossed.sum()} of {cases} intervals")
    return ends


def _weights(sample_weight, cases):
    if sample_weight is None:
        return None
    weights = _numbers("sample_weight", sample_weight).astype(np.float64)
    if weights.size != cases:
        raise ValueError(f"sample_weight must have one weight a case, got {weights.size} for {cases} cases")
    if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError(
            f"sample_weight must be finite, not negative, and not all 0, got {weights.min()} to {weights.max()}"
        )
    return weights


def _check_lengths(**arrays):
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError(
            f"{' and '.join(arrays)} must be equally long, got {' and '.join(str(len(a)) for a in arrays.values())}"
        )


def _floating(values):
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _slack(dtype):
    """How far rounding may put a sum of probabilities from 1; at least what is left of float32 in float64."""
    return max(1e-5, np.finfo(dtype).eps ** 0.5)


def _positive_int(name, value):
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return int(value)
