"""The adversarial losses: exact at extreme scores, what the two players want, and the distances they estimate."""

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st

import lossutils.functional as F
from lossutils import value_and_grad

PAIRS = ["minimax", "least_squares", "hinge", "wasserstein"]
DISCRIMINATORS = [f"{name}_discriminator_loss" for name in PAIRS]
GENERATORS = [f"{name}_generator_loss" for name in [*PAIRS, "non_saturating"]]

FAR = np.concatenate([s * np.logspace(-30, 4, 103) for s in (1, -1)] + [[0.0, 88.7, -87.3, -50.0]]).astype(np.float32)


def scores(n=50, seed=0):
    return np.random.default_rng(seed).normal(size=(2, n)) * 2


def one(name, argument, score):
    """Value and slope of each score alone; the discriminator's other score is set so that its part is 0."""
    silent = {"minimax": np.inf, "hinge": np.inf, "least_squares": 1.0, "wasserstein": 0.0}
    arrays = {argument: score}
    if name in DISCRIMINATORS:
        other, away = ("fake", -1) if argument == "real" else ("real", 1)
        rest = 0.0 if name.startswith("least") and other == "fake" else away * silent[name.split("_disc")[0]]
        arrays[other] = np.full_like(score, rest)
    return value_and_grad(getattr(F, name), argument)(**arrays, reduction="none")


# ---- exactness

EXACT = [
    ("minimax_discriminator_loss", "real", lambda x: mpmath.log1p(mpmath.exp(-x)), lambda x: -1 / (1 + mpmath.exp(x))),
    ("minimax_discriminator_loss", "fake", lambda x: mpmath.log1p(mpmath.exp(x)), lambda x: 1 / (1 + mpmath.exp(-x))),
    ("minimax_generator_loss", "fake", lambda x: -mpmath.log1p(mpmath.exp(x)), lambda x: -1 / (1 + mpmath.exp(-x))),
    (
        "non_saturating_generator_loss",
        "fake",
        lambda x: mpmath.log1p(mpmath.exp(-x)),
        lambda x: -1 / (1 + mpmath.exp(x)),
    ),
    ("least_squares_discriminator_loss", "real", lambda x: (x - 1) ** 2 / 2, lambda x: x - 1),
    ("least_squares_discriminator_loss", "fake", lambda x: x**2 / 2, lambda x: x),
    ("least_squares_generator_loss", "fake", lambda x: (x - 1) ** 2 / 2, lambda x: x - 1),
    ("hinge_discriminator_loss", "real", lambda x: max(0, 1 - x), lambda x: -(x < 1)),
    ("hinge_discriminator_loss", "fake", lambda x: max(0, 1 + x), lambda x: x > -1),
    ("hinge_generator_loss", "fake", lambda x: -x, lambda x: -1),
    ("wasserstein_discriminator_loss", "real", lambda x: -x, lambda x: -1),
    ("wasserstein_discriminator_loss", "fake", lambda x: x, lambda x: 1),
    ("wasserstein_generator_loss", "fake", lambda x: -x, lambda x: -1),
]


@pytest.mark.parametrize(("name", "argument", "formula", "slope"), EXACT, ids=[f"{e[0]}-{e[1]}" for e in EXACT])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_for_scores_from_tiny_to_ten_thousand(name, argument, formula, slope, dtype):
    """To 1e-6 in single precision (below its smallest normal number, to within that), 1e-14 in double."""
    score = FAR.astype(dtype)
    value, gradient = one(name, argument, score)
    with mpmath.workdps(60):
        points = [mpmath.mpf(float(x)) for x in score]
        exact, exact_slope = (np.array([float(f(x)) for x in points]) for f in (formula, slope))
    tolerance = {"rtol": 1e-6, "atol": 1e-38} if dtype == np.float32 else {"rtol": 1e-14, "atol": 1e-300}
    np.testing.assert_allclose(value.astype(float), exact, **tolerance)
    np.testing.assert_allclose(gradient.astype(float), exact_slope, **tolerance)


def test_a_sure_discriminators_loss_keeps_its_digits():
    """log(1 − D) at score −50, and both parts of the discriminator's loss; PyTorch's textbook formula says 0."""
    fifty = np.array([-50.0], np.float32)
    textbook = torch.log(1 - torch.sigmoid(torch.tensor(fifty)))
    assert textbook.item() == 0
    assert F.minimax_generator_loss(fifty) == pytest.approx(-1.9287498479639178e-22, rel=1e-6)
    assert F.minimax_discriminator_loss(-fifty, fifty) == pytest.approx(2 * 1.9287498479639178e-22, rel=1e-6)
    assert F.non_saturating_generator_loss(-fifty) == pytest.approx(1.9287498479639178e-22, rel=1e-6)


@pytest.mark.parametrize("name", [*DISCRIMINATORS, *GENERATORS])
def test_nothing_hides_a_missing_score(name):
    loss = getattr(F, name)
    for argument in loss.loss.required:
        arrays = {a: np.array([np.nan if a == argument else 0.5, 0.5]) for a in loss.loss.required}
        value = loss(**arrays, reduction="none")
        assert np.isnan(value[0])
        assert np.isfinite(value[1])


# ---- other losses of the library and of PyTorch


def test_they_are_classification_and_regression_with_labels_for_real_and_fake():
    real, fake = scores()
    one, zero = np.ones(50), np.zeros(50)
    same = {"rtol": 1e-12}
    for ours, expected in [
        (F.minimax_discriminator_loss(real, fake), F.soft_margin_loss(real, one) + F.soft_margin_loss(fake, -one)),
        (F.non_saturating_generator_loss(fake), F.soft_margin_loss(fake, one)),
        (F.hinge_discriminator_loss(real, fake), F.hinge_loss(real, one) + F.hinge_loss(fake, -one)),
        (F.least_squares_discriminator_loss(real, fake), (F.mse_loss(real, one) + F.mse_loss(fake, zero)) / 2),
        (F.least_squares_generator_loss(fake), F.mse_loss(fake, one) / 2),
    ]:
        np.testing.assert_allclose(ours, expected, **same)


def test_a_training_step_of_both_players_is_torchs():
    """Gradients of scores, from BCE with logits as in PyTorch's DCGAN tutorial."""
    real, fake = scores()
    tensors = [torch.tensor(a, requires_grad=True) for a in (real, fake)]
    bce = TF.binary_cross_entropy_with_logits
    (bce(tensors[0], torch.ones(50).double()) + bce(tensors[1], torch.zeros(50).double())).backward()
    _, gradients = value_and_grad(F.minimax_discriminator_loss, ("real", "fake"))(real, fake)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12)


# ---- what the players want


@pytest.mark.parametrize("name", ["minimax", "wasserstein"])
def test_the_game_is_zero_sum(name):
    """The generator's slope is the opposite of the discriminator's in the same scores."""
    real, fake = scores()
    _, discriminator = value_and_grad(getattr(F, f"{name}_discriminator_loss"), "fake")(real, fake)
    _, generator = value_and_grad(getattr(F, f"{name}_generator_loss"), "fake")(fake)
    np.testing.assert_array_equal(generator, -discriminator)


@given(score=st.floats(-700, 700))
@settings(deadline=None)
def test_the_two_generator_losses_share_one_unit_of_pull(score):
    """−D(fake) and −(1 − D(fake)): where one fades, the other is at its strongest."""
    saturating, other = (
        float(value_and_grad(f)([score])[1][0]) for f in (F.minimax_generator_loss, F.non_saturating_generator_loss)
    )
    assert saturating < 0
    assert other < 0
    assert saturating + other == pytest.approx(-1, rel=1e-14)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_best_constant_score_of_a_discriminator(share):
    """Among equal examples of which a share is real: the logit of that share, or the share itself."""
    real = np.full(10, 1.0)
    for name, best in [("minimax", np.log(share / (1 - share))), ("least_squares", share)]:
        loss = getattr(F, f"{name}_discriminator_loss")
        _, (on_real, on_fake) = value_and_grad(loss, (0, 1))(real * best, real * best)
        np.testing.assert_allclose(share * on_real + (1 - share) * on_fake, 0, atol=1e-15)


def test_the_best_discriminator_measures_the_jensen_shannon_divergence():
    """Goodfellow et al., theorem 1: with score log P/Q the loss is 2 log 2 − 2 JSD(P, Q), and no score is better."""
    from scipy.spatial.distance import jensenshannon

    real, fake = np.repeat(np.arange(4), [10, 20, 30, 40]), np.repeat(np.arange(4), [40, 10, 25, 25])
    p, q = (np.bincount(a) / 100 for a in (real, fake))
    best = np.log(p / q)
    value, slopes = value_and_grad(F.minimax_discriminator_loss, (0, 1))(best[real], best[fake])
    assert value == pytest.approx(2 * np.log(2) - 2 * jensenshannon(p, q) ** 2, rel=1e-12)
    pull = np.bincount(real, slopes[0]) + np.bincount(fake, slopes[1])
    np.testing.assert_allclose(pull, 0, atol=1e-15)


@pytest.mark.parametrize(
    "critic", [lambda x: x, lambda x: -x, abs, np.sin, np.tanh], ids=["x", "−x", "|x|", "sin", "tanh"]
)
def test_a_critic_with_slopes_up_to_1_never_exceeds_the_wasserstein_distance(critic):
    """Kantorovich and Rubinstein; the identity reaches it where all fakes lie below."""
    from scipy.stats import wasserstein_distance

    real, fake = scores()
    assert -F.wasserstein_discriminator_loss(critic(real), critic(fake)) <= wasserstein_distance(real, fake) + 1e-12
    shifted = real - 7
    assert -F.wasserstein_discriminator_loss(real, shifted) == pytest.approx(wasserstein_distance(real, shifted))


def test_hinge_discriminator_rests_beyond_its_margins():
    """At the margin too: the slope there is 0."""
    _, (on_real, on_fake) = value_and_grad(F.hinge_discriminator_loss, (0, 1))(
        np.array([1.0, 2.0, 0.9]), np.array([-1.0, -2.0, -0.9]), reduction="sum"
    )
    assert on_real.tolist() == [0, 0, -1]
    assert on_fake.tolist() == [0, 0, 1]


# ---- arguments


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("shapes", [((3,), (4,)), ((3, 1), (3,)), ((1,), (3,)), ((), (3,))], ids=str)
def test_batches_are_equally_large(name, shapes):
    with pytest.raises(ValueError, match=rf"{name}: real of shape .* and fake of shape .* don't match"):
        getattr(F, name)(np.ones(shapes[0]), np.ones(shapes[1]))


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_has_no_real_scores(name):
    with pytest.raises(TypeError, match="real"):
        getattr(F, name)(real=np.ones(3), fake=np.ones(3))
    with pytest.raises(TypeError, match="'real'"):
        value_and_grad(getattr(F, name), "real")


@pytest.mark.parametrize("name", [*DISCRIMINATORS, *GENERATORS])
def test_whole_numbers_are_rejected_and_mixed_precision_is_promoted(name):
    loss = getattr(F, name)
    whole = {a: np.ones(3, int) for a in loss.loss.required}
    with pytest.raises(TypeError, match=f"{name} needs floating point, got"):
        loss(**whole)
    assert loss(**{a: np.ones(3, np.float32) for a in whole}).dtype == np.float32
    if "real" in whole:
        value, gradients = value_and_grad(loss, (0, 1))(np.ones(3, np.float32), np.ones(3))
        assert (value.dtype, *(g.dtype for g in gradients)) == (np.float64, np.float32, np.float64)


def test_labels_of_least_squares():
    """The paper's other choice, a = −1, b = 1, c = 0."""
    real, fake = scores()
    ours = F.least_squares_discriminator_loss(real, fake, "none", -1.0, 1.0)
    np.testing.assert_allclose(ours, (real + 1) ** 2 / 2 + (fake - 1) ** 2 / 2, rtol=1e-12)
    np.testing.assert_allclose(F.least_squares_generator_loss(fake, "none", 0.0), fake**2 / 2, rtol=1e-12)
