"""Losses for embeddings."""

import functools
import math

import numpy as np

from cases import TF, Case, reduced, torch
from lossutils.losses import embedding


def signed(rng, low, high, shape):
    """Numbers with a size from low to high: no vector is near 0."""
    return rng.uniform(low, high, shape) * rng.choice([-1, 1], shape)


# ---- references


def in_double(function):
    """The function computed in float64: in float32, differences of distances and of cosines have few digits."""

    @functools.wraps(function)
    def wide(**arguments):
        dtype = next(a for a in arguments.values() if isinstance(a, torch.Tensor)).dtype
        arguments = {k: a.double() if torch.is_tensor(a) and a.is_floating_point() else a for k, a in arguments.items()}
        return function(**arguments).to(dtype)

    return wide


@in_double
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, reduction="none"):
    return reduced(TF.pairwise_distance(x1, x2, p, eps), reduction)


@in_double
def cosine_distance(x1, x2, reduction="none"):
    return reduced(1 - (x1 * x2).sum(-1) / (x1.pow(2).sum(-1) * x2.pow(2).sum(-1)).sqrt(), reduction)


@in_double
def contrastive_loss(input1, input2, target, reduction="mean", margin=1.0):
    distance = (input1 - input2).pow(2).sum(-1).sqrt()
    values = target / 2 * distance.pow(2) + (1 - target) / 2 * (margin - distance).clamp(min=0).pow(2)
    return reduced(values, reduction)


@in_double
def triplet_with_distance(anchor, positive, negative, distance_function=None, margin=1.0, swap=False, reduction="mean"):
    theirs = {"pairwise_distance": TF.pairwise_distance, "cosine_distance": cosine_distance.__wrapped__}
    function = theirs[distance_function.__name__]
    return TF.triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=function, margin=margin, swap=swap, reduction=reduction
    )


def cosines(x, y):
    return (x / x.pow(2).sum(-1, keepdim=True).sqrt()) @ (y / y.pow(2).sum(-1, keepdim=True).sqrt()).T


@in_double
def info_nce_loss(query, keys, reduction="mean", temperature=0.1):
    return TF.cross_entropy(cosines(query, keys) / temperature, torch.arange(len(query)), reduction=reduction)


@in_double
def nt_xent_loss(view1, view2, reduction="mean", temperature=0.5):
    n = len(view1)
    both = torch.cat([view1, view2])
    logits = cosines(both, both) / temperature
    others = logits[~torch.eye(2 * n, dtype=torch.bool)].reshape(2 * n, 2 * n - 1)  # without the anchor itself
    first, second = torch.arange(n), torch.arange(n, 2 * n)
    values = others.logsumexp(-1) - logits[torch.cat([first, second]), torch.cat([second, first])]
    return reduced((values[:n] + values[n:]) / 2, reduction)


@in_double
def clip_loss(image, text, reduction="mean", temperature=0.07, logit_scale=None):
    logits = cosines(image, text) * (1 / temperature if logit_scale is None else logit_scale)
    here = torch.arange(len(image))
    by_image, by_text = (TF.cross_entropy(x, here, reduction="none") for x in (logits, logits.T))
    return reduced((by_image + by_text) / 2, reduction)


def over_anchors(embeddings, labels, value, reduction):
    """Values of the anchors; the mean is over those that have somebody to compare with, and 0 if there are none."""
    nothing = 0 * embeddings.sum()  # with a gradient
    groups = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        near = [j for j in others if labels[j] == labels[i]]
        groups.append((i, others, near, [j for j in others if j not in near]))
    values = [value(*group) for group in groups]
    if reduction == "mean":
        return sum((v for v in values if v is not None), start=nothing) / max(1, sum(v is not None for v in values))
    return reduced(torch.stack([nothing if v is None else v for v in values]), reduction)


@in_double
def supervised_contrastive_loss(embeddings, labels, reduction="mean", temperature=0.1):
    logits = cosines(embeddings, embeddings) / temperature

    def value(i, others, near, far):
        return (logits[i, others].logsumexp(0) - logits[i, near]).mean() if near else None

    return over_anchors(embeddings, labels, value, reduction)


@in_double
def arcface_loss(embeddings, weight, labels, reduction="mean", margin=0.5, scale=64.0):
    cosine = cosines(embeddings, weight)
    angle = torch.acos(cosine)
    handicapped = torch.where(angle <= math.pi - margin, torch.cos(angle + margin), cosine - margin * math.sin(margin))
    own = TF.one_hot(labels, len(weight)).bool()
    return TF.cross_entropy(scale * torch.where(own, handicapped, cosine), labels, reduction=reduction)


@in_double
def circle_loss(embeddings, labels, reduction="mean", margin=0.4, gamma=80.0, constant_weights=False):
    s = cosines(embeddings, embeddings)
    weights = s.detach() if constant_weights else s

    def value(i, others, near, far):
        near_terms = gamma * (1 + margin - weights[i, near]).clamp(min=0) * (1 - margin - s[i, near])
        far_terms = gamma * (weights[i, far] + margin).clamp(min=0) * (s[i, far] - margin)
        return TF.softplus(far_terms.logsumexp(0) + near_terms.logsumexp(0), threshold=1e9) if near and far else None

    return over_anchors(embeddings, labels, value, reduction)


triplet_margin_loss = in_double(TF.triplet_margin_loss) if TF else None
triplet_margin_with_distance_loss = in_double(TF.triplet_margin_with_distance_loss) if TF else None
cosine_embedding_loss = in_double(TF.cosine_embedding_loss) if TF else None


# ---- arguments


def two(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)))
    return {"x1": rng.normal(size=shape), "x2": rng.normal(size=shape)}


def two_directions(rng):
    shape = (*rng.integers(1, 5, size=rng.integers(0, 3)), rng.integers(2, 5))
    return {"x1": signed(rng, 0.5, 2, shape), "x2": signed(rng, 0.5, 2, shape)}


def pair(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 3)))
    input1, input2 = signed(rng, 10, 40, (2, *shape))  # so long that PyTorch's eps doesn't show
    return {"input1": input1, "input2": input2, "target": rng.choice([-1.0, 1.0], shape[:-1])}


def matched_pair(rng):
    """The first pair belongs together, so that there is something to improve."""
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)))
    target = np.asarray(rng.choice([0.0, 1.0], shape[:-1]))
    target.flat[:1] = 1
    input1 = rng.normal(size=shape)
    return {"input1": input1, "input2": input1 + rng.normal(size=shape) / 2, "target": target}


def mixed_pair(rng):
    arrays = matched_pair(rng)
    return arrays | {"target": rng.uniform(0.1, 0.9, arrays["target"].shape)}


def triplet(rng):
    """In the first triplet the negative is about as near as the positive, so that there is something to improve."""
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)))
    anchor, positive, negative = rng.normal(size=(3, *shape))
    first = (0,) * (len(shape) - 1)
    negative[first] = positive[first] + rng.uniform(0.01, 0.1, shape[-1])
    return {"anchor": anchor, "positive": positive, "negative": negative}


def triplet_of_directions(rng):
    return {k: np.concatenate([a, np.ones((*a.shape[:-1], 1))], axis=-1) for k, a in triplet(rng).items()}


def matching(first, second):
    def draw(rng):
        shape = rng.integers(1, 6), rng.integers(1, 5)
        return {first: signed(rng, 0.5, 2, shape), second: signed(rng, 0.5, 2, shape)}

    return draw


def image_and_text_and_scale(rng):
    return matching("image", "text")(rng) | {"logit_scale": np.array(rng.uniform(1, 8))}


def labeled(rng):
    n = rng.integers(1, 8)
    return {"embeddings": signed(rng, 0.5, 2, (n, rng.integers(1, 5))), "labels": rng.integers(0, 3, n)}


def labeled_with_classes(rng):
    n = rng.integers(1, 7)
    c = rng.choice([c for c in range(1, 6) if c != n])
    d = rng.integers(2, 5)
    return {
        "embeddings": signed(rng, 0.5, 2, (n, d)),
        "weight": signed(rng, 0.5, 2, (c, d)),
        "labels": rng.integers(0, c, n),
    }


# ---- improvements


def nearer(first, second):
    return lambda arrays: arrays | {first: 0.5 * (arrays[first] + arrays[second])}


def parted_better(arrays):
    """What belongs together moves nearer, what doesn't moves apart."""
    step = (arrays["target"][..., None] - 0.5) * (arrays["input2"] - arrays["input1"])
    return arrays | {"input1": arrays["input1"] + step}


def better_triplet(arrays):
    return arrays | {"positive": 0.5 * (arrays["anchor"] + arrays["positive"])}


corner = {"anchor": [0.0, 0.0], "positive": [3.0, 4.0], "negative": [0.0, 2.0]}
axes = [[1.0, 0.0], [0.0, 1.0]]
two_two = {"embeddings": [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]], "labels": [0, 0, 1, 1]}


def turned(arrays):
    """Partners turn toward each other, strangers apart."""
    toward = np.asarray(arrays["target"])[..., None] * arrays["input2"]
    return arrays | {"input1": arrays["input1"] / np.linalg.norm(arrays["input1"], axis=-1, keepdims=True) + toward}


def met(first, second):
    """Matching rows meet."""

    def better(arrays):
        partner = np.asarray(arrays[second])
        return arrays | {first: partner[: len(arrays[first])].copy()}

    return better


def gathered(arrays):
    """Each class gathers at a direction of its own."""
    labels = np.asarray(arrays["labels"])
    places = np.eye(max(labels.max() + 1, arrays["embeddings"].shape[1]))[:, : arrays["embeddings"].shape[1]]
    near = places[labels % len(places)] + 0.1 * arrays["embeddings"]
    return arrays | {"embeddings": near}


def at_own_class(arrays):
    return arrays | {"embeddings": np.asarray(arrays["weight"])[arrays["labels"]]}


CASES = [
    *(
        Case(
            "pairwise_distance",
            two,
            parameters,
            wrt=("x1", "x2"),
            reference=pairwise_distance,
            hand=hand,
            better=nearer("x1", "x2"),
            items="rows",
        )
        for parameters, hand in [
            ({}, []),
            ({"eps": 0.0}, [({"x1": [3.0, 4.0], "x2": [0.0, 0.0]}, 5.0)]),
            ({"eps": 0.1}, [({"x1": [2.9, 3.9], "x2": [0.0, 0.0]}, 5.0)]),
            ({"p": 1.0, "eps": 0.0}, [({"x1": [3.0, -4.0], "x2": [0.0, 0.0]}, 7.0)]),
            ({"p": math.inf, "eps": 0.0}, [({"x1": [3.0, -4.0], "x2": [0.0, 0.0]}, 4.0)]),
            ({"p": 3.0, "eps": 0.0}, [({"x1": [3.0, -4.0, 5.0], "x2": [0.0, 0.0, 0.0]}, 6.0)]),
            ({"p": 0.5, "eps": 0.0}, [({"x1": [1.0, -4.0], "x2": [0.0, 0.0]}, 9.0)]),
        ]
    ),
    Case(
        "cosine_distance",
        two_directions,
        wrt=("x1", "x2"),
        reference=cosine_distance,
        hand=[({"x1": [3.0, 4.0], "x2": [1.0, 0.0]}, 0.4), ({"x1": [2.0], "x2": [-3.0]}, 2.0)],
        better=nearer("x1", "x2"),
        items="rows",
    ),
    Case(
        "cosine_embedding_loss",
        pair,
        better_on_average=turned,
        wrt=("input1", "input2"),
        reference=cosine_embedding_loss,
        hand=[
            ({"input1": [3.0, 4.0], "input2": [1.0, 0.0], "target": 1}, 0.4),
            ({"input1": [3.0, 4.0], "input2": [1.0, 0.0], "target": -1}, 0.6),
        ],
        items="rows",
    ),
    Case(
        "cosine_embedding_loss",
        pair,
        {"margin": 0.3},
        better_on_average=turned,
        wrt=("input1", "input2"),
        reference=cosine_embedding_loss,
        hand=[({"input1": [3.0, 4.0], "input2": [1.0, 0.0], "target": -1}, 0.3)],
        items="rows",
    ),
    Case(
        "contrastive_loss",
        matched_pair,
        wrt=("input1", "input2"),
        reference=contrastive_loss,
        hand=[({"input1": [[0.0]] * 2, "input2": [[0.5]] * 2, "target": [1, 0], "reduction": "none"}, [0.125, 0.125])],
        better=parted_better,
        items="rows",
    ),
    Case(
        "contrastive_loss",
        mixed_pair,
        {"margin": 2.5},
        wrt=("input1", "input2", "target"),
        reference=contrastive_loss,
        hand=[({"input1": [0.0], "input2": [0.5], "target": 0.5}, 1.0625)],
        items="rows",
    ),
    *(
        Case(
            "triplet_margin_loss",
            triplet,
            parameters,
            wrt=("anchor", "positive", "negative"),
            reference=triplet_margin_loss,
            hand=hand,
            better=better,
            items="rows",
        )
        for parameters, hand, better in [
            ({}, [], better_triplet),
            ({"eps": 0.0}, [(corner, 4.0)], better_triplet),
            ({"margin": 0.25, "eps": 0.1}, [], better_triplet),
            ({"p": 1, "eps": 0.0}, [(corner, 6.0)], better_triplet),
            ({"p": math.inf, "eps": 0.0}, [(corner, 3.0)], better_triplet),
            ({"p": 3.5}, [], better_triplet),
            ({"swap": True, "eps": 0.0}, [(corner | {"positive": [0.0, 1.5]}, 2.0)], None),
        ]
    ),
    *(
        Case(
            "triplet_margin_with_distance_loss",
            draw,
            parameters,
            better_on_average=met("anchor", "positive"),
            wrt=("anchor", "positive", "negative"),
            reference=reference,
            hand=hand,
            items="rows",
        )
        for draw, parameters, reference, hand in [
            (triplet, {}, triplet_margin_with_distance_loss, []),
            (triplet, {"swap": True, "margin": 0.5}, triplet_margin_with_distance_loss, []),
            (triplet, {"distance_function": embedding.pairwise_distance}, triplet_with_distance, []),
            (
                triplet_of_directions,
                {"distance_function": embedding.cosine_distance, "margin": 0.2},
                triplet_with_distance,
                [({"anchor": [1.0, 0.0], "positive": [3.0, 4.0], "negative": [4.0, 3.0]}, 0.4)],
            ),
            (
                triplet_of_directions,
                {"distance_function": embedding.cosine_distance, "swap": True},
                triplet_with_distance,
                [],
            ),
        ]
    ),
    *(
        Case(
            "info_nce_loss",
            matching("query", "keys"),
            parameters,
            better_on_average=met("query", "keys"),
            wrt=("query", "keys"),
            reference=info_nce_loss,
            hand=[({"query": axes, "keys": axes}, value)],
            items="batch",
        )
        for parameters, value in [({}, math.log1p(math.exp(-10))), ({"temperature": 2.0}, math.log1p(math.exp(-0.5)))]
    ),
    *(
        Case(
            "nt_xent_loss",
            matching("view1", "view2"),
            parameters,
            better_on_average=met("view1", "view2"),
            wrt=("view1", "view2"),
            reference=nt_xent_loss,
            hand=[({"view1": axes, "view2": axes}, value)],
            items="batch",
        )
        for parameters, value in [
            ({}, math.log1p(2 * math.exp(-2))),
            ({"temperature": 0.25}, math.log1p(2 * math.exp(-4))),
        ]
    ),
    *(
        Case(
            "clip_loss",
            draw,
            parameters,
            better_on_average=met("image", "text"),
            wrt=("image", "text", *scale),
            reference=clip_loss,
            hand=[({"image": axes, "text": axes, **scale}, value)],
            items="batch",
        )
        for draw, parameters, scale, value in [
            (matching("image", "text"), {}, {}, math.log1p(math.exp(-1 / 0.07))),
            (matching("image", "text"), {"temperature": 0.5}, {}, math.log1p(math.exp(-2))),
            (image_and_text_and_scale, {}, {"logit_scale": 3.0}, math.log1p(math.exp(-3))),
        ]
    ),
    *(
        Case(
            "supervised_contrastive_loss",
            labeled,
            parameters,
            better_on_average=gathered,
            wrt=("embeddings",),
            reference=supervised_contrastive_loss,
            hand=[(two_two, value)],
            items="batch",
        )
        for parameters, value in [
            ({}, math.log1p(2 * math.exp(-10))),
            ({"temperature": 0.5}, math.log1p(2 * math.exp(-2))),
        ]
    ),
    *(
        Case(
            "arcface_loss",
            labeled_with_classes,
            parameters,
            better_on_average=at_own_class,
            wrt=("embeddings", "weight"),
            reference=arcface_loss,
            hand=[({"embeddings": [[2.0, 2.0]], "weight": axes, "labels": [0]}, value)],
            items="batch",
        )
        for parameters, value in [
            ({"margin": 0.0}, math.log(2)),
            ({}, math.log1p(math.exp(64 * (math.cos(math.pi / 4) - math.cos(math.pi / 4 + 0.5))))),
            (
                {"margin": 0.2, "scale": 3.0},
                math.log1p(math.exp(3 * (math.cos(math.pi / 4) - math.cos(math.pi / 4 + 0.2)))),
            ),
        ]
    ),
    *(
        Case(
            "circle_loss",
            labeled,
            parameters,
            better_on_average=gathered,
            wrt=("embeddings",),
            reference=circle_loss,
            hand=[(two_two, value)],
            items="batch",
            gradient_differs="that of the paper takes the weights as constants"
            if "constant_weights" in parameters
            else "",
        )
        for parameters, value in [
            ({}, math.log1p(2 * math.exp(-80 * 2 * 0.4**2))),
            ({"margin": 0.25, "gamma": 2.0}, math.log1p(2 * math.exp(-2 * 2 * 0.25**2))),
            ({"constant_weights": True}, math.log1p(2 * math.exp(-80 * 2 * 0.4**2))),
        ]
    ),
]
