"""Losses of denoising diffusion."""

from cases import Case, reduced, torch

WEIGHTS = {  # on the error of the clean sample; and what that error is multiplied with to be the prediction's own
    "snr": lambda snr, gamma: snr,
    "min-snr": lambda snr, gamma: torch.clamp(snr, max=gamma),
}
OWN = {
    "epsilon_prediction_loss": lambda snr: snr,
    "x0_prediction_loss": lambda snr: 1,
    "v_prediction_loss": lambda snr: snr + 1,
}


def images(rng):
    shape = tuple(rng.integers(1, 4, size=rng.integers(1, 5)))
    return {"input": rng.normal(size=shape) * 2, "target": rng.normal(size=shape) * 2}


def noisy_images(rng):
    arrays = images(rng)
    shape = arrays["input"].shape
    return arrays | {"snr": 10 ** rng.uniform(-2, 2, size=shape[:1] + (1,) * (len(shape) - 1))}


def reference(name):
    def loss(input, target, snr=None, *, reduction, weighting="none", gamma=5.0):
        weight = 1 if weighting == "none" else WEIGHTS[weighting](snr, gamma) / OWN[name](snr)
        return reduced(weight * (target - input) ** 2, reduction)

    return loss


def closer(arrays):
    return arrays | {"input": 0.5 * (arrays["input"] + arrays["target"])}


TWO_NOISES = {"input": [3.0, 3.0], "target": [1.0, 1.0], "snr": [3.0, 8.0], "reduction": "none"}
BY_HAND = {
    ("epsilon_prediction_loss", "snr"): [4.0, 4.0],
    ("epsilon_prediction_loss", "min-snr"): [4.0, 2.5],
    ("x0_prediction_loss", "snr"): [12.0, 32.0],
    ("x0_prediction_loss", "min-snr"): [12.0, 20.0],
    ("v_prediction_loss", "snr"): [3.0, 32 / 9],
    ("v_prediction_loss", "min-snr"): [3.0, 20 / 9],
}

CASES = [
    case
    for name in OWN
    for case in (
        Case(
            name,
            images,
            reference=reference(name),
            hand=[({"input": [3.0, 1.0], "target": [1.0, 1.0]}, 2.0)],
            better=closer,
        ),
        *(
            Case(
                name,
                noisy_images,
                {"weighting": weighting},
                reference=reference(name),
                hand=[(TWO_NOISES, BY_HAND[name, weighting])],
                better=closer,
            )
            for weighting in ("snr", "min-snr")
        ),
        Case(name, noisy_images, {"weighting": "min-snr", "gamma": 0.5}, reference=reference(name), better=closer),
    )
]
