"""What every loss shares, once: argument checks, broadcasting, dtypes, weights, reduction, blocks, gradients.

A loss in ``lossutils.losses`` is a *formula*: a short function that states, for a block of data, the value
and its slopes. A decorator turns the formula into the public function with ``torch.nn.functional``'s signature:

``elementwise``
    one value for each element of the (broadcast) arrays: squared error, Huber, logistic, …
    The formula sees one-dimensional blocks.
``rowwise``
    one value for each row: of logits over classes, of the coordinates of an embedding, of a ranked list, …
    The formula sees blocks whose last axis is the row, after any number of axes over rows.
``batchwise``
    the values of a batch hang together: each embedding is compared with all others, logits are never all held at
    once, … The formula sees whole arrays, and contracts its own gradients.

A formula's positional arguments are arrays, its keyword-only arguments are parameters. It returns the value and one
slope for each array, in their order; None, or leaving off the last ones, means that there is no such slope. What a
value belongs to, an element or a row, is called an *item*.

A call has three stages, whatever the kind: `Loss.bind` sorts the arguments by role; `Loss._plan` checks their shapes
and dtypes and settles the result's, once for all calls that are alike in these, as those of a training loop are;
`Loss._run` walks over the items, adds up values, and writes gradients.
"""

import ast
import functools
import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LossFunction", "batchwise", "elementwise", "must_fit_first", "rowwise", "source", "value_and_grad"]

# Numbers a block: 2¹⁷ float32 numbers are 512 KiB. A formula's few temporaries then stay in a core's caches; NumPy
# starts to reuse temporaries at half of that size; and what a block costs besides is little.
# One thread takes block after block: two were no faster where memory is the limit (squared error, Huber), 1.1 to 1.6
# times as fast where exponentials are, and slower on 10⁶ numbers.
BLOCK = 1 << 17

# The same for rows: their formulas have more small steps a block, and temporaries that the next cache level holds.
ROW_BLOCK = 1 << 18

# A C library hands memory back to the system whenever a formula's temporaries are freed, and gets it again, zeroed,
# for the next block: that takes several times as long as the formula. GNU's keeps twice the size of the largest array
# that was ever freed, so free one.
np.empty(1 << 23, np.uint8)

ReductionName = Literal["none", "mean", "sum"]
Formula = Callable[..., tuple[Any, ...]]
REDUCTIONS = ("none", "mean", "sum")


class LossFunction(Protocol):
    """A public loss: called like its namesake in ``torch.nn.functional``; ``value_and_grad`` differentiates it."""

    loss: "Loss"

    def __call__(self, *args: Any, **parameters: Any) -> np.ndarray | np.generic: ...


class _Bound(NamedTuple):
    """The arguments of one call, by role."""

    arrays: dict[str, Any]  # what may be differentiated: input, target, weight
    parameters: dict[str, Any]  # what the formula takes besides: delta, beta, …
    reduction: str


class _Spec(NamedTuple):
    """What a check may look at: an array without its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class _Plan(NamedTuple):
    """What follows from shapes and dtypes alone."""

    dtype: np.dtype  # to compute in
    out_dtype: np.dtype  # of the result
    layout: Any  # what the kind of loss has to know of shapes


class Loss:
    """A formula with its signature; subclasses walk over its items.

    Parameters
    ----------
    formula : callable
        ``formula(array, …, *, parameter=default, …)`` returning ``(value, slope, …)``.
    order : str, optional
        The public order of arguments where it isn't arrays, reduction, parameters, optional arrays:
        ``"input, target, weight, reduction"``; all after a ``*`` are keyword-only.
    extra : tuple of str
        Optional arrays that the engine uses and the formula doesn't see: ``weight``.
    constant : tuple of str
        Arrays with no gradient.
    dtype : {"promote", "input", "same"}, or tuple of str
        The result has the promoted dtype of all arrays; or that of `input`, and a gradient requires equal dtypes;
        or all floating arrays must have the same dtype. Names: the promoted dtype of these arrays.
    check : callable, optional
        Of the shapes and dtypes of the given arrays by name; raises TypeError or ValueError where the loss doesn't
        take them, whose text gets the loss's name in front.
    prepare : callable, optional
        Of the given arrays by name: returns them with the axes that NumPy's broadcasting needs. Gradients have the
        shapes and dtypes that were given.
    reductions : tuple of str
        What `reduction` may be.
    reduction : str
        What it is by default.
    """

    def __init__(
        self,
        formula: Formula,
        *,
        order: str | None = None,
        extra: tuple[str, ...] = (),
        constant: tuple[str, ...] = (),
        dtype: str | tuple[str, ...] = "promote",
        check: Callable[[dict[str, np.ndarray]], None] | None = None,
        prepare: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None,
        reductions: tuple[str, ...] = REDUCTIONS,
        reduction: str = "mean",
    ):
        self.formula = formula
        self.name = formula.__name__
        given = inspect.signature(formula).parameters.values()
        arrays = [p for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.formula_arrays = tuple(p.name for p in arrays)
        self.required = tuple(p.name for p in arrays if p.default is p.empty)
        self.arrays = (*self.formula_arrays, *extra)
        self.constant = constant
        self.dtype = dtype
        self.check = check
        self.prepare = prepare
        self.reductions = reductions
        known = {p.name: p for p in given} | {name: _parameter(name, ArrayLike | None, None) for name in extra}
        known["reduction"] = _parameter("reduction", ReductionName, reduction)
        optional = [name for name in self.arrays if name not in self.required]
        usual = [*self.required, "reduction", *(p.name for p in given if p.kind is p.KEYWORD_ONLY), *optional]
        names = re.split(r",\s*", order) if order else usual
        self.signature = inspect.Signature(_in_order(names, known), return_annotation=np.ndarray | np.generic)
        self.names = list(self.signature.parameters)
        if sorted(self.names) != sorted(known):
            raise TypeError(f"{self.name}: order {order!r} doesn't have the names of the formula, {sorted(known)}")
        self._positional = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in self.signature.parameters.values())
        self._plan = functools.lru_cache(maxsize=128)(self._new_plan)
        self._defaults = {p.name: p.default for p in known.values() if p.default is not p.empty}

    def bind(self, args: tuple, kwargs: dict) -> _Bound:
        """Sort a call's arguments by role; a call Python would reject raises its usual TypeError."""
        values = self._defaults.copy()
        values.update(zip(self.names, args, strict=False))
        if kwargs:
            values.update(kwargs)
            if not kwargs.keys().isdisjoint(self.names[: len(args)]):
                self.signature.bind(*args, **kwargs)  # raises: an argument was given twice
        if len(values) != len(self.names) or len(args) > self._positional:
            self.signature.bind(*args, **kwargs)  # raises, and says which argument is missing or unknown
        reduction = values.pop("reduction")
        if reduction not in self.reductions:
            raise ValueError(f"{self.name}: reduction must be one of {self.reductions}, not {reduction!r}")
        return _Bound({name: values.pop(name) for name in self.arrays}, values, reduction)

    def evaluate(self, call: _Bound, wrt: tuple[str, ...] = (), grad_output: ArrayLike | None = None):
        """Return the value and, for each name in `wrt`, the gradient with respect to that argument."""
        arrays = {name: _as_array(self.name, name, a) for name, a in call.arrays.items() if a is not None}
        for name in self.required:
            if name not in arrays:
                raise TypeError(f"{self.name}: {name} must be an array, not None")
        for name in wrt:
            self._check_gradient(arrays, name)
        given, arrays = arrays, self.prepare(arrays) if self.prepare else arrays
        specs = tuple([(name, a.shape, a.dtype) for name, a in arrays.items()])
        plan = self._plan(specs, call.reduction, wrt)
        with np.errstate(all="ignore"):  # overflow to inf and NaN are answers here, as in PyTorch
            value, gradients = self._run(arrays, call, plan, wrt, grad_output)
        if self.prepare:
            pairs = zip(wrt, gradients, strict=True)
            gradients = [g.reshape(given[name].shape).astype(given[name].dtype, copy=False) for name, g in pairs]
        return value, gradients

    def _new_plan(self, specs: tuple[tuple[str, tuple[int, ...], np.dtype], ...], reduction: str, wrt: tuple[str, ...]):
        """Check shapes and dtypes; an exception is raised anew on each call, as it isn't cached."""
        arrays = {name: _Spec(shape, dtype) for name, shape, dtype in specs}
        if self.check:
            try:
                self.check(arrays)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{self.name}: {error}") from None
        return _Plan(*self._dtypes(arrays, reduction, wrt), self._layout(arrays))

    def _layout(self, arrays: dict[str, _Spec]) -> Any:
        raise NotImplementedError

    def _run(self, arrays, call, plan, wrt, grad_output):
        raise NotImplementedError

    def _check_gradient(self, arrays, name):
        if name not in arrays:
            raise TypeError(f"{self.name}: there is no gradient with respect to {name}, which wasn't given")
        if not _is_floating(arrays[name]):
            raise TypeError(f"{self.name}: {name} has dtype {arrays[name].dtype}; only floating point has a gradient")

    def _dtypes(self, arrays, reduction, wrt):
        """The dtype to compute in, and that of the result."""
        if isinstance(self.dtype, tuple):
            out = _result_dtype({name: arrays[name] for name in self.dtype})
        else:
            out = (self.dtype != "promote" and self._one_dtype(arrays, wrt)) or _result_dtype(arrays)
        if out.kind != "f" and not self._takes_integers(reduction):
            given = " and ".join(f"{name} of {arrays[name].dtype}" for name in self.required)
            raise TypeError(f"{self.name} needs floating point, got {given}; convert with .astype(float)")
        return (_SINGLE if out == np.float16 else out), out

    def _takes_integers(self, reduction) -> bool:
        return False

    def _one_dtype(self, arrays, wrt):
        first = arrays[self.required[0]].dtype
        if self.dtype == "same":
            differing = {name: a.dtype for name, a in arrays.items() if _is_floating(a) and a.dtype != first}
            if differing:
                name, other = next(iter(differing.items()))
                raise TypeError(f"{self.name}: {self.required[0]} and {name} must have one dtype, got {first}, {other}")
            return first
        second = arrays["target"].dtype
        if first != second and (wrt or first.kind != "f"):
            raise TypeError(f"{self.name}: input and target must have one dtype, got {first} and {second}")
        return None if "weight" in arrays else first

    def _slope(self, slopes, name):
        """The slope or gradient that the formula gave for an array."""
        place = self.formula_arrays.index(name)
        slope = slopes[place] if place < len(slopes) else None
        if slope is not None:
            return slope() if callable(slope) else slope
        raise TypeError(f"{self.name} is not differentiable with respect to {name} with these arguments")

    def _grad_output(self, grad_output, shape):
        """Split into a number for all items and an array for each (reduction="none" only)."""
        if grad_output is None:
            return 1.0, None
        grad_output = np.asarray(grad_output)
        if not _fits(grad_output.shape, shape):
            raise ValueError(f"grad_output of shape {grad_output.shape} does not fit the output's {shape}")
        return (float(grad_output), None) if grad_output.ndim == 0 else (1.0, grad_output)


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
    differentiable = tuple(array for array in loss.arrays if array not in loss.constant)
    if name not in differentiable:
        raise TypeError(f"{loss.name} is not differentiable with respect to {name!r}, only to {differentiable}")
    return name


def must_fit_first(arrays: dict[str, Any]) -> None:
    """Raise unless all arrays can be broadcast to the shape of the first: a `check` for a loss."""
    (first, into), *others = [(name, array.shape) for name, array in arrays.items()]
    for name, shape in others:
        if not _fits(shape, into):
            raise ValueError(f"{first} of shape {into} and {name} of shape {shape} don't match")


def _decorate(loss: Loss) -> Callable[..., Any]:
    """The public function of a loss."""

    @functools.wraps(loss.formula)
    def function(*args, **kwargs):
        return loss.evaluate(loss.bind(args, kwargs))[0]

    function.loss = loss
    function.__signature__ = loss.signature
    function.__annotations__ = {p.name: p.annotation for p in loss.signature.parameters.values()}
    function.__annotations__["return"] = loss.signature.return_annotation
    return function


# ---- one value for each element


def elementwise(
    formula: Formula | None = None,
    /,
    *,
    weight: Literal["elements", "weights", "broadcast"] | None = "elements",
    broadcast: Literal["warn", "raise", "allow"] = "warn",
    integers: bool = False,
    **options: Any,
) -> Any:
    """Make a loss of a formula for one element.

    Parameters
    ----------
    formula : callable
        ``formula(array, …, *, parameters…)`` gets one-dimensional blocks of equal length and one floating dtype,
        which it must not change, and returns ``(value, slope, …)``: a slope for each array, or, for a function of
        the residual of two arrays, the slope in the first alone (that in the second is the opposite). A slope may
        be an integer, the same for all elements; or a function of no argument that is called where it is asked for.
    weight : {"elements", "weights", "broadcast", None}
        The loss takes an array `weight` of the shape of the first array, and a weighted mean divides by the number
        of elements, or by the sum of the weights; or weights may be broadcast, and a mean divides by the number of
        elements. None: the loss takes no weight.
    broadcast : {"warn", "raise", "allow"}
        What happens where required arrays differ in shape; `check` can be more particular.
    integers : bool
        Whether integers are accepted when nothing has to be divided or differentiated.
    **options
        `order`, `constant`, `dtype`, `check`, `prepare`, `reductions`: see `Loss`. A ``"batchmean"`` divides by the
        first array's length.

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
        return functools.partial(elementwise, weight=weight, broadcast=broadcast, integers=integers, **options)
    return _decorate(_ElementwiseLoss(formula, weight, broadcast, integers, options))


class _ElementwiseLoss(Loss):
    def __init__(self, formula, weight, broadcast, integers, options):
        super().__init__(formula, extra=() if weight is None else ("weight",), **options)
        self._weight = weight
        self._broadcast = broadcast
        self._integers = integers

    def _takes_integers(self, reduction):
        return self._integers and reduction != "mean"

    def _run(self, arrays, call, plan, wrt, grad_output):
        dtype, out_dtype, (shape, warning) = plan
        if warning:
            warnings.warn(warning, stacklevel=4)  # the caller's line
        count = self._count(arrays, call.reduction, shape)
        values = np.empty(shape, out_dtype) if call.reduction == "none" else None
        factor, grad_outputs = self._grad_output(grad_output, () if values is None else shape)
        gradients = {name: np.empty(shape, dtype) for name in wrt}
        readable = arrays if grad_outputs is None else arrays | {"grad_output": grad_outputs}
        writable = {f"grad_{name}": gradient for name, gradient in gradients.items()}
        if values is not None:
            writable["value"] = values
        formula = functools.partial(self.formula, **call.parameters) if call.parameters else self.formula
        total = 0
        for block in _blocks(readable, writable, shape, dtype):
            value, *slopes = formula(*[block.get(name) for name in self.formula_arrays])
            weighted = value * block["weight"] if "weight" in block else value
            if values is not None:
                block["value"][...] = weighted
            else:
                total += _total(weighted)
            if wrt:
                self._write_gradients(block, wrt, value, slopes, factor / count, dtype)
        if values is None:
            values = np.asarray(total if out_dtype.kind != "f" else total / count)
            values = values.astype(out_dtype, copy=False) if out_dtype.kind == "f" else values
        finished = [_sum_to(gradients[name], arrays[name].shape, arrays[name].dtype) for name in wrt]
        if "weight" in wrt and self._weight == "weights" and call.reduction == "mean":
            # L = Σwv/Σw has the derivative (v − L)/Σw; the walk has written v/Σw.
            finished[wrt.index("weight")] -= factor * total / count / count
        return values if values.ndim else values[()], finished

    def _layout(self, arrays):
        """The broadcast shape of the required arrays, into which optional ones must fit; and what to warn of."""
        shapes = [arrays[name].shape for name in self.required]
        shape, warning = shapes[0], None
        if any(other != shape for other in shapes):
            shape, warning = self._broadcast_shape(shapes)
        for name, array in arrays.items():
            if array.shape != shape and name not in self.required:
                strict = name == "weight" and self._weight != "broadcast"
                if strict and array.shape != shapes[0]:
                    raise ValueError(f"{self.name}: weight must have the shape of input, got {array.shape}, {shape}")
                if not _fits(array.shape, shape):
                    raise ValueError(f"{self.name}: {name} of shape {array.shape} doesn't fit {shape}")
        return shape, warning

    def _broadcast_shape(self, shapes):
        described = " and ".join(f"{name} of shape {s}" for name, s in zip(self.required, shapes, strict=True))
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            shape = None
        if shape is None or self._broadcast == "raise":
            raise ValueError(f"{self.name}: {described} don't match")
        warning = f"{self.name}: {described} are broadcast to {shape}, which is rarely what is meant"
        return shape, warning if self._broadcast == "warn" else None

    def _count(self, arrays, reduction, shape):
        """What the sum is divided by: a NumPy number, so that 0 gives inf or NaN, as in PyTorch, and no exception."""
        if reduction == "batchmean":
            return np.float64((*arrays[self.required[0]].shape, 1)[0])
        if reduction != "mean":
            return np.float64(1)
        if self._weight == "weights" and "weight" in arrays:
            return arrays["weight"].sum(dtype=np.float64)
        return np.float64(math.prod(shape))

    def _write_gradients(self, block, wrt, value, slopes, scale, dtype):
        for name in wrt:
            gradient = block[f"grad_{name}"]
            if name == "weight" and self._weight is not None:
                slope, sign = value, 1
            elif len(slopes) == 1 and name != self.formula_arrays[0]:
                slope, sign = slopes[0], -1  # a function of the residual: the target pulls the other way
            else:
                slope, sign = self._slope(slopes, name), 1
            if isinstance(slope, int):
                gradient.fill(slope * sign * scale)
            else:
                np.multiply(slope, dtype.type(sign * scale), out=gradient)
            for factor in ("weight", "grad_output"):
                if factor in block and not (factor == name == "weight"):
                    gradient *= block[factor]


def _blocks(readable, writable, shape, dtype) -> Iterator[dict[str, np.ndarray]]:
    """Yield dicts of one-dimensional blocks of all operands, broadcast to one shape and cast to one dtype."""
    operands = readable | writable
    if all(a.shape == shape and a.dtype == dtype and a.flags.c_contiguous for a in operands.values()):
        flat = {name: a.reshape(-1) for name, a in operands.items()}
        size = math.prod(shape)
        if size <= BLOCK:
            yield flat
        else:
            for start in range(0, size, BLOCK):
                yield {name: a[start : start + BLOCK] for name, a in flat.items()}
        return
    iterator = np.nditer(
        list(operands.values()),
        flags=["external_loop", "buffered", "zerosize_ok", "delay_bufalloc"],
        op_flags=[["readonly"]] * len(readable) + [["writeonly"]] * len(writable),
        op_dtypes=[dtype] * len(operands),
        casting="unsafe",
        buffersize=BLOCK,
    )
    with iterator:
        if iterator.itersize == 0:
            yield {name: np.empty(0, dtype) for name in operands}  # so that parameters are checked here too
            return
        iterator.reset()
        for block in iterator:
            yield dict(zip(operands, block if len(operands) > 1 else [block], strict=True))


# ---- one value for each row


def rowwise(
    cores: str,
    /,
    *,
    axis: Literal["last", "class", "rest"] = "last",
    labels: tuple[str, ...] = (),
    keep: Callable[..., np.ndarray | None] | None = None,
    count: Callable[..., Any] | None = None,
    broadcast: bool | Literal["all"] = False,
    room: int = 1,
    **options: Any,
) -> Any:
    """Make a loss of a formula for one row: of logits, of coordinates, of a ranked list.

    Parameters
    ----------
    cores : str
        What belongs to one row, array by array, in NumPy's notation for generalized ufuncs: ``"(c),()"`` is a row
        of c numbers and one number. An array with no axis over rows, such as class weights ``(c)``, is shared by
        all. After ``" or "``: what holds instead where all required arrays have the same shape.
    axis : {"last", "class", "rest"}
        Where a row lies in the arguments: along the last axis; along axis 1, as PyTorch has its classes (axis 0
        if there is but one); or over all axes after the first two, as pixels after sample and class.
    labels : tuple of str
        Arrays of class indices, int64 or uint8, which the formula gets as they are.
    keep : callable, optional
        Of the formula's arguments, whole: an array of bool that says which rows count, or None for all. Others
        have value and slope 0; the formula gets 0 for their labels.
    count : callable, optional
        Of the formula's arguments, whole: what a mean divides by, a number, or an array with one for each row;
        None for the number of rows that count.
    broadcast : bool or "all"
        Whether axes over rows are broadcast between required arrays; they must be equal otherwise. "all": a row may
        have length 1 where others are longer, which the formula has to take care of.
    room : int
        How many times as much memory as usual the formula's temporaries take: blocks are smaller by that.
    **options
        `order`, `constant`, `dtype`, `check`, `prepare`, `reductions`: see `Loss`.

    Returns
    -------
    callable
        A decorator for ``formula(array, …, *, parameters…)``, which gets arrays whose last axes are the row, with
        any number of axes over rows before it; ``[..., None]`` and ``axis=-1`` are its means. It returns
        ``(value, slope, …)``: the value without the row's axes, each slope like its array, and changes no argument.
        A slope may be a pair (array, factor for each row), which saves multiplying them; or a function of no
        argument that is called where it is asked for.

    Examples
    --------
    >>> @rowwise("(d),(d)")
    ... def squared_distance(input, target):
    ...     residual = input - target
    ...     return (residual**2).sum(axis=-1), 2 * residual, -2 * residual
    >>> value, gradient = value_and_grad(squared_distance)([[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]])
    >>> float(value), gradient.tolist()
    (13.0, [[3.0, 4.0], [0.0, -1.0]])
    """
    return lambda formula: _decorate(_RowwiseLoss(formula, cores, axis, labels, keep, count, broadcast, room, options))


class _RowwiseLoss(Loss):
    def __init__(self, formula, cores, axis, labels, keep, count, broadcast, room, options):
        super().__init__(formula, **options)
        self._alternatives = [_parse_cores(self, text) for text in cores.split(" or ")]
        self._axis = axis
        self._labels = labels
        self._keep, self._count = keep, count
        self._broadcast = broadcast
        self._room = room

    def _run(self, arrays, call, plan, wrt, grad_output):
        dtype, out_dtype, (layout, batch, longest) = plan
        rows = {name: self._row_last(array, layout[name]) for name, array in arrays.items()}
        kept, scale = self._kept_and_scale(rows, batch, call)
        values = np.empty(batch, out_dtype) if call.reduction == "none" else None
        factor, grad_outputs = self._grad_output(grad_output, () if values is None else batch)
        factors = dtype.type(factor * scale) if grad_outputs is None and not scale.ndim else factor * scale
        if grad_outputs is not None:
            factors = np.broadcast_to(grad_outputs, batch)
        written = {name: _Gradient(self._axis, layout[name], batch, dtype) for name in wrt}
        total = 0.0
        for slab in _slabs(batch, self._room * longest):
            block = [self._block(name, rows, layout, batch, slab, dtype) for name in self.formula_arrays]
            value, *slopes = self.formula(*block, **call.parameters)
            if kept is not None:
                value = np.where(kept[slab], value, 0)
            if values is not None:
                values[slab] = value
            else:
                total += _total(value * scale[slab] if scale.ndim else value)
            for name, gradient in written.items():
                each = factors[slab] if factors.ndim else factors
                mask = None if kept is None else kept[slab]
                gradient.write(slab, np.shape(value), self._slope(slopes, name), each, mask)
        finished = [written[name].finish(arrays[name]) for name in wrt]
        if values is None:
            return out_dtype.type(total if scale.ndim else total * scale), finished
        return values if values.ndim else values[()], finished

    def _layout(self, arrays):
        """How each array splits into axes over rows and the row's; the shape over rows; the longest row."""
        cores = self._alternatives[0]
        if len(self._alternatives) > 1 and len({arrays[name].shape for name in self.required}) == 1:
            cores = self._alternatives[1]
        self._check_labels(arrays, cores is self._alternatives[0])
        rows = {name: self._split(name, array.shape, cores[name]) for name, array in arrays.items()}
        free = [name for name, row in rows.items() if self._broadcast == "all" and row.core == (1,)]
        _check_sizes(self, arrays, {name: row for name, row in rows.items() if name not in free}, cores)
        if self._axis == "rest" and len({arrays[name].shape[2:] for name in rows if cores[name]}) > 1:
            described = " and ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
            raise ValueError(f"{self.name}: {described} don't match")
        return rows, self._batch(arrays, rows), max([math.prod(row.core) for row in rows.values()])

    def _kept_and_scale(self, rows, batch, call):
        """Which rows count, None for all; and the factor that makes the reduction of a sum, one or one each."""
        whole = [rows.get(name) for name in self.formula_arrays]
        kept = self._keep(*whole, **call.parameters) if self._keep else None
        if kept is not None:  # a row that doesn't count needs a label all the same
            for name in self._labels:
                rows[name] = np.where(kept, rows[name], 0)
        if call.reduction != "mean":
            return kept, np.float64(1)
        count = self._count(*whole, **call.parameters) if self._count else None
        if count is None:
            count = math.prod(batch) if kept is None else np.count_nonzero(kept)
        scale = np.float64(1) / count
        return kept, np.broadcast_to(scale, batch) if scale.ndim else scale

    def _check_labels(self, arrays, indices):
        """Labels are int64 or uint8, as in PyTorch; in the second alternative they are probabilities."""
        for name in self._labels:
            dtype = arrays[name].dtype
            if indices and dtype not in _LABELS:
                raise TypeError(f"{self.name}: {name} must be int64 class indices, got {dtype}")
            if not indices and dtype.kind != "f":
                raise TypeError(f"{self.name}: {name} of the shape of input must be floating point, got {dtype}")

    def _split(self, name, shape, core):
        """The axes over rows, and the row's."""
        if len(shape) < len(core):
            raise ValueError(f"{self.name}: {name} needs {len(core)} axis or more, got shape {shape}")
        if core and len(shape) > 2 and self._axis == "class":
            shape = (shape[0], *shape[2:], shape[1])
        elif core and self._axis == "rest":
            lead = shape[: min(2, len(shape) - 1)]
            shape = (*lead, math.prod(shape[len(lead) :]))
        split = len(shape) - len(core)
        return _Split(shape[:split], shape[split:], name in self._labels)

    def _row_last(self, array, split):
        """The array with its row along the last axes."""
        if split.core and array.ndim > 2 and self._axis == "class":
            return np.moveaxis(array, 1, -1)
        return array.reshape(split.batch + split.core) if self._axis == "rest" else array

    def _batch(self, arrays, rows):
        """The shape over rows."""
        batch = rows[self.required[0]].batch
        if all([row.batch == batch or (not row.batch and name not in self.required) for name, row in rows.items()]):
            return batch
        required = [rows[name].batch for name in self.required]
        described = " and ".join(f"{name} of shape {arrays[name].shape}" for name in self.required)
        if len(set(required)) > 1 and not self._broadcast:
            raise ValueError(f"{self.name}: {described} don't match")
        try:
            batch = np.broadcast_shapes(*required)
        except ValueError:
            raise ValueError(f"{self.name}: {described} don't match") from None
        for name, row in rows.items():
            if not _fits(row.batch, batch):
                raise ValueError(f"{self.name}: {name} of shape {arrays[name].shape} doesn't fit {described}")
        return batch

    def _block(self, name, rows, layout, batch, slab, dtype):
        if name not in rows:
            return None
        array, split = rows[name], layout[name]
        if split.batch:
            array = (array if split.batch == batch else np.broadcast_to(array, batch + split.core))[slab]
        if split.is_label and array.dtype.kind != "f":
            return array
        return array.astype(dtype, copy=False)


class _Split(NamedTuple):
    """How the axes of an array part: over rows, and the row's."""

    batch: tuple[int, ...]
    core: tuple[int, ...]
    is_label: bool


class _Gradient:
    """The gradient with respect to one array, written slab by slab."""

    def __init__(self, axis, split, batch, dtype):
        self.core = core = split.core
        self.shared = bool(batch) and not split.batch
        self.dtype = dtype
        if self.shared:
            self.array = self.rows = np.zeros(self.core)
        elif axis == "class" and core and len(batch) > 1:  # in the memory order of the argument
            self.array = np.empty(batch[:1] + self.core + batch[1:], dtype)
            self.rows = np.moveaxis(self.array, 1, -1)
        else:
            self.array = self.rows = np.empty(batch + self.core, dtype)

    def write(self, slab, batch, slope, factors, kept):
        """Write slope × factor, and 0 in the rows that don't count; `batch` is the slab's shape over rows."""
        ones = (1,) * len(self.core)
        if isinstance(slope, tuple):
            slope, share = slope
            factors = share * factors
        if factors.dtype != self.dtype:
            factors = factors.astype(self.dtype)
        if factors.ndim:
            factors = factors.reshape(factors.shape + ones)
        if self.shared:
            part = np.broadcast_to(slope * factors, batch + self.core)
            if kept is not None:
                part = np.where(kept.reshape(kept.shape + ones), part, 0)
            self.array += part.sum(axis=tuple(range(part.ndim - len(self.core))), dtype=np.float64)
            return
        target = self.rows[slab] if slab else self.rows  # indexing a 0-d array would copy it
        np.multiply(np.asarray(slope, self.dtype), factors, out=target)  # casting first is twice as fast
        if kept is not None and not kept.all():
            target[~kept] = 0

    def finish(self, argument):
        if self.array.size == argument.size:  # an argument with pixels along several axes gets them back
            return self.array.reshape(argument.shape).astype(argument.dtype, copy=False)
        return _sum_to(self.array, argument.shape, argument.dtype)


def _slabs(batch: tuple[int, ...], row: int) -> Iterator[Any]:
    """Yield indices that cut the axes over rows into slabs of about ROW_BLOCK numbers, with `row` numbers a row."""
    if math.prod(batch) * row <= ROW_BLOCK or not batch:
        yield ()
        return
    axis, inner = len(batch) - 1, row
    while axis and inner * batch[axis] <= ROW_BLOCK:
        inner *= batch[axis]
        axis -= 1
    step = max(1, ROW_BLOCK // inner)
    for lead in np.ndindex(batch[:axis]):
        for start in range(0, batch[axis], step):
            yield (*lead, slice(start, start + step))


# ---- values that hang together


def batchwise(
    cores: str,
    /,
    *,
    labels: tuple[str, ...] = (),
    count: Callable[..., Any] | None = None,
    **options: Any,
) -> Any:
    """Make a loss of a formula for a whole batch, whose values hang together.

    Parameters
    ----------
    cores : str
        The axes of each array and of the value: ``"(n,d),(n,d)->(n)"``. After ``" or "``: what holds where the first
        array has another number of axes.
    labels : tuple of str
        Arrays of integers, which the formula gets as they are.
    count : callable, optional
        Of the formula's arguments: what a mean divides by, instead of the number of values; a number, or an array
        with one for each value.
    **options
        `order`, `constant`, `dtype`, `check`, `prepare`, `reductions`: see `Loss`.

    Returns
    -------
    callable
        A decorator for ``formula(array, …, *, factor, parameters…)``. `factor` has the shape of the value and says
        how much each counts; it is None where no gradient is wanted. The formula returns
        ``(value, gradient, …)``, with the gradient of Σ factor · value for each array.

    Examples
    --------
    >>> @batchwise("(n),(n)->(n)")
    ... def centered_loss(input, target, *, factor):
    ...     residual = input - target
    ...     centered = residual - residual.mean()
    ...     if factor is None:
    ...         return (centered**2,)
    ...     slope = 2 * centered * factor
    ...     return centered**2, slope - slope.mean(), slope.mean() - slope
    >>> value, gradient = value_and_grad(centered_loss)([3.0, 5.0], [0.0, 0.0])
    >>> float(value), gradient.tolist()
    (1.0, [-1.0, 1.0])
    """
    return lambda formula: _decorate(_BatchwiseLoss(formula, cores, labels, count, options))


class _BatchwiseLoss(Loss):
    def __init__(self, formula, cores, labels, count, options):
        inner = inspect.signature(formula).parameters
        public = functools.wraps(formula)(lambda *args, **kwargs: formula(*args, **kwargs))
        public.__signature__ = inspect.Signature([p for p in inner.values() if p.name != "factor"])
        super().__init__(public, **options)
        self.formula = formula
        self._alternatives = []
        for text in cores.split(" or "):
            inputs, output = text.split("->")
            self._alternatives.append((_parse_cores(self, inputs), _parse_core(output)))
        self._labels = labels
        self._count = count

    def _layout(self, arrays):
        """The shape of the value."""
        cores, output = self._cores(arrays)
        for name, array in arrays.items():
            if array.ndim != len(cores[name]):
                raise ValueError(f"{self.name}: {name} needs axes {cores[name]}, got shape {array.shape}")
        rows = {name: _Split((), array.shape, False) for name, array in arrays.items()}
        sizes = _check_sizes(self, arrays, rows, cores)
        return tuple(sizes[dim] for dim in output)

    def _run(self, arrays, call, plan, wrt, grad_output):
        dtype, out_dtype, shape = plan
        given = [self._cast(arrays.get(name), name in self._labels, dtype) for name in self.formula_arrays]
        count = np.float64(math.prod(shape))
        if self._count and call.reduction == "mean":
            count = np.asarray(self._count(*given, **call.parameters), np.float64)
        scale = np.float64(1) / count if call.reduction == "mean" else np.float64(1)
        factor, grad_outputs = self._grad_output(grad_output, shape if call.reduction == "none" else ())
        factors = None
        if wrt:
            factors = np.empty(shape, dtype)
            factors[...] = factor * scale if grad_outputs is None else grad_outputs
        values, *gradients = self.formula(*given, factor=factors, **call.parameters)
        if call.reduction != "none":
            values = np.asarray(_total(values * scale) if scale.ndim else _total(values) * scale)
        values = np.asarray(values).astype(out_dtype, copy=False)
        finished = [self._finished(gradients, name, arrays[name]) for name in wrt]
        return values if values.ndim else values[()], finished

    def _cores(self, arrays):
        for cores, output in self._alternatives:
            if all(arrays[name].ndim == len(cores[name]) for name in self.required):
                return cores, output
        return self._alternatives[0]

    def _cast(self, array, is_label, dtype):
        if array is None or (is_label and not _is_floating(array)):
            return array
        return array.astype(dtype, copy=False)

    def _finished(self, gradients, name, argument):
        return np.asarray(self._slope(gradients, name)).astype(argument.dtype, copy=False)


# ---- shared by all kinds

_SINGLE = np.dtype(np.float32)
_LABELS = (np.dtype(np.int64), np.dtype(np.uint8))
_INTEGER = np.dtype(np.intp)  # NumPy's own for whole numbers: int64, but int32 in a browser


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _in_order(names: Iterable[str], known: dict[str, inspect.Parameter]) -> Iterator[inspect.Parameter]:
    """The parameters of these names; all after a ``*`` are keyword-only."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in names:
        if name == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
        elif name in known:
            annotation = known[name].annotation
            yield known[name].replace(
                kind=kind, annotation=ArrayLike if annotation is inspect.Parameter.empty else annotation
            )


def _parse_core(text: str) -> tuple[str, ...]:
    return tuple(dim for dim in text.strip("()").split(",") if dim)


def _parse_cores(loss: Loss, text: str) -> dict[str, tuple[str, ...]]:
    """Each array's axes from ``"(c),()"``."""
    cores = [_parse_core(core) for core in re.findall(r"\([^)]*\)", text)]
    return dict(zip(loss.formula_arrays, cores, strict=True))


def _check_sizes(loss, arrays, rows, cores) -> dict[str, int]:
    """The length of each named axis; an error where two arrays differ in it."""
    sizes, first = {}, {}
    for name, row in rows.items():
        for dim, length in zip(cores[name], row.core, strict=True):
            if dim not in sizes:
                sizes[dim], first[dim] = length, name
            elif sizes[dim] != length:
                other = first[dim]
                raise ValueError(
                    f"{loss.name}: {other} of shape {arrays[other].shape} and {name} of shape {arrays[name].shape} "
                    f"don't match: {sizes[dim]} and {length}"
                )
    return sizes


def _total(value: np.ndarray) -> Any:
    """The sum in float64 (of integers: int64).

    A large float32 array is first folded thrice, which costs a third of summing it in float64; the roundings of
    thousands of pairs average out, and a sum of equal numbers stays exact. Where a pair overflows, it is summed in
    float64 after all.
    """
    if value.dtype == _SINGLE and value.ndim == 1 and value.size >= 8192 and value.size % 8 == 0:
        half = value.size // 2
        folded = value[:half] + value[half:]
        for _ in range(2):
            half //= 2
            folded = np.add(folded[:half], folded[half:], out=folded[:half])
        total = np.add.reduce(folded, dtype=np.float64)
        if math.isfinite(total):
            return total
    return np.add.reduce(value, axis=None, dtype=np.float64 if value.dtype.kind == "f" else np.int64)


def _as_array(loss: str, name: str, value: ArrayLike) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{loss}: {name} must be an array of real numbers, got {array.dtype}")
    return array.astype(np.int64, copy=False) if array.dtype == _INTEGER else array


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


def _sum_to(gradient: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Undo broadcasting: add up the gradient over the axes along which the argument was repeated."""
    if gradient.shape != shape:
        added = gradient.ndim - len(shape)
        repeated = tuple(
            axis for axis in range(gradient.ndim)
            if axis < added or (shape[axis - added] == 1 and gradient.shape[axis] != 1)
        )  # fmt: skip
        gradient = gradient.sum(axis=repeated, dtype=np.float64).reshape(shape)
    return gradient.astype(dtype, copy=False)
