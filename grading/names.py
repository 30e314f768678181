"""Which names the instructor's cells define and read, found in their text without running it."""

import ast
import re
from dataclasses import dataclass, field

WORD = re.compile(r"[^\W\d]\w*")


@dataclass
class Names:
    """The names of one cell: those bound at its top level, by imports among them, and all that it reads."""

    defined: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    imports: list[str] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    functions: dict[str, set[str]] = field(default_factory=dict)


def plain_python(text: str) -> str:
    """Return a cell with IPython's magics and shell lines replaced by ``pass``, line for line."""
    if text.lstrip().startswith("%%"):
        return ""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", text, flags=re.MULTILINE)


def names_of(text: str) -> Names:
    """Return the names of an instructor's cell. Raises SyntaxError if it isn't Python."""
    found = Names()
    tree = ast.parse(plain_python(text))
    for statement in tree.body:
        _bind(statement, found)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.read.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.read.add(node.target.id)
        elif isinstance(node, ast.Import):
            found.modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.modules.add(node.module)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            reads = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            found.functions.setdefault(node.name, set()).update(reads)
    return found


def _bind(node, found):
    """Add what a statement binds at the level where it stands."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        found.defined.add(node.name)
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        bound = {alias.asname or alias.name.split(".")[0] for alias in node.names} - {"*"}
        found.imports.append(ast.unparse(node))
        found.imported |= bound
        found.defined |= bound
        return
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                found.defined.add(inner.target.id)
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        found.defined.add(node.id)
    for child in ast.iter_child_nodes(node):
        _bind(child, found)


def words(text: str) -> set[str]:
    """Return all words of a student's cell: a superset of the names that it reads."""
    return set(WORD.findall(text))


def looks_defined(text: str, name: str) -> bool:
    """Tell whether a student's cell seems to define `name` at its top level. It isn't parsed."""
    name = re.escape(name)
    return bool(re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*[:=](?!=)", text, re.MULTILINE))
