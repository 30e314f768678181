"""Residual losses."""

from cases import Case


def pair(rng):
    shape = tuple(rng.integers(1, 5, size=rng.integers(0, 4)))
    return {"input": rng.normal(size=shape) * 3, "target": rng.normal(size=shape) * 3}


def weighted_pair(rng):
    arrays = pair(rng)
    return arrays | {"weight": rng.uniform(0.5, 3, size=arrays["input"].shape)}


def closer(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"])}


CASES = [
    Case("mse_loss", pair, hand=[({"input": [2.5, 0.0], "target": [3.0, -0.5]}, 0.25)], better=closer),
]
