"""Losses for preferences: which of two answers is better, and how far may a policy move to say so?

Log-probabilities are those of whole answers, summed over their tokens, except where a loss says otherwise.
"""

import math

import numpy as np

from lossutils.engine import elementwise
from lossutils.numerics import softplus_and_slope

__all__ = ["bradley_terry_loss", "dpo_loss", "ipo_loss", "ppo_loss"]


@elementwise
def bradley_terry_loss(chosen, rejected, margin=None):
    """Bradley–Terry, −log σ(chosen − rejected − margin): the loss of a reward model.

    Makes you predict an order: the difference of rewards becomes the log-odds of being preferred. The pull is the
    probability given to the wrong answer, between 0 and 1.

    Parameters
    ----------
    chosen, rejected : array_like of float, any shapes that broadcast
        Rewards of the preferred answer and of the other. Only their difference matters.
    reduction : {"mean", "sum", "none"}
    margin : array_like of float, fitting the broadcast shape, optional
        The lead asked for, in the unit of the rewards: large where people said "much better".
    weight : array_like of chosen's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match or `reduction` is unknown.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.bradley_terry_loss([2.0, 0.0], [0.0, 0.0], reduction="none").round(4).tolist()
    [0.1269, 0.6931]

    Source: Bradley and Terry (1952), Rank Analysis of Incomplete Block Designs, doi:10.2307/2334029; for reward
    models Christiano et al. (2017), arXiv:1706.03741; the margin is that of Llama 2, Touvron et al. (2023),
    arXiv:2307.09288.
    """
    behind = rejected - chosen
    if margin is not None:
        behind += margin
    value, wrong = softplus_and_slope(behind)
    return value, -wrong, wrong, wrong


@elementwise
def dpo_loss(
    chosen, rejected, reference_chosen, reference_rejected, *, beta: float = 0.1, label_smoothing: float = 0.0
):
    """Direct preference optimization, −log σ(βh), where h = (chosen − reference) − (rejected − reference).

    Makes you predict an order: β·log(policy/reference) acts as the reward of a Bradley–Terry model. The pull is β times
    the probability given to the wrong order.

    Parameters
    ----------
    chosen, rejected : array_like of float, any shapes that broadcast
        The policy's log-probability of each answer: a sum over its tokens, not an average. TRL calls them
        ``chosen_logps`` and ``rejected_logps``, with ``policy_`` in front in older versions.
    reference_chosen, reference_rejected : array_like of float, broadcasting likewise
        The same from the frozen reference. TRL's ``ref_chosen_logps`` and ``ref_rejected_logps``, once
        ``reference_chosen_logps`` and ``reference_rejected_logps``.
    reduction : {"mean", "sum", "none"}
    beta : float, default 0.1
        How dear moving away from the reference is; positive.
    label_smoothing : float in [0, 0.5], default 0
        Probability ε that a preference is recorded the wrong way round ("conservative DPO"): the loss is
        −(1 − ε)·log σ(βh) − ε·log σ(−βh), and least at βh = log((1 − ε)/ε) instead of at infinity.
    weight : array_like of chosen's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        In nats.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, `beta` isn't positive, or `label_smoothing` not in [0, 0.5].
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.dpo_loss([-20.0], [-30.0], [-25.0], [-25.0])), 4)
    0.3133

    Source: Rafailov et al. (2023), Direct Preference Optimization: Your Language Model is Secretly a Reward Model,
    arXiv:2305.18290; label smoothing: Mitchell (2023), A note on DPO with noisy preferences & relationship to IPO,
    https://ericmitchell.ai/cdpo.pdf.
    """
    if not (beta > 0 and math.isfinite(beta)):
        raise ValueError(f"dpo_loss: beta must be positive, got {beta}")
    if not 0 <= label_smoothing <= 0.5:
        raise ValueError(f"dpo_loss: label_smoothing must be in [0, 0.5], got {label_smoothing}")
    x = beta * _gain(chosen, rejected, reference_chosen, reference_rejected)
    value, wrong = softplus_and_slope(-x)
    if label_smoothing:  # −log σ(−x) is −log σ(x) + x
        value += label_smoothing * x
        wrong -= label_smoothing
    slope = -beta * wrong
    return value, slope, -slope, -slope, slope


@elementwise
def ipo_loss(chosen, rejected, reference_chosen, reference_rejected, *, beta: float = 0.1):
    """Identity preference optimization, (h − 1/(2β))², where h = (chosen − reference) − (rejected − reference).

    Makes you predict an order by a fixed lead: unlike DPO, a pair that everyone agrees on doesn't push h to infinity.
    The pull is twice what is missing of (or beyond) 1/(2β).

    Parameters
    ----------
    chosen, rejected : array_like of float, any shapes that broadcast
        The policy's log-probability of each answer. The paper's is that of the answer, a sum over its tokens; TRL
        passes the average over tokens, as the authors advised, so that β doesn't depend on the length. The loss takes
        either; β means something else in each.
    reference_chosen, reference_rejected : array_like of float, broadcasting likewise
        The same from the frozen reference.
    reduction : {"mean", "sum", "none"}
    beta : float, default 0.1
        The paper's τ: how dear moving away from the reference is; positive.
    weight : array_like of chosen's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `beta` isn't positive.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.ipo_loss([-20.0], [-30.0], [-25.0], [-25.0], beta=0.1))
    25.0

    Source: Azar et al. (2023), A General Theoretical Paradigm to Understand Learning from Human Preferences,
    arXiv:2310.12036, equation 17; the average over tokens: https://github.com/huggingface/trl/issues/1677.
    """
    if not (beta > 0 and math.isfinite(beta)):
        raise ValueError(f"ipo_loss: beta must be positive, got {beta}")
    missing = _gain(chosen, rejected, reference_chosen, reference_rejected) - 0.5 / beta
    slope = 2 * missing
    return missing * missing, slope, -slope, -slope, slope


def _gain(chosen, rejected, reference_chosen, reference_rejected):
    """How much more the policy prefers `chosen` than the reference does.

    Policy and reference give one answer much the same log-probability, so their difference has no rounding; two
    answers may have very different ones.
    """
    return (chosen - reference_chosen) - (rejected - reference_rejected)


@elementwise(weight="weights", broadcast="allow")
def ppo_loss(
    log_prob,
    old_log_prob,
    advantage,
    reference_log_prob=None,
    *,
    clip: float = 0.2,
    kl_coefficient: float = 0.1,
):
    """Proximal policy optimization, −min(ρA, clip(ρ, 1 ± ε)·A), ρ = exp(log_prob − old_log_prob), plus a KL penalty.

    Makes you prefer the actions that turned out better than expected. The pull is −ρA until the probability has
    changed by the share ε in the direction of the advantage, and 0 beyond; a step in the wrong direction is pulled back
    without limit.

    Parameters
    ----------
    log_prob : array_like of float
        The policy's log-probability of each action (token) taken.
    old_log_prob : array_like of float, broadcasting with it
        The same from the policy that the actions were sampled with.
    advantage : array_like of float, broadcasting likewise
        A: how much better the action was than expected; one for each token, or of shape (…, 1) one for each answer.
    reduction : {"mean", "sum", "none"}
        With weights, "mean" is Σwℓ / Σw: weights of 0 leave out padding.
    clip : float, default 0.2
        ε; not negative.
    kl_coefficient : float, default 0.1
        What an estimated nat of divergence from the reference costs; not negative. Counts only together with
        `reference_log_prob`.
    reference_log_prob : array_like of float, fitting the broadcast shape, optional
        The same from the frozen reference. Adds kl_coefficient · (e^d − 1 − d) with d = reference − log_prob, which is
        Schulman's estimator k₃ of KL(policy ‖ reference): unbiased under the policy, and never negative, where the
        plain −d (k₁) is noisier and, as a loss, has a slope that averages out to 0.
    weight : array_like of log_prob's shape, optional

    Returns
    -------
    number, or ndarray of the broadcast shape for ``reduction="none"``
        The negative of the objective, which the paper maximizes. No value loss, no entropy bonus.

    Raises
    ------
    ValueError
        If shapes don't match, `reduction` is unknown, or `clip` or `kl_coefficient` is negative.
    TypeError
        If no argument is floating point.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> log_ratio = np.log([1.1, 1.5, 1.5])
    >>> F.ppo_loss(log_ratio, np.zeros(3), np.array([1.0, 1.0, -1.0]), reduction="none").round(4).tolist()
    [-1.1, -1.2, 1.5]

    Source: Schulman et al. (2017), Proximal Policy Optimization Algorithms, arXiv:1707.06347, equation 7; k₃:
    Schulman (2020), Approximating KL Divergence, http://joschu.net/blog/kl-approx.html, as a term of the loss in
    Shao et al. (2024), arXiv:2402.03300. RLHF with PPO often takes the penalty off the reward instead: Ziegler et
    al. (2019), arXiv:1909.08593.
    """
    if not clip >= 0:
        raise ValueError(f"ppo_loss: clip must not be negative, got {clip}")
    if not kl_coefficient >= 0:
        raise ValueError(f"ppo_loss: kl_coefficient must not be negative, got {kl_coefficient}")
    ratio = np.exp(log_prob - old_log_prob)
    # The lesser of ρA and its clipped form caps ρ from above where A is positive, from below where A is negative.
    low = np.multiply(advantage < 0, 1 - clip, dtype=ratio.dtype)
    high = np.divide(1 + clip, advantage >= 0, dtype=ratio.dtype)
    capped = np.minimum(np.maximum(ratio, low), high)
    value = -capped * advantage
    slope = value * (ratio == capped)
    if reference_log_prob is None:
        return value, slope, -slope, -capped
    divergence, change = _excess_of_exp(reference_log_prob - log_prob)
    value += kl_coefficient * divergence
    pull = kl_coefficient * change
    return value, slope - pull, -slope, -capped, pull


def _excess_of_exp(x):
    """eˣ − 1 − x and eˣ − 1, with all digits also where x is tiny.

    Taylor's series as far as ±1; from there on what is left of x adds e^x − e^±1, which cancels little.
    """
    x = np.clip(x, -np.inf, 1000)  # beyond, both are inf
    near = np.clip(x, -1, 1)
    terms = 11 if x.dtype == np.float32 else 18  # the next is below rounding
    series = np.full_like(near, 1 / math.factorial(terms))
    for k in range(terms - 1, 1, -1):
        series *= near
        series += 1 / math.factorial(k)
    series *= near * near
    rest = np.exp(x) - np.exp(near)
    return series + (rest - (x - near)), series + near + rest
