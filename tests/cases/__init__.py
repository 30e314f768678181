"""The losses as the tests see them: how to draw arguments, what to compare with, what the value is by hand.

One file a family; each has a list ``CASES``. ``ALL`` is what the parametrized suites run over: a loss that has no case
fails ``test_losses.py``.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

try:  # what needs PyTorch is skipped where it is missing
    import torch
    import torch.nn.functional as TF
except ModuleNotFoundError:
    torch = TF = None

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """A loss with one choice of parameters.

    Attributes
    ----------
    name : str
        Its name in ``lossutils.functional``.
    draw : callable
        ``draw(rng)`` returns valid arrays by argument name, floats as float64, of random small shapes (some axis may
        be 1, none 0), away from what only extremes tests should see. Different calls give different shapes.
    parameters : dict
        What else is passed, by name.
    wrt : tuple of str
        The arguments that have a gradient.
    reference : callable, optional
        ``reference(**tensors, reduction=…, **parameters)``: the same loss in PyTorch, a second way, differentiable.
        None: ``torch.nn.functional``'s function of this name.
    hand : list of (arguments, value)
        Worked by hand: ``({"input": [2.0], "target": [0.0], "reduction": "sum"}, 4.0)``.
    better : callable, optional
        ``better(arrays)`` returns arguments that are nearer to what the loss asks for: its value must be smaller.
    better_on_average : callable, optional
        The same where it holds for most draws only: the sum over many draws must be smaller.
    items : {"elements", "rows", "batch", "class"}
        What has a value of its own when nothing is reduced: elements (all arrays broadcast), rows along the last axis,
        the batch as a whole (permuting it permutes values), rows along the class axis (axis 1).
    reductions : tuple of str
    gradient_differs : str
        Why the gradient isn't the derivative of the value, where that is meant.
    """

    name: str
    draw: Callable[[np.random.Generator], Arrays]
    parameters: dict[str, Any] = field(default_factory=dict)
    wrt: tuple[str, ...] = ("input", "target")
    reference: Callable[..., Any] | None = None
    hand: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    better: Callable[[Arrays], Arrays] | None = None
    better_on_average: Callable[[Arrays], Arrays] | None = None
    items: str = "elements"
    reductions: tuple[str, ...] = ("none", "mean", "sum")
    gradient_differs: str = ""

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={getattr(v, '__name__', v)}" for k, v in self.parameters.items())])


def reduced(values, reduction):
    """Reduce a tensor of values as PyTorch does; for references."""
    return {"none": lambda v: v, "mean": lambda v: v.mean(), "sum": lambda v: v.sum()}[reduction](values)


def _collect() -> list[Case]:
    return [
        case
        for module in pkgutil.iter_modules(__path__)
        for case in importlib.import_module(f"{__name__}.{module.name}").CASES
    ]


ALL: list[Case] = []


def all_cases() -> list[Case]:
    """Every case of every family; imported when asked for, so that a family can be tested while another is broken."""
    if not ALL:
        ALL.extend(_collect())
    return ALL
