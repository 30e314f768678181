"""Losses of losses: how much does each of several tasks count?

The last axis lists the tasks.
"""

import numpy as np

from lossutils.engine import rowwise

__all__ = ["uncertainty_weighted_loss", "weighted_sum_loss"]


@rowwise("(k),(k)", broadcast=True)
def weighted_sum_loss(losses, weights):
    """Weighted sum of tasks, Σ wₖ·ℓₖ.

    Makes you find a balance between tasks. The pull on each loss is its weight, whatever its value: a task whose loss
    is measured in small units is drowned out.

    Parameters
    ----------
    losses : array_like of float, shape (…, k)
        Loss of each task.
    weights : array_like of float, shape (…, k) or (k)
        What each counts; they need not add up to 1. Minimized over the weights too, the sum has no minimum but that of
        ignoring every task: see ``uncertainty_weighted_loss``.
    reduction : {"mean", "sum", "none"}
        Over samples; tasks are always added.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.weighted_sum_loss([2.0, 30.0], [1.0, 0.1]))
    5.0

    Source: Caruana (1997), Multitask Learning, doi:10.1023/A:1007379606734.
    """
    return (losses * weights).sum(axis=-1), weights, losses


@rowwise("(k),(k)", broadcast=True)
def uncertainty_weighted_loss(losses, log_variance):
    """Tasks weighted by learned uncertainty, Σ ½·(e^−sₖ·ℓₖ + sₖ), where s is the logarithm of a variance.

    Makes you find a balance: at the best s = log ℓ, the pull on each loss is 1/(2ℓ), so that a change of 1 % counts the
    same in every task. What keeps s from running off to infinity, where no task counts, is the term + s.

    Parameters
    ----------
    losses : array_like of float, shape (…, k)
        Loss of each task, not negative. With the squared error (no ½) as ℓ, this is the negative log-likelihood of a
        normal distribution, without its constant ½ log 2π.
    log_variance : array_like of float, shape (…, k) or (k)
        s = log σ², usually a parameter to learn, one a task.
    reduction : {"mean", "sum", "none"}
        Over samples; tasks are always added.

    Returns
    -------
    number, or ndarray of shape (…) for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.uncertainty_weighted_loss([1.0, 100.0], [0.0, 4.6])), 4)
    3.3026

    Source: Kendall, Gal and Cipolla (2018), Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry
    and Semantics, arXiv:1705.07115. There a regression has ℓ/(2σ²) + log σ, as here, but a classification
    ℓ/σ² + log σ: pass twice its cross-entropy. Much code leaves out both ½ for all tasks, which is twice this loss.
    """
    root = np.exp(-0.5 * log_variance)  # e^−s can overflow where e^−s·ℓ doesn't
    scaled = root * losses * root
    return 0.5 * (scaled + log_variance).sum(axis=-1), 0.5 * root * root, 0.5 * (1 - scaled)
