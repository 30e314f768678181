"""Refresh the outputs stored in notebooks: ``python -m book.notebooks [--check] [NOTEBOOK ...]``.

What is stored must hold on another machine and read well in a diff: text outputs only; no figures, widget state, or
timestamps; execution counts from 1 up, as nbval wants them; cell ids that stay.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from book.execute import NotebookFailed, code_cells, execute_all, merge_streams

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("chapters", "solutions")
TEXT_TYPES = ("text/plain", "text/markdown")
CELL_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TRANSIENT = ("execution", "collapsed", "scrolled", "ExecuteTime")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(arguments=None):
    """Execute and normalize notebooks, or only check that they are normalized; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="execute nothing; fail if a notebook isn't normalized")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: cover, chapters, and solutions")
    options = parser.parse_args(arguments)
    names = [str(path.resolve().relative_to(ROOT)) for path in options.notebooks] or notebook_names(ROOT)
    if options.check:
        untidy = [name for name in names if not is_normalized(ROOT / name)]
        for name in untidy:
            print(f"{name} is not normalized: run `make notebooks`.", file=sys.stderr)
        return int(bool(untidy))
    return refresh(names)


def notebook_names(root, folders=FOLDERS):
    """Paths of the cover and of all notebooks in `folders`, relative to `root`."""
    found = [root.glob("*.ipynb"), *((root / folder).rglob("*.ipynb") for folder in folders)]
    paths = [path for some in found for path in sorted(some)]
    return [str(path.relative_to(root)) for path in paths if ".ipynb_checkpoints" not in path.parts]


def refresh(names):
    """Execute the notebooks and store what is worth storing."""
    notebooks = {name: nbformat.read(ROOT / name, as_version=4) for name in names}
    try:
        for name, notebook in execute_all(ROOT, notebooks):
            (ROOT / name).write_text(serialize(notebook), encoding="utf-8")
    except NotebookFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    return 0


def is_normalized(path):
    """Whether a file is byte for byte what `refresh` would write for its outputs."""
    text = path.read_text(encoding="utf-8")
    return text == serialize(nbformat.reads(text, as_version=4))


def serialize(notebook):
    """The normalized text of a notebook."""
    return nbformat.writes(normalize(notebook)) + "\n"


def normalize(notebook):
    """Drop from a notebook whatever depends on when, where, or how it was run."""
    extra = {key: notebook.metadata[key] for key in ("nbgrader", "mystnb") if key in notebook.metadata}
    notebook.metadata = nbformat.from_dict(METADATA | extra)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    name_cells(notebook.cells)
    for cell in notebook.cells:
        for key in TRANSIENT:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [kept for kept in map(keep_text, merge_streams(cell.outputs)) if kept]
    count_executions(notebook)
    return notebook


def name_cells(cells):
    """Keep ids that are slugs; number the others by their place. (nbformat has parted equal ids on reading.)"""
    taken = {cell.get("id") for cell in cells}
    for number, cell in enumerate(cells, start=1):
        if not CELL_ID.fullmatch(cell.get("id", "")):
            proposals = (f"cell-{number:02}" + suffix for suffix in ("", *"abcdefghijklmnopqrstuvwxyz"))
            cell.id = next(name for name in proposals if name not in taken)
            taken.add(cell.id)


def count_executions(notebook):
    """Number the cells as a fresh kernel that runs all of them does."""
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def keep_text(output):
    """An output reduced to its text, or None where nothing is left."""
    if output.output_type not in ("display_data", "execute_result"):
        return output
    output.data = {key: value for key, value in output.data.items() if key in TEXT_TYPES}
    output.metadata = {}
    return output if output.data else None


if __name__ == "__main__":
    sys.exit(main())
