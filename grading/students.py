"""Who there is: the roster, and a folder name for each student that is safe wherever a path or a page shows it.

A folder name says nothing of the name it stands for; students.json does. So a student may be called
``../../etc`` or ``<script>``, and is called that again in the export.
"""

import csv
import hashlib
import io
import re
import unicodedata
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from grading.files import read_json, write_json

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")  # names that Windows keeps for itself
SEPARATORS = re.compile(r"[\s._,;\-]+")

COLUMNS = {
    "id": (
        "id",
        "student",
        "student id",
        "student number",
        "username",
        "user name",
        "login",
        "sis login id",
        "id number",
    ),
    "name": ("name", "full name", "display name", "student name"),
    "first": ("first name", "given name", "firstname"),
    "last": ("last name", "surname", "family name", "lastname"),
    "email": ("email", "email address", "mail"),
    "number": ("lms id", "user id", "canvas id", "moodle id"),
}


@dataclass(frozen=True)
class Student:
    """One student.

    Parameters
    ----------
    slug : the folder name
    id : what the roster, or else the hand-in, calls them; `name` is what they call themselves
    number : the learning platform's number, where it is the same for every assignment
    enrolled : whether they stand in the roster
    """

    slug: str
    id: str
    name: str
    email: str = ""
    number: str = ""
    enrolled: bool = False


@lru_cache(10_000)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a name, without case, accents, or punctuation between them."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return tuple(word for word in SEPARATORS.split(plain) if word)


def make_slug(text: str) -> str:
    """Return a folder name for any text: lower-case ASCII letters, digits, and hyphens."""
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words(text))).strip("-")[:40].strip("-")
    faithful = slug == "-".join(words(text)) and not RESERVED.match(slug)
    return slug if slug and faithful else f"{slug or 'student'}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


class Students:
    """The students of a course, kept in students.json."""

    def __init__(self, path: Path):
        self.path = path
        self._by_slug = {slug: Student(slug, **fields) for slug, fields in read_json(path, {}).items()}

    def __iter__(self):
        return iter(sorted(self._by_slug.values(), key=lambda student: student.slug))

    def __getitem__(self, slug: str) -> Student:
        return self._by_slug.get(slug) or Student(slug, slug, slug)

    @property
    def has_roster(self) -> bool:
        """Whether a roster says who takes part."""
        return any(student.enrolled for student in self)

    def find(self, who: str, number: str = "") -> list[Student]:
        """Return all students whom a name, login, or number on a learning platform may mean."""
        if number and (same := [student for student in self if student.number == number]):
            return same
        wanted = words(who)
        exact = [s for s in self if who in (s.id, s.slug) or wanted == words(s.id)]
        return exact or [s for s in self if wanted and any(_alike(wanted, words(t)) for t in _names(s))]

    def add(self, who: str, *, name: str = "", **fields) -> Student:
        """Remember a student under a folder name that nobody else has."""
        slug = make_slug(who)
        if slug in self._by_slug:
            slug = f"{slug}-{_digest(who)}"
        student = Student(slug, who, name or who, **fields)
        self._by_slug[slug] = student
        self._save()
        return student

    def enrol(self, entries: list[dict]) -> int:
        """Take over a roster; return how many students are in it. Those known by id keep their folder."""
        for entry in entries:
            known = next((s for s in self if s.id == entry["id"]), None)
            if known:
                self._by_slug[known.slug] = Student(known.slug, **entry, enrolled=True)
            else:
                slug = make_slug(entry["id"])
                slug = f"{slug}-{_digest(entry['id'])}" if slug in self._by_slug else slug
                self._by_slug[slug] = Student(slug, **entry, enrolled=True)
        self._save()
        return len(entries)

    def _save(self):
        fields = {student.slug: asdict(student) for student in self}
        for entry in fields.values():
            del entry["slug"]
        write_json(self.path, fields)


def _names(student):
    return [student.name, student.email, student.email.partition("@")[0]]


def _alike(wanted, known):
    """Whether two names are the same in some order, or written together, as Canvas writes surname and first name."""
    if not known:
        return False
    turned = ["".join(known[i:] + known[:i]) for i in range(len(known))]
    return sorted(wanted) == sorted(known) or "".join(wanted) in turned


def read_roster(path: Path) -> list[dict]:
    """Return the students of a CSV file: its columns are known by their titles, with any of the usual separators.

    Raises ValueError if a column for the id is missing, or two students have the same id.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    titles = {" ".join(words(title)): title for title in reader.fieldnames or []}
    columns = {field: next((titles[t] for t in known if t in titles), None) for field, known in COLUMNS.items()}
    if not columns["id"]:
        raise ValueError(
            f"{path.name} has no column for the student's id. Its columns are: {', '.join(titles) or 'none'}."
        )
    entries = [_entry({k: (row.get(c) or "").strip() if c else "" for k, c in columns.items()}) for row in reader]
    entries = [entry for entry in entries if entry["id"]]
    ids = [entry["id"] for entry in entries]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise ValueError(f"{path.name} lists {', '.join(twice)} more than once.")
    return entries


def _entry(row):
    name = row["name"] or " ".join(filter(None, [row["first"], row["last"]])) or row["id"]
    return {"id": row["id"], "name": name, "email": row["email"], "number": row["number"]}
