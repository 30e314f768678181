"""The metrics against scikit-learn and torchmetrics, against values worked out by hand, and against what must hold."""

import itertools
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve as sk_calibration_curve
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error
from torchmetrics.functional.retrieval import retrieval_normalized_dcg
from torchmetrics.functional.text import perplexity as tm_perplexity

from lossutils import metrics as M

pytestmark = [
    pytest.mark.filterwarnings("error:::lossutils"),
    pytest.mark.filterwarnings("ignore:::sklearn"),
]
few_examples = settings(max_examples=40, deadline=None)

SIZES = st.integers(1, 30)
TWENTIETHS = tuple(np.arange(21) / 20)  # ties, edges of bins, 0 and 1


def close(ours, theirs, rtol=1e-12, atol=1e-12):
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


def arrays(shape, values):
    """Arrays of these values: drawn as bytes, which is faster and repeats itself less than `hnp.arrays`."""
    size = 2 * int(np.prod(shape))
    number = st.binary(min_size=size, max_size=size).map(lambda b: np.frombuffer(b, np.uint16).reshape(shape))
    return number.map(lambda n: np.asarray(values)[n % len(values)])


def weights(size):
    """None, or weights with zeros and ties among them."""
    drawn = arrays(size, [0.0, 0.5, 1.0, 1.0, 3.7]).filter(lambda w: w.sum() > 0)
    return st.one_of(st.none(), drawn)


@st.composite
def labelled(draw, classes=(0, 1, 2, 5)):
    """Truth, prediction and weights."""
    size = draw(SIZES)
    labels = arrays(size, classes)
    return draw(labels), draw(labels), draw(weights(size))


@st.composite
def scored(draw, scores=TWENTIETHS):
    """Truth of both classes with some weight, scores with ties, and weights."""
    size = draw(st.integers(2, 30))
    y_true = draw(arrays(size, [0, 1]))
    w = draw(weights(size))
    counted = y_true if w is None else y_true[w > 0]
    assume(0 < counted.sum() < counted.size)
    return y_true, draw(arrays(size, scores)), w


@st.composite
def forecasts(draw, values=TWENTIETHS):
    size = draw(SIZES)
    return (
        draw(arrays(size, [0, 1])),
        draw(arrays(size, values)),
        draw(weights(size)),
    )


@st.composite
def distributions(draw, most=5):
    """Truth, rows that sum to 1 and hold no 0, and weights."""
    size, classes = draw(SIZES), draw(st.integers(2, most))
    rows = draw(arrays((size, classes), np.arange(1, 101) / 100))
    y_true = draw(arrays(size, range(classes)))
    return y_true, rows / rows.sum(axis=1, keepdims=True), draw(weights(size))


@given(labelled())
@few_examples
def test_accuracy_and_confusion_matrix_are_scikit_learns(case):
    y_true, y_pred, w = case
    close(M.accuracy_score(y_true, y_pred, sample_weight=w), sk.accuracy_score(y_true, y_pred, sample_weight=w))
    for labels in (None, [5, 0, 2, 1]):
        ours = M.confusion_matrix(y_true, y_pred, labels=labels, sample_weight=w)
        close(ours, sk.confusion_matrix(y_true, y_pred, labels=labels, sample_weight=w))
        assert ours.dtype == (np.int64 if w is None else np.float64)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
@given(case=labelled(), zero_division=st.sampled_from([0.0, 1.0, np.nan]))
@settings(few_examples, max_examples=80)
def test_precision_recall_and_f1_are_scikit_learns(average, zero_division, case):
    y_true, y_pred, w = case
    options = {"average": average, "sample_weight": w, "zero_division": zero_division}
    expected = sk.precision_recall_fscore_support(y_true, y_pred, **options)
    for score, theirs in zip((M.precision_score, M.recall_score, M.f1_score), expected, strict=False):
        ours = score(y_true, y_pred, **options)
        if average == "weighted" and np.isnan(ours):
            assert np.isnan(zero_division)  # no class with weight has a score; scikit-learn takes the plain mean here
        else:
            close(ours, theirs)


@given(labelled((0, 1)))
@few_examples
def test_binary_precision_recall_and_f1_are_scikit_learns(case):
    y_true, y_pred, w = case
    expected = sk.precision_recall_fscore_support(
        y_true, y_pred, average="binary", sample_weight=w, zero_division=1.0, labels=[0, 1]
    )
    for score, theirs in zip((M.precision_score, M.recall_score, M.f1_score), expected, strict=False):
        close(score(y_true, y_pred, sample_weight=w, zero_division=1.0), theirs)


def test_weighted_mean_over_no_scored_class_is_nan():
    assert np.isnan(M.precision_score([0], [1], average="weighted", zero_division=np.nan))


def test_labels_may_be_strings_booleans_or_whole_floats():
    cats = ["cat", "dog", "cat"], ["cat", "cat", "horse"]
    assert M.confusion_matrix(*cats, labels=["horse", "dog", "cat"]).tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    assert M.recall_score(*cats, average=None).tolist() == [0.5, 0, 0]
    assert M.f1_score(np.array([True, False, True]), [1.0, 0.0, 0.0]) == pytest.approx(2 / 3)


def test_labels_that_do_not_occur_have_rows_and_scores():
    assert M.confusion_matrix([0], [0], labels=[0, 7]).tolist() == [[1, 0], [0, 0]]
    assert M.recall_score([0], [0], labels=[0, 7], average="macro") == 0.5
    assert M.recall_score([0], [0], labels=[0, 7], average="macro", zero_division=np.nan) == 1


@given(scored())
@few_examples
def test_roc_is_scikit_learns(case):
    y_true, y_score, w = case
    ours = M.roc_curve(y_true, y_score, sample_weight=w)
    for mine, theirs in zip(ours, sk.roc_curve(y_true, y_score, sample_weight=w, drop_intermediate=False), strict=True):
        close(mine, theirs)
    close(M.roc_auc_score(y_true, y_score, sample_weight=w), sk.roc_auc_score(y_true, y_score, sample_weight=w))


@given(scored())
@few_examples
def test_precision_recall_curve_is_scikit_learns(case):
    y_true, y_score, w = case
    ours = M.precision_recall_curve(y_true, y_score, sample_weight=w)
    for mine, theirs in zip(ours, sk.precision_recall_curve(y_true, y_score, sample_weight=w), strict=True):
        close(mine, theirs)
    expected = sk.average_precision_score(y_true, y_score, sample_weight=w)
    close(M.average_precision_score(y_true, y_score, sample_weight=w), expected)


@given(scored())
@few_examples
def test_auc_is_the_probability_that_a_positive_scores_higher(case):
    y_true, y_score, w = case
    w = np.ones(y_true.size) if w is None else w
    won = lost = 0.0
    for i, j in itertools.product(np.flatnonzero(y_true == 1), np.flatnonzero(y_true == 0)):
        order = 0.5 * (1 + np.sign(y_score[i] - y_score[j]))
        won, lost = won + w[i] * w[j] * order, lost + w[i] * w[j] * (1 - order)
    close(M.roc_auc_score(y_true, y_score, sample_weight=w), won / (won + lost))


@given(scored())
@few_examples
def test_auc_depends_on_the_order_of_scores_alone(case):
    y_true, y_score, w = case
    auc = M.roc_auc_score(y_true, y_score, sample_weight=w)
    close(M.roc_auc_score(y_true, np.exp(3 * y_score), sample_weight=w), auc)
    close(M.roc_auc_score(1 - y_true, y_score, sample_weight=w), 1 - auc)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool, np.float32])
def test_scores_of_any_type_are_ranked(dtype):
    """Negating unsigned scores, or booleans, to sort them would turn the ranking around."""
    assert M.roc_auc_score([0, 1, 1, 0], np.array([0, 1, 1, 0], dtype)) == 1
    assert M.average_precision_score([0, 1, 1, 0], np.array([0, 1, 1, 0], dtype)) == 1


def test_average_precision_without_negatives_is_1():
    assert M.average_precision_score([1, 1], [0.2, 0.7]) == 1


@given(forecasts(TWENTIETHS[1:-1]))
@few_examples
def test_binary_log_loss_is_scikit_learns(case):
    y_true, y_prob, w = case
    close(M.log_loss(y_true, y_prob, sample_weight=w), sk.log_loss(y_true, y_prob, sample_weight=w, labels=[0, 1]))


@given(distributions())
@few_examples
def test_multiclass_log_loss_is_scikit_learns(case):
    y_true, y_prob, w = case
    expected = sk.log_loss(y_true, y_prob, sample_weight=w, labels=np.arange(y_prob.shape[1]))
    close(M.log_loss(y_true, y_prob, sample_weight=w), expected)


@given(forecasts())
@few_examples
def test_binary_brier_score_is_scikit_learns(case):
    y_true, y_prob, w = case
    expected = sk.brier_score_loss(y_true, y_prob, sample_weight=w, labels=[0, 1], pos_label=1)
    close(M.brier_score_loss(y_true, y_prob, sample_weight=w), expected)


@given(distributions())
@few_examples
def test_multiclass_brier_score_is_scikit_learns(case):
    y_true, y_prob, w = case
    expected = sk.brier_score_loss(y_true, y_prob, sample_weight=w, labels=np.arange(y_prob.shape[1]))
    close(M.brier_score_loss(y_true, y_prob, sample_weight=w), expected)


@given(forecasts(TWENTIETHS[1:-1]))
@few_examples
def test_two_columns_are_worth_as_much_as_one_vector(case):
    y_true, p, w = case
    columns = np.column_stack([1 - p, p])
    for score in (M.log_loss, M.brier_score_loss):
        close(score(y_true, columns, sample_weight=w), score(y_true, p, sample_weight=w))


def test_log_loss_of_an_impossible_event_is_infinite_and_not_clipped():
    assert M.log_loss([1], [0.0]) == M.log_loss([0], [1.0]) == M.log_loss([1, 0], [[1.0, 0.0], [0.5, 0.5]]) == np.inf
    assert sk.log_loss([1], [0.0], labels=[0, 1]) == pytest.approx(36.04, abs=0.01)
    assert sk.log_loss([1], np.float32([0.0]), labels=[0, 1]) == pytest.approx(15.94, abs=0.01)
    assert str(M.log_loss([1, 0], [1.0, 0.0])) == "0.0"


def test_an_impossible_event_of_no_weight_costs_nothing():
    assert M.log_loss([1, 1], [0.0, 0.5], sample_weight=[0, 2]) == pytest.approx(np.log(2))


def test_log_loss_of_float32_does_not_round_1_minus_p():
    assert M.log_loss([0], np.float32([1e-10])) == pytest.approx(1e-10, rel=1e-6, abs=0)
    assert M.log_loss([0], [1e-20]) == pytest.approx(1e-20, abs=0)


strategies = st.sampled_from(["uniform", "quantile"])


@pytest.mark.parametrize("n_bins", [None, 1, 3, 10])
@given(case=forecasts(), strategy=strategies)
@few_examples
def test_brier_decomposition_sums_to_the_score(n_bins, case, strategy):
    y_true, y_prob, _ = case
    parts = M.brier_decomposition(y_true, y_prob, n_bins=n_bins, strategy=strategy)
    murphy = parts.reliability - parts.resolution + parts.uncertainty
    score = M.brier_score_loss(y_true, y_prob)
    close(murphy + parts.within_bin_variance - parts.within_bin_covariance, score)
    assert parts.reliability >= 0
    assert -1e-15 < parts.resolution <= parts.uncertainty + 1e-15
    close(parts.uncertainty, np.var(y_true))
    if n_bins is None:  # Murphy's three parts are all there is
        close([murphy, parts.within_bin_variance, parts.within_bin_covariance], [score, 0, 0])


def test_brier_decomposition_by_hand():
    """One bin of 0.2 and 0.4, of which the latter came true, and one of 0.8 twice, which came true once."""
    parts = M.brier_decomposition([0, 1, 1, 0], [0.2, 0.4, 0.8, 0.8], n_bins=2)
    close(parts, [(0.2**2 + 0.3**2) / 2, 0, 0.25, (0.1**2 + 0.1**2) / 4, 2 * 2 * 0.1 * 0.5 / 4])
    exact = M.brier_decomposition([0, 1, 1, 0], [0.2, 0.4, 0.8, 0.8])
    close(exact, [(0.2**2 + 0.6**2 + 2 * 0.3**2) / 4, (0.5**2 + 0.5**2) / 4, 0.25, 0, 0])


def test_brier_decomposition_of_one_class_has_no_uncertainty():
    parts = M.brier_decomposition([1, 1, 1], [0.5, 0.5, 1.0])
    close(parts, [2 * 0.25 / 3, 0, 0, 0, 0])


@pytest.mark.parametrize("n_bins", [1, 2, 4, 5, 10, 20])
@given(case=forecasts())
@few_examples
def test_calibration_curve_is_scikit_learns_on_edges_and_with_ties(n_bins, case):
    y_true, y_prob, _ = case
    for strategy in ("uniform", "quantile"):
        ours = M.calibration_curve(y_true, y_prob, n_bins=n_bins, strategy=strategy)
        theirs = sk_calibration_curve(y_true, y_prob, n_bins=n_bins, strategy=strategy, pos_label=1)
        close(ours.prob_true, theirs[0])
        close(ours.prob_pred, theirs[1])
        assert ours.count.sum() == y_true.size


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n_bins", [1, 3, 5, 7, 10, 15, 49, 100])
def test_bins_are_closed_on_the_right(n_bins, dtype):
    """Each edge k/n is in the bin below it, 0 in the first, and what is next to an edge in the bin above it."""
    edges = (np.arange(n_bins + 1) / n_bins).astype(dtype)
    count = M.calibration_curve(np.zeros(n_bins + 1), edges, n_bins=n_bins).count
    assert count.tolist() == [2] + [1] * (n_bins - 1)
    above = np.nextafter(edges[:-1], dtype(1))
    assert M.calibration_curve(np.zeros(n_bins), above, n_bins=n_bins).count.tolist() == [1] * n_bins


def test_empty_bins_are_left_out():
    curve = M.calibration_curve([0, 1, 1], [0.0, 1.0, 0.95], n_bins=10)
    assert [c.tolist() for c in curve[:3]] == [[0, 1], [0, 0.975], [1, 2]]
    assert M.calibration_error([0, 1, 1], [0.0, 1.0, 0.95], n_bins=10, norm="max") == pytest.approx(0.025)


def test_ties_are_not_split_between_bins_of_equal_mass():
    curve = M.calibration_curve([0, 1] * 5, [0.1] * 8 + [0.9] * 2, n_bins=5, strategy="quantile")
    assert curve.count.tolist() == [8, 2]
    assert M.calibration_curve([0, 1], [0.3, 0.3], n_bins=4, strategy="quantile").count.tolist() == [2]


def test_bins_of_equal_mass_have_equal_mass_without_ties():
    p = np.random.default_rng(0).beta(0.3, 3, 1000)
    assert M.calibration_curve(p > 0.5, p, n_bins=10, strategy="quantile").count.tolist() == [100] * 10


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_interval_is_wilsons(level):
    hits, cases = np.array([0, 1, 5, 10, 30]), np.array([10, 3, 10, 10, 400])
    p = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], cases)
    y = np.concatenate([np.arange(n) < k for k, n in zip(hits, cases, strict=True)])
    curve = M.calibration_curve(y, p, n_bins=5, level=level)
    lower, upper = proportion_confint(hits, cases, 1 - level, method="wilson")
    close(curve.lower, lower)
    close(curve.upper, upper)
    assert curve.lower[0] == 0
    assert curve.upper[3] == 1


odd = tuple((2 * np.arange(1000) + 1) / 2000)  # never on the edge of 5, 7, 10 or 15 bins


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@given(case=forecasts(odd), n_bins=st.sampled_from([1, 5, 7, 10, 15]))
@settings(few_examples, max_examples=80)
def test_binary_calibration_error_is_torchmetrics(norm, n_bins, case):
    y_true, y_prob, _ = case
    theirs = binary_calibration_error(torch.tensor(y_prob), torch.tensor(y_true), n_bins, norm)
    close(M.calibration_error(y_true, y_prob, n_bins=n_bins, norm=norm), theirs)


@st.composite
def top_labels(draw):
    """Four classes: a highest probability that is on no edge, and the rest in equal parts."""
    size = draw(SIZES)
    top = draw(arrays(size, odd[350:]))
    y_prob = np.repeat((1 - top[:, None]) / 3, 4, axis=1)
    labels = arrays(size, range(4))
    y_prob[np.arange(size), draw(labels)] = top
    return draw(labels), y_prob


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@given(case=top_labels())
@few_examples
def test_multiclass_calibration_error_is_torchmetrics(norm, case):
    y_true, y_prob = case
    theirs = multiclass_calibration_error(torch.tensor(y_prob), torch.tensor(y_true), 4, 15, norm)
    close(M.calibration_error(y_true, y_prob, norm=norm), theirs, rtol=1e-5, atol=1e-6)  # it computes in float32


@pytest.mark.parametrize(
    ("y_true", "y_prob", "ours", "theirs"),
    [([1, 0], [0.2, 0.3], 0.55, 0.25), ([0, 1], [1.0, 0.9], 0.45, 0.55)],
    ids=["bins closed on the other side", "1.0 alone in a bin"],
)
def test_torchmetrics_differs_on_edges(y_true, y_prob, ours, theirs):
    assert M.calibration_error(y_true, y_prob, n_bins=5) == pytest.approx(ours)
    assert float(binary_calibration_error(torch.tensor(y_prob), torch.tensor(y_true), 5)) == pytest.approx(theirs)


def test_calibration_error_by_hand():
    """Five forecasts of 0.1, one of which came true, five of 0.7, two of which did."""
    y_true, y_prob = [1, 0, 0, 0, 0, 1, 1, 0, 0, 0], [0.1] * 5 + [0.7] * 5
    errors = {norm: M.calibration_error(y_true, y_prob, norm=norm) for norm in ("l1", "l2", "max")}
    assert errors == pytest.approx({"l1": 0.2, "l2": 0.05**0.5, "max": 0.3})
    squared = 0.05 - (0.2 * 0.8 / 4 + 0.4 * 0.6 / 4) / 2
    assert M.squared_calibration_error(y_true, y_prob) == pytest.approx(squared)


def test_defaults_of_calibration_error_are_torchmetrics():
    rng = np.random.default_rng(0)
    y_prob = rng.uniform(size=200)
    y_true = (rng.uniform(size=200) < y_prob).astype(int)
    close(M.calibration_error(y_true, y_prob), binary_calibration_error(torch.tensor(y_prob), torch.tensor(y_true)))


@given(forecasts(), st.integers(1, 12), strategies)
@few_examples
def test_norms_of_calibration_error_are_ordered(case, n_bins, strategy):
    """ECE ≤ root of the squared error ≤ largest error, and none exceeds what no binning could."""
    y_true, y_prob, _ = case
    options = {"n_bins": n_bins, "strategy": strategy}
    l1, l2, largest = (M.calibration_error(y_true, y_prob, norm=norm, **options) for norm in ("l1", "l2", "max"))
    assert l1 <= l2 + 1e-12 <= largest + 2e-12
    assert l1 <= np.abs(y_prob - y_true).mean() + 1e-12
    assert l2**2 <= M.brier_score_loss(y_true, y_prob) + 1e-12
    close(M.squared_calibration_error(y_true, y_prob, debias=False, **options), l2**2)
    close(M.brier_decomposition(y_true, y_prob, **options).reliability, l2**2)
    assert M.squared_calibration_error(y_true, y_prob, **options) <= l2**2 + 1e-12


@given(forecasts(), st.integers(1, 6))
@few_examples
def test_halving_the_bins_never_lowers_the_ece(case, n_bins):
    y_true, y_prob, _ = case
    coarse, fine = (M.calibration_error(y_true, y_prob, n_bins=n) for n in (n_bins, 2 * n_bins))
    assert coarse <= fine + 1e-12


def calibrated(cases, seed):
    rng = np.random.default_rng(seed)
    y_prob = rng.beta(0.7, 0.7, cases)
    return rng.uniform(size=cases) < y_prob, y_prob


def test_ece_of_a_calibrated_forecast_shrinks_like_one_over_root_n():
    small = np.mean([M.calibration_error(*calibrated(1000, seed)) for seed in range(40)])
    large = np.mean([M.calibration_error(*calibrated(64_000, seed)) for seed in range(40)])
    assert 7 < small / large < 9
    assert large < 0.006


@pytest.mark.parametrize("power", [1, 2], ids=["calibrated", "overconfident"])
def test_debiased_estimate_is_unbiased_and_the_plain_one_is_not(power):
    """Three cases a bin, with forecasts that are equal within it: the mean estimate hits the known truth."""
    rng = np.random.default_rng(1)
    y_prob = np.repeat((np.arange(10) + 0.5) / 10, 3)
    probability = y_prob**power
    truth = np.mean((y_prob - probability) ** 2)
    draws = (rng.uniform(size=(3000, y_prob.size)) < probability).astype(int)
    for debias, expected in ((True, truth), (False, truth + np.mean(probability * (1 - probability)) / 3)):
        estimates = [M.squared_calibration_error(y, y_prob, n_bins=10, debias=debias) for y in draws]
        error = np.std(estimates) / len(estimates) ** 0.5
        assert abs(np.mean(estimates) - expected) < 4 * error
        assert error < 0.002 < 0.02 < np.mean(probability * (1 - probability)) / 3


def test_a_bin_of_one_case_adds_nothing_to_the_debiased_error():
    assert M.squared_calibration_error([1], [0.3]) == 0
    expected = 2 / 3 * (0.3**2 - 0.25)
    assert M.squared_calibration_error([0, 1, 1], [0.2, 0.2, 0.9], n_bins=2) == pytest.approx(expected)


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def test_temperature_changes_calibration_but_not_accuracy():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 4))
    y_true = rng.integers(4, size=500)
    y_true[:300] = logits[:300].argmax(axis=1)
    cold, warm = softmax(logits / 0.3), softmax(logits / 3)
    accuracy = [M.accuracy_score(y_true, p.argmax(axis=1)) for p in (softmax(logits), cold, warm)]
    assert accuracy[0] == accuracy[1] == accuracy[2] >= 0.6
    assert abs(M.calibration_error(y_true, cold) - M.calibration_error(y_true, warm)) > 0.05


def test_top_label_forecast_is_the_first_of_equal_probabilities():
    assert M.calibration_error([0, 1], [[0.5, 0.5], [0.5, 0.5]]) == 0
    assert M.calibration_error([0, 0], [[0.5, 0.5], [0.5, 0.5]]) == 0.5


costs = st.sampled_from([0.5, 1.0, 4.0, 9.0])


@given(forecasts(), costs, costs)
@few_examples
def test_expected_cost_counts_both_errors(case, c_fp, c_fn):
    y_true, y_prob, w = case
    y_pred = y_prob >= 0.5
    (_, fp), (fn, _) = sk.confusion_matrix(y_true, y_pred, labels=[0, 1], sample_weight=w, normalize="all")
    pair = M.expected_cost(y_true, y_pred, c_fp=c_fp, c_fn=c_fn, sample_weight=w)
    close(pair, c_fp * fp + c_fn * fn)
    close(M.expected_cost(y_true, y_pred, [[0, c_fp], [c_fn, 0]], sample_weight=w), pair)


def test_expected_cost_of_three_classes():
    cost = [[0, 1, 2], [3, 0, 5], [7, 11, -13]]
    assert M.expected_cost([0, 1, 2, 2], [2, 0, 1, 2], cost) == (2 + 3 + 11 - 13) / 4


@pytest.mark.parametrize(("c_fp", "c_fn"), [(1, 1), (1, 4), (3, 1), (1, 19)])
def test_expected_cost_is_least_at_the_threshold_of_the_costs(c_fp, c_fn):
    """A calibrated population: each forecast p comes true with weight p, and doesn't with weight 1 − p."""
    p = (np.arange(200) + 0.5) / 200
    y_true, y_prob, w = np.repeat([1, 0], 200), np.tile(p, 2), np.concatenate([p, 1 - p])
    thresholds = np.arange(201) / 200
    cost = [M.expected_cost(y_true, y_prob >= t, c_fp=c_fp, c_fn=c_fn, sample_weight=w) for t in thresholds]
    assert thresholds[np.argmin(cost)] == pytest.approx(c_fp / (c_fp + c_fn))


@given(forecasts(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.95]))
@few_examples
def test_net_benefit_is_what_is_left_of_the_prevalence_after_costs(case, t):
    y_true, y_prob, _ = case
    cost = M.expected_cost(y_true, y_prob >= t, c_fp=t / (1 - t), c_fn=1)
    close(M.net_benefit(y_true, y_prob, t), y_true.mean() - cost)


@given(forecasts(), st.sampled_from([0.05, 0.3, 0.9]))
@few_examples
def test_net_benefit_of_treating_all_and_none(case, t):
    y_true, _, _ = case
    rate = y_true.mean()
    close(M.net_benefit(y_true, np.ones(y_true.size), t), rate - (1 - rate) * t / (1 - t))
    assert M.net_benefit(y_true, np.zeros(y_true.size), t) == 0


def test_net_benefit_has_the_shape_of_the_thresholds_and_treats_at_them():
    curve = M.net_benefit([1, 0, 1], np.float32([0.7, 0.7, 0.1]), np.array([[0.0, 0.7], [0.1, 0.71]]))
    close(curve, [[2 / 3, (1 - 7 / 3) / 3], [(2 - 1 / 9) / 3, 0]])
    assert type(M.net_benefit([1, 0], [0.3, 0.2], 0.1)) is float


def test_coverage_includes_both_ends_and_width_is_the_mean():
    assert M.interval_coverage([1, 2, 3, 4], [1, 0, 3.5, -np.inf], [5, 2, 4, np.inf]) == 0.75
    assert M.interval_coverage([1, 2, 3], 2, 3) == pytest.approx(2 / 3)
    assert M.interval_coverage([1, 9], [0, 0], [2, 2], sample_weight=[3, 1]) == 0.75
    assert M.interval_coverage([1, 2], [1, 1], [1, 1]) == 0.5  # an interval may be a point
    assert M.interval_width([0, 1], [4, 2]) == 2.5
    assert M.interval_width([0, 1], [4, 2], sample_weight=[1, 2]) == 2
    assert M.interval_width(np.int8([-100]), np.int8([100])) == 200


def test_central_intervals_of_a_normal_cover_as_often_as_they_say():
    y = np.random.default_rng(0).normal(size=20_000)
    assert M.interval_coverage(y, -1.6449, 1.6449) == pytest.approx(0.9, abs=0.01)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
@few_examples
def test_perplexity_is_torchmetrics(sequences, tokens, seed):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(sequences, tokens, 7))
    target = rng.integers(-1, 7, size=(sequences, tokens))  # −1 is padding
    assume((target >= 0).any())
    log_prob = np.take_along_axis(np.log(softmax(logits.reshape(-1, 7))).reshape(logits.shape), target[..., None], -1)
    log_prob = np.where(target >= 0, log_prob[..., 0], np.nan)
    theirs = tm_perplexity(torch.tensor(logits), torch.tensor(target), ignore_index=-1)
    close(M.perplexity(log_prob, mask=target >= 0), theirs)


def test_perplexity_of_a_uniform_model_is_the_size_of_its_vocabulary():
    for size in (2, 17, 50_257):
        assert M.perplexity(np.full((3, 5), -np.log(size))) == pytest.approx(size)


def test_perplexity_takes_a_mean_loss_and_knows_infinity():
    assert M.perplexity(-np.log(8)) == pytest.approx(8)
    assert M.perplexity([-0.5, -np.inf]) == M.perplexity([-2000.0]) == np.inf
    assert M.perplexity([-np.log(3), -np.inf], mask=[1, 0]) == pytest.approx(3)
    assert M.perplexity(np.float32([1e-7])) == pytest.approx(1)  # what rounding makes of log 1


@st.composite
def rankings(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(2, 8)))
    relevance = draw(arrays(shape, range(4)))
    scores = draw(arrays(shape, [-1.5, 0.0, 0.25, 0.5, 2.0, 3.0]))
    return relevance, scores, draw(st.one_of(st.none(), st.integers(1, 9)))


@given(rankings())
@settings(few_examples, max_examples=150)
def test_ndcg_is_scikit_learns_and_torchmetrics(case):
    relevance, scores, k = case
    ours = M.ndcg_score(relevance, scores, k=k)
    close(ours, sk.ndcg_score(relevance, scores, k=k))
    theirs = [
        float(retrieval_normalized_dcg(torch.tensor(s), torch.tensor(r), k))
        for r, s in zip(relevance, scores, strict=True)
    ]
    close(ours, np.mean(theirs), rtol=1e-5, atol=1e-6)  # torchmetrics computes in float32
    close(M.ndcg_score(relevance, scores, k=k, gain="exponential"), sk.ndcg_score(2**relevance - 1, scores, k=k))


def test_ndcg_by_hand():
    ideal = 3 + 2 / np.log2(3) + 1 / 2
    assert M.ndcg_score([3, 2, 0, 1], [1, 4, 3, 2]) == pytest.approx((2 + 1 / 2 + 3 / np.log2(5)) / ideal)
    assert M.ndcg_score([3, 2, 0, 1], [1, 4, 3, 2], k=1) == pytest.approx(2 / 3)
    assert M.ndcg_score([3, 2, 0, 1], [1, 4, 3, 2], k=1, gain="exponential") == pytest.approx(3 / 7)
    assert M.ndcg_score([[0, 0], [1, 0]], [[1, 2], [2, 1]]) == 0.5


def test_ndcg_with_ties_is_the_mean_over_their_orders():
    relevance, scores = np.array([3, 0, 1, 2]), np.array([1.0, 1.0, 1.0, 2.0])
    orders = [M.ndcg_score(relevance, scores + np.append(order, 0) / 10) for order in itertools.permutations(range(3))]
    assert M.ndcg_score(relevance, scores) == pytest.approx(np.mean(orders))


LABELS = {
    "accuracy_score": {},
    "confusion_matrix": {},
    "expected_cost": {"c_fp": 1, "c_fn": 3},
    **{name: {} for name in ("precision_score", "recall_score", "f1_score")},
}
SCORES = ["roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss", "roc_curve"]
BINNED = {
    "calibration_error": {"n_bins": 4},
    "squared_calibration_error": {"n_bins": 4},
    "calibration_curve": {"strategy": "quantile"},
    "brier_decomposition": {"n_bins": 3},
    "net_benefit": {"threshold": 0.3},
}


@given(scored(TWENTIETHS[1:-1]), st.randoms(use_true_random=False))
@few_examples
def test_no_metric_depends_on_the_order_of_cases(case, random):
    y_true, y_prob, w = case
    order = random.sample(range(y_true.size), y_true.size)
    shuffled = None if w is None else w[order]
    for name, options in LABELS.items():
        pred = y_prob > 0.5
        ours = getattr(M, name)(y_true[order], pred[order], sample_weight=shuffled, **options)
        close(ours, getattr(M, name)(y_true, pred, sample_weight=w, **options))
    for name in SCORES:
        for a, b in zip(
            np.atleast_1d(getattr(M, name)(y_true[order], y_prob[order], sample_weight=shuffled)),
            np.atleast_1d(getattr(M, name)(y_true, y_prob, sample_weight=w)),
            strict=True,
        ):
            close(a, b)
    for name, options in BINNED.items():
        ours, again = (getattr(M, name)(y_true[o], y_prob[o], **options) for o in (slice(None), order))
        for a, b in zip(np.atleast_1d(ours), np.atleast_1d(again), strict=True):
            close(a, b)


@given(scored(TWENTIETHS[1:-1]), st.data())
@few_examples
def test_a_weight_of_two_counts_as_two_cases(case, data):
    y_true, y_prob, _ = case
    w = data.draw(arrays(y_true.size, range(4)))
    repeated, p = np.repeat(y_true, w), np.repeat(y_prob, w)
    assume(0 < repeated.sum() < repeated.size)
    for name, options in LABELS.items():
        ours = getattr(M, name)(y_true, y_prob > 0.5, sample_weight=w, **options)
        close(ours, getattr(M, name)(repeated, p > 0.5, **options))
    for name in SCORES[:-1]:
        close(getattr(M, name)(y_true, y_prob, sample_weight=w), getattr(M, name)(repeated, p))


def test_sums_of_many_float32_are_taken_in_float64():
    p = np.full(3_000_000, 0.1, np.float32)
    exact = float(np.float32(0.1))
    y_true = np.ones(p.size)
    close(M.log_loss(y_true, p), -np.log(exact))
    close(M.brier_score_loss(y_true, p), (1 - exact) ** 2)
    close(M.calibration_error(y_true, p), 1 - exact)
    close(M.perplexity(-p), np.exp(exact))
    close(M.interval_width(-p, p), 2 * exact)
    close(M.brier_score_loss(y_true[:10], np.full((10, 3), 1 / 3, np.float32)), 6 / 9, rtol=1e-7)


def test_rows_may_be_off_by_rounding_alone():
    single = np.full((1, 3), 1 / 3, np.float32)
    assert M.log_loss([0], single.astype(float) * (1 + 1e-6)) == pytest.approx(np.log(3))
    assert M.log_loss([0], np.full((1, 3), 1 / 3, np.float16)) == pytest.approx(np.log(3), abs=1e-3)
    with pytest.raises(ValueError, match="sum to 1"):
        M.log_loss([0], [[0.33, 0.33, 0.33]])


y, p = [0, 1, 1], [0.2, 0.6, 0.9]
rows = [[0.5, 0.5], [0.2, 0.8], [1.0, 0.0]]
ERRORS = [
    (lambda: M.accuracy_score([], []), r"y_true must be one-dimensional and not empty, got shape \(0,\)"),
    (lambda: M.accuracy_score(y, [y]), r"y_pred must be one-dimensional and not empty, got shape \(1, 3\)"),
    (lambda: M.accuracy_score(y, [0, 1]), "y_true and y_pred must be equally long, got 3 and 2"),
    (lambda: M.accuracy_score(y, p), "y_pred must hold labels, got 0.2; if it's a probability, apply a threshold"),
    (lambda: M.accuracy_score(y, [0, 1, np.nan]), "y_pred must hold labels, got nan"),
    (lambda: M.accuracy_score(y, [0, 1, None]), "y_pred must hold labels, integers or strings, got dtype object"),
    (lambda: M.accuracy_score(y, ["0", "1", "1"]), "both hold numbers, or both strings, got int64 and <U1"),
    (lambda: M.accuracy_score(y, y, sample_weight=[1, 2]), "sample_weight must have one weight a case, got 2 for 3"),
    (lambda: M.accuracy_score(y, y, sample_weight=[1, 2, -1]), "sample_weight must .*not negative.* got -1.0 to 2.0"),
    (lambda: M.accuracy_score(y, y, sample_weight=[0, 0, 0]), "sample_weight must be .*not all 0"),
    (lambda: M.accuracy_score(y, y, sample_weight=[1, np.inf, 0]), "sample_weight must be finite"),
    (lambda: M.accuracy_score(y, y, sample_weight=[1, np.nan, 0]), "sample_weight must not contain nan, got 1"),
    (lambda: M.accuracy_score(y, y, sample_weight=["a"] * 3), "sample_weight must hold numbers, got dtype <U1"),
    (lambda: M.confusion_matrix(y, [0, 1, 7], labels=[0, 1]), r"labels must contain every .*\[0, 1\] without 7"),
    (lambda: M.confusion_matrix(y, [0, 1, -7], labels=[0, 1]), r"labels must contain every .*\[0, 1\] without -7"),
    (lambda: M.confusion_matrix(y, y, labels=[0, 1, 0]), r"labels must differ, got \[0, 1, 0\]"),
    (lambda: M.confusion_matrix(y, y, labels=["0", "1"]), "y_true and labels must both hold numbers"),
    (lambda: M.precision_score(y, [0, 1, 2]), "y_pred must contain only labels from 0 to 1, got 2"),
    (lambda: M.recall_score([-1, 1, 1], y), "y_true must contain only labels from 0 to 1, got -1"),
    (lambda: M.f1_score(["a", "b", "b"], ["a", "b", "b"]), "y_true must contain only labels from 0 to 1, got a"),
    (lambda: M.f1_score(y, y, average="samples"), "average must be 'binary', .* got 'samples'"),
    (lambda: M.f1_score(y, y, zero_division="warn"), "zero_division must be 0, 1 or nan, got 'warn'"),
    (lambda: M.f1_score(y, y, zero_division=0.5), "zero_division must be 0, 1 or nan, got 0.5"),
    (lambda: M.roc_curve([1, 1, 1], p), r"y_true must contain both classes .* got no negative \(0\)"),
    (lambda: M.roc_auc_score([0, 0, 0], p), r"y_true must contain both classes .* got no positive \(1\)"),
    (lambda: M.roc_auc_score(y, p, sample_weight=[0, 1, 1]), r"got no negative \(0\) case of any weight"),
    (lambda: M.roc_curve(y, [0.1, np.inf, 0.2]), "y_score must be finite, got inf"),
    (lambda: M.roc_curve(y, [0.1, np.nan, 0.2]), "y_score must not contain nan, got 1"),
    (lambda: M.roc_curve(y, [0.1, 0.2]), "y_true and y_score must be equally long, got 3 and 2"),
    (lambda: M.average_precision_score([0, 0, 0], p), r"y_true must contain a positive \(1\)"),
    (lambda: M.log_loss([0, 1, 2], p), "y_true must contain only labels from 0 to 1, got 2"),
    (lambda: M.log_loss(y, [0.2, 0.6, 1.5]), r"y_prob must lie in \[0, 1\], got 1.5; logits need a sigmoid"),
    (lambda: M.log_loss(y, [0.2, -0.1, 0.5]), r"y_prob must lie in \[0, 1\], got -0.1"),
    (lambda: M.log_loss(y, [0.2, np.nan, 0.5]), r"y_prob must lie in \[0, 1\], got nan"),
    (lambda: M.log_loss(y, 0.5), r"y_prob must have shape \(cases,\) or \(cases, classes\) and .* got \(\)"),
    (lambda: M.log_loss([], []), r"y_prob must have shape .* and not be empty, got \(0,\)"),
    (lambda: M.log_loss(y, rows[:2]), "y_true and y_prob must be equally long, got 3 and 2"),
    (lambda: M.log_loss([0, 1, 2], rows), "y_true must contain only labels from 0 to 1, got 2"),
    (lambda: M.log_loss([0, -1, 1], rows), "y_true must contain only labels from 0 to 1, got -1"),
    (lambda: M.brier_score_loss(y, [[0.5, 0.5], [0.6, 0.6], [1, 0]]), "sum to 1, got 1.2 in row 1"),
    (lambda: M.brier_score_loss(y, [[0.5], [0.6], [1]]), r"a column for each class, got shape \(3, 1\)"),
    (lambda: M.brier_decomposition(y, rows), r"y_prob must have shape \(cases,\) and not be empty, got \(3, 2\)"),
    (lambda: M.brier_decomposition(y, p, n_bins=0), "n_bins must be a positive integer, got 0"),
    (lambda: M.calibration_curve(y, p, n_bins=2.5), "n_bins must be a positive integer, got 2.5"),
    (lambda: M.calibration_curve(y, p, strategy="kmeans"), "strategy must be 'uniform' or 'quantile', got 'kmeans'"),
    (lambda: M.calibration_curve(y, p, level=95), "level must be between 0 and 1, got 95"),
    (lambda: M.calibration_error(y, p, norm="l3"), "norm must be 'l1', 'l2' or 'max', got 'l3'"),
    (lambda: M.expected_cost(y, y), "give either cost or both c_fp and c_fn, got cost=None, c_fp=None, c_fn=None"),
    (lambda: M.expected_cost(y, y, c_fp=1), "give either cost or both"),
    (lambda: M.expected_cost(y, y, [[0, 1], [1, 0]], c_fp=1, c_fn=1), "give either cost or both"),
    (lambda: M.expected_cost(y, y, [[0, 1, 2], [1, 0, 2]]), r"cost must be a square matrix .* got shape \(2, 3\)"),
    (lambda: M.expected_cost(y, y, [[0, np.nan], [1, 0]]), "cost must be a square matrix of finite numbers"),
    (lambda: M.expected_cost(y, [0, 1, 2], c_fp=1, c_fn=1), "y_pred must contain only labels from 0 to 1, got 2"),
    (lambda: M.net_benefit(y, p, 1.0), "threshold must be at least 0 and less than 1, got 1.0"),
    (lambda: M.net_benefit(y, p, [0.5, -0.5]), "threshold must be at least 0 and less than 1, got -0.5"),
    (lambda: M.net_benefit(y, rows, 0.5), r"y_prob must have shape \(cases,\)"),
    (
        lambda: M.interval_coverage(y, [0, 0], [1, 1]),
        r"lower must have shape \(3,\) or be one number, got shape \(2,\)",
    ),
    (lambda: M.interval_coverage(y, [0, 2, 2], 1), "lower must not exceed upper, but does in 2 of 3 intervals"),
    (lambda: M.interval_coverage(y, 0, np.nan), "upper must not contain nan"),
    (lambda: M.interval_coverage([np.nan], 0, 1), "y_true must not contain nan"),
    (lambda: M.interval_width([], []), "lower must be one-dimensional and not empty"),
    (lambda: M.perplexity([0.5, 1.0]), "log_prob must hold logarithms of probabilities, at most 0, got 1.0"),
    (lambda: M.perplexity([np.nan]), "log_prob must hold logarithms of probabilities, at most 0, got nan"),
    (lambda: M.perplexity([]), "log_prob must have a token that counts, got none"),
    (lambda: M.perplexity([-1.0], mask=[False]), "log_prob must have a token that counts, got none"),
    (lambda: M.perplexity([-1.0], mask=[[True]]), r"mask must be of booleans and shape \(1,\), got bool, \(1, 1\)"),
    (lambda: M.perplexity([-1.0, -2.0], mask=[0, 2]), r"mask must be of booleans and shape \(2,\), got int64"),
    (lambda: M.ndcg_score([1, 0], [1, 0, 2]), r"must have one shape, .* got \(2,\) and \(3,\)"),
    (lambda: M.ndcg_score([], []), r"and not be empty, got \(0,\) and \(0,\)"),
    (lambda: M.ndcg_score([1, -1], [1, 0]), "y_true must be finite and not negative"),
    (lambda: M.ndcg_score([1, 1], [1, np.nan]), "y_score finite"),
    (lambda: M.ndcg_score([np.inf, 1], [1, 0]), "y_true must be finite"),
    (lambda: M.ndcg_score([1, 1], [1, 0], k=0), "k must be a positive integer, got 0"),
    (lambda: M.ndcg_score([1, 1], [1, 0], gain="log"), "gain must be 'linear' or 'exponential', got 'log'"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=range(len(ERRORS)))
def test_errors_name_the_argument_and_say_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_results_are_plain_floats_and_inputs_are_left_alone():
    y_true, y_prob = np.array([0, 1, 2]), np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    kept = y_prob.copy()
    y_prob.flags.writeable = y_true.flags.writeable = False
    for score in (M.log_loss, M.brier_score_loss, M.calibration_error, M.squared_calibration_error):
        assert type(score(y_true, y_prob)) is float
    assert {type(part) for part in M.brier_decomposition([0, 1], [0.2, 0.7], n_bins=2)} == {float}
    np.testing.assert_array_equal(y_prob, kept)


def test_import_needs_numpy_alone():
    code = "import sys, lossutils.metrics; print(*{'scipy', 'sklearn', 'torch', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
