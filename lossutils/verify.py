"""Show a loss beside PyTorch's: value, gradient, and the largest difference, at ordinary and extreme inputs.

Where PyTorch isn't installed (in the browser), the comparison uses PyTorch's stored answers, which
``python -m lossutils.verify --store`` writes and the tests compare with the PyTorch that is installed.
"""

import argparse
import importlib.util
import json
import textwrap
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from lossutils import functional
from lossutils.engine import Loss, LossFunction, value_and_grad

__all__ = ["Comparison", "compare", "verify"]

STORED = "torch_reference.json"
NO_TORCH = "(PyTorch isn't available here, as in any browser: these are its stored answers.)"
WIDTH = 80  # of a printed line: what a page has room for

# What is compared and stored: every loss and parameter that a chapter verifies.
VERIFIED: list[tuple[str, dict[str, float]]] = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 2.0}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 2.0}),
    ("log_cosh_loss", {}),
    ("tukey_loss", {}),
    ("pinball_loss", {"quantile": 0.8}),
    ("cross_entropy", {}),
    ("cross_entropy", {"label_smoothing": 0.1}),
    ("binary_cross_entropy_with_logits", {}),
    ("cost_sensitive_binary_cross_entropy", {"false_negative_cost": 20.0}),
]

# How far two correctly rounded computations may lie apart, relative to the larger: some units in the last place.
AGREEMENT = {"float64": 1e-12, "float32": 1e-5}


class Comparison(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    case : str
        What the input is like, and its dtype.
    value, gradient : float
        Relative differences to PyTorch's answer; 0 where both are the same infinity or NaN.
    agrees : bool
        Both are within the tolerance of the dtype.
    ours, torchs, exact : float
        The values; `exact` is computed in float64 from the same numbers.
    """

    case: str
    value: float
    gradient: float
    agrees: bool
    ours: float
    torchs: float
    exact: float


def verify(function: LossFunction, **parameters: float) -> None:
    """Print how a loss and its gradient compare with PyTorch's, case by case.

    A loss that PyTorch lacks is compared with its textbook formula, typed into PyTorch as it stands and
    differentiated by autograd. A row that differs gives PyTorch's answer "for" the exact one, and ours. Verdicts
    and orders of magnitude are printed, no digits of rounding error, so that the table is the same on every machine.
    Where PyTorch isn't installed, its stored answers stand in for it, and a line says so.

    Parameters
    ----------
    function : callable
        A loss from ``lossutils.functional``.
    **parameters
        For the loss, such as ``delta=2.0``.

    Raises
    ------
    LookupError
        If PyTorch isn't installed and no answer is stored for this loss with these parameters.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> verify(F.mse_loss)
    mse_loss beside PyTorch: value and gradient of the mean
    case                               verdict  relative difference
    ordinary, float64                  agrees   at most 1e-12
    ordinary, float32                  agrees   at most 1e-5
    exact predictions, float64         agrees   at most 1e-12
    tiny residuals, float32            agrees   at most 1e-5
    a residual of 1e18, float32        agrees   at most 1e-5
    a sum beyond float32, float32      DIFFERS  inf for 2.07e+38; ours 2.07e+38
    a NaN target, float64              agrees   at most 1e-12

    Source: ``torch.nn.functional``, PyTorch 2.13.
    """
    name = _loss_of(function).name
    other = "its textbook formula in PyTorch" if name in _TEXTBOOK else "PyTorch"
    rows = compare(function, **parameters)
    title = f"{_described(name, parameters)} beside {other}: value and gradient of the mean"
    print(textwrap.fill(title, WIDTH))
    if not _has_torch():
        print(NO_TORCH)
    print(f"{'case':<33}  {'verdict':<7}  relative difference")
    for row in rows:
        verdict = "agrees" if row.agrees else "DIFFERS"
        print(f"{row.case:<33}  {verdict:<7}  {_difference(row)}")


def compare(function: LossFunction, **parameters: float) -> list[Comparison]:
    """Return the rows that `verify` prints.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> [row.case for row in compare(F.mse_loss) if not row.agrees]
    ['a sum beyond float32, float32']
    """
    loss = _loss_of(function)
    answers = _answers(loss.name, parameters)
    rows = []
    for case, (input, target) in _cases(loss.name).items():
        value, gradient = value_and_grad(function)(input, target, **parameters)
        exact_target = target if target.dtype.kind == "i" else target.astype(float)
        exact = function(input.astype(float), exact_target, **parameters)
        torch_value, torch_gradient = answers[case]
        differences = _relative(value, torch_value), _relative(gradient, torch_gradient)
        agrees = max(differences) <= AGREEMENT[str(input.dtype)]
        rows.append(Comparison(case, *differences, agrees, float(value), float(torch_value), float(exact)))
    return rows


def _cases(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets for a loss, by what they are like."""
    return _CASES.get(name, _residuals)()


def _residuals():
    rng = np.random.default_rng(0)
    input, target = rng.normal(scale=3, size=(2, 8))
    single = np.float32
    outlier = target.astype(single)
    outlier[3] = 1e18
    missing = target.copy()
    missing[0] = np.nan
    return {
        "ordinary, float64": (input, target),
        "ordinary, float32": (input.astype(single), target.astype(single)),
        "exact predictions, float64": (target.copy(), target),
        "tiny residuals, float32": ((target * 1e-12).astype(single), np.zeros(8, single)),
        "a residual of 1e18, float32": (input.astype(single), outlier),
        "a sum beyond float32, float32": (np.full(8, 1.44e19, single), np.zeros(8, single)),
        "a NaN target, float64": (input, missing),
    }


def _logits_of_classes():
    rng = np.random.default_rng(0)
    input, target = rng.normal(scale=3, size=(8, 5)), rng.integers(5, size=8)
    single = np.float32
    margin = 50 * np.eye(5, dtype=single)
    padded = target.copy()
    padded[::3] = -100
    return {
        "ordinary, float64": (input, target),
        "ordinary, float32": (input.astype(single), target),
        "equal logits, float64": (np.zeros((8, 5)), target),
        "probabilities as targets, float64": (input, rng.dirichlet(np.ones(5), size=8)),
        "three labels ignored, float64": (input, padded),
        "logits in the thousands, float32": ((1000 * input).astype(single), target),
        "right by a margin of 50, float32": (margin, np.arange(5)),
    }


def _logits_of_yes():
    rng = np.random.default_rng(0)
    input, target = rng.normal(scale=3, size=8), np.array([0.0, 1, 1, 0, 1, 0, 0, 1])
    single = np.float32
    return {
        "ordinary, float64": (input, target),
        "ordinary, float32": (input.astype(single), target.astype(single)),
        "logits of 0, float64": (np.zeros(8), target),
        "probabilities as targets, float64": (input, rng.uniform(size=8)),
        "logits in the thousands, float32": ((1000 * input).astype(single), target.astype(single)),
        "right by a margin of 50, float32": ((100 * target - 50).astype(single), target.astype(single)),
    }


_CASES = {
    "binary_cross_entropy_with_logits": _logits_of_yes,
    "cost_sensitive_binary_cross_entropy": _logits_of_yes,
    "cross_entropy": _logits_of_classes,
}


def _relative(ours: Any, theirs: Any) -> float:
    """The largest difference relative to the largest size; 0 where both are the same infinity or both NaN."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if same.all():
        return 0.0
    if not (np.isfinite(ours[~same]).all() and np.isfinite(theirs[~same]).all()):
        return np.inf
    size = np.max(np.abs(theirs)[np.isfinite(theirs)]) or np.finfo(float).tiny
    return float(np.max(np.abs(ours - theirs)[~same]) / size)


def _difference(row: Comparison) -> str:
    if row.agrees:
        return f"at most {AGREEMENT[row.case.rsplit(', ')[-1]]:.0e}".replace("e-0", "e-")
    if row.value > AGREEMENT["float32"]:
        return f"{row.torchs:.3g} for {row.exact:.3g}; ours {row.ours:.3g}"
    return f"in the gradient, by {row.gradient:.0e}"


def _loss_of(function: LossFunction) -> Loss:
    loss = getattr(function, "loss", None)
    if not isinstance(loss, Loss):
        raise TypeError(f"verify takes a loss of lossutils.functional, not {function!r}")
    return loss


def _described(name: str, parameters: dict[str, float]) -> str:
    inside = ", ".join(f"{k}={v}" for k, v in parameters.items())
    return f"{name}({inside})" if inside else name


# ---- PyTorch's answers, live or stored


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _answers(name: str, parameters: dict[str, float]) -> dict[str, tuple[Any, Any]]:
    if _has_torch():
        return {case: _ask_torch(name, parameters, *arrays) for case, arrays in _cases(name).items()}
    stored = json.loads(resources.files("lossutils.data").joinpath(STORED).read_text())
    described = _described(name, parameters)
    if described not in stored:
        raise LookupError(f"PyTorch isn't installed, and no answer of it is stored for {described}")
    return stored[described]


def _ask_torch(name, parameters, input, target):
    import torch

    function = getattr(torch.nn.functional, name, None) or _TEXTBOOK[name]
    tensor = torch.tensor(input, requires_grad=True)
    value = function(tensor, torch.tensor(target), **parameters)
    value.backward()
    return value.item(), tensor.grad.tolist()


def _textbook_log_cosh(input, target):
    import torch

    return torch.log(torch.cosh(input - target)).mean()


def _textbook_tukey(input, target, c=4.685):
    inside = 1 - ((input - target) / c).square()
    return (c**2 / 6 * (1 - inside.relu() ** 3)).mean()


def _textbook_pinball(input, target, quantile=0.5):
    import torch

    residual = input - target
    return torch.maximum((1 - quantile) * residual, -quantile * residual).mean()


def _textbook_cost_sensitive(input, target, false_negative_cost=1.0, false_positive_cost=1.0):
    p = input.sigmoid()
    return -(false_negative_cost * target * p.log() + false_positive_cost * (1 - target) * (1 - p).log()).mean()


_TEXTBOOK = {
    "cost_sensitive_binary_cross_entropy": _textbook_cost_sensitive,
    "log_cosh_loss": _textbook_log_cosh,
    "pinball_loss": _textbook_pinball,
    "tukey_loss": _textbook_tukey,
}


def stored_answers() -> str:
    """The text of the file of stored answers, from the PyTorch that is installed."""
    answers = {
        _described(name, parameters): {case: _ask_torch(name, parameters, *a) for case, a in _cases(name).items()}
        for name, parameters in VERIFIED
    }
    return json.dumps(answers, indent=1) + "\n"


EXTREME_PAGE = """# Where PyTorch is wrong

Each row asks a loss of `torch.nn.functional` a question whose answer is known: computed in 60 digits, by the textbook
formula, from the very numbers the loss gets. **Bold** answers are off by more than one part in a million; most of them
are 0, infinity, or no number at all where an ordinary number is right. Why float32 gets these right once the formula is
rearranged is told beside each formula, in the code.

{table}

PyTorch {version}. This page is written by `make reference`.
"""


def _print_extremes() -> None:
    import torch

    from lossutils.extremes import compare_extremes, markdown

    version = torch.__version__.split("+")[0]
    print(EXTREME_PAGE.format(table=markdown(compare_extremes()), version=version), end="")


def main() -> None:
    """Print every comparison, or store PyTorch's answers for where it is missing, or print where PyTorch is wrong."""
    parser = argparse.ArgumentParser(prog="python -m lossutils.verify", description=main.__doc__)
    parser.add_argument("--store", action="store_true", help=f"write lossutils/data/{STORED}")
    parser.add_argument("--extreme", action="store_true", help="print where PyTorch is wrong, as a page in Markdown")
    arguments = parser.parse_args()
    if arguments.extreme:
        _print_extremes()
    if arguments.store:
        from lossutils import extremes

        for name, text in ((STORED, stored_answers()), (extremes.STORED, extremes.stored_answers())):
            with resources.as_file(resources.files("lossutils.data").joinpath(name)) as path:
                path.write_text(text)
    if arguments.extreme or arguments.store:
        return
    for name, parameters in VERIFIED:
        verify(getattr(functional, name), **parameters)
        print()


if __name__ == "__main__":
    main()
