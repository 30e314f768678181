"""The preference losses against 50 digits, scikit-learn, and what is true of each."""

import mpmath
import numpy as np
import pytest
import sklearn.metrics
import torch

import lossutils.functional as F
from lossutils import value_and_grad

FOUR = ("chosen", "rejected", "reference_chosen", "reference_rejected")
RTOL = {np.float32: 1e-6, np.float64: 1e-14}
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Exactly representable, and so are their differences, so that all digits of the result can be asked for.
LEADS = [0.0, 2.0**-30, 0.5, -0.5, 3.0, -3.0, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4, 2.0**100, -(2.0**100)]


def random(*shape, seed=0, scale=3.0):
    return np.random.default_rng(seed).normal(size=shape) * scale


def gain_of(lead, dtype):
    """Log-probabilities of which the policy's preference gained this lead."""
    lead = np.asarray(lead, dtype)
    return [lead, np.zeros_like(lead), np.zeros_like(lead), np.zeros_like(lead)]


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


# ---- Bradley–Terry


def test_bradley_terry_is_scikit_learns_log_loss_of_the_difference():
    chosen, rejected = random(50), random(50, seed=1)
    right = 1 / (1 + np.exp(rejected - chosen))
    expected = sklearn.metrics.log_loss(np.ones(50), np.stack([1 - right, right], axis=1), labels=[0, 1])
    assert F.bradley_terry_loss(chosen, rejected) == pytest.approx(expected, rel=1e-12)


def test_the_best_difference_of_rewards_is_the_log_odds_of_winning():
    """A wins 3 of 4 games: the pulls of wins and losses cancel at log 3."""
    a_minus_b = np.full(4, np.log(3))
    chosen, rejected = np.where([1, 1, 1, 0], a_minus_b, 0), np.where([1, 1, 1, 0], 0, a_minus_b)
    _, (up, down) = value_and_grad(F.bradley_terry_loss, (0, 1))(chosen, rejected)
    assert up[:3].sum() + down[3:].sum() == pytest.approx(0, abs=1e-15)
    assert up[0] < 0 < down[3]


def test_a_margin_asks_for_a_lead():
    chosen, rejected, margin = random(4), random(4, seed=1), np.arange(4.0)
    expected = F.bradley_terry_loss(chosen - margin, rejected, "none")
    np.testing.assert_allclose(F.bradley_terry_loss(chosen, rejected, "none", margin), expected, rtol=1e-12)
    np.testing.assert_allclose(F.bradley_terry_loss(chosen, rejected, "none", 2.0)[2], expected[2], rtol=1e-12)


def test_losers_and_winners_swapped_is_the_loss_plus_the_lead():
    """log σ(x) − log σ(−x) = x."""
    chosen, rejected = random(50), random(50, seed=1)
    swapped = F.bradley_terry_loss(rejected, chosen, "none")
    np.testing.assert_allclose(swapped, F.bradley_terry_loss(chosen, rejected, "none") + chosen - rejected, rtol=1e-9)


@over_dtypes
def test_bradley_terry_is_exact(dtype):
    lead = np.array(LEADS, dtype)
    value, (slope, opposite) = value_and_grad(F.bradley_terry_loss, (0, 1))(lead, np.zeros_like(lead), "none")
    with mpmath.workdps(60):
        points = [mpmath.mpf(float(x)) for x in lead]
        np.testing.assert_allclose(value, np.array([float(softplus(-x)) for x in points], dtype), rtol=RTOL[dtype])
        np.testing.assert_allclose(slope, np.array([float(-sigmoid(-x)) for x in points], dtype), rtol=RTOL[dtype])
    np.testing.assert_array_equal(opposite, -slope)


def test_an_infinite_lead_costs_nothing_and_an_infinite_lag_everything():
    value, slope = value_and_grad(F.bradley_terry_loss)([np.inf, -np.inf], [0.0, 0.0], "none")
    assert value.tolist() == [0, np.inf]
    assert slope.tolist() == [0, -1]


# ---- DPO and IPO


def test_dpo_is_bradley_terry_of_the_implicit_rewards():
    chosen, rejected, reference_chosen, reference_rejected = (-10 + random(20, seed=seed) for seed in range(4))
    rewards = 0.3 * (chosen - reference_chosen), 0.3 * (rejected - reference_rejected)
    value = F.dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta=0.3)
    assert value == pytest.approx(F.bradley_terry_loss(*rewards), rel=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
def test_a_policy_that_is_its_reference_is_undecided(label_smoothing):
    same = -10 + random(20), -10 + random(20, seed=1)
    values, gradients = value_and_grad(F.dpo_loss, FOUR)(
        *same, *same, "none", beta=0.3, label_smoothing=label_smoothing
    )
    np.testing.assert_allclose(values, np.log(2), rtol=1e-14)
    for gradient, sign in zip(gradients, (-1, 1, 1, -1), strict=True):
        np.testing.assert_allclose(gradient, sign * 0.3 * (0.5 - label_smoothing), rtol=1e-12, atol=1e-16)


def test_label_smoothing_is_the_mean_over_flipped_preferences():
    a, b, c, d = (random(20, seed=seed) for seed in range(4))
    expected = 0.8 * F.dpo_loss(a, b, c, d, "none") + 0.2 * F.dpo_loss(b, a, d, c, "none")
    np.testing.assert_allclose(F.dpo_loss(a, b, c, d, "none", label_smoothing=0.2), expected, rtol=1e-12)


def test_label_smoothing_is_least_at_the_log_odds_of_a_right_label():
    best = np.log(0.8 / 0.2) / 0.1
    _, slope = value_and_grad(F.dpo_loss)(*gain_of([best], float), label_smoothing=0.2)
    assert slope[0] == pytest.approx(0, abs=1e-15)


@over_dtypes
@pytest.mark.parametrize("label_smoothing", [0.0, 0.25, 0.5])
def test_dpo_is_exact(dtype, label_smoothing):
    arrays = gain_of(LEADS, dtype)
    value, gradients = value_and_grad(F.dpo_loss, FOUR)(*arrays, "none", beta=0.5, label_smoothing=label_smoothing)
    with mpmath.workdps(60):
        points = [mpmath.mpf(float(x)) / 2 for x in arrays[0]]
        expected = [float((1 - label_smoothing) * softplus(-x) + label_smoothing * softplus(x)) for x in points]
        slope = [float((label_smoothing - sigmoid(-x)) / 2) for x in points]
    np.testing.assert_allclose(value, np.array(expected, dtype), rtol=RTOL[dtype])
    near_0 = np.finfo(dtype).eps if label_smoothing else 0  # the slope goes through 0, and ½ − σ can't have all digits
    np.testing.assert_allclose(gradients[0], np.array(slope, dtype), rtol=RTOL[dtype], atol=near_0)
    for gradient, sign in zip(gradients, (1, -1, -1, 1), strict=True):
        np.testing.assert_array_equal(gradient, sign * gradients[0])


@pytest.mark.parametrize("name", ["dpo_loss", "ipo_loss"])
def test_answers_of_very_different_length_lose_no_digits(name):
    """−2000 against −3: policy minus reference first; the log-ratios of the papers' formula round to 2⁻¹³."""
    near = [-2000.125, -3.0 - 2.0**-20, -2000.0, -3.0]
    loss = getattr(F, name)
    for rejected in (-3.0, near[1]):
        answers = np.array([near[0], rejected, *near[2:]])
        np.testing.assert_allclose(loss(*answers.astype(np.float32)), loss(*answers), rtol=2e-7)


def test_ipo_is_0_at_its_lead_and_pulls_back_what_is_beyond():
    value, slope = value_and_grad(F.ipo_loss)(*gain_of([2.0, 1.0, 3.0], float), "none", beta=0.25)
    assert value.tolist() == [0, 1, 1]
    assert slope.tolist() == [0, -2, 2]


def test_ipo_is_half_way_between_certain_labels():
    """The paper's derivation: the mean of (h − 1/2τ)² over labels that are right with p is least at h = (2p − 1)/2τ."""
    lead = (2 * 0.9 - 1) / (2 * 0.1)
    right = value_and_grad(F.ipo_loss)(*gain_of([lead], float))[1]
    wrong = value_and_grad(F.ipo_loss)(*gain_of([-lead], float))[1]
    assert 0.9 * right[0] - 0.1 * wrong[0] == pytest.approx(0, abs=1e-12)


# ---- PPO


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def ppo(log_ratio, advantage, dtype=float, reduction="none", **options):
    """Value and slope in the policy's log-probability."""
    log_ratio = np.asarray(log_ratio, dtype)
    differentiated = value_and_grad(F.ppo_loss)
    return differentiated(log_ratio, np.zeros_like(log_ratio), np.asarray(advantage, dtype), reduction, **options)


def test_ppo_at_the_old_policy_is_the_policy_gradient():
    advantage = random(20)
    value, slope = ppo(np.zeros(20), advantage)
    np.testing.assert_array_equal(value, -advantage)
    np.testing.assert_array_equal(slope, -advantage)


def test_ppo_stops_pulling_once_the_change_is_made_and_never_stops_pulling_back():
    far = np.log([1.5, 0.5, 1.5, 0.5])
    value, slope = ppo(far, [1.0, -1.0, -1.0, 1.0])
    np.testing.assert_allclose(value, [-1.2, 0.8, 1.5, -0.5], rtol=1e-14)
    np.testing.assert_allclose(slope, [0, 0, 1.5, -0.5], rtol=1e-14)


@pytest.mark.parametrize("advantage", [1.0, -1.0, 0.0])
def test_ppo_at_the_bounds_has_torchs_slope(advantage):
    """A clip of ½ has bounds that exp hits exactly: clamp passes its gradient on there."""
    bounds = torch.tensor([0.5, 1.0, 1.5]).log()
    log_ratio = torch.tensor([x for b in bounds for x in (torch.nextafter(b, b - 1), b, torch.nextafter(b, b + 1))])
    log_ratio.requires_grad_()
    ratio = log_ratio.exp()
    (-torch.min(ratio * advantage, ratio.clamp(0.5, 1.5) * advantage)).sum().backward()
    ours = ppo(log_ratio.detach().numpy(), np.full(9, advantage), np.float32, clip=0.5)[1]
    near = np.isclose(np.exp(log_ratio.detach().numpy()), [[0.5], [1.5]], rtol=1e-6, atol=0).any(axis=0)
    np.testing.assert_allclose(ours[~near], log_ratio.grad.numpy()[~near], rtol=1e-6)
    assert set(np.round(ours[near], 3)) <= {0, *np.round(-advantage * np.array([0.5, 1.5]), 3)}


def test_a_clip_of_0_rewards_no_step_and_a_penalty_of_0_none_back():
    log_ratio, advantage = np.log([2.0, 2.0, 0.5, 0.5]), [1.0, -1.0, 1.0, -1.0]
    value, slope = ppo(log_ratio, advantage, clip=0, kl_coefficient=0, reference_log_prob=random(4))
    np.testing.assert_allclose(value, [-1, 2, -0.5, 1], rtol=1e-14)
    np.testing.assert_allclose(slope, [0, 2, -0.5, 0], rtol=1e-14)


def test_ppo_of_an_overflowing_ratio_is_still_clipped():
    """PyTorch's gradient is NaN: 0 · inf."""
    value, slope = ppo([1000.0, 1000.0, -1000.0, -1000.0, 1000.0], [2.0, -2.0, 2.0, -2.0, 0.0])
    assert value.tolist() == [-2.4, np.inf, 0, 1.6, 0]
    assert slope.tolist() == [0, np.inf, 0, 0, 0]


def test_weights_of_0_leave_padding_out():
    tokens, advantage = random(2, 3, scale=0.3), random(2, 3, seed=1)
    weight = np.array([[1.0, 1, 0], [1, 0, 0]])
    value, slope = ppo(tokens, advantage, reduction="mean", weight=weight)
    kept = weight > 0
    expected, expected_slope = ppo(tokens[kept], advantage[kept], reduction="mean")
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slope[kept], expected_slope, rtol=1e-12)
    assert not slope[~kept].any()


@pytest.mark.filterwarnings("error")
def test_one_advantage_serves_all_tokens_of_an_answer():
    tokens, advantage = random(2, 3, scale=0.3), random(2, 1, seed=1)
    _, (_, gradient) = value_and_grad(F.ppo_loss, (0, 2))(tokens, np.zeros((2, 3)), advantage)
    repeated = np.repeat(advantage, 3, axis=1)
    value, (_, each) = value_and_grad(F.ppo_loss, (0, 2))(tokens, np.zeros((2, 3)), repeated)
    assert F.ppo_loss(tokens, np.zeros((2, 3)), advantage) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(gradient, each.sum(axis=1, keepdims=True), rtol=1e-12)


def test_the_advantage_of_an_action_counts_with_its_capped_ratio():
    log_ratio = np.log([1.5, 1.5, 0.5, 0.5, 1.1])
    _, slope = value_and_grad(F.ppo_loss, "advantage")(log_ratio, 0 * log_ratio, [1.0, -1.0, 1.0, -1.0, 0.0], "none")
    np.testing.assert_allclose(slope, [-1.2, -1.5, -0.5, -0.8, -1.1], rtol=1e-14)


def test_the_penalty_is_unbiased_for_the_divergence_from_the_reference():
    """Its mean over the policy's own actions is KL(policy ‖ reference), and no single term is negative."""
    policy, reference = softmax(random(6)), softmax(random(6, seed=1))
    arrays = {"log_prob": np.log(policy), "old_log_prob": np.log(policy), "advantage": np.zeros(6)}
    values = F.ppo_loss(**arrays, reference_log_prob=np.log(reference), kl_coefficient=1.0, reduction="none")
    assert np.all(values >= 0)
    assert policy @ values == pytest.approx(policy @ np.log(policy / reference), rel=1e-12)


def test_the_penalty_adds_to_the_loss_and_counts_only_with_a_reference():
    log_ratio, advantage, reference = random(9, scale=0.3), random(9, seed=1), random(9, seed=2)
    plain, penalty = ppo(log_ratio, advantage), ppo(log_ratio, 0 * advantage, reference_log_prob=reference)
    both = ppo(log_ratio, advantage, reference_log_prob=reference)
    for total, *parts in zip(both, plain, penalty, strict=True):
        np.testing.assert_allclose(total, sum(parts), rtol=1e-12)
    np.testing.assert_array_equal(ppo(log_ratio, advantage, kl_coefficient=9.0)[0], plain[0])


TINY_AND_LARGE = [sign * d for d in (2.0**-60, 2.0**-20, 1e-3, 1 - 2.0**-20, 1 + 2.0**-20, 30, 80) for sign in (1, -1)]
PENALIZED = [*np.linspace(-4, 4, 401), *TINY_AND_LARGE, -1e4, -(2.0**100)]


@over_dtypes
def test_the_penalty_is_exact_also_where_policy_and_reference_all_but_agree(dtype):
    """e^d − 1 − d is about d²/2: as written, it has no digit left at d = 2⁻²⁰ in float32."""
    d = np.array(PENALIZED, dtype)
    zero = np.zeros_like(d)
    differentiated = value_and_grad(F.ppo_loss, ("log_prob", "reference_log_prob"))
    value, (slope, pull) = differentiated(zero, zero, zero, "none", reference_log_prob=d, kl_coefficient=1.0)
    with mpmath.workdps(60):
        points = [mpmath.mpf(float(x)) for x in d]
        expected = np.array([float(mpmath.expm1(x) - x) for x in points], dtype)
        expected_pull = np.array([float(mpmath.expm1(x)) for x in points], dtype)
    np.testing.assert_allclose(value, expected, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(pull, expected_pull, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(slope, -pull)
    naive = np.exp(np.array([2.0**-20], np.float32)) - 1 - np.float32(2.0**-20)
    assert naive[0] == 0


def test_an_action_that_became_impossible_is_infinitely_far_from_the_reference():
    value, slope = ppo([-np.inf, -1e5], [1.0, 1.0], reference_log_prob=[-1.0, -1.0])
    assert value.tolist() == [np.inf, np.inf]
    assert slope.tolist() == [-np.inf, -np.inf]


# ---- what is rejected


@pytest.mark.parametrize("beta", [0.0, -0.1, np.nan, np.inf])
@pytest.mark.parametrize("name", ["dpo_loss", "ipo_loss"])
def test_beta_is_positive(name, beta):
    with pytest.raises(ValueError, match=f"{name}: beta must be positive, got {beta}"):
        getattr(F, name)(*gain_of([1.0], float), beta=beta)


@pytest.mark.parametrize("label_smoothing", [-0.1, 0.51, np.nan])
def test_label_smoothing_is_at_most_a_half(label_smoothing):
    with pytest.raises(ValueError, match=rf"dpo_loss: label_smoothing must be in \[0, 0.5\], got {label_smoothing}"):
        F.dpo_loss(*gain_of([1.0], float), label_smoothing=label_smoothing)


@pytest.mark.parametrize("name", ["clip", "kl_coefficient"])
@pytest.mark.parametrize("wrong", [-0.1, np.nan])
def test_clip_and_penalty_are_not_negative(name, wrong):
    with pytest.raises(ValueError, match=f"ppo_loss: {name} must not be negative, got {wrong}"):
        F.ppo_loss([1.0], [1.0], [1.0], **{name: wrong})


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"margin of shape \(3,\) doesn't fit \(2,\)"):
        F.bradley_terry_loss([1.0, 2.0], [1.0, 2.0], margin=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"dpo_loss: .*reference_rejected of shape \(3,\) don't match"):
        F.dpo_loss(*gain_of([1.0, 2.0], float)[:3], np.ones(3))
    with pytest.raises(ValueError, match=r"reference_log_prob of shape \(3,\) doesn't fit \(2,\)"):
        F.ppo_loss([1.0, 2.0], [1.0, 2.0], [1.0, 2.0], reference_log_prob=np.ones(3))
    with pytest.raises(TypeError, match="dpo_loss needs floating point"):
        F.dpo_loss([1], [1], [1], [1])
