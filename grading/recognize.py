"""Which assignment is it? The notebook's content says so, whatever its file is called."""

import json
import re

from grading.sources import Assignment, squeezed

MANY_CELLS = 5000


class NotANotebook(ValueError):
    """A file that isn't a notebook, and what it is instead."""


def read_cells(content: bytes) -> list[dict]:
    """Return the cells of a notebook of any format version. Raises `NotANotebook` for anything else."""
    if not content.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
        raise NotANotebook("an empty file")
    try:
        notebook = json.loads(content)
    except RecursionError:
        raise NotANotebook("not a notebook: nested too deeply") from None
    except ValueError:
        raise NotANotebook("not a notebook: not JSON") from None
    if not isinstance(notebook, dict):
        raise NotANotebook("not a notebook: JSON of another kind")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # format 3
        sheets = [sheet.get("cells") for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise NotANotebook("not a notebook: JSON without cells")
    if not cells:
        raise NotANotebook("a notebook without cells")
    return [cell for cell in cells[:MANY_CELLS] if isinstance(cell, dict)]


def source(cell: dict) -> str:
    """Return a cell's text, wherever its format version keeps it."""
    text = cell.get("source", cell.get("input", ""))
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def recognize(cells: list[dict], assignments: list[Assignment]) -> tuple[str | None, str]:
    """Return the assignment that the cells come from, or None and the reason.

    A cell left as it was handed out counts three times as much as an id or a function's name, which can be
    alike in several assignments.
    """
    texts = {squeezed(source(cell)) for cell in cells} - {""}
    ids = {value for cell in cells for value in _ids(cell)}
    functions = set(re.findall(r"^(?:def|class) (\w+)", "\n".join(map(source, cells)), re.MULTILINE))
    scores = sorted(
        (
            3 * len(texts & assignment.handed_out) + len(ids & assignment.ids) + len(functions & assignment.functions),
            assignment.name,
        )
        for assignment in assignments
    )[::-1]
    if not scores or scores[0][0] < 2:
        return None, "not from any assignment of this course"
    if len(scores) > 1 and scores[1][0] > 0.6 * scores[0][0]:
        return None, f"may be {scores[0][1]} or {scores[1][1]}: name the assignment"
    return scores[0][1], ""


def _ids(cell):
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return {value for value in (cell.get("id"), grade_id) if isinstance(value, str)}
