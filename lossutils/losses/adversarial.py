"""Losses of two networks that play against each other: one makes fakes, the other tells them from what is real.

Their arguments are the scores that the second network gave: `real` to real examples, `fake` to made ones. Where it is
a discriminator, a score is the logit of "this is real", D = σ(score); where it is a critic, only differences mean
something. Batches of real and fake examples are equally large, and "mean" divides by that size.
"""

import numpy as np

from lossutils.engine import elementwise
from lossutils.numerics import softplus_and_slope

__all__ = [
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "minimax_discriminator_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]


@elementwise(broadcast="raise")
def minimax_discriminator_loss(real, fake):
    """The discriminator's loss of the original game, −log D(real) − log(1 − D(fake)), from logits.

    Makes the discriminator say how probable it is that an example is real. The pull is the probability given to the
    wrong answer: up for real scores, down for fake ones.

    Parameters
    ----------
    real, fake : array_like of float, equal shapes
        Logits that the discriminator gave to real and to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of pairs, weighted or not: it is twice the mean over all examples.
    weight : array_like of the shape of `real`, optional

    Returns
    -------
    number, or ndarray of the shape of `real` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> round(float(F.minimax_discriminator_loss([0.0], [0.0])), 4)  # undecided: 2 log 2
    1.3863

    Source: Goodfellow et al. (2014), Generative Adversarial Nets, arXiv:1406.2661, equation 1, negated.
    """
    value_real, slope_real = softplus_and_slope(-real)  # −log σ(x) = softplus(−x)
    value_fake, slope_fake = softplus_and_slope(fake)  # −log(1 − σ(x)) = softplus(x)
    return value_real + value_fake, -slope_real, slope_fake


@elementwise
def minimax_generator_loss(fake):
    """The generator's loss of the original game, log(1 − D(fake)), from logits; never positive.

    Makes the generator raise its scores. The pull is D(fake): it fades where the discriminator is sure that an
    example is made, which is how training starts ("saturates").

    Parameters
    ----------
    fake : array_like of float, any shape
        Logits that the discriminator gave to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of the shape of `fake`, optional

    Returns
    -------
    number, or ndarray of the shape of `fake` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If `fake` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.minimax_generator_loss([0.0, -50.0], reduction="none").tolist()
    [-0.6931471805599453, -1.9287498479639178e-22]

    Source: Goodfellow et al. (2014), arXiv:1406.2661, equation 1; `non_saturating_generator_loss` is what the same
    paper trains with.
    """
    value, slope = softplus_and_slope(fake)  # log(1 − σ(x)) = −softplus(x)
    return -value, -slope


@elementwise
def non_saturating_generator_loss(fake):
    """The generator's loss −log D(fake), from logits: the minimax game's wish, with a pull that doesn't fade.

    Makes the generator raise its scores. The pull is 1 − D(fake): strongest where the discriminator is sure that an
    example is made.

    Parameters
    ----------
    fake : array_like of float, any shape
        Logits that the discriminator gave to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of the shape of `fake`, optional

    Returns
    -------
    number, or ndarray of the shape of `fake` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If `fake` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> F.non_saturating_generator_loss([0.0, -50.0], reduction="none").round(4).tolist()
    [0.6931, 50.0]

    Source: Goodfellow et al. (2014), arXiv:1406.2661, section 3.
    """
    value, slope = softplus_and_slope(-fake)  # −log σ(x) = softplus(−x)
    return value, -slope


@elementwise(broadcast="raise")
def least_squares_discriminator_loss(real, fake, *, real_label: float = 1.0, fake_label: float = 0.0):
    """The discriminator's loss of LSGAN, ½(real − real_label)² + ½(fake − fake_label)².

    Makes the discriminator say how probable it is that an example is real, as a plain score with no sigmoid. The
    pull is the distance to the label.

    Parameters
    ----------
    real, fake : array_like of float, equal shapes
        Scores that the discriminator gave to real and to made examples.
    real_label, fake_label : float, default 1.0 and 0.0
        What the scores should be: b and a in the paper.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of pairs, weighted or not.
    weight : array_like of the shape of `real`, optional

    Returns
    -------
    number, or ndarray of the shape of `real` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.least_squares_discriminator_loss([1.0], [1.0]))
    0.5

    Source: Mao et al. (2017), Least Squares Generative Adversarial Networks, arXiv:1611.04076, with the paper's
    factors ½, which many programs leave out.
    """
    off_real, off_fake = real - real_label, fake - fake_label
    return 0.5 * (off_real * off_real + off_fake * off_fake), off_real, off_fake


@elementwise
def least_squares_generator_loss(fake, *, real_label: float = 1.0):
    """The generator's loss of LSGAN, ½(fake − real_label)².

    Makes the generator bring its scores to the label, also down to it. The pull is the distance to it, so that it
    doesn't fade for examples that the discriminator is sure about.

    Parameters
    ----------
    fake : array_like of float, any shape
        Scores that the discriminator gave to made examples.
    real_label : float, default 1.0
        What the scores should be: c in the paper.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of the shape of `fake`, optional

    Returns
    -------
    number, or ndarray of the shape of `fake` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If `fake` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.least_squares_generator_loss([-1.0]))
    2.0

    Source: Mao et al. (2017), arXiv:1611.04076, with the paper's factor ½, which many programs leave out.
    """
    off = fake - real_label
    return 0.5 * off * off, off


@elementwise(broadcast="raise")
def hinge_discriminator_loss(real, fake):
    """The discriminator's hinge loss, max(0, 1 − real) + max(0, 1 + fake).

    Makes the discriminator put real scores above 1 and fake ones below −1, then it rests: the pull is 1 inside
    these margins, and 0 from them on.

    Parameters
    ----------
    real, fake : array_like of float, equal shapes
        Scores that the discriminator gave to real and to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of pairs, weighted or not.
    weight : array_like of the shape of `real`, optional

    Returns
    -------
    number, or ndarray of the shape of `real` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.hinge_discriminator_loss([0.25], [-2.0]))
    0.75

    Source: Lim and Ye (2017), Geometric GAN, arXiv:1705.02894; Miyato et al. (2018), arXiv:1802.05957.
    """
    gap_real, gap_fake = 1 - real, 1 + fake
    value = np.clip(gap_real, 0, np.inf) + np.clip(gap_fake, 0, np.inf)
    return value, np.negative(gap_real > 0, dtype=real.dtype), (gap_fake > 0).astype(fake.dtype)


@elementwise
def hinge_generator_loss(fake):
    """The generator's loss beside the hinge discriminator, −fake.

    Makes the generator raise its scores. The pull is 1 everywhere: the margins are the discriminator's alone.

    Parameters
    ----------
    fake : array_like of float, any shape
        Scores that the discriminator gave to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of the shape of `fake`, optional

    Returns
    -------
    number, or ndarray of the shape of `fake` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If `fake` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.hinge_generator_loss([-2.0, 1.0]))
    0.5

    Source: Lim and Ye (2017), arXiv:1705.02894; Miyato et al. (2018), arXiv:1802.05957.
    """
    return -fake, -1


@elementwise(broadcast="raise")
def wasserstein_discriminator_loss(real, fake):
    """The critic's loss of the Wasserstein GAN, fake − real: minus an estimate of the Wasserstein-1 distance.

    Makes the critic drive the scores of real and made examples apart. The pull is 1 everywhere, so that only a bound
    on the critic's own slope (1-Lipschitz) keeps scores finite; without one the loss has no minimum.

    Parameters
    ----------
    real, fake : array_like of float, equal shapes
        Scores that the critic gave to real and to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of pairs, weighted or not.
    weight : array_like of the shape of `real`, optional

    Returns
    -------
    number, or ndarray of the shape of `real` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If neither argument is floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.wasserstein_discriminator_loss([3.0, 1.0], [0.0, 1.0]))
    -1.5

    Source: Arjovsky, Chintala and Bottou (2017), Wasserstein Generative Adversarial Networks, arXiv:1701.07875, who
    clip the critic's weights. The gradient penalty of Gulrajani et al. (2017), arXiv:1704.00028, needs the critic's
    derivative in its input, so it is computed where the critic is (``torch.autograd.grad`` with
    ``create_graph=True``) and added to this loss.
    """
    return fake - real, -1, 1


@elementwise
def wasserstein_generator_loss(fake):
    """The generator's loss of the Wasserstein GAN, −fake.

    Makes the generator raise the critic's scores. The pull is 1 everywhere: it never fades.

    Parameters
    ----------
    fake : array_like of float, any shape
        Scores that the critic gave to made examples.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements, weighted or not.
    weight : array_like of the shape of `fake`, optional

    Returns
    -------
    number, or ndarray of the shape of `fake` for ``reduction="none"``

    Raises
    ------
    ValueError
        If shapes differ or `reduction` is unknown.
    TypeError
        If `fake` isn't floating point.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> float(F.wasserstein_generator_loss([-2.0, 1.0]))
    0.5

    Source: Arjovsky, Chintala and Bottou (2017), arXiv:1701.07875. The formula is `hinge_generator_loss`'s; what
    differs is the opponent.
    """
    return -fake, -1
