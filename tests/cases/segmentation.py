"""Losses of overlapping masks."""

import numpy as np

from cases import Case, reduced


def shape_of_masks(rng):
    """One mask, some rows, or samples × classes × up to three axes of pixels."""
    return tuple(rng.integers(1, 5, size=rng.integers(1, 6)))


def masks(rng):
    """None is empty: the first pixel of each belongs to it."""
    shape = shape_of_masks(rng)
    target = rng.integers(0, 2, size=shape)
    over_masks = min(2, len(shape) - 1)
    target[(..., *[0] * (len(shape) - over_masks))] = 1
    return {"input": rng.uniform(0.05, 0.95, size=shape), "target": target.astype(rng.choice([int, float]))}


def maybe_empty_masks(rng):
    arrays = masks(rng)
    return arrays | {"target": arrays["target"] * rng.integers(0, 2)}


def soft_masks(rng):
    shape = shape_of_masks(rng)
    return {"input": rng.uniform(0.05, 0.95, size=shape), "target": rng.uniform(0.05, 0.95, size=shape)}


def closer(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"])}


def pixels(tensor):
    """The axes of one mask."""
    return tuple(range(min(2, tensor.ndim - 1), tensor.ndim))


def dice(input, target, reduction, smooth=1e-5):
    over = pixels(input)
    intersection, total = (input * target).sum(over), (input + target).sum(over)
    return reduced(1 - (2 * intersection + smooth) / (total + smooth), reduction)


def jaccard(input, target, reduction, smooth=1e-5):
    over = pixels(input)
    intersection, total = (input * target).sum(over), (input + target).sum(over)
    return reduced(1 - (intersection + smooth) / (total - intersection + smooth), reduction)


def tversky(input, target, reduction, alpha=0.5, beta=0.5, smooth=1e-5):
    over = pixels(input)
    both = (input * target).sum(over)
    false_alarms, misses = input.sum(over) - both, target.sum(over) - both
    return reduced(1 - (both + smooth) / (both + alpha * false_alarms + beta * misses + smooth), reduction)


def focal_tversky(input, target, reduction, alpha=0.3, beta=0.7, gamma=4 / 3, smooth=1e-5):
    return reduced(tversky(input, target, "none", alpha, beta, smooth) ** (1 / gamma), reduction)


def overlap(name, reference, hand, draw=masks, **parameters):
    """With hard masks, and with soft labels, whose slope counts too. By hand: two pixels predicted, one of them right,
    and one more that is missed, TP = 1, FP = 1, FN = 1; a half in each of two."""
    by_hand = {"input": [1.0, 1.0, 0.0, 0.0], "target": [1.0, 0.0, 1.0, 0.0]}
    return [
        Case(name, draw, parameters, ("input",), reference, [(by_hand, hand)], closer, "rows"),
        Case(name, soft_masks, parameters, ("input", "target"), reference, [], None, "rows"),
    ]


CASES = [
    *overlap("dice_loss", dice, 2 / 4.00001),
    *overlap("dice_loss", dice, 1 - 3 / 5, smooth=1.0),
    *overlap("jaccard_loss", jaccard, 2 / 3.00001),
    *overlap("jaccard_loss", jaccard, 1 - 2 / 4, smooth=1.0),
    *overlap("tversky_loss", tversky, 1 / 2.00001),
    *overlap("tversky_loss", tversky, 0.9 / 1.9, alpha=0.2, beta=0.7, smooth=0.0),
    *overlap("focal_tversky_loss", focal_tversky, (1 / 2.00001) ** 0.75, maybe_empty_masks),
    *overlap("focal_tversky_loss", focal_tversky, np.sqrt(1.5 / 3.5), alpha=1.0, beta=0.5, gamma=2.0, smooth=1.0),
    *overlap("focal_tversky_loss", focal_tversky, (1 / 2) ** 2, gamma=0.5, smooth=0.0),
]
