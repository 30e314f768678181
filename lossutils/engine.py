"""What every loss shares, once: argument checks, broadcasting, dtypes, weights, reduction, blocks, gradients.

A loss in ``lossutils.losses`` is a *formula*: a short function that states, for a block of data, the value
and its slope. A decorator turns the formula into the public function with ``torch.nn.functional``'s signature:

``elementwise``
    one value for each pair of numbers (squared error, Huber, …). The formula sees one-dimensional blocks.

A call has three stages, whatever the kind of formula: `Loss.bind` sorts the arguments by role; `Loss.evaluate` checks
them and settles dtypes and shapes; a walk goes over the items, in blocks, and adds up values and writes gradients. An
item is what has one value and one weight: an element here; for a loss over classes it would be a row of logits, for
one over embeddings a row of pairs. A new kind is a subclass of `Loss` with its own `evaluate`, and shares `bind`,
`value_and_grad`, the dtype rules (`_result_dtype`), and the undoing of broadcasts (`_sum_to`).
"""

import ast
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LossFunction", "elementwise", "source", "value_and_grad"]

# Elements a block: 2¹⁵ float32 numbers are 128 KiB, so a formula's few temporaries stay in the L2 cache.
BLOCK = 1 << 15

ReductionName = Literal["none", "mean", "sum"]
Formula = Callable[..., tuple[np.ndarray, ...]]


class LossFunction(Protocol):
    """A public loss: called like its namesake in ``torch.nn.functional``; ``value_and_grad`` differentiates it."""

    loss: "Loss"

    def __call__(
        self,
        input: ArrayLike,
        target: ArrayLike,
        *args: Any,
        reduction: ReductionName = "mean",
        **parameters: Any,
    ) -> np.ndarray | np.generic: ...


class _Bound(NamedTuple):
    """The arguments of one call, by role."""

    arrays: dict[str, Any]  # what may be differentiated: input, target, weight
    parameters: dict[str, Any]  # what the formula takes besides: delta, beta, …
    reduction: str


class Loss:
    """A formula with its signature; subclasses walk over its items.

    Parameters
    ----------
    formula : callable
        ``formula(input, target, *, parameter=default, …)`` returning ``(value, slope, …)``.
    signature : list of inspect.Parameter
        The public signature. Names in `arrays` are arrays, ``reduction`` is the reduction, the rest parameters.
    arrays : tuple of str
        Names of the array arguments.
    """

    def __init__(self, formula: Formula, signature: list[inspect.Parameter], arrays: tuple[str, ...]):
        self.formula = formula
        self.name = formula.__name__
        self.signature = inspect.Signature(signature, return_annotation=np.ndarray | np.generic)
        self.names = [parameter.name for parameter in signature]
        self.arrays = arrays
        self._defaults = {p.name: p.default for p in signature if p.default is not p.empty}

    def bind(self, args: tuple, kwargs: dict) -> _Bound:
        """Sort a call's arguments by role; a call Python would reject raises its usual TypeError."""
        values = {**self._defaults, **dict(zip(self.names, args, strict=False)), **kwargs}
        if len(values) != len(self.names) or len(args) + len(kwargs) > len(self.names):
            self.signature.bind(*args, **kwargs)  # raises, and says which argument is missing or unknown
        if kwargs and not kwargs.keys().isdisjoint(self.names[: len(args)]):
            self.signature.bind(*args, **kwargs)  # raises: an argument was given twice
        reduction = values.pop("reduction")
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"{self.name}: reduction must be 'none', 'mean', or 'sum', not {reduction!r}")
        return _Bound({name: values.pop(name) for name in self.arrays}, values, reduction)

    def evaluate(self, call: _Bound, wrt: tuple[str, ...] = (), grad_output: ArrayLike | None = None):
        """Return the value and, for each name in `wrt`, the gradient with respect to that argument."""
        raise NotImplementedError


def value_and_grad(
    function: LossFunction, argnums: int | str | Iterable[int | str] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Turn a loss into a function that returns its value and its gradient.

    Follows ``jax.value_and_grad``; the gradient is computed by the loss's own formula, not by differentiation.

    Parameters
    ----------
    function : callable
        A loss from ``lossutils.functional``.
    argnums : int, str, or tuple of these, default 0
        Which arguments to differentiate with respect to, by position or name. A tuple gives a tuple of gradients.

    Returns
    -------
    callable
        Takes what `function` takes, and ``grad_output`` (keyword only): the factor each output's gradient is
        multiplied with, broadcastable to the output's shape (default 1), so that ``reduction="none"`` has a
        gradient too. Returns ``(value, gradient)``; the gradient has the shape and dtype of its argument.

    Raises
    ------
    TypeError
        If `function` isn't a loss of this library, an argument isn't differentiable, or isn't floating point.

    Examples
    --------
    >>> import numpy as np
    >>> import lossutils.functional as F
    >>> value, gradient = value_and_grad(F.mse_loss)(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    >>> float(value), gradient.tolist()
    (2.0, [0.0, 2.0])

    Source: the calling convention of Bradbury et al. (2018), JAX, https://docs.jax.dev.
    """
    loss = getattr(function, "loss", None)
    if not isinstance(loss, Loss):
        raise TypeError(f"value_and_grad differentiates the losses of lossutils.functional, not {function!r}")
    single = isinstance(argnums, int | str)
    wrt = tuple(_argument_name(loss, which) for which in ([argnums] if single else argnums))

    @functools.wraps(function)
    def differentiated(*args, grad_output: ArrayLike | None = None, **kwargs):
        value, gradients = loss.evaluate(loss.bind(args, kwargs), wrt, grad_output)
        return value, gradients[0] if single else tuple(gradients)

    return differentiated


def source(function: LossFunction) -> str:
    """Return the code of a loss's formula without its docstring: what the loss is, on one page.

    Parameters
    ----------
    function : callable
        A loss from ``lossutils.functional``.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> print(source(F.mse_loss))
    @elementwise(weight="weights")
    def mse_loss(input, target):
        residual = input - target
        return residual * residual, 2 * residual
    """
    code = inspect.getsource(function.loss.formula)
    docstring = ast.parse(code).body[0].body[0]
    lines = code.splitlines()
    return "\n".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno :])


def _argument_name(loss: Loss, which: int | str) -> str:
    name = which
    if isinstance(which, int):
        if not -len(loss.names) <= which < len(loss.names):
            raise TypeError(f"{loss.name} has {len(loss.names)} arguments; there is no argument {which}")
        name = loss.names[which]
    if name not in loss.arrays:
        raise TypeError(f"{loss.name} is not differentiable with respect to {name!r}, only to {loss.arrays}")
    return name


# ---- one value for each element


def elementwise(
    formula: Formula | None = None,
    /,
    *,
    weight: Literal["elements", "weights"] | None = "elements",
    dtype: Literal["promote", "input"] = "promote",
    integers: bool = False,
) -> Any:
    """Make a loss of a formula for one number and its target.

    Parameters
    ----------
    formula : callable
        ``formula(input, target, *, parameters…)`` gets one-dimensional blocks of equal length and one floating
        dtype, which it must not change, and returns ``(value, slope)`` for a function of the residual
        ``input − target`` (whose slope in the target is then ``−slope``), or ``(value, slope_in_input,
        slope_in_target)``.
    weight : {"elements", "weights", None}
        What a weighted mean divides by: the number of elements, or the sum of the weights.
        None: the loss takes no weight.
    dtype : {"promote", "input"}
        Whether the result has the promoted dtype of all arguments or, as in a few of PyTorch's losses, that
        of `input`; then a gradient requires equal dtypes.
    integers : bool
        Whether integer input is accepted when nothing has to be divided or differentiated.

    Returns
    -------
    callable
        The public loss: ``loss(input, target, reduction="mean", parameters…, weight=None)``.

    Examples
    --------
    >>> @elementwise
    ... def fourth_power_loss(input, target):
    ...     residual = input - target
    ...     return residual**4, 4 * residual**3
    >>> value, gradient = value_and_grad(fourth_power_loss)([2.0, 0.0], [1.0, 0.0])
    >>> float(value), gradient.tolist()
    (0.5, [2.0, 0.0])
    """
    if formula is None:
        return functools.partial(elementwise, weight=weight, dtype=dtype, integers=integers)
    loss = _ElementwiseLoss(formula, weight, dtype, integers)

    @functools.wraps(formula)
    def function(*args, **kwargs):
        return loss.evaluate(loss.bind(args, kwargs))[0]

    function.loss = loss
    function.__signature__ = loss.signature
    function.__annotations__ = {p.name: p.annotation for p in loss.signature.parameters.values()}
    function.__annotations__["return"] = loss.signature.return_annotation
    return function


class _ElementwiseLoss(Loss):
    def __init__(self, formula, weight, dtype, integers):
        parameters = list(inspect.signature(formula).parameters.values())[2:]
        signature = [
            _parameter("input", ArrayLike),
            _parameter("target", ArrayLike),
            _parameter("reduction", ReductionName, "mean"),
            *(_parameter(p.name, p.annotation, p.default) for p in parameters),
        ]
        arrays = ("input", "target")
        if weight is not None:
            signature.append(_parameter("weight", ArrayLike | None, None))
            arrays += ("weight",)
        super().__init__(formula, signature, arrays)
        self._mean_over_weights = weight == "weights"
        self._dtype_of_input = dtype == "input"
        self._integers = integers

    def evaluate(self, call, wrt=(), grad_output=None):
        arrays = {name: _as_array(self.name, name, a) for name, a in call.arrays.items() if a is not None}
        dtype, out_dtype = self._dtypes(arrays, call.reduction, wrt)
        shape = self._shape(arrays)
        walk = _Walk(arrays, shape, dtype, out_dtype, wrt, call.reduction, grad_output, self._mean_over_weights)
        with np.errstate(all="ignore"):  # overflow to inf and NaN are answers here, as in PyTorch
            return walk.run(functools.partial(self.formula, **call.parameters))

    def _dtypes(self, arrays, reduction, wrt):
        """The dtype to compute in, and that of the result."""
        out = _result_dtype(arrays)
        if self._dtype_of_input:
            given = {arrays[name].dtype for name in ("input", "target")}
            if len(given) > 1 and (wrt or not _is_floating(arrays["input"])):
                raise TypeError(
                    f"{self.name}: input and target must have one dtype, "
                    f"got {arrays['input'].dtype} and {arrays['target'].dtype}"
                )
            if "weight" not in arrays:
                out = arrays["input"].dtype
        for name in wrt:
            if name not in arrays:
                raise TypeError(f"{self.name}: there is no gradient with respect to {name}, which wasn't given")
            if not _is_floating(arrays[name]):
                raise TypeError(
                    f"{self.name}: {name} has dtype {arrays[name].dtype}; only floating point has a gradient"
                )
        if out.kind in "iu" and not (self._integers and reduction != "mean"):
            raise TypeError(
                f"{self.name}: input or target must be floating point, got {arrays['input'].dtype} "
                f"and {arrays['target'].dtype}; convert with .astype(float)"
            )
        compute = np.dtype(np.float32) if out == np.float16 else out
        return compute, out

    def _shape(self, arrays):
        """The broadcast shape of input and target; a warning where they differ, an error where they can't match."""
        input, target = arrays["input"].shape, arrays["target"].shape
        if "weight" in arrays and arrays["weight"].shape != input:
            raise ValueError(
                f"{self.name}: weight must have the shape of input, got {arrays['weight'].shape} and {input}"
            )
        if input == target:
            return input
        try:
            shape = np.broadcast_shapes(input, target)
        except ValueError:
            raise ValueError(f"{self.name}: input of shape {input} and target of shape {target} don't match") from None
        warnings.warn(
            f"{self.name}: target has shape {target}, input {input}; they are broadcast to {shape}, "
            "which is rarely what is meant",
            stacklevel=4,  # the caller's line
        )
        return shape


class _Walk:
    """One pass over the blocks of broadcast arrays, collecting the value and the gradients asked for."""

    def __init__(self, arrays, shape, dtype, out_dtype, wrt, reduction, grad_output, mean_over_weights):
        self.arrays, self.shape, self.dtype, self.out_dtype = arrays, shape, dtype, out_dtype
        self.wrt, self.reduction, self.mean_over_weights = wrt, reduction, mean_over_weights
        self.gradients = {name: np.empty(shape, dtype) for name in wrt}
        self.values = np.empty(shape, out_dtype) if reduction == "none" else None
        self.factor, self.grad_output = self._grad_output(grad_output)

    def _grad_output(self, grad_output):
        """Split into a number for all elements and an array for each (reduction="none" only)."""
        if grad_output is None:
            return 1.0, None
        output_shape = self.shape if self.reduction == "none" else ()
        grad_output = np.asarray(grad_output)
        if not _fits(grad_output.shape, output_shape):
            raise ValueError(f"grad_output of shape {grad_output.shape} does not fit the output's {output_shape}")
        return (float(grad_output), None) if grad_output.ndim == 0 else (1.0, grad_output)

    def run(self, formula):
        divisor = self._divisor()
        total = 0 if self.dtype.kind in "iu" else 0.0
        accumulator = np.int64 if self.dtype.kind in "iu" else np.float64
        for block in self._blocks():
            value, *slopes = formula(block["input"], block["target"])
            weight = block.get("weight")
            weighted = value if weight is None else value * weight
            if self.values is not None:
                block["value"][...] = weighted
            else:
                total += np.add.reduce(weighted, dtype=accumulator)
            self._write_gradients(block, value, slopes, self.factor / divisor)
        value = self.values if self.values is not None else self._reduced(total, divisor)
        return value if value.ndim else value[()], [self._finish(name, total, divisor) for name in self.wrt]

    def _divisor(self):
        """What a mean divides by: a NumPy number, so that 0 gives inf or NaN, as in PyTorch, and no exception."""
        if self.reduction != "mean":
            return np.float64(1)
        if self.mean_over_weights and "weight" in self.arrays:
            return self.arrays["weight"].sum(dtype=np.float64)
        return np.float64(math.prod(self.shape))

    def _reduced(self, total, divisor):
        if isinstance(total, float) or self.out_dtype.kind == "f":
            return np.asarray(total / divisor).astype(self.out_dtype)
        return np.asarray(total)  # integer sums are int64, as in PyTorch

    def _blocks(self):
        """Yield dicts of one-dimensional blocks of all operands, outputs included."""
        readable = dict(self.arrays)
        if self.grad_output is not None:
            readable["grad_output"] = self.grad_output
        writable = {f"grad_{name}": gradient for name, gradient in self.gradients.items()}
        if self.values is not None:
            writable["value"] = self.values
        names = [*readable, *writable]
        iterator = np.nditer(
            [*readable.values(), *writable.values()],
            flags=["external_loop", "buffered", "zerosize_ok", "delay_bufalloc"],
            op_flags=[["readonly"]] * len(readable) + [["writeonly"]] * len(writable),
            op_dtypes=[self.dtype] * len(names),
            casting="unsafe",
            buffersize=BLOCK,
        )
        with iterator:
            if iterator.itersize == 0:
                return
            iterator.reset()
            for block in iterator:
                yield dict(zip(names, block if len(names) > 1 else [block], strict=True))

    def _write_gradients(self, block, value, slopes, scale):
        if not self.gradients:
            return
        slope_in = {"input": slopes[0], "weight": value}
        scale_in = {"input": scale, "weight": scale, "target": scale}
        if len(slopes) == 1:  # a function of the residual: the target pulls with the opposite sign
            slope_in["target"], scale_in["target"] = slopes[0], -scale
        else:
            slope_in["target"] = slopes[1]
        for name in self.gradients:
            gradient = block[f"grad_{name}"]
            np.multiply(slope_in[name], self.dtype.type(scale_in[name]), out=gradient)
            for factor in ("weight", "grad_output"):
                if factor in block and factor != name:
                    gradient *= block[factor]

    def _finish(self, name, total, divisor):
        array = self.arrays[name]
        gradient = _sum_to(self.gradients[name], array.shape)
        if name == "weight" and self.mean_over_weights and self.reduction == "mean":
            # L = Σwv/Σw has the derivative (v − L)/Σw; the walk has written v/Σw.
            gradient = gradient - self.factor * total / divisor / divisor
        return gradient.astype(array.dtype, copy=False)


# ---- shared by all kinds


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _as_array(loss: str, name: str, value: ArrayLike) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{loss}: {name} must be an array of real numbers, got {array.dtype}")
    return array


def _is_floating(array: np.ndarray) -> bool:
    return array.dtype.kind == "f"


def _result_dtype(arrays: dict[str, np.ndarray]) -> np.dtype:
    """PyTorch's promotion: the widest floating dtype wins, and integers yield to any of them."""
    floating = [a.dtype for a in arrays.values() if _is_floating(a)]
    return np.result_type(*(floating or [a.dtype for a in arrays.values()]))


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array of this shape can be broadcast to the other without changing that."""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False


def _sum_to(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Undo broadcasting: add up the gradient over the axes along which the argument was repeated."""
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    repeated = tuple(
        axis for axis in range(gradient.ndim)
        if axis < added or (shape[axis - added] == 1 and gradient.shape[axis] != 1)
    )  # fmt: skip
    return gradient.sum(axis=repeated, dtype=np.float64).reshape(shape)
