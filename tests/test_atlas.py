"""Every claim in atlas.toml is checked against the code."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.atlas import card, entries

ATLAS = entries()
SKEWED = np.random.default_rng(0).lognormal(sigma=1.2, size=401) * 3
FAR = np.array([1e3, 1e6, 1e9, -1e3, -1e6, -1e9])

over_losses = pytest.mark.parametrize("name", F.__all__)


def slope(name, residual):
    residual = np.asarray(residual, float)
    return value_and_grad(getattr(F, name))(residual, np.zeros_like(residual), reduction="sum")[1]


def value(name, residual):
    residual = np.asarray(residual, float)
    return getattr(F, name)(residual, np.zeros_like(residual), reduction="none")


def best_constant(name, sample):
    """The constant prediction of least loss: a scan, then a golden-section search around its best point."""
    candidates = np.linspace(sample.min(), sample.max(), 2001)
    losses = [float(getattr(F, name)(np.full_like(sample, c), sample)) for c in candidates]
    best = int(np.argmin(losses))
    low, high = candidates[max(best - 1, 0)], candidates[min(best + 1, 2000)]
    for _ in range(60):
        a, b = high - 0.618 * (high - low), low + 0.618 * (high - low)
        low, high = (low, b) if F_at(name, a, sample) < F_at(name, b, sample) else (a, high)
    return (low + high) / 2


def F_at(name, constant, sample):
    return float(getattr(F, name)(np.full_like(sample, constant), sample))


def test_every_loss_has_an_entry_and_every_entry_a_loss():
    assert set(F.__all__) == set(ATLAS)


@over_losses
def test_family_is_the_file_it_stands_in(name):
    family = importlib.import_module(f"lossutils.losses.{ATLAS[name]['family']}")
    assert getattr(family, name) is getattr(F, name)


@over_losses
def test_predicted_constant(name):
    """On a skewed sample, where mean and median are far apart."""
    mean, median = SKEWED.mean(), np.median(SKEWED)
    best = best_constant(name, SKEWED)
    match ATLAS[name]["predicts"]:
        case "mean":
            assert best == pytest.approx(mean, rel=1e-4)
        case "median":
            assert best == pytest.approx(median, rel=1e-4)
        case "between":
            assert median < best < mean
        case "mode-like":  # below the median, in the crowd, and what is far away has no say at all
            assert best < median
            assert slope(name, [best - 1e4, best + 1e4]).tolist() == [0, 0]
        case other:
            raise AssertionError(f"{name}: unknown claim {other}")


@over_losses
def test_robust_means_one_bad_target_moves_the_constant_little(name):
    clean = best_constant(name, SKEWED)
    moved = [best_constant(name, np.append(SKEWED, wild)) - clean for wild in (1e3, 1e4)]
    spread = np.median(np.abs(SKEWED - np.median(SKEWED)))
    assert ATLAS[name]["robust"] == (max(map(abs, moved)) < 0.05 * spread)


@over_losses
def test_convex(name):
    """Random midpoints lie on or below the chord, or for a loss that isn't convex, some lie above."""
    a, b = np.random.default_rng(1).normal(scale=6, size=(2, 2000))
    excess = value(name, (a + b) / 2) - (value(name, a) + value(name, b)) / 2
    assert ATLAS[name]["convex"] == bool(np.all(excess <= 1e-9))


@over_losses
def test_symmetric(name):
    residual = np.random.default_rng(2).normal(scale=5, size=500)
    assert ATLAS[name]["symmetric"] == bool(np.allclose(value(name, residual), value(name, -residual)))


@over_losses
def test_bounded_gradient_and_redescending(name):
    steep = np.abs(slope(name, FAR))
    assert ATLAS[name]["bounded_gradient"] == bool(steep.max() <= 10)
    assert ATLAS[name]["redescending"] == bool(steep.max() == 0)


@over_losses
def test_differentiable_means_the_slope_has_no_jump(name):
    residual = np.linspace(-8, 8, 160_001)
    largest_jump = np.abs(np.diff(slope(name, residual))).max()
    assert ATLAS[name]["differentiable"] == (largest_jump < 1e-3)


@over_losses
def test_scale_names_a_parameter_in_the_unit_of_the_target(name):
    """Scaling residual and parameter together rescales the loss and moves nothing else."""
    scale = ATLAS[name].get("scale")
    parameters = [p for p in getattr(F, name).loss.names if p not in ("input", "target", "reduction", "weight")]
    assert parameters == ([scale] if scale else [])
    if scale:
        residual = np.linspace(-3, 3, 13)
        slopes = [
            value_and_grad(getattr(F, name))(k * residual, 0 * residual, reduction="sum", **{scale: k})[1]
            for k in (1.0, 10.0)
        ]
        inside = (residual != 0) & (slopes[0] != 0)
        ratio = slopes[1][inside] / slopes[0][inside]
        np.testing.assert_allclose(ratio, ratio[0])


@over_losses
def test_torch_name_is_right(name):
    claimed = ATLAS[name]["names"].get("torch")
    assert hasattr(torch.nn.functional, name) == (claimed is not None)
    assert claimed in (None, name)


def test_sklearn_names_exist():
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.linear_model import HuberRegressor

    names = {e["names"]["sklearn"] for e in ATLAS.values() if "sklearn" in e["names"]}
    for name in names - {HuberRegressor.__name__}:
        GradientBoostingRegressor(loss=name, n_estimators=1).fit([[0.0], [1.0]], [0.0, 1.0])


@over_losses
def test_source_stands_in_the_bibliography(name):
    bibliography = (Path(__file__).parents[1] / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{(\w+),", bibliography, re.M))
    assert ATLAS[name]["source"] in keys


@over_losses
def test_card_says_it_all(name):
    text = card(getattr(F, name)).markdown()
    for label in ("Formula", "Makes you predict", "Pulls", "Use it when", "It breaks with", "Names"):
        assert f"**{label}:** " in text
