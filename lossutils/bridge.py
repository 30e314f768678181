"""Train a PyTorch model with a loss of this library. The only module, besides ``verify``, that knows of torch."""

import functools
from collections.abc import Callable
from typing import Any

from lossutils.engine import Loss, LossFunction, value_and_grad

__all__ = ["as_torch"]


def as_torch(function: LossFunction) -> Callable[..., Any]:
    """Make a differentiable PyTorch function of a loss: forward and backward are this library's, on the CPU.

    Parameters
    ----------
    function : callable
        A loss from ``lossutils.functional``.

    Returns
    -------
    callable
        Takes the same arguments, with tensors for arrays, and returns a tensor that ``backward()`` works on, with
        gradients for every tensor argument that requires one. It can be differentiated once.

    Raises
    ------
    TypeError
        If `function` isn't a loss of this library.
    ModuleNotFoundError
        If PyTorch isn't installed.

    Examples
    --------
    >>> import torch
    >>> import lossutils.functional as F
    >>> prediction = torch.tensor([0.5, 3.0], requires_grad=True)
    >>> as_torch(F.huber_loss)(prediction, torch.zeros(2), reduction="sum").backward()
    >>> prediction.grad.tolist()
    [0.5, 1.0]

    Source: PyTorch's "Extending PyTorch", https://docs.pytorch.org/docs/stable/notes/extending.html.
    """
    loss = getattr(function, "loss", None)
    if not isinstance(loss, Loss):
        raise TypeError(f"as_torch takes a loss of lossutils.functional, not {function!r}")
    import torch

    @functools.wraps(function)
    def torch_function(*args, **kwargs):
        arrays, parameters, reduction = loss.bind(args, kwargs)
        tensors = {name: a for name, a in arrays.items() if a is not None}
        options = parameters | {"reduction": reduction}
        return _torch_node(torch).apply(function, options, tuple(tensors), *map(torch.as_tensor, tensors.values()))

    return torch_function


@functools.cache
def _torch_node(torch):
    """The autograd node; made on first use because it subclasses a class of torch."""

    class LossNode(torch.autograd.Function):
        @staticmethod
        def forward(ctx, function, options, names, *tensors):
            ctx.function, ctx.options, ctx.names = function, options, names
            ctx.save_for_backward(*tensors)  # so that torch notices a change in place before backward
            arrays = {name: tensor.detach().numpy() for name, tensor in zip(names, tensors, strict=True)}
            return torch.as_tensor(function(**arrays, **options))

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad_output):
            arrays = {n: tensor.detach().numpy() for n, tensor in zip(ctx.names, ctx.saved_tensors, strict=True)}
            wanted = [n for n, needed in zip(ctx.names, ctx.needs_input_grad[3:], strict=True) if needed]
            differentiate = value_and_grad(ctx.function, wanted)
            _, gradients = differentiate(**arrays, **ctx.options, grad_output=grad_output.numpy())
            gradient_of = {n: torch.from_numpy(gradient) for n, gradient in zip(wanted, gradients, strict=True)}
            return None, None, None, *(gradient_of.get(n) for n in ctx.names)

    return LossNode
