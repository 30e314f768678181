"""Losses of two players: from the scores of real and of made examples."""

import math

from cases import TF, Case, reduced, torch


def both(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(0, 4)))
    return {"real": rng.normal(size=shape) * 2, "fake": rng.normal(size=shape) * 2}


def made(rng):
    return {"fake": both(rng)["fake"]}


def with_weight(draw):
    def weighted(rng):
        arrays = draw(rng)
        return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["fake"].shape)}

    return weighted


def told_apart(arrays):
    return arrays | {"real": arrays["real"] + 0.5, "fake": arrays["fake"] - 0.5}


def more_convincing(arrays):
    return arrays | {"fake": arrays["fake"] + 0.5}


def closer_to(real, fake):
    labels = {"real": real, "fake": fake}
    return lambda arrays: arrays | {k: 0.5 * (arrays[k] + labels[k]) for k in arrays if k in labels}


def minimax_discriminator(real, fake, reduction, weight=1):
    bce = TF.binary_cross_entropy_with_logits
    right = bce(real, torch.ones_like(real), reduction="none") + bce(fake, torch.zeros_like(fake), reduction="none")
    return reduced(weight * right, reduction)


def minimax_generator(fake, reduction, weight=1):
    return reduced(weight * torch.log(1 - torch.sigmoid(fake)), reduction)


def non_saturating_generator(fake, reduction, weight=1):
    return reduced(-weight * TF.logsigmoid(fake), reduction)


def least_squares_discriminator(real, fake, reduction, weight=1, real_label=1.0, fake_label=0.0):
    a, b = torch.full_like(fake, fake_label), torch.full_like(real, real_label)
    values = TF.mse_loss(real, b, reduction="none") + TF.mse_loss(fake, a, reduction="none")
    return reduced(weight * values / 2, reduction)


def least_squares_generator(fake, reduction, weight=1, real_label=1.0):
    return reduced(weight * TF.mse_loss(fake, torch.full_like(fake, real_label), reduction="none") / 2, reduction)


def hinge_discriminator(real, fake, reduction, weight=1):
    return reduced(weight * (TF.relu(1 - real) + TF.relu(1 + fake)), reduction)


def wasserstein_discriminator(real, fake, reduction, weight=1):
    return reduced(-weight * (real - fake), reduction)


def minus(fake, reduction, weight=1):
    return reduced(0 - weight * fake, reduction)


def discriminator(name, reference, hand, better=told_apart, **parameters):
    """Plain and weighted, with pairs (2, −3), (−1, 0.5) by hand."""
    pairs = {"real": [2.0, -1.0], "fake": [-3.0, 0.5], "reduction": "none"}
    wrt = ("real", "fake")
    return [
        Case(name, both, parameters, wrt, reference, [(pairs, hand)], better),
        Case(name, with_weight(both), parameters, (*wrt, "weight"), reference, [], better),
    ]


def generator(name, reference, hand, better=more_convincing, **parameters):
    """Plain and weighted, with scores −3 and 0.5 by hand."""
    scores = {"fake": [-3.0, 0.5], "reduction": "none"}
    return [
        Case(name, made, parameters, ("fake",), reference, [(scores, hand)], better),
        Case(name, with_weight(made), parameters, ("fake", "weight"), reference, [], better),
    ]


def softplus(x):
    return math.log(1 + math.exp(x))


CASES = [
    *discriminator(
        "minimax_discriminator_loss", minimax_discriminator, [softplus(-2) + softplus(-3), softplus(1) + softplus(0.5)]
    ),
    *generator("minimax_generator_loss", minimax_generator, [-softplus(-3), -softplus(0.5)]),
    *generator("non_saturating_generator_loss", non_saturating_generator, [softplus(3), softplus(-0.5)]),
    *discriminator("least_squares_discriminator_loss", least_squares_discriminator, [5, 2.125], closer_to(1.0, 0.0)),
    *discriminator(
        "least_squares_discriminator_loss",
        least_squares_discriminator,
        [8, 6.625],
        closer_to(-2.0, -3.0),
        real_label=-2.0,
        fake_label=-3.0,
    ),
    *generator("least_squares_generator_loss", least_squares_generator, [8, 0.125], closer_to(None, 1.0)),
    *generator(
        "least_squares_generator_loss", least_squares_generator, [4.5, 0.125], closer_to(None, 0.0), real_label=0.0
    ),
    *discriminator("hinge_discriminator_loss", hinge_discriminator, [0, 3.5]),
    *generator("hinge_generator_loss", minus, [3, -0.5]),
    *discriminator("wasserstein_discriminator_loss", wasserstein_discriminator, [-5, 1.5]),
    *generator("wasserstein_generator_loss", minus, [3, -0.5]),
]
