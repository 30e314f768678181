"""Models and training: the theorems they rest on."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from sklearn.linear_model import LinearRegression

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.models import LinearModel, Network
from lossutils.training import fit, fit_minibatches, fit_reweighted, folds

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
Y = X @ [1.0, -2.0, 0.5] + 3 + rng.standard_t(2, size=80)


def fitted(loss, **parameters):
    model = LinearModel(features=3)
    fit_reweighted(model, X, Y, loss, **parameters)
    return np.append(model.parameters["weights"], model.parameters["bias"])


def test_least_squares_is_scikit_learns():
    reference = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(fitted(F.mse_loss), np.append(reference.coef_, reference.intercept_))


def test_least_absolute_error_is_the_linear_programs():
    """min Σu with −u ≤ Xw + b − y ≤ u, solved by scipy."""
    design = np.column_stack([X, np.ones(80)])
    eye = np.eye(80)
    bounds = [(None, None)] * 4 + [(0, None)] * 80
    program = linprog(
        np.r_[np.zeros(4), np.ones(80)], np.block([[design, -eye], [-design, -eye]]), np.r_[Y, -Y], bounds=bounds
    )
    np.testing.assert_allclose(fitted(F.l1_loss, steps=2000), program.x[:4], atol=1e-5)


@pytest.mark.parametrize("delta", [0.1, 1.0, 10.0])
def test_hubers_fit_is_the_minimum_a_general_optimizer_finds(delta):
    design = np.column_stack([X, np.ones(80)])

    def objective(w):
        value, slope = value_and_grad(F.huber_loss)(design @ w, Y, delta=delta)
        return float(value), design.T @ slope

    found = minimize(objective, np.zeros(4), jac=True, tol=1e-12)
    np.testing.assert_allclose(fitted(F.huber_loss, delta=delta), found.x, atol=1e-4)


def test_gradient_descent_reaches_the_same_minimum():
    model = LinearModel(features=3)
    history = fit(model, X, Y, F.huber_loss, learning_rate=0.5, steps=500)
    np.testing.assert_allclose(
        np.append(model.parameters["weights"], model.parameters["bias"]), fitted(F.huber_loss), atol=1e-6
    )
    assert len(history.loss) == 501
    assert history.parameter("weights").shape == (501, 3)
    assert np.all(np.diff(history.loss) < 1e-12), "each step goes downhill, up to rounding"


def test_the_chain_rule_through_the_model():
    model = LinearModel(features=3)
    model.parameters["weights"][:] = [0.3, -1, 2]
    slope = value_and_grad(F.mse_loss)(model.predict(X), Y)[1]
    gradients = model.gradients(X, slope)
    for name, value in model.parameters.items():
        for i in np.ndindex(value.shape):
            value[i] += 1e-6
            high = F.mse_loss(model.predict(X), Y)
            value[i] -= 2e-6
            low = F.mse_loss(model.predict(X), Y)
            value[i] += 1e-6
            assert gradients[name][i] == pytest.approx((high - low) / 2e-6, rel=1e-6)


def test_a_diverging_fit_says_so():
    with pytest.raises(FloatingPointError, match="learning_rate"):
        fit(LinearModel(features=3), X, Y, F.mse_loss, learning_rate=10.0, steps=500)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(80, 3\) and \(79,\)"):
        fit(LinearModel(features=3), X, Y[:-1], F.mse_loss, learning_rate=0.1, steps=1)
    with pytest.raises(ValueError, match=r"\(cases, 2\), got \(80, 3\)"):
        LinearModel(features=2).predict(X)


def test_folds_cover_every_case_once():
    seen = np.concatenate([validation for _, validation in folds(23, 5, seed=1)])
    assert sorted(seen) == list(range(23))
    for train, validation in folds(23, 5, seed=1):
        assert sorted([*train, *validation]) == list(range(23))
    with pytest.raises(ValueError, match="between 2"):
        list(folds(3, 4))


def with_torch(model):
    """The same network in PyTorch."""
    layers = []
    for layer in range(1, len(model.sizes)):
        linear = torch.nn.Linear(*model.sizes[layer - 1 : layer + 1], dtype=torch.float64)
        linear.weight.data = torch.tensor(model.parameters[f"weights{layer}"].T.copy())
        linear.bias.data = torch.tensor(model.parameters[f"bias{layer}"])
        layers += [torch.nn.ReLU(), linear]
    return torch.nn.Sequential(*layers[1:])


@pytest.mark.parametrize("sizes", [(3, 4), (3, 5, 4), (3, 6, 5, 1)])
def test_a_network_and_its_gradients_are_pytorchs(sizes):
    model = Network(*sizes, seed=4)
    theirs = with_torch(model)
    logits = theirs(torch.tensor(X))
    np.testing.assert_allclose(model.predict(X).reshape(80, -1), logits.detach().numpy())
    slope = rng.normal(size=model.predict(X).shape)
    logits.backward(torch.tensor(slope.reshape(80, -1)))
    found = model.gradients(X, slope)
    assert found.keys() == model.parameters.keys()
    for layer, linear in enumerate((part for part in theirs if isinstance(part, torch.nn.Linear)), 1):
        np.testing.assert_allclose(found[f"weights{layer}"], linear.weight.grad.numpy().T)
        np.testing.assert_allclose(found[f"bias{layer}"], linear.bias.grad.numpy())


def test_minibatches_are_pytorchs_sgd_with_momentum():
    """All cases in one batch, so that their order plays no part."""
    model = Network(3, 5, 1, seed=1)
    theirs = with_torch(model)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.8)
    history = fit_minibatches(
        model, X, Y, F.huber_loss, learning_rate=0.05, momentum=0.8, epochs=12, batch_size=80, delta=2.0
    )
    for expected in history.loss[:-1]:
        optimizer.zero_grad()
        loss = torch.nn.functional.huber_loss(theirs(torch.tensor(X))[:, 0], torch.tensor(Y), delta=2.0)
        assert loss.item() == pytest.approx(expected)
        loss.backward()
        optimizer.step()


def test_an_epoch_sees_every_case_once():
    """The pull on each prediction is 1: an epoch in batches of 20 moves the weights by four means, 4 · mean(X)."""
    low = np.full(80, -1e9)
    model = Network(3, 1)
    history = fit_minibatches(
        model,
        X,
        low,
        F.l1_loss,
        learning_rate=1.0,
        epochs=2,
        batch_size=20,
        watch=lambda model: model.predict(X).mean(),
    )
    moved = history.parameter("weights1")[:, :, 0]
    np.testing.assert_allclose(np.diff(moved, axis=0), np.tile(-4 * X.mean(axis=0), (2, 1)))
    np.testing.assert_allclose(history.parameter("bias1")[:, 0], [0, -4, -8])
    assert history.watched[-1] == model.predict(X).mean()
    assert len(history.watched) == 3


def test_an_unequal_last_batch_counts_too():
    history = fit_minibatches(
        Network(3, 1), X, np.full(80, -1e9), F.l1_loss, learning_rate=1.0, epochs=1, batch_size=30
    )
    np.testing.assert_allclose(history.parameter("bias1")[:, 0], [0, -3])


def test_training_says_what_is_wrong():
    with pytest.raises(FloatingPointError, match="learning_rate"), np.errstate(all="ignore"):
        fit_minibatches(Network(3, 1), X, Y, F.mse_loss, learning_rate=100.0, epochs=500)
    with pytest.raises(ValueError, match=r"\(80, 3\) and \(79,\)"):
        fit_minibatches(Network(3, 1), X, Y[:-1], F.mse_loss, learning_rate=0.1, epochs=1)
    with pytest.raises(ValueError, match=r"\(cases, 2\), got \(80, 3\)"):
        Network(2, 1).predict(X)
    with pytest.raises(ValueError, match="at least two sizes"):
        Network(2)
