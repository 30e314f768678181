"""Grades as a CSV file for a learning platform or a spreadsheet; nothing that isn't proven is in it as a zero."""

import csv
import io
from pathlib import Path

from grading.course import Course
from grading.files import write_atomic
from grading.standing import Standing, standings
from grading.text import for_spreadsheet, number


def export(course: Course, path: Path, wanted: list[str] = ()) -> list[Standing]:
    """Write everybody's grades; return the standings that were written."""
    found = standings(course, wanted)
    questions = max((len(course.assignment(made.assignment).questions) for made in found), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        ["student", "name", "assignment"]
        + [f"question {position}" for position in range(1, questions + 1)]
        + ["manual", "total", "max", "state", "reason", "late", "handed in"]
    )
    for made in found:
        writer.writerow([for_spreadsheet(value) for value in row(course, made, questions)])
    # Spreadsheets take UTF-8 for another encoding unless the file begins with a byte-order mark.
    write_atomic(path, text.getvalue().encode("utf-8-sig", "replace"))
    return found


def row(course: Course, made: Standing, questions: int) -> list:
    """Return one line: who, what for, points by question, what a person gave, total if final, and how it stands."""
    titles = course.assignment(made.assignment).questions
    points = [made.question(title) for title in titles] + [None] * (questions - len(titles))
    counted = next((handin for handin in made.handins if not handin.problem), None)
    return [
        made.student.id,
        made.student.name,
        made.assignment,
        *map(_points, points),
        _points(made.manual if any(score.manual for score in made.scores) else None),
        _points(made.total),
        _points(made.maximum),
        made.state,
        "; ".join(made.reasons),
        "late" if made.late else "",
        counted.time.isoformat(timespec="seconds") if counted else "",
    ]


def _points(value):
    return None if value is None else number(value)
