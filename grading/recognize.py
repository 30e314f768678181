"""Which assignment is it? The notebook's content says so, whatever its file is called."""

import re

from grading.formats import source
from grading.sources import Assignment, squeezed

MANY_CELLS = 5000


def recognize(cells: list[dict], assignments: list[Assignment]) -> tuple[str | None, str]:
    """Return the assignment that the cells come from, or None and the reason.

    A cell left as it was handed out counts three times as much as an id or a function's name, which can be
    alike in several assignments.
    """
    cells = cells[:MANY_CELLS]
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
