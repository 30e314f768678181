"""Losses for a class, of several or yes and no."""

import numpy as np

from cases import TF, Case, reduced, torch

# ---- draws


def batch_shape(rng, most=3):
    return tuple(rng.integers(1, 5, size=rng.integers(0, most)))


def logits_and_labels(rng):
    """A row of classes, a batch of rows, or a batch with further axes; classes on axis 1 if there are two axes."""
    lead, classes = batch_shape(rng, 4), rng.integers(1, 6)
    shape = (*lead[:1], classes, *lead[1:])
    return {"input": rng.normal(size=shape) * 3, "target": rng.integers(0, classes, size=lead)}


def classes_of(arrays):
    return arrays["input"].shape[min(1, arrays["input"].ndim - 1)]


def weighted_labels(rng):
    arrays = logits_and_labels(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=classes_of(arrays))}


def with_prior(rng):
    arrays = logits_and_labels(rng)
    return arrays | {"prior": rng.uniform(0.5, 3, size=classes_of(arrays))}


def with_samples(rng):
    arrays = logits_and_labels(rng)
    return arrays | {"samples_per_class": rng.integers(1, 1000, size=classes_of(arrays))}


def some_ignored(rng):
    arrays = weighted_labels(rng)
    ignored = rng.uniform(size=arrays["target"].shape) < 0.4
    if ignored.size:
        ignored.flat[0] = False
    return arrays | {"target": np.where(ignored, -7, arrays["target"])}


def soft_labels(rng):
    shape = logits_and_labels(rng)["input"].shape
    return {"input": rng.normal(size=shape) * 3, "target": rng.uniform(0.1, 1, size=shape)}


def weighted_soft_labels(rng):
    arrays = soft_labels(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=classes_of(arrays))}


def log_probabilities_and_labels(rng):
    arrays = logits_and_labels(rng)
    axis = min(1, arrays["input"].ndim - 1)
    p = np.exp(arrays["input"])
    return arrays | {"input": np.log(p / p.sum(axis=axis, keepdims=True))}


def forecasts_and_labels(rng):
    """Rows of probabilities that sum to 1."""
    lead, classes = batch_shape(rng, 2), rng.integers(2, 6)
    p = 0.1 / classes + 0.9 * rng.dirichlet(np.ones(classes), size=lead)
    return {"input": p, "target": rng.integers(0, classes, size=lead)}


def probabilities_and_labels(rng):
    arrays = logits_and_labels(rng)
    return arrays | {"input": rng.uniform(0.05, 0.95, size=arrays["input"].shape)}


def probabilities_and_soft_labels(rng):
    shape = logits_and_labels(rng)["input"].shape
    return {"input": rng.uniform(0.05, 0.95, size=shape), "target": rng.uniform(0.05, 0.95, size=shape)}


def yes_or_no(rng):
    shape = batch_shape(rng, 4)
    return {"input": rng.normal(size=shape) * 3, "target": rng.integers(0, 2, size=shape).astype(float)}


def maybe(rng):
    arrays = yes_or_no(rng)
    return arrays | {"target": rng.uniform(size=arrays["input"].shape)}


def weighted_maybe(rng):
    arrays = maybe(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["input"].shape)}


def broadcast_weights(rng):
    arrays = maybe(rng)
    shapes = {name: tuple(rng.choice([1, n]) for n in arrays["input"].shape) for name in ("weight", "pos_weight")}
    return arrays | {name: rng.uniform(0.5, 3, size=shape) for name, shape in shapes.items()}


def probability_of_yes(rng):
    shape = batch_shape(rng, 4)
    return {"input": rng.uniform(0.05, 0.95, size=shape), "target": rng.uniform(0.05, 0.95, size=shape)}


def weighted_probability_of_yes(rng):
    arrays = probability_of_yes(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=tuple(rng.choice([1, n]) for n in arrays["input"].shape))}


def several_yes(rng):
    shape = (*batch_shape(rng), rng.integers(1, 5))
    return {"input": rng.normal(size=shape) * 3, "target": rng.integers(0, 2, size=shape)}


def several_maybe(rng):
    arrays = several_yes(rng)
    return arrays | {"target": rng.uniform(size=arrays["input"].shape)}


def weighted_several_yes(rng):
    arrays = several_yes(rng)
    shape = arrays["input"].shape
    return arrays | {"target": rng.uniform(size=shape), "weight": rng.uniform(0.5, 3, size=shape[-1:])}


# ---- what is better


def more_certain(arrays):
    """The label's logit higher than it is: better, whatever the other logits are."""
    axis = min(1, arrays["input"].ndim - 1)
    classes = arrays["input"].shape[axis]
    certain = np.moveaxis(np.eye(classes)[arrays["target"] % classes], -1, axis)
    return arrays | {"input": arrays["input"] + 0.5 * certain}


def nearer_probability(arrays):
    target = arrays["target"]
    if target.shape != arrays["input"].shape:
        axis = min(1, arrays["input"].ndim - 1)
        target = np.moveaxis(np.eye(arrays["input"].shape[axis])[target], -1, axis)
    return arrays | {"input": 0.5 * (arrays["input"] + target)}


def nearer_log_odds(arrays):
    with np.errstate(divide="ignore"):
        answer = np.clip(np.log(arrays["target"]) - np.log1p(-arrays["target"]), -40, 40)
    return arrays | {"input": 0.5 * (arrays["input"] + answer)}


# ---- references: the textbook's form, by autograd


def log_p(input, target):
    """log softmax of the label, with classes on axis 1."""
    axis = min(1, input.ndim - 1)
    certain = TF.one_hot(target, input.shape[axis]).movedim(-1, axis)
    return ((input - input.logsumexp(dim=axis, keepdim=True)) * certain).sum(dim=axis)


def generalized_cross_entropy(input, target, reduction, q=0.7):
    p = log_p(input, target).exp()
    return reduced(-p.log() if q == 0 else (1 - p**q) / q, reduction)


def poly1_cross_entropy(input, target, reduction, epsilon=2.0):
    p = log_p(input, target).exp()
    return reduced(-p.log() + epsilon * (1 - p), reduction)


def logit_adjusted_cross_entropy(input, target, prior, reduction, tau=1.0):
    shape = (-1, *[1] * max(0, input.ndim - 2))
    return TF.cross_entropy(input + tau * prior.log().reshape(shape), target, reduction=reduction)


def class_balanced_cross_entropy(input, target, samples_per_class, reduction, beta=0.9999):
    weight = (1 - beta) / (1 - beta ** samples_per_class.double())
    weight = (weight / weight.sum() * len(weight)).to(input.dtype)
    return reduced(-weight[target] * log_p(input, target), reduction)


def spherical_loss(input, target, reduction):
    axis = min(1, input.ndim - 1)
    length = (2 * input.log_softmax(dim=axis)).exp().sum(dim=axis).sqrt()
    return reduced(1 - log_p(input, target).exp() / length, reduction)


def sparsemax_loss(input, target, reduction):
    """½ Σ (z² − τ²) + ½ − z[label] over the support, with the support by trying every size."""
    z = input.double().movedim(min(1, input.ndim - 1), -1)
    ranked = z.sort(dim=-1, descending=True).values
    total = ranked.cumsum(dim=-1)
    size = torch.arange(1, z.shape[-1] + 1)
    count = (1 + size * ranked > total).sum(dim=-1, keepdim=True)
    tau = (total.gather(-1, count - 1) - 1) / count
    inside = torch.where(z > tau, z**2 - tau**2, torch.zeros_like(z)).sum(dim=-1)
    return reduced(0.5 * inside + 0.5 - z.gather(-1, target[..., None]).squeeze(-1), reduction).to(input.dtype)


def brier_loss(input, target, reduction):
    axis = min(1, input.ndim - 1)
    if not target.is_floating_point():
        target = TF.one_hot(target, input.shape[axis]).movedim(-1, axis)
    return reduced(((input - target) ** 2).sum(dim=axis), reduction)


def cost_sensitive_binary_cross_entropy(
    input, target, reduction, false_negative_cost=1.0, false_positive_cost=1.0, weight=1
):
    missed, alarm = -TF.logsigmoid(input), -TF.logsigmoid(-input)
    return reduced(
        weight * (false_negative_cost * target * missed + false_positive_cost * (1 - target) * alarm), reduction
    )


def sigmoid_focal_loss(input, target, reduction, alpha=0.25, gamma=2.0, weight=1):
    """As in torchvision."""
    p = torch.sigmoid(input)
    p_t = p * target + (1 - p) * (1 - target)
    value = TF.binary_cross_entropy_with_logits(input, target, reduction="none") * (1 - p_t) ** gamma
    if alpha is not None:
        value = (alpha * target + (1 - alpha) * (1 - target)) * value
    return reduced(weight * value, reduction)


LOG2 = float(np.log(2))
LOG4 = float(np.log(4))
FORGOTTEN = {"input": [[0.0, 0.0], [5.0, 1.0]], "target": [1, -100]}

CASES = [
    Case(
        "cross_entropy",
        logits_and_labels,
        wrt=("input",),
        hand=[
            ({"input": [[0.0, 0.0]] * 3, "target": [0, 1, 1], "reduction": "sum"}, 3 * LOG2),
            ({"input": np.log([[0.25, 0.75], [0.5, 0.5]]), "target": [0, 0], "reduction": "none"}, [LOG4, LOG2]),
            ({"input": np.log([[[0.25], [0.75]]]), "target": [[0]], "reduction": "none"}, [[LOG4]]),
            (FORGOTTEN, LOG2),
            ({"input": [[0.0, 0.0]], "target": [[0.5, 1.0]]}, 1.5 * LOG2),
        ],
        better=more_certain,
        items="class",
    ),
    Case("cross_entropy", weighted_labels, wrt=("input",), better=more_certain, items="class"),
    Case(
        "cross_entropy",
        some_ignored,
        {"ignore_index": -7},
        wrt=("input",),
        hand=[({"input": np.log([[0.25, 0.75]] * 2), "target": [0, -7]}, LOG4)],
        items="class",
    ),
    Case(
        "cross_entropy",
        some_ignored,
        {"ignore_index": -7, "label_smoothing": 0.2},
        wrt=("input",),
        hand=[({"input": np.log([0.25, 0.75]), "target": 0}, 0.9 * LOG4 - 0.1 * np.log(0.75))],
        items="class",
    ),
    Case("cross_entropy", soft_labels, items="class"),
    Case("cross_entropy", weighted_soft_labels, wrt=("input", "target", "weight"), items="class"),
    Case(
        "cross_entropy",
        weighted_soft_labels,
        {"label_smoothing": 0.3},
        wrt=("input", "target", "weight"),
        items="class",
    ),
    Case(
        "nll_loss",
        log_probabilities_and_labels,
        wrt=("input",),
        hand=[
            ({"input": [[-1.0, -2.0], [-3.0, -5.0]], "target": [1, 0]}, 2.5),
            ({"input": [[-1.0, -2.0], [-3.0, -5.0]], "target": [1, 0], "weight": [3.0, 1.0]}, 11 / 4),
        ],
        better=more_certain,
        items="class",
    ),
    Case("nll_loss", weighted_labels, wrt=("input",), better=more_certain, items="class"),
    Case("nll_loss", some_ignored, {"ignore_index": -7}, wrt=("input",), items="class"),
    Case(
        "generalized_cross_entropy",
        logits_and_labels,
        wrt=("input",),
        reference=generalized_cross_entropy,
        better=more_certain,
        items="class",
    ),
    Case(
        "generalized_cross_entropy",
        logits_and_labels,
        {"q": 0.5},
        wrt=("input",),
        reference=generalized_cross_entropy,
        hand=[({"input": np.log([[0.25, 0.75]]), "target": [0]}, 1.0)],
        items="class",
    ),
    Case(
        "generalized_cross_entropy",
        logits_and_labels,
        {"q": 0.0},
        wrt=("input",),
        reference=generalized_cross_entropy,
        hand=[({"input": np.log([[0.25, 0.75]]), "target": [0]}, LOG4)],
        items="class",
    ),
    Case(
        "generalized_cross_entropy",
        logits_and_labels,
        {"q": 1.0},
        wrt=("input",),
        reference=generalized_cross_entropy,
        hand=[({"input": np.log([[0.25, 0.75]]), "target": [0]}, 0.75)],
        items="class",
    ),
    Case(
        "poly1_cross_entropy",
        logits_and_labels,
        wrt=("input",),
        reference=poly1_cross_entropy,
        hand=[({"input": np.log([[0.25, 0.75]]), "target": [0]}, LOG4 + 1.5)],
        better=more_certain,
        items="class",
    ),
    Case(
        "poly1_cross_entropy",
        logits_and_labels,
        {"epsilon": -0.8},
        wrt=("input",),
        reference=poly1_cross_entropy,
        better=more_certain,
        items="class",
    ),
    Case(
        "logit_adjusted_cross_entropy",
        with_prior,
        wrt=("input",),
        reference=logit_adjusted_cross_entropy,
        hand=[({"input": [[0.0, 0.0]], "target": [1], "prior": [0.75, 0.25]}, LOG4)],
        better=more_certain,
        items="class",
    ),
    Case(
        "logit_adjusted_cross_entropy",
        with_prior,
        {"tau": 2.0},
        wrt=("input",),
        reference=logit_adjusted_cross_entropy,
        hand=[({"input": [[0.0, 0.0]], "target": [1], "prior": [3, 1]}, float(np.log(10)))],
        items="class",
    ),
    Case(
        "class_balanced_cross_entropy",
        with_samples,
        wrt=("input",),
        reference=class_balanced_cross_entropy,
        better=more_certain,
        items="class",
    ),
    Case(
        "class_balanced_cross_entropy",
        with_samples,
        {"beta": 0.5},
        wrt=("input",),
        reference=class_balanced_cross_entropy,
        hand=[
            # 1 + ½ for the second class: weights 1 and ⅔, scaled to 1.2 and 0.8
            ({"input": [[0.0, 0.0]] * 3, "target": [0, 1, 1], "samples_per_class": [1, 2]}, LOG2 * 2.8 / 3),
        ],
        items="class",
    ),
    Case(
        "spherical_loss",
        logits_and_labels,
        wrt=("input",),
        reference=spherical_loss,
        hand=[({"input": np.log([[3.0, 4.0]]), "target": [0]}, 0.4)],
        better=more_certain,
        items="class",
    ),
    Case(
        "sparsemax_loss",
        logits_and_labels,
        wrt=("input",),
        reference=sparsemax_loss,
        hand=[
            ({"input": [[0.5, 0.0], [2.0, 0.0], [0.0, 3.0]], "target": [0, 0, 0], "reduction": "none"}, [1 / 16, 0, 3]),
        ],
        better=more_certain,
        items="class",
    ),
    Case("brier_loss", forecasts_and_labels, wrt=("input",), reference=brier_loss, items="class"),
    Case(
        "brier_loss",
        probabilities_and_labels,
        wrt=("input",),
        reference=brier_loss,
        hand=[({"input": [[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]], "target": [0, 2], "reduction": "none"}, [0.14, 2])],
        better=nearer_probability,
        items="class",
    ),
    Case(
        "brier_loss",
        probabilities_and_soft_labels,
        reference=brier_loss,
        hand=[({"input": [0.5, 0.5], "target": [0.3, 0.7]}, 0.08)],
        better=nearer_probability,
        items="class",
    ),
    Case(
        "binary_cross_entropy",
        probability_of_yes,
        hand=[
            ({"input": [0.25, 0.5], "target": [1.0, 0.0], "reduction": "none"}, [LOG4, LOG2]),
            ({"input": [0.0, 1.0, 1.0], "target": [1.0, 0.0, 1.0], "reduction": "none"}, [100, 100, 0]),
        ],
        better=nearer_probability,
    ),
    Case(
        "binary_cross_entropy",
        weighted_probability_of_yes,
        hand=[({"input": [0.25, 0.5], "target": [1.0, 0.0], "weight": [3.0, 0.0]}, 1.5 * LOG4)],
        better=nearer_probability,
    ),
    Case(
        "binary_cross_entropy_with_logits",
        yes_or_no,
        hand=[
            ({"input": [-np.log(3)], "target": [1.0]}, LOG4),
            ({"input": [0.0, 2000.0], "target": [0.5, 0.25], "reduction": "none"}, [LOG2, 1500.0]),
        ],
        better=nearer_log_odds,
    ),
    Case("binary_cross_entropy_with_logits", maybe, better=nearer_log_odds),
    Case(
        "binary_cross_entropy_with_logits",
        broadcast_weights,
        hand=[
            (
                {"input": [0.0, 0.0], "target": [1.0, 0.0], "weight": [1.0, 4.0], "pos_weight": 3.0},
                3.5 * LOG2,
            )
        ],
    ),
    Case(
        "cost_sensitive_binary_cross_entropy",
        weighted_maybe,
        reference=cost_sensitive_binary_cross_entropy,
        hand=[({"input": [0.0, 0.0], "target": [0, 1], "weight": [1.0, 3.0]}, 2 * LOG2)],
        wrt=("input", "target", "weight"),
        better=nearer_log_odds,
    ),
    Case(
        "cost_sensitive_binary_cross_entropy",
        maybe,
        {"false_negative_cost": 10.0, "false_positive_cost": 0.5},
        reference=cost_sensitive_binary_cross_entropy,
        hand=[({"input": [0.0, 0.0], "target": [0.0, 1.0], "reduction": "none"}, [0.5 * LOG2, 10 * LOG2])],
    ),
    Case(
        "multilabel_soft_margin_loss",
        several_yes,
        wrt=("input",),
        hand=[({"input": [[0.0, 0.0], [np.log(3), 0.0]], "target": [[1, 0], [0, 1]]}, (3 * LOG2 + LOG4) / 4)],
        items="rows",
    ),
    Case("multilabel_soft_margin_loss", several_maybe, items="rows"),
    Case(
        "multilabel_soft_margin_loss",
        weighted_several_yes,
        wrt=("input", "target", "weight"),
        hand=[
            (
                {"input": [[0.0, np.log(3)]], "target": [[1, 0]], "weight": [1.0, 3.0], "reduction": "none"},
                [(LOG2 + 3 * LOG4) / 2],
            )
        ],
        items="rows",
    ),
    Case(
        "sigmoid_focal_loss",
        yes_or_no,
        wrt=("input",),
        reference=sigmoid_focal_loss,
        hand=[({"input": [-np.log(3), 0.0], "target": [1, 0], "reduction": "none"}, [LOG4 * 9 / 64, LOG2 * 3 / 16])],
        better=nearer_log_odds,
    ),
    Case(
        "sigmoid_focal_loss",
        weighted_maybe,
        {"alpha": None, "gamma": 0.5},
        wrt=("input", "weight"),
        reference=sigmoid_focal_loss,
        hand=[({"input": [-np.log(3)], "target": [0]}, np.log(4 / 3) / 2)],
    ),
    Case(
        "sigmoid_focal_loss",
        maybe,
        {"alpha": 0.8, "gamma": 0.0},
        wrt=("input",),
        reference=sigmoid_focal_loss,
        hand=[({"input": [0.0, 0.0], "target": [1, 0], "reduction": "none"}, [0.8 * LOG2, 0.2 * LOG2])],
    ),
]
