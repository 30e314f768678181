"""Whose file is it? Learning platforms say so in folder and file names, each in its own way."""

import re
from dataclasses import dataclass

from grading.students import Student, Students, words

MOODLE = re.compile(r"(?P<who>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_|$)")
CANVAS = re.compile(r"(?P<who>[^_]+)_(?:(?P<late>late)_)?(?P<number>\d{2,})_\d{2,}_.", re.IGNORECASE)
ENDING = re.compile(r"(\.(ipynb|json|txt|zip|dat|py|pdf|html?|md|docx?|bak|rar|7z))+$", re.IGNORECASE)
COPY = re.compile(r"(\s*\(\d+\)|[ _-]+copy(\s*\d+)?|[ _-]v?\d{1,2})+$", re.IGNORECASE)
# Folder names that stand for a step or a task, not for a person.
GENERIC = re.compile(
    r"(submitted|submissions?|hand-?ins?|autograded|downloads?|files?|attachments?|online ?text"
    r"|(assignment|assign|homework|hw|exercise|task|week|sheet|problem ?set|ps)?[ _-]*\d{0,2}([ _-].*)?)$",
    re.IGNORECASE,
)
FILLER = {
    "assignment",
    "submission",
    "homework",
    "hw",
    "exercise",
    "final",
    "copy",
    "of",
    "solution",
    "version",
    "notebook",
}


@dataclass(frozen=True)
class Claim:
    """Whose a file is said to be: a name or login, the platform's number for it, and whether it says "late"."""

    who: str
    number: str = ""
    stable: bool = False  # whether the number is the same for every assignment
    late: bool = False


def claim(parts: tuple[str, ...], assignments: list[str]) -> Claim | None:
    """Return whose a path says that the file is, or None if it doesn't say."""
    for part in parts:
        if match := MOODLE.match(part):  # the number is drawn anew for each assignment
            return Claim(match["who"].strip(), match["number"])
        if match := CANVAS.match(part):
            return Claim(match["who"], match["number"], stable=True, late=bool(match["late"]))
    for folder in parts[:-1]:
        if folder not in assignments and not GENERIC.match(folder) and not _about(folder, assignments):
            return Claim(folder.strip())
    stem = COPY.sub("", ENDING.sub("", parts[-1]))
    rest = [word for word in words(stem) if word not in _vocabulary(assignments)]
    if not rest:
        return None
    return Claim(stem.strip() if len(rest) == len(words(stem)) else " ".join(rest))


def _vocabulary(assignments):
    return FILLER.union(*(words(name) for name in assignments))


def _about(text, assignments):
    """Whether every word of a text is one that names an assignment."""
    return set(words(text)) <= _vocabulary(assignments)


def without_wrapper(paths: list[tuple[str, ...]], assignments: list[str], students: Students) -> int:
    """Return how many leading folders hold the whole class, rather than one student: 0 or 1 for the usual archives."""
    depth = 0
    # A data file beside one notebook doesn't make its folder a class.
    paths = [path for path in paths if path[-1].lower().endswith(".ipynb")] or paths
    while all(len(path) > depth + 1 for path in paths) and len({path[depth] for path in paths}) == 1:
        folder = paths[0][depth]
        if MOODLE.match(folder) or CANVAS.match(folder) or students.find(folder):
            break
        inside = [claim(path[depth + 1 :], assignments) for path in paths]
        if len({found.who for found in inside if found}) < 2:
            break
        depth += 1
    return depth


class Attribution:
    """Decides for the claims of one source; two people of the same name are never taken for one.

    Parameters
    ----------
    claims : all claims in the source, so that contradictions among them show
    """

    def __init__(self, students: Students, claims: list[Claim]):
        self.students = students
        self.meant: dict[tuple, set] = {}
        for found in claims:
            self.meant.setdefault(words(found.who), set()).add(found.number or found.who.casefold())

    def student(self, found: Claim) -> tuple[Student | None, str]:
        """Return the student, entered among the course's where there is no roster, or None and the reason."""
        number = found.number if found.stable else ""
        known = self.students.find(found.who, number)
        by_number = bool(number) and any(student.number == number for student in known)
        if len(known) > 1:
            return None, f"{len(known)} students may be meant by {found.who!r}: use --as"
        if not by_number and len(self.meant.get(words(found.who), ())) > 1:
            return None, f"two people in this source are called {found.who!r}: use --roster or --as"
        if known and number and known[0].number and known[0].number != number:
            return None, f"another {found.who!r} has handed in before, with another number: use --as"
        if known:
            return known[0], ""
        if self.students.has_roster:
            return None, f"nobody in the roster is called {found.who!r}"
        return self.students.add(found.who, number=number), ""
