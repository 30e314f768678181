"""Fit a model to data under a loss, and keep the history. Any loss of ``lossutils.functional`` will do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossutils.engine import LossFunction, value_and_grad
from lossutils.models import LinearModel, Network

__all__ = ["History", "fit", "fit_minibatches", "fit_reweighted", "folds"]


@dataclass
class History:
    """What happened in training, step by step.

    Attributes
    ----------
    loss : list of float
        The loss on the training data before each step, and after the last.
    parameters : list of dict
        A copy of the model's parameters at the same moments.
    watched : list
        What `watch` returned at the same moments, if it was given.
    """

    loss: list[float] = field(default_factory=list)
    parameters: list[dict[str, np.ndarray]] = field(default_factory=list)
    watched: list[Any] = field(default_factory=list)

    def record(self, loss: float, model: Any) -> None:
        """Note the loss, and copy the model's parameters."""
        self.loss.append(float(loss))
        self.parameters.append({name: value.copy() for name, value in model.parameters.items()})

    def parameter(self, name: str) -> np.ndarray:
        """One parameter over time, shape (steps + 1, …)."""
        return np.array([parameters[name] for parameters in self.parameters])


def fit(
    model: LinearModel | Network,
    X: np.ndarray,
    y: np.ndarray,
    loss: LossFunction,
    *,
    learning_rate: float | Callable[[int], float],
    steps: int,
    **parameters: Any,
) -> History:
    """Plain gradient descent on all the data: predict, compare, follow the slope downhill, repeat.

    Parameters
    ----------
    model : LinearModel or Network
        Trained in place.
    X : ndarray, shape (cases, features)
    y : ndarray, shape (cases,)
    loss : callable
        A loss of ``lossutils.functional``.
    learning_rate : float, or callable from step number to float
    steps : int
    **parameters
        For the loss: ``delta=2.0``, ``weight=…``.

    Returns
    -------
    History
        Of length ``steps + 1``.

    Raises
    ------
    FloatingPointError
        If the loss stops being finite: the learning rate is too large for this loss on this data.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> model = LinearModel(features=1)
    >>> history = fit(model, np.array([[-1.0], [1.0]]), np.array([0.0, 4.0]), F.mse_loss, learning_rate=0.5, steps=1)
    >>> history.loss, model.parameters["weights"].tolist()
    ([8.0, 0.0], [2.0])

    Source: Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées.
    """
    if X.shape[:1] != y.shape:
        raise ValueError(f"fit: X and y must have as many rows, got {X.shape} and {y.shape}")
    rate = learning_rate if callable(learning_rate) else lambda step: learning_rate
    compare = value_and_grad(loss)
    history = History()
    for step in range(steps + 1):
        value, slope = compare(model.predict(X), y, **parameters)
        if not np.isfinite(value):
            raise FloatingPointError(f"fit: the loss is {value} at step {step}; try a smaller learning_rate")
        history.record(value, model)
        if step < steps:
            for name, gradient in model.gradients(X, slope).items():
                model.parameters[name] -= rate(step) * gradient
    return history


def fit_minibatches(
    model: LinearModel | Network,
    X: np.ndarray,
    y: np.ndarray,
    loss: LossFunction,
    *,
    learning_rate: float,
    epochs: int,
    batch_size: int = 32,
    momentum: float = 0.0,
    seed: int = 0,
    watch: Callable[[LinearModel | Network], Any] | None = None,
    **parameters: Any,
) -> History:
    """Stochastic gradient descent: each step follows the slope of a small batch; an epoch passes all cases once.

    Parameters
    ----------
    model : LinearModel or Network
        Trained in place.
    X : ndarray, shape (cases, features)
    y : ndarray, shape (cases, …)
    loss : callable
        A loss of ``lossutils.functional``.
    learning_rate : float
    epochs : int
    batch_size : int, default 32
        The last batch of an epoch may be smaller.
    momentum : float, default 0.0
        The share of the last step that is added to the next, 0 ≤ momentum < 1.
    seed : int, default 0
        Of the order of cases, which is another in each epoch.
    watch : callable, optional
        Of the model; called before the first epoch and after each, for what else is to be recorded.
    **parameters
        For the loss, the same for each batch: ``label_smoothing=0.1``, a weight for each class, …

    Returns
    -------
    History
        Of length ``epochs + 1``: the loss on all cases before the first epoch and after each.

    Raises
    ------
    FloatingPointError
        If the loss stops being finite.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> X, y = np.array([[-1.0], [1.0]] * 20), np.array([0, 1] * 20)
    >>> history = fit_minibatches(Network(1, 2), X, y, F.cross_entropy, learning_rate=1.0, epochs=20)
    >>> history.loss[-1] < 0.1 < history.loss[0], len(history.loss)
    (True, 21)

    Source: Robbins and Monro (1951), A Stochastic Approximation Method, doi:10.1214/aoms/1177729586; the momentum
    is Polyak's (1964), doi:10.1016/0041-5553(64)90137-5.
    """
    if len(X) != len(y):
        raise ValueError(f"fit_minibatches: X and y must have as many rows, got {X.shape} and {y.shape}")
    compare = value_and_grad(loss)
    rng = np.random.default_rng(seed)
    velocity = {name: np.zeros_like(value) for name, value in model.parameters.items()}
    history = History()
    for epoch in range(epochs + 1):
        value = loss(model.predict(X), y, **parameters)
        if not np.isfinite(value):
            raise FloatingPointError(
                f"fit_minibatches: the loss is {value} in epoch {epoch}; try a smaller learning_rate"
            )
        history.record(value, model)
        if watch is not None:
            history.watched.append(watch(model))
        if epoch == epochs:
            break
        order = rng.permutation(len(X))
        for batch in np.split(order, range(batch_size, len(X), batch_size)):
            _, slope = compare(model.predict(X[batch]), y[batch], **parameters)
            for name, gradient in model.gradients(X[batch], slope).items():
                velocity[name] = momentum * velocity[name] - learning_rate * gradient
                model.parameters[name] += velocity[name]
    return history


def fit_reweighted(
    model: LinearModel,
    X: np.ndarray,
    y: np.ndarray,
    loss: LossFunction,
    *,
    steps: int = 200,
    tolerance: float = 1e-10,
    **parameters: Any,
) -> int:
    """Find the minimum by iteratively reweighted least squares: no learning rate to choose.

    The slope of a loss of the residual is w(r)·r with w(r) = slope/r. With the w of the last round held fixed, the
    best line is a weighted least-squares fit. For a loss that isn't convex, the result depends on the start,
    which is where the model stands.

    Parameters
    ----------
    model : LinearModel
        Trained in place.
    X : ndarray, shape (cases, features)
    y : ndarray, shape (cases,)
    loss : callable
        A loss of the residual, symmetric about 0: those of ``lossutils.losses.regression``.
    steps : int, default 200
        The most rounds to take.
    tolerance : float, default 1e-10
        Stop once no prediction moves by more than this share of the target's standard deviation.
    **parameters
        For the loss.

    Returns
    -------
    int
        The rounds it took.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> X, y = np.arange(5.0)[:, None], np.array([0.0, 1.0, 2.0, 3.0, 40.0])
    >>> model = LinearModel(features=1)
    >>> _ = fit_reweighted(model, X, y, F.tukey_loss, c=3.0)
    >>> model.parameters["weights"].round(6).tolist()
    [1.0]

    Source: Holland and Welsch (1977), Robust regression using iteratively reweighted least-squares,
    doi:10.1080/03610927708827533.
    """
    slope_of = value_and_grad(loss)
    design = np.column_stack([X, np.ones(len(X))])
    floor = 1e-12 * (np.std(y) or 1.0)  # a residual of 0 has the weight of a tiny one, not 0/0
    prediction = model.predict(X)
    for step in range(1, steps + 1):
        residual = prediction - y
        residual = np.where(np.abs(residual) < floor, floor, residual)
        weight = slope_of(residual, np.zeros_like(residual), reduction="sum", **parameters)[1] / residual
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        model.parameters["weights"][...], model.parameters["bias"][...] = solution[:-1], solution[-1]
        previous, prediction = prediction, model.predict(X)
        if np.max(np.abs(prediction - previous)) <= tolerance * (np.std(y) or 1.0):
            return step
    return steps


def folds(cases: int, k: int, *, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the cases into k parts at random; yield each part as validation with the rest as training.

    Parameters
    ----------
    cases : int
    k : int
        Number of parts, 2 to `cases`.
    seed : int, default 0

    Yields
    ------
    train, validation : ndarray of int
        Row numbers.

    Raises
    ------
    ValueError
        If `k` isn't between 2 and `cases`.

    Examples
    --------
    >>> [validation.size for train, validation in folds(10, 3)]
    [4, 3, 3]

    Source: Stone (1974), Cross-Validatory Choice and Assessment of Statistical Predictions,
    doi:10.1111/j.2517-6161.1974.tb00994.x.
    """
    if not 2 <= k <= cases:
        raise ValueError(f"folds: k must be between 2 and the number of cases ({cases}), got {k}")
    parts = np.array_split(np.random.default_rng(seed).permutation(cases), k)
    for i, validation in enumerate(parts):
        yield np.concatenate(parts[:i] + parts[i + 1 :]), validation
