"""Functions that need not be called across, because the student's side has them too.

A test may hand a loss to a student's function, which calls it ten thousand times. Its results go to the student's
code only, so it makes no difference to the grade who computes them. Two kinds are computed over there: losses of
lossutils, and functions of locked cells that students see and run, if they depend on nothing but their arguments. A
function that counts its calls or reads a variable is called here, where the test can see what it did.
"""

import builtins
import dis
import inspect
import types

import lossutils
import lossutils.functional as F

PURE = {
    "abs",
    "all",
    "any",
    "bool",
    "enumerate",
    "float",
    "int",
    "len",
    "list",
    "max",
    "min",
    "range",
    "round",
    "sum",
    "tuple",
    "zip",
}
MODULES = ("numpy", "math", "lossutils")
_GRADIENT = lossutils.value_and_grad(F.mse_loss).__code__


def known_there(function, namespace: dict) -> list[str] | None:
    """Return how the student's side finds the same function: its kind and name; None if it can't."""
    if not isinstance(function, types.FunctionType):
        return None
    name = function.__name__
    if getattr(F, name, None) is function:
        return ["loss", name]
    if function.__code__ is _GRADIENT:
        return ["gradient", name] if _is_default_gradient(function) else None
    if (
        namespace.get(name) is function
        and function.__code__.co_filename.startswith("<setup:")
        and _pure(function, set())
    ):
        return ["cell", name]
    return None


def _is_default_gradient(function):
    loss = getattr(F, function.__name__, None)
    if loss is None or getattr(function, "__wrapped__", None) is not loss:
        return False
    usual = inspect.getclosurevars(lossutils.value_and_grad(loss)).nonlocals
    return inspect.getclosurevars(function).nonlocals == usual


def _pure(function, seen):
    """Tell whether a function's result depends on its arguments alone, as far as its names tell."""
    if function in seen:
        return True
    seen.add(function)
    found = inspect.getclosurevars(function)
    code = function.__code__
    stores = any("STORE_GLOBAL" in i.opname or "MAKE_FUNCTION" in i.opname for i in dis.get_instructions(code))
    if found.nonlocals or stores or function.__defaults__ or function.__kwdefaults__ or "random" in code.co_names:
        return False
    if not set(found.builtins) <= PURE or any(hasattr(builtins, n) for n in found.unbound & {"open", "exec", "eval"}):
        return False
    for value in found.globals.values():
        module = isinstance(value, types.ModuleType) and value.__name__.split(".")[0] in MODULES
        if not module and not (isinstance(value, types.FunctionType) and _pure(value, seen)):
            return False
    return True
