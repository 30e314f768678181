"""Losses for denoising diffusion: squared errors of three targets, and the weights that make them one.

A network sees x_t = α·x₀ + σ·ε, with α² + σ² = 1, and predicts the noise ε, the clean x₀, or the velocity
v = α·ε − σ·x₀. Each prediction gives the others, and with the signal-to-noise ratio snr = α²/σ² the squared errors are
‖ε̂ − ε‖² = snr·‖x̂₀ − x₀‖² and ‖v̂ − v‖² = (snr + 1)·‖x̂₀ − x₀‖². So with the same weight w on the error of x₀, which
is w/snr on that of ε and w/(snr + 1) on that of v, the three are the same loss.
"""

import numpy as np

from lossutils.engine import elementwise

__all__ = ["epsilon_prediction_loss", "v_prediction_loss", "x0_prediction_loss"]


@elementwise(
    weight=None,
    broadcast="raise",
    constant=("snr",),
    order="input, target, snr, reduction, weighting, gamma",
)
def epsilon_prediction_loss(input, target, snr=None, *, weighting: str = "none", gamma: float = 5.0):
    """Squared error of the predicted noise, w·(ε̂ − ε)²; w = 1 is the "simple" loss of DDPM.

    Makes you predict the mean of the noise, given the noisy sample. The pull is 2w(ε̂ − ε).

    Parameters
    ----------
    input, target : array_like of float, equal shapes
        Predicted noise, and the noise that was added.
    snr : array_like of float, fitting the shape of input, not negative, optional
        Signal-to-noise ratio α²/σ² (not its logarithm) of each sample: of shape (N, 1, 1, 1) for images (N, C, H, W).
        Needed unless `weighting` is "none".
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements.
    weighting : {"none", "snr", "min-snr"}
        w = 1; 1, which is snr on the error of x₀; or min(snr, γ)/snr, which is min(snr, γ) on that.
    gamma : float, default 5.0
        γ, where "min-snr" stops raising the weight of samples with little noise; positive.

    Returns
    -------
    number, or ndarray of the shape of input for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` or `weighting` is unknown, `snr` is missing or negative, or `gamma` isn't
        positive.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> loss = F.epsilon_prediction_loss([1.0, 1.0], [0.0, 0.0], snr=[0.1, 50.0], weighting="min-snr", reduction="none")
    >>> loss.round(4).tolist()
    [1.0, 0.1]

    Source: Ho, Jain and Abbeel (2020), Denoising Diffusion Probabilistic Models, arXiv:2006.11239; the signal-to-noise
    ratio: Kingma et al. (2021), Variational Diffusion Models, arXiv:2107.00630; "min-snr": Hang et al. (2023),
    Efficient Diffusion Training via Min-SNR Weighting Strategy, arXiv:2303.09556.
    """
    _check("epsilon_prediction_loss", snr, weighting, gamma)
    residual = input - target
    if weighting != "min-snr":
        return residual * residual, 2 * residual
    return _weighted(residual, np.clip(gamma / snr, 0, 1))  # snr may be 0 or inf


@elementwise(
    weight=None,
    broadcast="raise",
    constant=("snr",),
    order="input, target, snr, reduction, weighting, gamma",
)
def x0_prediction_loss(input, target, snr=None, *, weighting: str = "none", gamma: float = 5.0):
    """Squared error of the predicted clean sample, w·(x̂₀ − x₀)².

    Makes you predict the mean of the clean sample, given the noisy one. The pull is 2w(x̂₀ − x₀).

    Parameters
    ----------
    input, target : array_like of float, equal shapes
        Predicted clean sample, and the true one. Diffusers calls this prediction type "sample".
    snr : array_like of float, fitting the shape of input, not negative, optional
        Signal-to-noise ratio α²/σ² (not its logarithm) of each sample: of shape (N, 1, 1, 1) for images (N, C, H, W).
        Needed unless `weighting` is "none".
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements.
    weighting : {"none", "snr", "min-snr"}
        w = 1; snr, which makes it the unweighted loss of ε; or min(snr, γ).
    gamma : float, default 5.0
        γ, where "min-snr" stops raising the weight of samples with little noise; positive.

    Returns
    -------
    number, or ndarray of the shape of input for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` or `weighting` is unknown, `snr` is missing or negative, or `gamma` isn't
        positive.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> loss = F.x0_prediction_loss([1.0, 1.0], [0.0, 0.0], snr=[0.1, 50.0], weighting="min-snr", reduction="none")
    >>> loss.round(4).tolist()
    [0.1, 5.0]

    Source: Salimans and Ho (2022), Progressive Distillation for Fast Sampling of Diffusion Models, arXiv:2202.00512;
    "min-snr": Hang et al. (2023), Efficient Diffusion Training via Min-SNR Weighting Strategy, arXiv:2303.09556.
    """
    _check("x0_prediction_loss", snr, weighting, gamma)
    residual = input - target
    if weighting == "none":
        return residual * residual, 2 * residual
    return _weighted(residual, snr if weighting == "snr" else np.clip(snr, 0, gamma))


@elementwise(
    weight=None,
    broadcast="raise",
    constant=("snr",),
    order="input, target, snr, reduction, weighting, gamma",
)
def v_prediction_loss(input, target, snr=None, *, weighting: str = "none", gamma: float = 5.0):
    """Squared error of the predicted velocity, w·(v̂ − v)² with v = α·ε − σ·x₀.

    Makes you predict the mean of v, given the noisy sample: of the noise where there is only signal, of minus the
    signal where there is only noise, so that the target is never what the network sees. The pull is 2w(v̂ − v).

    Parameters
    ----------
    input, target : array_like of float, equal shapes
        Predicted velocity, and the true one.
    snr : array_like of float, fitting the shape of input, not negative, optional
        Signal-to-noise ratio α²/σ² (not its logarithm) of each sample: of shape (N, 1, 1, 1) for images (N, C, H, W).
        Needed unless `weighting` is "none".
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements.
    weighting : {"none", "snr", "min-snr"}
        w = 1, which is snr + 1 on the error of x₀; snr/(snr + 1), which makes it the unweighted loss of ε; or
        min(snr, γ)/(snr + 1).
    gamma : float, default 5.0
        γ, where "min-snr" stops raising the weight of samples with little noise; positive.

    Returns
    -------
    number, or ndarray of the shape of input for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` or `weighting` is unknown, `snr` is missing or negative, or `gamma` isn't
        positive.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> loss = F.v_prediction_loss([1.0, 1.0], [0.0, 0.0], snr=[0.25, 49.0], weighting="min-snr", reduction="none")
    >>> loss.round(4).tolist()
    [0.2, 0.1]

    Source: Salimans and Ho (2022), Progressive Distillation for Fast Sampling of Diffusion Models, arXiv:2202.00512;
    "min-snr": Hang et al. (2023), Efficient Diffusion Training via Min-SNR Weighting Strategy, arXiv:2303.09556.
    """
    _check("v_prediction_loss", snr, weighting, gamma)
    residual = input - target
    if weighting == "none":
        return residual * residual, 2 * residual
    if weighting == "snr":
        return _weighted(residual, 1 / (1 + 1 / snr))  # snr may be 0 or inf
    return _weighted(residual, np.clip(snr, 0, gamma) / (1 + snr))


def _weighted(residual, weight):
    weight = weight * residual
    residual *= weight
    weight *= 2
    return residual, weight


def _check(name, snr, weighting, gamma):
    if weighting not in ("none", "snr", "min-snr"):
        raise ValueError(f'{name}: weighting must be "none", "snr", or "min-snr", got {weighting!r}')
    if not gamma > 0:
        raise ValueError(f"{name}: gamma must be positive, got {gamma}")
    if weighting != "none" and snr is None:
        raise ValueError(f'{name}: weighting="{weighting}" needs snr')
    if snr is not None and snr.size and snr.min() < 0:
        raise ValueError(f"{name}: snr must not be negative (is it a logarithm?), got {snr.min()}")
