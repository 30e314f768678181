"""How a student stands in an assignment: what was handed in, proven, given by hand, and is still open.

Export, feedback, and `explain` all read it from here, so that they can't disagree.
"""

import warnings
from dataclasses import dataclass, field

from grading import handins, results
from grading.course import Course
from grading.handins import HandIn
from grading.students import Student

SAME_TIME = 2.0  # seconds; archives store times in steps of two

GRADED, UNGRADED, LOOK, MANUAL = "graded", "ungraded", "needs a look", "needs manual grading"


@dataclass(frozen=True)
class Score:
    """Points for one cell. `value` is None while nothing is proven and nobody has given any."""

    id: str
    question: str
    points: float
    manual: bool
    value: float | None = None
    automatic: float | None = None
    by_hand: float | None = None
    extra: float = 0.0
    flagged: bool = True
    outcome: str = "ungraded"
    message: str = ""
    comment: str = ""

    @property
    def reading(self) -> str:
        """How a written answer stands."""
        if self.by_hand is not None:
            return "read by a person"
        return "not read yet" if self.value is None else "not answered"


@dataclass
class Standing:
    """One student, one assignment."""

    student: Student
    assignment: str
    scores: list[Score]
    handins: list[HandIn]
    state: str = UNGRADED
    reasons: list[str] = field(default_factory=list)
    result: dict | None = None
    late: bool = False

    @property
    def total(self) -> float | None:
        """The points, once they are final."""
        if self.state != GRADED:
            return None
        return sum(score.value + score.extra for score in self.scores)

    @property
    def maximum(self) -> float:
        """The most that can be earned."""
        return sum(score.points for score in self.scores)

    def question(self, title: str) -> float | None:
        """The points that tests gave for a question, or None while one of them is open."""
        values = [score.value for score in self.scores if score.question == title and not score.manual]
        return sum(values) if values and None not in values else None

    @property
    def manual(self) -> float | None:
        """The points for what a person reads, with any extra points, or None while some are open."""
        values = [score.value for score in self.scores if score.manual]
        return sum(values) + sum(score.extra for score in self.scores) if None not in values else None


def standings(course: Course, wanted: list[str] = ()) -> list[Standing]:
    """Return how everybody stands: who is in the roster or has handed in anything, in each assignment."""
    grades = read_gradebook(course)
    found = []
    for name in course.assignments(wanted):
        slugs = {path.parent.name for path in course.root.glob(f"collected/*/{name}")} | set(course.submissions(name))
        slugs |= {student.slug for student in course.students if student.enrolled}
        found += [standing(course, name, slug, grades) for slug in sorted(slugs)]
    return found


def read_gradebook(course: Course) -> dict[tuple[str, str], dict[str, dict]]:
    """Return what the gradebook holds, by assignment and student, then by cell."""
    if not (course.root / "gradebook.db").exists():
        return {}
    book = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's own use of SQLAlchemy warns
        with course.open_gradebook() as gradebook:
            for assignment in gradebook.assignments:
                for submission in assignment.submissions:
                    cells = book.setdefault((assignment.name, submission.student.id), {})
                    for notebook in submission.notebooks:
                        for grade in notebook.grades:
                            cells.setdefault(grade.name, {}).update(
                                automatic=grade.auto_score,
                                by_hand=grade.manual_score,
                                extra=grade.extra_credit or 0.0,
                                flagged=grade.needs_manual_grade,
                            )
                        for comment in notebook.comments:
                            cells.setdefault(comment.name, {})["comment"] = comment.comment or ""
    return book


def standing(course: Course, name: str, slug: str, grades: dict | None = None) -> Standing:
    """Return how one student stands in one assignment."""
    grades = read_gradebook(course) if grades is None else grades
    result = results.load(course, name, slug)
    given = grades.get((name, slug), {})
    scores = [_score(cell, given.get(cell.id, {}), result) for cell in course.assignment(name).graded]
    made = Standing(course.students[slug], name, scores, handins.load(course, slug, name), result=result)
    counted = handins.usable(made.handins)
    made.late = bool(counted) and handins.is_late(course, counted)
    made.state, made.reasons = _state(course, made)
    return made


def _score(cell, given, result):
    proven = (result or {}).get("cells", {}).get(cell.id, {})
    by_hand = given.get("by_hand")
    automatic = given.get("automatic")
    return Score(
        cell.id,
        cell.question,
        cell.points,
        cell.manual,
        value=by_hand if by_hand is not None else automatic,
        automatic=automatic,
        by_hand=by_hand,
        extra=given.get("extra", 0.0),
        flagged=given.get("flagged", True),
        outcome=proven.get("outcome", "ungraded"),
        message=proven.get("message", ""),
        comment=given.get("comment", ""),
    )


def _state(course, made):
    if not made.handins and not course.notebook("submitted", made.student.slug, made.assignment).exists():
        return UNGRADED, ["nothing handed in"]
    reasons = list((made.result or {}).get("reasons", []))
    if problem := _unsettled(made, course):
        return UNGRADED, [problem]
    by_people = all(score.by_hand is not None for score in made.scores)
    if not by_people and any(score.value is None and not score.manual for score in made.scores):
        return UNGRADED, reasons or ["nothing is proven"]
    tests = [score for score in made.scores if not score.manual]
    if any(score.flagged for score in tests):
        changed = [score.id for score in tests if score.flagged and score.by_hand is not None]
        return LOOK, reasons or [f"points given by hand, and the answer has changed since: {', '.join(changed)}"]
    if doubt := _doubt(made):
        return LOOK, [doubt, *reasons]
    if any(score.manual and (score.flagged or score.value is None) for score in made.scores):
        return MANUAL, reasons
    return GRADED, reasons


def _unsettled(made, course):
    """Why there is no valid result, or "" if there is one."""
    counted = handins.usable(made.handins)
    if made.handins and not counted:
        return made.handins[0].problem
    submitted = course.notebook("submitted", made.student.slug, made.assignment)
    if made.result is None or made.result["sha256"] != handins.digest(submitted.read_bytes()):
        return "not graded yet"
    return ""


def _doubt(made):
    """What is unclear about which hand-in counts; settled by handing in again, or by `accept`."""
    counted = handins.usable(made.handins)
    if counted is None or made.handins[0].sha256 in (made.result or {}).get("accepted", ()):
        return ""
    newest = made.handins[0]
    if newest.problem:
        return f"a later hand-in, {newest.origin}, can't be graded: {newest.problem}"
    rivals = [h for h in made.handins if not h.problem and h.sha256 != counted.sha256]
    if any((counted.time - rival.time).total_seconds() <= SAME_TIME for rival in rivals):
        return f"two different hand-ins of the same time; {counted.origin} was graded"
    return ""
