"""Where PyTorch's result is wrong or missing digits and this library's isn't, each beside the exact value.

``python -m lossutils.verify --extreme`` prints the table. Exact values are computed with mpmath in 60 digits, by the
textbook formula, from the very numbers that the losses get. mpmath comes with PyTorch. Where PyTorch isn't installed
(in the browser), the answers of both come from a file, which ``python -m lossutils.verify --store`` writes.
"""

import importlib.util
import json
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

import lossutils.functional as F
from lossutils.engine import LossFunction, value_and_grad
from lossutils.verify import NO_TORCH

__all__ = ["EXTREMES", "Extreme", "Row", "compare_extremes", "markdown", "verify_extremes"]

STORED = "torch_extremes.json"

# A result is right if it is this near the exact one, relative to it.
RIGHT = 1e-6


class Extreme(NamedTuple):
    """One question with a known answer.

    Attributes
    ----------
    text : str
        What is asked.
    name : str
        The loss.
    arguments : dict
        Arguments as nested lists (integers stay integers), and parameters.
    exact : callable
        ``exact(mp, **arguments)``, with mpmath and nested lists of its numbers.
    wrt : str, optional
        The argument whose gradient is asked for, in its first entry; None asks for the value.
    """

    text: str
    name: str
    arguments: dict[str, Any]
    exact: Callable[..., Any]
    wrt: str | None = None


class Row(NamedTuple):
    """An extreme with its answers: the exact one, PyTorch's in float32 and float64, and this library's in both."""

    extreme: Extreme
    exact: float
    torch32: float
    torch64: float
    ours32: float
    ours64: float


def _softplus(mp, x):
    return mp.log1p(mp.exp(x))


def _log_sum_exp(mp, x):
    return mp.log(mp.fsum(mp.exp(v) for v in x))


def _soft_cross_entropy(mp, input, target):
    log_sum = _log_sum_exp(mp, input)
    return mp.fsum(t * (log_sum - x) for x, t in zip(input, target, strict=True) if t)


def _distance(mp, a, b, eps=1e-6):
    return mp.sqrt(mp.fsum((u - v + mp.mpf(eps)) ** 2 for u, v in zip(a, b, strict=True)))


def _one_minus_cosine(mp, input1, input2, target):
    (u,), (v,) = input1, input2
    dot = mp.fsum(a * b for a, b in zip(u, v, strict=True))
    return 1 - dot / mp.sqrt(mp.fsum(a * a for a in u) * mp.fsum(b * b for b in v))


def _triplet(mp, anchor, positive, negative, margin, eps):
    near, far = (_distance(mp, anchor[0], other[0], eps) for other in (positive, negative))
    return max(near - far + margin, 0)


INF = float("inf")

EXTREMES = [
    Extreme(
        "cross-entropy, right by a margin of 50",
        "cross_entropy",
        {"input": [[50.0, 0.0, 0.0]], "target": [0]},
        lambda mp, input, target: mp.log1p(2 * mp.exp(-50)),
    ),
    Extreme(
        "its gradient at the right class",
        "cross_entropy",
        {"input": [[50.0, 0.0, 0.0]], "target": [0]},
        lambda mp, input, target: -2 * mp.exp(-50) / (1 + 2 * mp.exp(-50)),
        "input",
    ),
    Extreme(
        "cross-entropy, probability 0 at logit −∞",
        "cross_entropy",
        {"input": [[1.0, 0.0, -INF]], "target": [[0.75, 0.25, 0.0]]},
        lambda mp, input, target: _soft_cross_entropy(mp, input[0], target[0]),
    ),
    Extreme(
        "gradient of binary cross-entropy, logit 50 and target 1",
        "binary_cross_entropy_with_logits",
        {"input": [50.0], "target": [1.0]},
        lambda mp, input, target: -mp.exp(-50) / (1 + mp.exp(-50)),
        "input",
    ),
    Extreme(
        "binary cross-entropy, logit −50 and target 0",
        "binary_cross_entropy_with_logits",
        {"input": [-50.0], "target": [0.0]},
        lambda mp, input, target: _softplus(mp, -50),
    ),
    Extreme(
        "soft margin at score −100 and target 1",
        "soft_margin_loss",
        {"input": [-100.0], "target": [1.0]},
        lambda mp, input, target: _softplus(mp, 100),
    ),
    Extreme(
        "soft margin at score −10,000 and target 1",
        "soft_margin_loss",
        {"input": [-1e4], "target": [1.0]},
        lambda mp, input, target: _softplus(mp, 10_000),
    ),
    Extreme(
        "its gradient",
        "soft_margin_loss",
        {"input": [-1e4], "target": [1.0]},
        lambda mp, input, target: -1 / (1 + mp.exp(-10_000)),
        "input",
    ),
    Extreme(
        "KL divergence, log-probability −∞ where the target is 0",
        "kl_div",
        {"input": [-0.5, -1.0, -INF], "target": [0.75, 0.25, 0.0], "reduction": "sum"},
        lambda mp, input, target, reduction: mp.fsum(
            t * (mp.log(t) - x) for x, t in zip(input, target, strict=True) if t
        ),
    ),
    Extreme(
        "mean squared error whose sum exceeds float32",
        "mse_loss",
        {"input": [1.44e19] * 8, "target": [0.0] * 8},
        lambda mp, input, target: input[0] ** 2,
    ),
    Extreme(
        "mean absolute error whose sum exceeds float32",
        "l1_loss",
        {"input": [2e38] * 4, "target": [0.0] * 4},
        lambda mp, input, target: input[0],
    ),
    Extreme(
        "cosine of vectors 0.0001 radian apart",
        "cosine_embedding_loss",
        {"input1": [[1.0, 0.0]], "input2": [[1.0, 1e-4]], "target": [1.0]},
        _one_minus_cosine,
    ),
    Extreme(
        "cosine of vectors as short as 1e-20",
        "cosine_embedding_loss",
        {"input1": [[3e-20, 4e-20]], "input2": [[4e-20, 3e-20]], "target": [1.0]},
        _one_minus_cosine,
    ),
    Extreme(
        "cosine of vectors as long as 1e20",
        "cosine_embedding_loss",
        {"input1": [[3e20, 4e20]], "input2": [[4e20, 3e20]], "target": [1.0]},
        _one_minus_cosine,
    ),
    Extreme(
        "triplet of points 1e20 apart",
        "triplet_margin_loss",
        {
            "anchor": [[0.0, 0.0]],
            "positive": [[3e20, 4e20]],
            "negative": [[0.0, 1e20]],
            "margin": 1.0,
            "eps": 0.0,
        },
        _triplet,
    ),
    Extreme(
        "triplet of points 1e-25 apart",
        "triplet_margin_loss",
        {
            "anchor": [[0.0, 0.0]],
            "positive": [[3e-25, 4e-25]],
            "negative": [[0.0, 1e-25]],
            "margin": 1e-25,
            "eps": 0.0,
        },
        _triplet,
    ),
]


def verify_extremes(*functions: LossFunction) -> None:
    """Print what PyTorch and this library answer to the extreme questions to these losses, beside the exact value.

    Parameters
    ----------
    *functions : callable
        Losses from ``lossutils.functional`` that `EXTREMES` has questions to.

    Raises
    ------
    LookupError
        If there is no question to one of them.

    Examples
    --------
    >>> verify_extremes(F.kl_div)
    KL divergence, log-probability −∞ where the target is 0
        exact 0.06266, PyTorch nan in float32 and nan in float64, ours 0.06266
    """
    names = [function.__name__ for function in functions]
    missing = set(names) - {extreme.name for extreme in EXTREMES}
    if missing:
        raise LookupError(f"verify_extremes: no question is asked of {', '.join(sorted(missing))}")
    if not _has_torch():
        print(NO_TORCH)
    for row in compare_extremes():
        if row.extreme.name in names:
            answers = f"PyTorch {row.torch32:.4g} in float32 and {row.torch64:.4g} in float64, ours {row.ours32:.4g}"
            print(f"{row.extreme.text}\n    exact {row.exact:.4g}, {answers}")


def compare_extremes() -> list[Row]:
    """Ask every question of PyTorch, or of its stored answers, and of this library, in float32 and float64.

    Examples
    --------
    >>> row = compare_extremes()[0]
    >>> row.torch64, row.ours64
    (0.0, 3.8574996959278356e-22)
    """
    answers = _answers() if _has_torch() else _stored()
    return [
        Row(extreme, *answers[extreme.text], *(_ours(extreme, dtype) for dtype in (np.float32, np.float64)))
        for extreme in EXTREMES
    ]


def stored_answers() -> str:
    """The text of the file of stored answers, from the PyTorch that is installed."""
    return json.dumps(_answers(), indent=1) + "\n"


def _stored() -> dict[str, list[float]]:
    return json.loads(resources.files("lossutils.data").joinpath(STORED).read_text())


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _answers() -> dict[str, list[float]]:
    """For each question the exact answer, and PyTorch's in float32 and float64."""
    return {
        extreme.text: [float(_exact(extreme)), *(_torchs(extreme, dtype) for dtype in (np.float32, np.float64))]
        for extreme in EXTREMES
    }


def is_right(value: float, exact: float) -> bool:
    """Whether a value is within 1e-6 of the exact one, relative to it.

    Examples
    --------
    >>> is_right(1.0000001, 1.0), is_right(float("nan"), 1.0), is_right(0.0, 1e-22)
    (True, False, False)
    """
    return abs(value - exact) <= RIGHT * abs(exact)


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table; wrong answers are bold.

    Examples
    --------
    >>> print(markdown([Row(EXTREMES[0], 2.0, 0.0, 2.0, 2.0, 2.0)]).splitlines()[-1])
    | cross-entropy, right by a margin of 50 | `cross_entropy` | 2 | **0** | 2 | 2 |
    """
    lines = [
        "| case | loss | exact | PyTorch float32 | PyTorch float64 | lossutils float32 |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        answers = [_marked(value, row.exact) for value in (row.torch32, row.torch64, row.ours32)]
        cells = [row.extreme.text, f"`{row.extreme.name}`", f"{row.exact:.4g}", *answers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _marked(value: float, exact: float) -> str:
    return f"{value:.4g}" if is_right(value, exact) else f"**{value:.4g}**"


def _arrays(extreme: Extreme, dtype: type) -> dict[str, Any]:
    """Arguments with arrays for lists: the float32 numbers, in this dtype."""
    arguments = {}
    for name, value in extreme.arguments.items():
        if isinstance(value, list):
            array = np.array(value)
            value = array.astype(np.float32).astype(dtype) if array.dtype.kind == "f" else array
        arguments[name] = value
    return arguments


def _ours(extreme: Extreme, dtype: type) -> float:
    function, arguments = getattr(F, extreme.name), _arrays(extreme, dtype)
    if extreme.wrt is None:
        return float(function(**arguments))
    return float(value_and_grad(function, extreme.wrt)(**arguments)[1].flat[0])


def _torchs(extreme: Extreme, dtype: type) -> float:
    import torch

    arguments = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in _arrays(extreme, dtype).items()}
    if extreme.wrt is not None:
        arguments[extreme.wrt].requires_grad_()
    value = getattr(torch.nn.functional, extreme.name)(**arguments)
    if extreme.wrt is None:
        return value.item()
    value.backward()
    return arguments[extreme.wrt].grad.flatten()[0].item()


def _exact(extreme: Extreme) -> Any:
    import mpmath

    def exactly(value):
        if isinstance(value, np.ndarray):
            return [exactly(v) for v in value] if value.ndim else mpmath.mpf(value.item())
        return mpmath.mpf(float(value)) if isinstance(value, np.generic) else value

    with mpmath.workdps(60):
        return extreme.exact(mpmath.mp, **{k: exactly(v) for k, v in _arrays(extreme, np.float64).items()})
