"""Sort a pile of hand-ins: whose, for which assignment, which counts; and say what couldn't be sorted, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grading import handins, sources
from grading.attribution import Attribution, Claim, claim, without_wrapper
from grading.course import Course
from grading.files import write_atomic, write_json
from grading.formats import NotANotebook, read_cells
from grading.handins import HandIn, digest
from grading.intake import Entry, Refused, open_source
from grading.recognize import recognize
from grading.text import one_line


@dataclass(frozen=True)
class Row:
    """What became of one file."""

    state: str  # "collected", "known", "set aside"
    student: str
    assignment: str
    file: str
    note: str = ""


class Collector:
    """Collects sources into a course.

    Parameters
    ----------
    assignment : if given, the one that the files are for; files of others are set aside
    as_student : if given, everything is this student's
    progress : wraps an iterable in a progress bar
    """

    def __init__(
        self, course: Course, assignment: str = "", as_student: str = "", progress=lambda entries, **_: entries
    ):
        self.course, self.assignment, self.as_student, self.progress = course, assignment, as_student, progress
        self.names = sources.names(course.solutions)
        self.assignments = [course.assignment(name) for name in self.names]
        self.touched: set[tuple[str, str]] = set()

    def collect(self, source: Path) -> list[Row]:
        """Take in one folder, archive, or file; return what became of each file in it."""
        with open_source(source) as entries:
            times = _timestamps(entries)
            entries = [entry for entry in entries if entry.parts[-1] != "timestamp.txt"]
            claims = self._claims(entries)
            deciding = Attribution(self.course.students, [found for found in claims if found])
            rows, unsorted = [], []
            for entry, found in self.progress(
                list(zip(entries, claims, strict=True)), desc=one_line(Path(source).name, 30)
            ):
                time = times.get(entry.parts[:-1], entry.time)
                row = self._take(entry, found, time, deciding)
                (rows if isinstance(row, Row) else unsorted).append(row)
            rows += self._take_unrecognized(unsorted, rows)
        for student, assignment in sorted(self.touched):
            handins.submit(self.course, student, assignment)
        return rows

    def _claims(self, entries):
        if self.as_student:
            return [Claim(self.as_student) for _ in entries]
        depth = without_wrapper([entry.parts for entry in entries], self.names, self.course.students) if entries else 0
        return [claim(entry.parts[depth:], self.names) for entry in entries]

    def _take(self, entry, found, time, deciding):
        """Collect one file; return its row, or what is known of it if its assignment isn't."""
        try:
            content = entry.read()
        except Refused as error:
            return self._set_aside(entry, b"", found, str(error))
        student, who_problem = self._student(found, deciding)
        try:
            assignment, problem = recognize(read_cells(content), self.assignments)
            notebook = True
        except NotANotebook as error:
            assignment, problem, notebook = None, str(error), False
        if student is None:
            return self._set_aside(entry, content, found, who_problem, assignment)
        if assignment is None:
            return entry, content, found, student, time, problem, notebook
        if self.assignment and assignment != self.assignment:
            return self._set_aside(
                entry, content, found, f"from {assignment}, not {self.assignment}", assignment, student
            )
        return self._store(entry, content, found, student, time, assignment)

    def _student(self, found, deciding):
        if self.as_student:
            known = self.course.students.find(self.as_student)
            if len(known) > 1:
                return None, f"{len(known)} students may be meant by {self.as_student!r}: use the id"
            return (known[0] if known else self.course.students.add(self.as_student)), ""
        if found is None:
            return None, "its name doesn't say whose it is: use --as"
        return deciding.student(found)

    def _take_unrecognized(self, unsorted, rows):
        """Give files that show no assignment to the one that all others in the source are for."""
        others = {row.assignment for row in rows if row.state != "set aside"}
        only = self.assignment or (others.pop() if len(others) == 1 else "")
        served = {row.student for row in rows if row.state != "set aside"}
        for entry, content, found, student, time, problem, notebook in unsorted:
            looks_like_one = notebook or entry.parts[-1].lower().endswith(".ipynb")
            # A student's data file or report beside the notebook isn't a failed hand-in.
            if only and (looks_like_one or student.slug not in served):
                problem = "" if notebook and self.assignment else problem
                yield self._store(entry, content, found, student, time, only, problem)
            else:
                yield self._set_aside(entry, content, found, problem, None, student)

    def _store(self, entry, content, found, student, time, assignment, problem=""):
        late = bool(found and found.late)
        handin = HandIn(student.slug, assignment, time, entry.label, digest(content), late, problem)
        fresh = handins.store(self.course, handin, content)
        self.touched.add((student.slug, assignment))
        notes = [problem, "late" if handins.is_late(self.course, handin) else "", "" if fresh else "collected before"]
        state = "set aside" if problem else "collected" if fresh else "known"
        return Row(state, student.slug, assignment, entry.label, ", ".join(filter(None, notes)))

    def _set_aside(self, entry, content, found, reason, assignment=None, student=None):
        """Keep what can't be attributed, with the reason, under a name of our own."""
        folder = self.course.root / "set-aside"
        stem = digest(content + entry.label.encode("utf-8", "replace"))[:16]
        who = student.slug if student else found.who if found else ""
        about = {"file": entry.label, "reason": reason, "student": one_line(who), "assignment": assignment}
        write_atomic(folder / f"{stem}.bin", content)
        write_json(folder / f"{stem}.json", about | {"collected": datetime.now(UTC).isoformat(timespec="seconds")})
        return Row("set aside", one_line(who), assignment or "", entry.label, reason)


def _timestamps(entries: list[Entry]) -> dict[tuple[str, ...], datetime]:
    """Return the times that nbgrader wrote beside submissions, by folder."""
    from nbgrader.utils import parse_utc

    times = {}
    for entry in entries:
        if entry.parts[-1] == "timestamp.txt":
            try:
                times[entry.parts[:-1]] = parse_utc(entry.read()[:100].decode().strip()).replace(tzinfo=UTC)
            except (ValueError, OverflowError, Refused):  # a student's own file of that name
                continue
    return times
