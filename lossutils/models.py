"""Small models in NumPy: a prediction, and how a gradient in the prediction becomes a gradient in the parameters."""

from itertools import pairwise

import numpy as np

__all__ = ["LinearModel", "Network"]


class LinearModel:
    """ŷ = Xw + b, the smallest model worth training.

    Parameters
    ----------
    features : int
        Number of columns of `X`.

    Attributes
    ----------
    parameters : dict of str to ndarray of float64
        ``"weights"`` of shape (features,), in units of the target per unit of the feature, and ``"bias"`` of
        shape (). Both start at 0.

    Examples
    --------
    >>> model = LinearModel(features=1)
    >>> model.parameters["weights"][:] = 2.0
    >>> model.parameters["bias"][...] = 1.0
    >>> model.predict(np.array([[0.0], [3.0]])).tolist()
    [1.0, 7.0]
    """

    def __init__(self, features: int):
        self.parameters = {"weights": np.zeros(features), "bias": np.zeros(())}

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return ŷ, shape (cases,), for `X` of shape (cases, features).

        Raises
        ------
        ValueError
            If `X` has another number of columns than the model has weights.
        """
        weights = self.parameters["weights"]
        if X.ndim != 2 or X.shape[1] != weights.size:
            raise ValueError(f"LinearModel: X must have shape (cases, {weights.size}), got {X.shape}")
        return X @ weights + self.parameters["bias"]

    def gradients(self, X: np.ndarray, slope: np.ndarray) -> dict[str, np.ndarray]:
        """Carry ∂L/∂ŷ, shape (cases,), back to the parameters by the chain rule: ∂ŷ/∂w is X, ∂ŷ/∂b is 1."""
        return {"weights": X.T @ slope, "bias": slope.sum()}


class Network:
    """Layers of weights with max(0, ·) between them: X → logits. With no layer between, it is a linear classifier.

    Parameters
    ----------
    *sizes : int
        Units in each layer: features, hidden units, …, outputs. One output gives predictions of shape (cases,),
        more give (cases, outputs).
    seed : int, default 0
        Of the starting weights, which are normal with variance 2/(units before); biases start at 0.

    Attributes
    ----------
    parameters : dict of str to ndarray of float64
        ``"weights1"`` of shape (features, hidden), ``"bias1"`` of shape (hidden,), ``"weights2"``, …

    Examples
    --------
    >>> model = Network(64, 32, 10)
    >>> model.predict(np.zeros((5, 64))).shape, sum(value.size for value in model.parameters.values())
    ((5, 10), 2410)

    Source: the start is that of He et al. (2015), Delving Deep into Rectifiers, arXiv:1502.01852.
    """

    def __init__(self, *sizes: int, seed: int = 0):
        if len(sizes) < 2:
            raise ValueError(f"Network: at least two sizes are needed, features and outputs, got {sizes}")
        rng = np.random.default_rng(seed)
        self.sizes = sizes
        self.parameters = {}
        for layer, (before, after) in enumerate(pairwise(sizes), 1):
            self.parameters[f"weights{layer}"] = rng.normal(scale=np.sqrt(2 / before), size=(before, after))
            self.parameters[f"bias{layer}"] = np.zeros(after)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the last layer's sums (logits), shape (cases, outputs) or (cases,), for `X` (cases, features).

        Raises
        ------
        ValueError
            If `X` has another number of columns than the network has features.
        """
        out = self._layers(X)[-1]
        return out[:, 0] if self.sizes[-1] == 1 else out

    def gradients(self, X: np.ndarray, slope: np.ndarray) -> dict[str, np.ndarray]:
        """Carry ∂L/∂prediction, of the prediction's shape, back through the layers to each parameter."""
        layers = self._layers(X)
        slope = slope.reshape(len(X), -1)
        found = {}
        for layer in range(len(self.sizes) - 1, 0, -1):
            below = np.maximum(layers[layer - 1], 0) if layer > 1 else X
            found[f"weights{layer}"] = below.T @ slope
            found[f"bias{layer}"] = slope.sum(axis=0)
            if layer > 1:
                slope = (slope @ self.parameters[f"weights{layer}"].T) * (layers[layer - 1] > 0)
        return found

    def _layers(self, X):
        """The inputs, and each layer's sums before max(0, ·)."""
        if X.ndim != 2 or X.shape[1] != self.sizes[0]:
            raise ValueError(f"Network: X must have shape (cases, {self.sizes[0]}), got {X.shape}")
        layers = [X]
        for layer in range(1, len(self.sizes)):
            below = np.maximum(layers[-1], 0) if layer > 1 else X
            layers.append(below @ self.parameters[f"weights{layer}"] + self.parameters[f"bias{layer}"])
        return layers
