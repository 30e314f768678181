"""What grading found, one JSON file for each submission, written as it arrives."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from grading import sources
from grading.course import Course
from grading.files import read_json, write_json
from grading.pool import Task
from grading.unproven import nothing_proven

STATES = ("graded", "ungraded", "needs a look")
OUTCOMES = ("passed", "failed", "timeout", "crashed", "manual", "ungraded")
# What decides a score: the grader, and the library with which tests compare.
DECIDING = ("grading", "lossutils")


@cache
def grader_version() -> str:
    """Return a digest of the code that grades: a result of other code is graded again."""
    sum = hashlib.sha256()
    for folder in DECIDING:
        for path in sorted((sources.ROOT / folder).rglob("*.py")):
            sum.update(path.relative_to(sources.ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return sum.hexdigest()[:16]


def key(source: str, submission: bytes, sandboxed: bool = True) -> str:
    """Return what a result depends on, as one digest."""
    parts = [source.encode(), submission, grader_version().encode(), str(sandboxed).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True)
class Job:
    """A submission with its place in the course."""

    assignment: str
    student: str
    task: Task


def path(course: Course, assignment: str, student: str) -> Path:
    """Where a result is kept."""
    return course.root / "results" / assignment / f"{student}.json"


def load(course: Course, assignment: str, student: str) -> dict | None:
    """Return the newest result, or None."""
    return read_json(path(course, assignment, student))


def jobs(
    course: Course, wanted: list[str], student: str = "", again: bool = False, sandboxed: bool = True
) -> list[Job]:
    """Return what there is to grade: submissions that have no result of the same bytes, source, and grader."""
    found = []
    for assignment in course.assignments(wanted):
        source = course.assignment(assignment).text
        for slug in course.submissions(assignment):
            if student and slug != student:
                continue
            submission = course.notebook("submitted", slug, assignment).read_bytes()
            digest = key(source, submission, sandboxed)
            if again or (load(course, assignment, slug) or {}).get("key") != digest:
                task = Task(f"{assignment}/{slug}/{digest}", source, submission, sandboxed)
                found.append(Job(assignment, slug, task))
    return found


def save(course: Course, job: Job, result: dict) -> None:
    """Write down a result. One that isn't what a grader returns is kept as ungraded, never as a zero."""
    if problem := wrong(result, course.assignment(job.assignment)):
        result = nothing_proven(job.task.source, f"the grader returned {problem}")
    about = {"key": job.task.key.rpartition("/")[2], "sandboxed": job.task.sandboxed}
    about |= {"sha256": hashlib.sha256(job.task.submission).hexdigest(), "graded": datetime.now(UTC).isoformat()}
    write_json(path(course, job.assignment, job.student), about | result)


def wrong(result, assignment: sources.Assignment) -> str:
    """Say what is wrong with a result; "" if nothing is. Fail closed: scores are checked before they count."""
    if not isinstance(result, dict) or result.get("state") not in STATES:
        return "no state"
    cells = result.get("cells")
    if not isinstance(cells, dict) or set(cells) != {cell.id for cell in assignment.graded}:
        return "scores for other cells than the assignment has"
    for cell in assignment.graded:
        got = cells[cell.id]
        score = got.get("score")
        if got.get("outcome") not in OUTCOMES or not isinstance(got.get("message"), str):
            return f"no outcome for {cell.id}"
        if score is not None and not (isinstance(score, int | float) and 0 <= score <= cell.points):
            return f"a score of {score!r} for {cell.id}"
        if score is None and result["state"] == "graded" and got["outcome"] != "manual":
            return f"no score for {cell.id}"
    return ""
