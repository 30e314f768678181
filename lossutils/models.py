"""Small models in NumPy: a prediction, and how a gradient in the prediction becomes a gradient in the parameters."""

import numpy as np

__all__ = ["LinearModel"]


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
