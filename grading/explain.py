"""Say in plain words how a grade came about: for a student's question, or an appeal."""

import textwrap

from grading import handins
from grading.course import Course
from grading.standing import GRADED, Standing, standing
from grading.text import number, one_line

WIDTH = 100


def explain(course: Course, student: str, assignment: str) -> str:
    """Return an account of one student's grade in one assignment, as lines for a terminal."""
    made = standing(course, assignment, student)
    return "\n".join([*_head(made), "", *_handins(course, made), "", *_scores(made), *_sum(made), *_measured(made)])


def _head(made: Standing):
    student = made.student
    known = f" ({one_line(student.name)})" if student.name != student.id else ""
    lines = [f"{one_line(student.id)}{known}, {made.assignment}: {made.state}"]
    return lines + [f"  {line}" for reason in made.reasons for line in _wrapped(f"because: {reason}")]


def _handins(course, made):
    if not made.handins:
        return ["Handed in: nothing"]
    counted = handins.usable(made.handins)
    lines = ["Handed in (UTC):"]
    for handin in made.handins:
        notes = [
            "this one counts" if handin is counted else "",
            "late" if handins.is_late(course, handin) else "",
            handin.problem,
        ]
        lines.append(f"  {handin.time:%Y-%m-%d %H:%M:%S}  {handin.origin}  {'; '.join(filter(None, notes))}".rstrip())
    due = course.due(made.assignment)
    return lines + ([f"  {due:%Y-%m-%d %H:%M:%S}  due"] if due else [])


def _scores(made):
    lines, question = [], None
    for score in made.scores:
        if score.question != question:
            question = score.question
            lines.append(f"{question}")
        lines.append(f"  {score.id:24} {number(score.value):>5} of {number(score.points):<5} {_why(score)}")
        for label, text in (("", score.message), ("comment: ", score.comment)):
            lines += [f"      {line}" for line in _wrapped(label + text if text else "")]
    return lines


def _why(score):
    notes = [score.reading if score.manual else score.outcome]
    if score.by_hand is not None:
        before = f" instead of {number(score.automatic)} by the tests" if score.automatic is not None else ""
        notes.append(f"{number(score.by_hand)} given by hand{before}")
    if score.extra:
        notes.append(f"{number(score.extra)} extra")
    if score.flagged and score.value is not None:
        notes.append("to be confirmed")
    return "; ".join(notes)


def _sum(made):
    if made.state != GRADED:
        return ["", f"Total: none yet, of {number(made.maximum)}. It is final once the state is '{GRADED}'."]
    terms = [(title, made.question(title)) for title in dict.fromkeys(s.question for s in made.scores if not s.manual)]
    parts = [f"{number(value)} ({title.split(':')[0]})" for title, value in terms]
    if any(score.manual or score.extra for score in made.scores):
        parts.append(f"{number(made.manual)} (by a person)")
    return ["", *_wrapped(f"Total: {' + '.join(parts)} = {number(made.total)} of {number(made.maximum)}")]


def _measured(made):
    if not made.result:
        return []
    result = made.result
    sandbox = "" if result["sandboxed"] else ", WITHOUT a sandbox"
    took = f"{result['seconds']:.1f} s, {result['peak_bytes'] / 1e6:.0f} MB at most"
    return [
        f"Graded {result['graded'][:19].replace('T', ' ')} UTC in {took}{sandbox}. SHA-256 {result['sha256'][:16]}…"
    ]


def _wrapped(text):
    return [one_line(piece, 2000) for line in text.splitlines() for piece in textwrap.wrap(line, WIDTH) or [""]]
