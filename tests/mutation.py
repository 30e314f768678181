"""Break each formula in plausible ways and see that the tests notice: ``python tests/mutation.py [family…]``.

Every function of a family is parsed, and one place at a time is changed: an operator, a constant, a comparison, a
minimum for a maximum, a sign, an axis, the order of what is returned. Each mutant has a process of its own, where it
first meets the cases of its family, and then all test files of its family and of what holds for all losses. A mutant
that survives both is printed, and makes the exit code 1.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import multiprocessing
import os
import signal
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import test_losses
from cases import all_cases
from tqdm import tqdm

import lossutils.functional as F
from lossutils import losses

HERE = Path(__file__).parent
LOSSES = Path(losses.__file__).parent
SECONDS = 300  # a mutant that takes longer has been noticed: it never comes to an end

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
NAMES = {
    "minimum": "maximum",
    "maximum": "minimum",
    "exp": "expm1",
    "log": "log1p",
    "log1p": "log",
    "sqrt": "square",
    "sign": "abs",
    "sinh": "cosh",
    "tanh": "sinh",
    "softplus": "sigmoid",
    "sigmoid": "softplus",
    "argmax": "argmin",
    "sum": "mean",
    "mean": "sum",
    "min": "max",
    "max": "min",
}


def equivalent() -> dict[tuple[str, str, str], str]:
    """Why a mutant computes the same, by family, line, and change."""
    entries = tomllib.loads((HERE / "equivalent_mutants.toml").read_text(encoding="utf-8"))["mutant"]
    return {(e["family"], e["line"], change): e["reason"] for e in entries for change in e["changes"]}


class Mutant(NamedTuple):
    """A family's source with one place changed, or with none."""

    family: str
    function: str = ""
    line: str = ""
    change: str = ""
    place: tuple[int, int, int] | None = None  # the statement in the file, the node in it, the change at the node

    def __str__(self) -> str:
        return f"{self.family}.{self.function}: `{self.line}`: {self.change}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.family, self.line, self.change

    def tree(self) -> ast.Module:
        tree = ast.parse(source_of(self.family))
        if self.place:
            statement, i, which = self.place
            node = list(ast.walk(tree.body[statement]))[i]
            _, mutate = list(changes(node))[which]
            mutate(node)
        return ast.fix_missing_locations(tree)


def source_of(family: str) -> str:
    return (LOSSES / f"{family}.py").read_text(encoding="utf-8")


def mutants(family: str) -> Iterator[Mutant]:
    """Every mutant of a family's functions; error checks and docstrings are left alone."""
    lines = source_of(family).splitlines()
    for statement, function in enumerate(ast.parse(source_of(family)).body):
        if not isinstance(function, ast.FunctionDef):
            continue
        for i, node in enumerate(ast.walk(function)):
            if isinstance(node, ast.expr | ast.stmt) and not in_check_or_signature(function, node):
                line = lines[node.lineno - 1].strip()
                for which, (change, _) in enumerate(changes(node)):
                    yield Mutant(family, function.name, line, change, (statement, i, which))


def in_check_or_signature(function: ast.FunctionDef, node: ast.AST) -> bool:
    """Whether a node belongs to a decorator, the arguments, the docstring, or an ``if …: raise``."""
    skipped = [*function.decorator_list, function.args, function.body[0] if ast.get_docstring(function) else None]
    skipped += [n for n in ast.walk(function) if isinstance(n, ast.If) and isinstance(n.body[-1], ast.Raise)]
    return any(node is inner for part in skipped if part is not None for inner in ast.walk(part))


def changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The plausible mistakes at a node: a text, and a function that makes the mistake in a copy of the node."""

    def put(name, value):
        return lambda n: setattr(n, name, value)

    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other = OPERATORS[type(node.op)]
        yield f"{type(node.op).__name__} → {other.__name__} at column {node.col_offset}", put("op", other())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield "power → first power", put("right", ast.Constant(1))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"−x → x at column {node.col_offset}", put("op", ast.UAdd())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        other = OPERATORS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} → {other.__name__}", put("ops", [other(), *node.ops[1:]])
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for value in {node.value + 1, node.value * 2} - {node.value}:
            yield f"{node.value} → {value} at column {node.col_offset}", put("value", value)
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"{node.attr} → {NAMES[node.attr]} at column {node.col_offset}", put("attr", NAMES[node.attr])
    if isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield f"{node.id} → {NAMES[node.id]} at column {node.col_offset}", put("id", NAMES[node.id])
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        for i, element in enumerate(node.value.elts):
            if i and not (isinstance(element, ast.Constant) and element.value is None):
                half = ast.BinOp(copy.deepcopy(element), ast.Mult(), ast.Constant(0.5))
                if not isinstance(element, ast.Tuple | ast.Starred):
                    yield f"result {i} halved", lambda n, i=i, half=half: n.value.elts.__setitem__(i, half)


def survives(mutant: Mutant) -> bool:
    """Whether no test notices the mutant, which takes the place of its family in this process for good."""
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        try:
            names = put_in_place(mutant)
            return not is_noticed_by_cases(mutant, names) and not is_noticed_by_tests(mutant, names)
        except Exception:
            return False


def stop(*_):
    raise TimeoutError


def survivor(mutant: Mutant) -> Mutant | None:
    return mutant if survives(mutant) else None


def put_in_place(mutant: Mutant) -> list[str]:
    """Replace the family's functions everywhere they are looked up; return the names of its losses."""
    name = f"lossutils.losses.{mutant.family}"
    module = types.ModuleType(name)
    module.__file__ = str(LOSSES / f"{mutant.family}.py")
    exec(compile(mutant.tree(), module.__file__, "exec"), module.__dict__)
    sys.modules[name] = module
    setattr(losses, mutant.family, module)
    for loss in module.__all__:
        setattr(F, loss, getattr(module, loss))
    sys.modules.pop(f"test_{mutant.family}", None)  # to be imported again: it may hold parts of the family
    return module.__all__


def is_noticed_by_cases(mutant: Mutant, names: list[str]) -> bool:
    """The quickest tests first: values by hand and the references, on few draws."""
    cases = [case for case in all_cases() if case.name in names]
    touched = [case for case in cases if case.name == mutant.function] or cases
    draws = [(np.float64, 1), (np.float32, 1), *((np.float64, seed) for seed in range(2, 6))]
    agrees = test_losses.test_value_gradients_and_dtypes_are_the_references.hypothesis.inner_test
    try:
        for case in touched:
            for i in range(len(case.hand)):
                test_losses.test_value_by_hand(case, i)
            for dtype, seed in draws:
                agrees(case, dtype, seed)
    except Exception:
        return True
    return False


def is_noticed_by_tests(mutant: Mutant, names: list[str]) -> bool:
    """All tests of the family, and of the touched losses among those of all losses."""
    touched = [mutant.function] if mutant.function in names else names
    files = [f"test_{mutant.family}.py", "test_losses.py", "test_extremes.py"]
    chosen = ["-k", " or ".join([*touched, f"test_{mutant.family}"])]
    options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "--hypothesis-profile=ci"]
    return pytest.main([*options, *chosen, *[str(HERE / file) for file in files]]) == pytest.ExitCode.TESTS_FAILED


def main() -> int:
    """Print the mutants that survive."""
    families = sorted(path.stem for path in LOSSES.glob("*.py") if path.stem != "__init__")
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("families", nargs="*", help=f"of {', '.join(families)}; all if none is given")
    arguments = parser.parse_args()
    np.seterr(all="ignore")
    chosen = arguments.families or families
    for family in chosen:  # loaded once, before the processes part; nothing computes here: threads don't survive that
        importlib.import_module(f"test_{family}")
    unchanged = [Mutant(family) for family in chosen]
    known = {key: reason for key, reason in equivalent().items() if key[0] in chosen}
    found = [mutant for family in chosen for mutant in mutants(family)]
    stale = known.keys() - {mutant.key for mutant in found}
    if stale:
        sys.exit(f"equivalent_mutants.toml names what is no mutant any more: {sorted(stale)}")
    todo = [mutant for mutant in found if mutant.key not in known]
    survivors = 0
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for mutant in unchanged:
            if not pool.apply(survives, [mutant]):
                sys.exit(f"{mutant.family}: the tests fail without any change, so they would tell nothing")
        tried = pool.imap(survivor, todo)
        for mutant in tqdm(tried, total=len(todo), unit=" mutants", disable=None):
            if mutant:
                survivors += 1
                tqdm.write(f"survives: {mutant}")
    print(f"{len(todo)} mutants, {survivors} survive; {len(known)} more are known to compute the same")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
