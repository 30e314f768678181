"""Losses for a mask: how much of the predicted area and of the true one do the two have in common?

A mask is one sample's map of one class: all axes after the first two, (N, C, …), belong to it. Arrays of two axes
hold one mask a row, of one axis one mask. Predictions are probabilities (after sigmoid or softmax), not logits; targets
are 0 and 1, or soft labels between; both should lie in [0, 1], which isn't checked. With p and t one mask's pixels,

    hits TP = Σ p t,    false alarms FP = Σ p (1 − t),    misses FN = Σ (1 − p) t.

`smooth` is added to both sides of a fraction. Where it is positive, an empty prediction for an empty target costs 0;
for 0 this is 0/0, NaN. A target that is empty alone costs almost 1 unless the prediction's sum is as small as
`smooth`, so the pull on its pixels, about smooth / Σ², is tiny until then: with empty masks in the data, 1 is a better
`smooth` than the default, or leave those masks out.
"""

import numpy as np

from lossutils.engine import rowwise

__all__ = ["dice_loss", "focal_tversky_loss", "jaccard_loss", "tversky_loss"]


def _not_negative(loss, **parameters):
    for name, value in parameters.items():
        if not value >= 0:
            raise ValueError(f"{loss}: {name} must not be negative, got {value}")


def _tversky(input, target, alpha, beta, smooth):
    """1 − (TP + s) / (TP + αFP + βFN + s), and its slopes.

    Written as (αFP + βFN) / (TP + αFP + βFN + s): a sum of positive terms loses no digit where overlap is good.
    """
    background, absent = 1 - target, 1 - input
    hits = np.vecdot(input, target) + smooth
    errors = alpha * np.vecdot(input, background) + beta * np.vecdot(absent, target)
    whole = hits + errors
    value = errors / whole
    # With hits H and errors E, dL = (dE (H + E) − E (dH + dE)) / (H + E)² = (H dE − E dH) / (H + E)².
    of_error, of_hit = (hits / whole / whole)[..., None], (value / whole)[..., None]
    slope = background * (alpha * of_error) - target * (beta * of_error + of_hit)
    slope_in_target = absent * (beta * of_error) - input * (alpha * of_error + of_hit)
    return value, slope, slope_in_target


@rowwise("(p),(p)", axis="rest")
def dice_loss(input, target, *, smooth: float = 1e-5):
    """Dice loss, 1 − (2 Σpt + smooth) / (Σp + Σt + smooth): one minus the F₁ score of the pixels.

    Makes the mask overlap with the true one, whatever share of the image it fills; the best pixels are 0 or 1, not
    probabilities. A pixel pulls harder the smaller the masks are.

    Parameters
    ----------
    input : array_like of float, shape (P), (N, P), or (N, C, …)
        Probabilities, pixel by pixel.
    target : array_like, the shape of `input`
        The true mask, 0 and 1, or soft labels. (For soft labels the minimum isn't at input = target.)
    reduction : {"mean", "sum", "none"}
        Over masks: samples × classes.
    smooth : float, default 1e-5
        Not negative; see the top of the module for what it does to empty masks.

    Returns
    -------
    number, or ndarray of shape (), (N), or (N, C) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ, `smooth` is negative, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.dice_loss([1.0, 1.0, 0.0, 0.0], [1, 0, 0, 0])), 4)  # 1 − 2·1 / (2 + 1)
    0.3333

    Source: Dice (1945), Measures of the Amount of Ecologic Association Between Species, doi:10.2307/1932409; as a
    loss: Milletari, Navab and Ahmadi (2016), V-Net, arXiv:1606.04797, with squares below the line, which monai calls
    ``squared_pred``. Ours is monai's default (``smooth_nr = smooth_dr = smooth``). optax's ``dice_loss`` halves both
    sides of the fraction, so its ``smooth`` of 1 is our 2; Keras has no ``smooth``, so an empty target always costs 1.
    """
    _not_negative("dice_loss", smooth=smooth)
    return _tversky(input, target, 0.5, 0.5, 0.5 * smooth)  # both sides of the fraction halved


@rowwise("(p),(p)", axis="rest")
def jaccard_loss(input, target, *, smooth: float = 1e-5):
    """Jaccard loss, 1 − (Σpt + smooth) / (Σp + Σt − Σpt + smooth): one minus intersection over union (IoU).

    Makes the mask overlap with the true one, as the Dice loss does, and charges more for it: J = 2D / (1 + D) for a
    Dice loss of D with twice the `smooth`, so that both rank masks alike.

    Parameters
    ----------
    input : array_like of float, shape (P), (N, P), or (N, C, …)
        Probabilities, pixel by pixel.
    target : array_like, the shape of `input`
        The true mask, 0 and 1, or soft labels. (For soft labels the minimum isn't at input = target.)
    reduction : {"mean", "sum", "none"}
        Over masks: samples × classes.
    smooth : float, default 1e-5
        Not negative; see the top of the module for what it does to empty masks.

    Returns
    -------
    number, or ndarray of shape (), (N), or (N, C) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ, `smooth` is negative, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.jaccard_loss([1.0, 1.0, 0.0, 0.0], [1, 0, 0, 0])), 4)  # 1 − 1 / 2
    0.5

    Source: Jaccard (1912), The Distribution of the Flora in the Alpine Zone, doi:10.1111/j.1469-8137.1912.tb05611.x;
    as a loss: Rahman and Wang (2016), doi:10.1007/978-3-319-50835-1_22. monai's ``DiceLoss(jaccard=True)`` doubles
    both sides of the fraction: its ``smooth_nr = smooth_dr`` is twice ours.
    """
    _not_negative("jaccard_loss", smooth=smooth)
    return _tversky(input, target, 1, 1, smooth)


@rowwise("(p),(p)", axis="rest")
def tversky_loss(input, target, *, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1e-5):
    """Tversky loss, 1 − (TP + smooth) / (TP + alpha·FP + beta·FN + smooth): Dice with a price for each kind of error.

    Makes the mask overlap with the true one, larger where misses cost more (beta > alpha), smaller where false
    alarms do. alpha = beta = ½ is the Dice loss with twice this `smooth`; alpha = beta = 1 is the Jaccard loss.

    Parameters
    ----------
    input : array_like of float, shape (P), (N, P), or (N, C, …)
        Probabilities, pixel by pixel.
    target : array_like, the shape of `input`
        The true mask, 0 and 1, or soft labels. (For soft labels the minimum isn't at input = target.)
    reduction : {"mean", "sum", "none"}
        Over masks: samples × classes.
    alpha, beta : float, default 0.5
        What a false alarm and what a miss costs, beside a hit; not negative.
    smooth : float, default 1e-5
        Not negative; see the top of the module for what it does to empty masks.

    Returns
    -------
    number, or ndarray of shape (), (N), or (N, C) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ, `alpha`, `beta`, or `smooth` is negative, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> prediction, truth = [1.0, 0.0, 0.0, 0.0], [1, 1, 0, 0]
    >>> round(float(F.tversky_loss(prediction, truth, alpha=0.3, beta=0.7)), 4)  # one hit, one miss
    0.4118

    Source: Tversky (1977), Features of Similarity, doi:10.1037/0033-295X.84.4.327; as a loss: Salehi, Erdogmus and
    Gholipour (2017), arXiv:1706.05721, who advise 0.3 and 0.7. alpha is the price of false alarms there, in monai,
    in optax's ``dice_loss``, and here; it is that of misses in Abraham and Khan (2018), and in Keras' code, though
    not in its documentation.
    """
    _not_negative("tversky_loss", alpha=alpha, beta=beta, smooth=smooth)
    return _tversky(input, target, alpha, beta, smooth)


@rowwise("(p),(p)", axis="rest")
def focal_tversky_loss(
    input, target, *, alpha: float = 0.3, beta: float = 0.7, gamma: float = 4 / 3, smooth: float = 1e-5
):
    """Focal Tversky loss, T^(1/gamma), where T is the Tversky loss.

    Makes the mask overlap with the true one. Compared with T, gamma > 1 pulls harder where overlap is good already,
    without bound towards a perfect one; gamma < 1 spends the pull on masks that overlap badly. At T = 0 the slope is
    0 for every gamma but 1.

    Parameters
    ----------
    input : array_like of float, shape (P), (N, P), or (N, C, …)
        Probabilities, pixel by pixel.
    target : array_like, the shape of `input`
        The true mask, 0 and 1, or soft labels. (For soft labels the minimum isn't at input = target.)
    reduction : {"mean", "sum", "none"}
        Over masks: samples × classes.
    alpha, beta : float, default 0.3 and 0.7
        What a false alarm and what a miss costs, beside a hit; not negative.
    gamma : float, default 4/3
        Positive; 1 is the Tversky loss.
    smooth : float, default 1e-5
        Not negative; see the top of the module for what it does to empty masks.

    Returns
    -------
    number, or ndarray of shape (), (N), or (N, C) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ, `alpha`, `beta`, or `smooth` is negative, `gamma` isn't positive, or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> prediction, truth = [1.0, 0.0, 0.0, 0.0], [1, 1, 0, 0]
    >>> round(float(F.focal_tversky_loss(prediction, truth)), 4)  # 0.4118^¾
    0.514

    Source: Abraham and Khan (2018), A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion
    Segmentation, arXiv:1810.07842. Their alpha is our beta, and the other way round. The exponent is 1/γ, as in the
    paper; programs that write ``gamma=0.75`` mean the exponent.
    """
    _not_negative("focal_tversky_loss", alpha=alpha, beta=beta, smooth=smooth)
    if not gamma > 0:
        raise ValueError(f"focal_tversky_loss: gamma must be positive, got {gamma}")
    value, slope, slope_in_target = _tversky(input, target, alpha, beta, smooth)
    steepness = value ** (1 / gamma - 1) / gamma
    steepness = np.where(np.isinf(steepness), 0, steepness)  # at a perfect overlap
    return value ** (1 / gamma), (slope, steepness), (slope_in_target, steepness)
