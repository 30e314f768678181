"""Bring results into nbgrader's gradebook; the only writer of automatic scores.

What a person gave there, scores and comments, stays. Where the answer that it was given for has changed since, it is
flagged, and formgrader shows it among what needs manual grading. nbgrader has no state for "nothing proven": such a
cell has no automatic score, is flagged as well, and the export leaves it blank.
"""

import hashlib
import json
import warnings

import nbformat
from nbgrader.api import Grade, MissingEntry
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution, is_task

from grading import handins, results
from grading.course import Course
from grading.files import read_json, write_atomic, write_json
from grading.harmless import harmless_markdown, harmless_name, harmless_notebook
from grading.sources import Assignment


def merge(course: Course, wanted: list[str], progress=lambda items, **_: items) -> int:
    """Bring all results that aren't there yet into the gradebook; return how many those were."""
    todo = [(name, slug) for name in course.assignments(wanted) for slug in course.submissions(name)]
    todo = [(name, slug) for name, slug in todo if _pending(course, name, slug)]
    if not todo:
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's own use of SQLAlchemy warns
        with course.open_gradebook() as gradebook:
            gradebook.db().expire_on_commit = False  # nbgrader commits at every step; each would be read again
            for name in dict.fromkeys(name for name, _ in todo):
                register(gradebook, course, course.assignment(name))
            for name, slug in progress(todo, desc="writing the gradebook"):
                _merge_one(gradebook, course, course.assignment(name), slug)
    return len(todo)


def _pending(course, name, slug):
    result = results.load(course, name, slug)
    return result is not None and _stamp(result) != (read_json(_record(course, name, slug), {}).get("stamp"))


def _stamp(result):
    return f"{result['key']} {result['graded']}"


def _record(course, name, slug):
    return course.root / "merged" / name / f"{slug}.json"


def register(gradebook, course: Course, assignment: Assignment) -> None:
    """Tell the gradebook the assignment's cells and points; hand-ins that it knows get the cells that were added.

    Raises ValueError where a cell was taken out of the source for which somebody has given points by hand.
    """
    name, due = assignment.name, course.due(assignment.name)
    gradebook.update_or_create_assignment(name, duedate=due.replace(tzinfo=None) if due else None)
    kernel = nbformat.reads(assignment.text, as_version=4).metadata.get("kernelspec", {})
    notebook = gradebook.update_or_create_notebook(name, name, kernelspec=json.dumps(kernel))
    _remove_gone(gradebook, notebook, assignment)
    for cell in assignment.cells:
        settings = cell.metadata.get("nbgrader")
        if not settings:
            continue
        id = settings.grade_id
        if is_grade(cell):
            points = {"max_score": float(settings.points), "cell_type": cell.cell_type}
            gradebook.update_or_create_grade_cell(id, name, name, **points)
        if is_solution(cell):
            gradebook.update_or_create_solution_cell(id, name, name)
        if is_task(cell):
            points = {"max_score": float(settings.points), "cell_type": cell.cell_type}
            gradebook.update_or_create_task_cell(id, name, name, **points)
        about = {"cell_type": cell.cell_type, "locked": is_locked(cell), "source": cell.source}
        gradebook.update_or_create_source_cell(id, name, name, checksum=compute_checksum(cell), **about)
    gradebook.db.expire_all()
    for submitted in notebook.submissions:
        have = {grade.cell_id for grade in submitted.grades}
        for cell in [*notebook.grade_cells, *notebook.task_cells]:
            if cell.id not in have:
                gradebook.db.add(Grade(cell_id=cell.id, notebook=submitted))
    gradebook.db.commit()


def _remove_gone(gradebook, notebook, assignment):
    ids = {cell.id for cell in assignment.graded}
    for cell in [cell for cell in [*notebook.grade_cells, *notebook.task_cells] if cell.name not in ids]:
        by_hand = [grade.student.id for grade in cell.grades if grade.manual_score is not None]
        if by_hand:
            raise ValueError(
                f"{assignment.name} has lost its cell {cell.name}, for which {', '.join(by_hand)} got points by hand."
                " Put it back, or take those points out of the gradebook first."
            )
        for grade in list(cell.grades):
            gradebook.db.delete(grade)
        gradebook.db.delete(cell)
    gradebook.db.commit()


def _merge_one(gradebook, course, assignment, slug):
    name, result = assignment.name, results.load(course, assignment.name, slug)
    before = read_json(_record(course, name, slug), {})
    student = course.students[slug]
    first, _, last = harmless_name(student.name).rpartition(" ")
    gradebook.update_or_create_student(slug, first_name=first, last_name=last, email=harmless_name(student.email))
    handin = handins.usable(handins.load(course, slug, name))
    time = {"timestamp": handin.time.replace(tzinfo=None)} if handin else {}
    gradebook.update_or_create_submission(name, slug, **time)
    shown = shown_notebook(result, assignment)
    answers = digests(shown, assignment)
    submitted = gradebook.find_submission_notebook(name, name, slug)
    for grade in submitted.grades:
        got = result["cells"].get(grade.name)
        if got:
            changed = bool(before) and before["answers"].get(grade.name) != answers.get(grade.name)
            _set(grade, got["score"], changed, proposal=result["state"] == "needs a look")
    for comment in submitted.comments:
        empty = result["cells"].get(comment.name, {}).get("outcome") == "manual" and not _is_open(result, comment.name)
        comment.auto_comment = "No response." if empty else None
    gradebook.db.commit()
    path = course.notebook("autograded", slug, name)
    write_atomic(path, nbformat.writes(shown).encode("utf-8", "replace"))
    stamp = course.notebook("submitted", slug, name).parent / "timestamp.txt"
    if stamp.exists():
        write_atomic(path.parent / "timestamp.txt", stamp.read_bytes())
    write_json(_record(course, name, slug), {"stamp": _stamp(result), "answers": answers})


def _is_open(result, cell):
    return result["cells"][cell]["score"] is None


def _set(grade, score, changed, proposal):
    """Set an automatic score; a person's score stays, and is flagged if what it was given for has changed."""
    rescored = grade.auto_score != score
    grade.auto_score = score
    if grade.manual_score is not None:
        grade.needs_manual_grade = bool(grade.needs_manual_grade or changed or rescored)
    else:
        grade.needs_manual_grade = score is None or proposal


def shown_notebook(result: dict, assignment: Assignment):
    """Return the notebook that people see: the grader's, made harmless, or a page that says why there is none."""
    if result["notebook"]:
        try:
            return harmless_notebook(result["notebook"], assignment.cells)
        except Exception as error:  # a notebook that can't be shown must not keep others from being graded
            result["reasons"].append(f"the notebook can't be shown: {type(error).__name__}")
    text = "# This hand-in could not be read\n\n" + "\n".join(f"- {reason}" for reason in result["reasons"])
    cells = [nbformat.v4.new_markdown_cell(harmless_markdown(text))]
    for cell in assignment.cells:
        # nbgrader's pages find scores by the cells that stand for them.
        if is_grade(cell) or is_task(cell):
            make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
            cells.append(make("", metadata={"nbgrader": dict(cell.metadata.nbgrader)}))
    return nbformat.v4.new_notebook(cells=cells)


def digests(notebook, assignment: Assignment) -> dict[str, str]:
    """Return, for each graded cell, a digest of the answer that its points are for.

    For a test that is all code of the student's: tests may call any of it.
    """
    locked = {cell.metadata.nbgrader.grade_id for cell in assignment.cells if is_locked(cell)}
    own = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in locked]
    code = _digest([cell.source for cell in own if cell.cell_type == "code"])
    written = {c.metadata.nbgrader.grade_id: c for c in own if "nbgrader" in c.metadata}
    return {
        cell.id: _digest([written[cell.id].source]) if cell.manual and cell.id in written else code
        for cell in assignment.graded
    }


def _digest(texts):
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]


def accept(course: Course, assignment: str, student: str) -> None:
    """Take the proposed scores of a hand-in that needed a look for final. Raises ValueError if one has no score."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with course.open_gradebook() as gradebook:
            try:
                grades = gradebook.find_submission_notebook(assignment, assignment, student).grades
            except MissingEntry:
                raise ValueError(f"{student} has nothing graded for {assignment}.") from None
            manual = {cell.id for cell in course.assignment(assignment).graded if cell.manual}
            open_cells = [grade for grade in grades if grade.auto_score is None and grade.manual_score is None]
            if unproven := [grade.name for grade in open_cells if grade.name not in manual]:
                raise ValueError(f"No score is proposed for {', '.join(unproven)}: give one in formgrader.")
            for grade in grades:
                grade.needs_manual_grade = grade in open_cells
            gradebook.db.commit()
    result, all_handins = results.load(course, assignment, student), handins.load(course, student, assignment)
    if result and all_handins:
        write_json(results.path(course, assignment, student), result | {"accepted": [all_handins[0].sha256]})
