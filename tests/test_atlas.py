"""Every claim in atlas.toml is checked against the code, one test a claim."""

import functools
import importlib
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest
from cases import all_cases

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.atlas import card, entries

ATLAS = entries()
SKEWED = np.random.default_rng(0).lognormal(sigma=1.2, size=401) * 3
CONSTANTS = ("mean", "median", "quantile", "expectile", "compromise", "mode-like", "log of the mean", "geometric mean")
DIRECTIONS = ("order", "closeness", "opponent", "balance")
DEFAULT = {}
for case in sorted(all_cases(), key=lambda case: len(case.parameters)):
    DEFAULT.setdefault(case.name, case)


def over(key, *values):
    """Parametrize over the losses that make this claim, or whose claim is one of these values."""
    names = [n for n, entry in ATLAS.items() if key in entry and (not values or entry[key] in values)]
    return pytest.mark.parametrize("name", names)


over_losses = pytest.mark.parametrize("name", F.__all__)


def test_every_loss_has_an_entry_and_every_entry_a_loss():
    assert set(F.__all__) == set(ATLAS)


REQUIRED = (
    "title family formula takes predicts pull use breaks convex bounded_gradient differentiable range names source"
)


@over_losses
def test_nothing_is_left_unclaimed(name):
    entry = ATLAS[name]
    assert set(REQUIRED.split()) <= entry.keys()
    assert entry.keys() <= {*REQUIRED.split(), "symmetric", "robust", "proper", "scale", "redescending", "also"}
    assert ("robust" in entry) == (entry["predicts"] in CONSTANTS)
    assert "proper" in entry or entry["predicts"] not in ("probability", "distribution")


@over_losses
def test_family_is_the_file_it_stands_in(name):
    family = importlib.import_module(f"lossutils.losses.{ATLAS[name]['family']}")
    assert name in family.__all__
    assert getattr(family, name) is getattr(F, name)


# ---- arguments to try a claim with


@functools.cache
def samples(name):
    """Valid arguments of a loss, many, in groups of equal shapes."""
    groups = {}
    for seed in range(300):
        arrays = DEFAULT[name].draw(np.random.default_rng(seed))
        shapes = tuple((key, np.shape(a)) for key, a in arrays.items())
        groups.setdefault(shapes, []).append(arrays)
    return list(groups.values())


def first(name):
    return getattr(F, name).loss.required[0]


def values(name, arrays):
    return np.asarray(getattr(F, name)(**arrays, **DEFAULT[name].parameters, reduction="none"))


def slope(name, arrays):
    """The slope of each value in the first argument, value by value where one argument meets several."""
    differentiated = value_and_grad(getattr(F, name), first(name))
    return differentiated(**arrays, **DEFAULT[name].parameters, reduction="sum")[1]


def far(takes, x, k):
    """The argument moved toward the ends of its domain, by a factor 10ᵏ, in each way there is."""
    tiny = 10.0**-k
    match takes:
        case "positive number" | "distance" | "embedding":
            return [x * 10.0**k, x * tiny]
        case "number above −1":
            return [x * 10.0**k, tiny - 1 + 0 * x]
        case "probability":
            return [np.where(x < 0.5, tiny, 1 - tiny), np.where(x < 0.5, 1 - tiny, tiny)]
        case "probabilities" | "log-probabilities":
            p = np.exp(x) if takes == "log-probabilities" else x
            corner = (p == p.max(axis=-1, keepdims=True)) * (1 - tiny) + tiny / p.shape[-1]
            corner /= corner.sum(axis=-1, keepdims=True)
            return [np.log(corner) if takes == "log-probabilities" else corner]
        case _:
            return [x * 10.0**k, -x * 10.0**k]


# ---- shape


@over("convex")
def test_convex(name):
    """Random midpoints lie on or below the chord; or, for a loss that isn't convex, some lie above."""
    above, tried = 0.0, 0
    for group in samples(name):
        for a, b in itertools.pairwise(group[:40]):
            ends = [a, a | {first(name): b[first(name)]}]
            middle = a | {first(name): (a[first(name)] + b[first(name)]) / 2}
            v0, v1, v = (values(name, arrays) for arrays in (*ends, middle))
            with np.errstate(invalid="ignore"):
                excess = (v - (v0 + v1) / 2) / (1 + abs(v0) + abs(v1))
            above = max(above, np.nanmax(excess, initial=0))
            tried += v.size
    assert tried > 50
    assert ATLAS[name]["convex"] == bool(above <= 1e-9)


@over("symmetric")
def test_symmetric(name):
    """ℓ(a, b) = ℓ(b, a)."""
    a, b = getattr(F, name).loss.required[:2]
    differences = []
    for arrays in itertools.chain(*samples(name)):
        if np.shape(arrays[a]) == np.shape(arrays[b]):
            swapped = values(name, arrays | {a: arrays[b], b: arrays[a]})
            differences.append(np.nanmax(np.abs(values(name, arrays) - swapped), initial=0))
    assert len(differences) > 20
    assert ATLAS[name]["symmetric"] == bool(max(differences) < 1e-9)


@over("bounded_gradient")
def test_bounded_gradient(name):
    """Toward the ends of the argument's domain the slope settles, or grows on and on, if only like a logarithm."""
    steepest = {}
    for k in (0, 3, 6):
        moved = [
            arrays | {first(name): x}
            for arrays in itertools.chain(*(group[:6] for group in samples(name)))
            for x in far(ATLAS[name]["takes"], np.asarray(arrays[first(name)], float), k)
        ]
        with np.errstate(over="ignore"):
            steepest[k] = max(np.max(np.abs(slope(name, arrays)), initial=0) for arrays in moved)
    assert ATLAS[name]["bounded_gradient"] == bool(np.isfinite(steepest[6]) and steepest[6] <= 1.2 * steepest[3] + 1e-6)
    if "redescending" in ATLAS[name]:
        assert ATLAS[name]["redescending"] == bool(steepest[6] <= 1e-3)


@over("range")
def test_range(name):
    """No value lies outside; and some come near the ends, or grow without end."""
    low, high = ATLAS[name]["range"]
    seen = []
    for arrays in itertools.chain(*(group[:30] for group in samples(name))):
        x = np.asarray(arrays[first(name)], float)
        tries = [x, *(moved for k in (1, 3, 6) for moved in far(ATLAS[name]["takes"], x, k))]
        if ATLAS[name]["takes"] == "probability":
            tries.append(np.round(x))
        for other in getattr(F, name).loss.required[1:2]:
            if np.shape(arrays[other]) == x.shape and ATLAS[name]["predicts"] in ("target", *CONSTANTS):
                perfect = np.asarray(arrays[other], float)
                tries.append(np.log(perfect) if ATLAS[name]["takes"] == "log-probabilities" else perfect)
        for moved in tries:
            seen.append(values(name, arrays | {first(name): moved}).ravel())
        if "var" in arrays:  # a certain forecast
            seen.append(values(name, arrays | {"var": arrays["var"] * 1e-6, "input": arrays["target"]}).ravel())
    seen = np.concatenate(seen)
    seen = seen[~np.isnan(seen)]
    assert low - 1e-9 <= seen.min()
    assert seen.max() <= high + 1e-9
    span = high - low if np.isfinite(high - low) else 1.0
    assert seen.min() <= (low + 0.1 * span if np.isfinite(low) else -3)
    assert seen.max() >= (high - 0.1 * span if np.isfinite(high) else 3)


@over("differentiable")
def test_differentiable_means_the_slope_has_no_jump(name):
    """Along lines between arguments, the largest jump of the slope vanishes as the steps shrink, or stays."""
    groups = sorted((g for g in samples(name) if len(g) > 1), key=lambda g: (np.size(g[0][first(name)]), -len(g)))
    jump = 0.0
    for group in [*groups[:2], groups[len(groups) // 2], groups[-1]]:
        for a, b in itertools.pairwise(group[:4]):
            for end in (b[first(name)], *crossings(name, a)):
                jump = max(jump, largest_jump(name, a, end))
    assert ATLAS[name]["differentiable"] == bool(jump < 1e-4)


def crossings(name, a):
    """Where to go to pass what random lines miss: the target, the partner, the zero vector."""
    x, others = (
        a[first(name)],
        [a[n] for n in getattr(F, name).loss.required[1:2] if np.shape(a[n]) == np.shape(a[first(name)])],
    )
    if ATLAS[name]["takes"] in ("number", "positive number", "probability"):
        return others
    return [-x, *(2 * other - x for other in others)] if ATLAS[name]["takes"] == "embedding" else []


def largest_jump(name, a, end):
    """Zoom into the steps around the largest change of slope or value; a jump is what doesn't shrink with the steps."""
    start = np.asarray(a[first(name)], float)

    def at(t):
        moved = a | {first(name): start + t * (end - start)}
        return np.append(slope(name, moved).ravel(), values(name, moved).ravel())

    low, high, largest = 0.0, 1.0, []
    for _ in range(12):
        points = np.linspace(low, high, 13)
        changes = [np.max(np.abs(after - before), initial=0) for before, after in itertools.pairwise(map(at, points))]
        i = int(np.argmax(changes))
        largest.append(changes[i])
        low, high = points[max(i - 1, 0)], points[min(i + 2, 12)]
    return largest[-1] if largest[-1] > 0.5 * largest[-3] else 0.0


# ---- what it makes you predict


def best_constant(name, sample, **parameters):
    """The constant of least loss: a scan, then a golden-section search around its best point."""

    def at(constant):
        arrays = {first(name): np.full_like(sample, constant), "target": sample}
        return float(getattr(F, name)(**arrays, **parameters))

    ends = (np.log(sample.min()), np.log(sample.max())) if ATLAS[name]["takes"] == "log rate" else None
    candidates = np.linspace(*(ends or (sample.min(), sample.max())), 2001)
    best = int(np.argmin([at(c) for c in candidates]))
    low, high = candidates[max(best - 1, 0)], candidates[min(best + 1, 2000)]
    for _ in range(60):
        a, b = high - 0.618 * (high - low), low + 0.618 * (high - low)
        low, high = (low, b) if at(a) < at(b) else (a, high)
    return (low + high) / 2


@over("predicts", *CONSTANTS)
def test_predicted_constant(name):
    """On a skewed sample, where mean, median, and geometric mean are far apart."""
    mean, median = SKEWED.mean(), np.median(SKEWED)
    best = best_constant(name, SKEWED)
    match ATLAS[name]["predicts"]:
        case "mean":
            assert best == pytest.approx(mean, rel=1e-4)
        case "median":
            assert best == pytest.approx(median, rel=1e-4)
        case "quantile":
            for q in (0.1, 0.5, 0.9):
                below = np.mean(best_constant(name, SKEWED, quantile=q) * (1 - 1e-6) > SKEWED)
                assert below == pytest.approx(q, abs=1 / len(SKEWED))
        case "expectile":  # at the τ-expectile, the shortfalls weigh τ : 1 − τ against the excesses
            for tau in (0.1, 0.5, 0.9):
                r = SKEWED - best_constant(name, SKEWED, expectile=tau)
                assert tau * r[r > 0].sum() == pytest.approx((1 - tau) * -r[r < 0].sum(), rel=1e-3)
        case "log of the mean":
            assert np.exp(best) == pytest.approx(mean, rel=1e-4)
        case "geometric mean":
            plus = 1 if ATLAS[name]["title"].startswith("Squared log") else 0
            assert best == pytest.approx(np.exp(np.log(SKEWED + plus).mean()) - plus, rel=1e-3)
        case "compromise":  # on this sample; Huber can leave the interval on others
            assert median < best < mean
        case "mode-like":  # below the median, in the crowd, and what is far away has next to no say
            assert best < median
            far_away = {"input": np.array([best, best]), "target": np.array([best - 1e4, best + 1e4])}
            assert np.max(np.abs(slope(name, far_away))) < 1e-3


@over("robust")
def test_robust_means_one_bad_target_moves_the_constant_little(name):
    clean = best_constant(name, SKEWED)
    moved = [best_constant(name, np.append(SKEWED, wild)) - clean for wild in (1e3, 1e4)]
    if ATLAS[name]["takes"] == "log rate":
        moved = [np.exp(clean + m) - np.exp(clean) for m in moved]
    spread = np.median(np.abs(SKEWED - np.median(SKEWED)))
    assert ATLAS[name]["robust"] == (max(map(abs, moved)) < 0.05 * spread)


@over("scale")
def test_scale_names_a_parameter_in_the_unit_of_the_target(name):
    """Scaling input, target, and the parameter together rescales the loss and moves nothing else."""
    scale, loss = ATLAS[name]["scale"], getattr(F, name)
    in_unit = [n for n in loss.loss.required if n != "target" or ATLAS[name]["takes"] == "number"]
    compared = 0
    for arrays in itertools.chain(*(group[:4] for group in samples(name))):
        scaled = arrays | {n: 10 * np.asarray(arrays[n]) for n in in_unit}
        once, ten = (
            value_and_grad(loss, first(name))(**a, reduction="sum", **(DEFAULT[name].parameters | {scale: k}))[1]
            for a, k in ((arrays, 1.0), (scaled, 10.0))
        )
        ratio = ten[np.abs(once) > 1e-9] / once[np.abs(once) > 1e-9]
        if ratio.size > 1:
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
            compared += 1
    assert compared > 5


TRUTHS = [(0.5, 0.3, 0.2), (0.1, 0.2, 0.7), (0.05, 0.9, 0.05)]


def expected_loss(name, forecast, truth):
    """The expected loss of a forecast, probabilities of three classes, or of 0 and 1, under the true ones."""
    function, takes = getattr(F, name), ATLAS[name]["takes"]
    forecast, truth = np.asarray(forecast, float), np.asarray(truth, float)
    if takes in ("logit", "probability", "score"):  # a binary forecast: of the first class
        p, q = forecast[0], truth[0]
        input = np.log(p / (1 - p)) if takes in ("logit", "score") else p
        other = -1.0 if takes == "score" else 0.0
        return float(q * function([input], [1.0]) + (1 - q) * function([input], [other]))
    input = forecast if takes == "probabilities" or name == "sparsemax_loss" else np.log(forecast)
    if name == "ctc_loss":  # one frame, and no blank in it
        frame = np.append(-np.inf, input)[None]
        return float(sum(q * function(frame, np.array([i + 1]), np.array(1), np.array(1)) for i, q in enumerate(truth)))
    if name == "linear_cross_entropy":
        return float(sum(q * function(input[None], np.eye(3), np.array([i])) for i, q in enumerate(truth)))
    extra = {"prior": np.full(3, 1 / 3), "samples_per_class": np.full(3, 100.0)}
    extra = {k: v for k, v in extra.items() if k in function.loss.required}
    return float(sum(q * function(input[None], np.array([i]), **extra) for i, q in enumerate(truth)))


def lies(truth):
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(300, 3)) * rng.choice([0.02, 0.2, 1.0], size=(300, 1))
    forecasts = np.exp(np.log(truth) + steps)
    return forecasts / forecasts.sum(axis=1, keepdims=True)


@over("proper")
def test_proper_means_no_lie_pays(name):
    """Under each truth, reporting it has a smaller expected loss than any of 300 lies; or some lie pays."""
    if ATLAS[name]["predicts"] == "distribution":
        pytest.skip("a forecast of location and spread: test_honest_spread")
    gains = [
        expected_loss(name, truth, truth) - min(expected_loss(name, lie, truth) for lie in lies(truth))
        for truth in TRUTHS
    ]
    assert ATLAS[name]["proper"] == bool(max(gains) < 1e-12)


@over("predicts", "probability")
def test_probability_is_the_frequency(name):
    """The forecast of least expected loss, by search, is the truth."""
    for truth in TRUTHS:
        best = min(lies(truth), key=lambda lie: expected_loss(name, lie, truth))
        span = 1 if ATLAS[name]["takes"] in ("logit", "probability", "score") else 3
        np.testing.assert_allclose(best[:span], truth[:span], atol=0.05)


@over("predicts", "class")
def test_class_means_the_side_of_the_majority_and_no_probability(name):
    """Whatever the frequency, the best score is on the majority's side; it isn't the frequency's logit."""
    function, takes = getattr(F, name), ATLAS[name]["takes"]
    if takes in ("logit", "score"):
        scores = np.linspace(-6, 6, 2401)
        for q in (0.1, 0.3, 0.7, 0.9):
            other = -1.0 if takes == "score" else 0.0
            losses = q * function(scores, np.ones_like(scores), reduction="none")
            losses = losses + (1 - q) * function(scores, np.full_like(scores, other), reduction="none")
            best = scores[np.isclose(losses, losses.min(), rtol=0, atol=1e-12)]
            assert np.all(best * (q - 0.5) >= 0)
            assert abs(best[np.argmin(abs(best))] - np.log(q / (1 - q))) > 0.05
        return
    rng = np.random.default_rng(0)
    for truth in TRUTHS:
        forecasts = rng.normal(size=(4000, 3)) * rng.choice([0.5, 2, 5], size=(4000, 1))
        losses = sum(q * function(forecasts, np.full(4000, i), reduction="none") for i, q in enumerate(truth))
        best = forecasts[np.argmin(losses)]
        assert best.argmax() == np.argmax(truth)


@over("predicts", "distribution")
def test_honest_spread(name):
    """On a sample, the mean and spread of least loss are the sample's; shifting or stretching them costs."""
    rng = np.random.default_rng(0)
    sample = rng.normal(5, 2, size=20_000)
    mean, sigma = sample.mean(), sample.std()

    def at(location, spread):
        function = getattr(F, name)
        if "var" in function.loss.required:
            return float(function(np.full_like(sample, location), sample, np.full_like(sample, spread**2)))
        if "sigma" in function.loss.required:
            names = {"target": sample, "sigma": np.full_like(sample, spread)}
            return float(function(np.full_like(sample, location), **names))
        quantiles = sorted(rng_normals(location, spread))
        return float(function(np.tile(quantiles, (2000, 1)), sample[:2000]))

    honest = at(mean, sigma)
    for shift, stretch in [(1, 1), (-1, 1), (0, 1.5), (0, 0.6), (0.5, 1.3)]:
        assert at(mean + shift, sigma * stretch) > honest


def rng_normals(location, spread):
    return np.random.default_rng(9).normal(location, spread, size=400)


@over("predicts", "target")
def test_target_means_that_nothing_beats_matching_it(name):
    """Where input equals target, the loss isn't larger than for other inputs; of distributions, as a whole."""
    a, b = getattr(F, name).loss.required[:2]
    compared = 0
    for group in samples(name):
        for arrays, others in itertools.pairwise(group[:20]):
            if b == "log_variance":  # of a Gaussian, beside the standard one
                match = arrays | {a: 0 * arrays[a], b: 0 * arrays[b]}
            elif np.shape(arrays[a]) == np.shape(arrays[b]):
                match = arrays | {a: np.asarray(arrays[b], float)}
            else:
                continue
            other = match | {a: others[a], b: arrays[b]}
            if ATLAS[name]["takes"] == "log-probabilities":
                match, other = as_distributions(match, a, b, False), as_distributions(other, a, b, True)
                assert values(name, match).sum() <= values(name, other).sum() + 1e-9
            else:
                assert np.all(values(name, match) <= values(name, other) + 1e-9)
            compared += 1
    assert compared > 10


def as_distributions(arrays, input, target, is_logarithm):
    """Both normalized along the last axis; the input, probabilities or their logarithms, as logarithms."""
    p, q = np.atleast_1d(arrays[target]), np.atleast_1d(arrays[input])
    q = np.exp(q) if is_logarithm else q
    p, q = (np.where(x.sum(axis=-1, keepdims=True) > 0, x, 1) for x in (p, q))
    p, q = (x / x.sum(axis=-1, keepdims=True) for x in (p, q))
    with np.errstate(divide="ignore"):
        return arrays | {target: p, input: np.log(q)}


@over("predicts", *DIRECTIONS)
def test_what_it_asks_for_lowers_it(name):
    """The case's ``better`` moves the arguments to what the claim says: the sum of the values goes down."""
    case = next((c for c in all_cases() if c.name == name and c.better), DEFAULT[name])
    better = case.better or case.better_on_average
    assert better is not None, "a claim about a direction needs a case with better"
    before = after = 0.0
    for seed in range(200):
        arrays = case.draw(np.random.default_rng(seed))
        values = [float(getattr(F, name)(**a, **case.parameters, reduction="sum")) for a in (arrays, better(arrays))]
        assert case.better is None or values[1] <= values[0] + 1e-9
        before, after = before + values[0], after + values[1]
    assert after < before


# ---- what else it's called, and where it comes from


@over_losses
def test_torch_name_is_right(name):
    functional = pytest.importorskip("torch").nn.functional
    claimed = ATLAS[name]["names"].get("torch")
    assert hasattr(functional, name) == (claimed is not None)
    assert claimed in (None, name)


def claimed_names(library):
    names = {name: entry["names"][library] for name, entry in ATLAS.items() if library in entry["names"]}
    assert names
    return names


def test_keras_names_exist():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    losses = pytest.importorskip("keras").losses
    for name, claimed in claimed_names("keras").items():
        assert hasattr(losses, claimed), f"{name}: no keras.losses.{claimed}"


def test_optax_names_exist():
    optax = pytest.importorskip("optax")
    for name, claimed in claimed_names("optax").items():
        assert hasattr(optax.losses, claimed) or hasattr(optax, claimed), f"{name}: no optax.{claimed}"


def test_sklearn_names_exist():
    """A function of sklearn.metrics, an estimator, or the name of a loss that a gradient booster takes."""
    from sklearn import linear_model, metrics
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    for name, claimed in claimed_names("sklearn").items():
        if hasattr(metrics, claimed) or hasattr(linear_model, claimed):
            continue
        fits = 0
        for booster, y in ((GradientBoostingRegressor, [0.0, 1.0]), (GradientBoostingClassifier, [0, 1])):
            try:
                fits += bool(booster(loss=claimed, n_estimators=1).fit([[0.0], [1.0]], y))
            except ValueError:
                continue
        fits += claimed in linear_model.SGDClassifier._parameter_constraints["loss"][0].options
        assert fits, f"{name}: scikit-learn has no {claimed}"


@over_losses
def test_source_stands_in_the_bibliography(name):
    bibliography = (Path(__file__).parents[1] / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([\w-]+),", bibliography, re.M))
    assert ATLAS[name]["source"] in keys


@over_losses
def test_card_says_it_all(name):
    text = card(getattr(F, name)).markdown()
    for label in ("Formula", "Makes you predict", "Pulls", "Use it when", "It breaks with", "Names"):
        assert f"**{label}:** " in text
