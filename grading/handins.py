"""Every hand-in ever collected, with where it came from. Nothing here is overwritten or deleted."""

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from grading.course import Course
from grading.files import read_json, write_atomic, write_json


@dataclass(frozen=True)
class HandIn:
    """One file of one student for one assignment.

    Parameters
    ----------
    time : when it was handed in; `marked_late` if the platform says that this was too late
    origin : where it came from; `problem` says why it can't be graded, if it can't
    """

    student: str
    assignment: str
    time: datetime
    origin: str
    sha256: str
    marked_late: bool = False
    problem: str = ""
    collected: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def stem(self) -> str:
        """The name of its files in collected/."""
        return f"{self.time.astimezone(UTC):%Y%m%dT%H%M%S}-{self.sha256[:16]}"


def store(course: Course, handin: HandIn, content: bytes) -> bool:
    """Keep a hand-in; return False if the same file was collected before. Of two times, the earlier stays."""
    same = [h for h in load(course, handin.student, handin.assignment) if h.sha256 == handin.sha256]
    if any(earlier.time <= handin.time for earlier in same):
        return False
    folder = course.root / "collected" / handin.student / handin.assignment
    write_atomic(folder / f"{handin.stem}.ipynb", content)
    # The record comes last: a hand-in without one is collected again.
    write_json(folder / f"{handin.stem}.json", asdict(handin) | {"time": handin.time.isoformat()})
    return True


def load(course: Course, student: str, assignment: str) -> list[HandIn]:
    """Return what a student has handed in for an assignment, newest first; each content once, at its earliest time."""
    records = (course.root / "collected" / student / assignment).glob("*.json")
    found = [HandIn(**fields | {"time": datetime.fromisoformat(fields["time"])}) for fields in map(read_json, records)]
    first = {}
    for handin in sorted(found, key=lambda handin: handin.time):
        first.setdefault(handin.sha256, handin)
    return sorted(first.values(), key=lambda handin: (handin.time, handin.sha256), reverse=True)


def usable(handins: list[HandIn]) -> HandIn | None:
    """Return the newest hand-in that is a notebook."""
    return next((handin for handin in handins if not handin.problem), None)


def is_late(course: Course, handin: HandIn) -> bool:
    """Whether the platform or the due time says so."""
    due = course.due(handin.assignment)
    return handin.marked_late or bool(due and handin.time > due)


def submit(course: Course, student: str, assignment: str) -> None:
    """Put the newest usable hand-in where nbgrader looks for it, with its time."""
    handin = usable(load(course, student, assignment))
    if handin is None:
        return
    content = (course.root / "collected" / student / assignment / f"{handin.stem}.ipynb").read_bytes()
    path = course.notebook("submitted", student, assignment)
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)
    time = f"{handin.time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    write_atomic(path.parent / "timestamp.txt", f"{time}\n".encode())


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()
