"""A course's folder: who hands in what until when, what was handed in, what it earned.

It is an nbgrader course, so that ``nbgrader formgrader``, started in it, shows everything for manual grading::

    gradebook.db            nbgrader's database
    nbgrader_config.py      keeps nbgrader's own autograder, which has no sandbox, away from submissions
    course.json             assignments handed out, due times
    students.json           who there is, under which folder name
    collected/              every hand-in ever collected, never overwritten, with a record beside each
    set-aside/              what couldn't be attributed
    submitted/S/A/A.ipynb   the hand-in that counts        autograded/S/A/A.ipynb   the same, graded, harmless
    results/A/S.json        what grading found             merged/A/S.json          what of it is in the gradebook
    feedback/S/A/A.html     what the student may read
"""

import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from grading import sources
from grading.files import read_json, write_atomic, write_json
from grading.students import Students

CONFIG = '''"""nbgrader's settings for this course. Written by `python -m grading`: changes here are lost."""

from nbconvert.exporters import NotebookExporter

c = get_config()  # noqa: F821


class GradedElsewhere(NotebookExporter):
    def __init__(self, **_):
        raise RuntimeError("Grade with `python -m grading grade`. nbgrader's autograder has no sandbox.")


c.Autograde.exporter_class = GradedElsewhere
c.CourseDirectory.root = __import__("os").path.dirname(__import__("os").path.abspath(__file__))
'''


class Course:
    """The folder of one course, made on first use."""

    def __init__(self, root: Path, solutions: Path = sources.SOLUTIONS):
        self.root, self.solutions = Path(root).resolve(), solutions
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"{root} is a file: --course names a folder.")
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.root / "nbgrader_config.py"
        if not config.exists() or config.read_text("utf-8") != CONFIG:
            write_atomic(config, CONFIG.encode())
        self.students = Students(self.root / "students.json")
        self.assignment = cache(lambda name: sources.Assignment(name, solutions))

    @property
    def db_url(self) -> str:
        """Where nbgrader's gradebook is."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    def open_gradebook(self):
        """Return nbgrader's Gradebook, for a `with` statement."""
        # nbgrader calls alembic, which sits beside the interpreter, also where the environment isn't activated.
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        from nbgrader.api import Gradebook

        return Gradebook(self.db_url)

    def notebook(self, step: str, student: str, assignment: str) -> Path:
        """Return the path of a notebook in one of nbgrader's steps: submitted, autograded."""
        return self.root / step / student / assignment / f"{assignment}.ipynb"

    def submissions(self, assignment: str) -> list[str]:
        """Return the students (folder names) who handed in this assignment."""
        return sorted(
            path.parent.parent.name for path in self.root.glob(f"submitted/*/{assignment}/{assignment}.ipynb")
        )

    def assignments(self, wanted: list[str] = ()) -> list[str]:
        """Return the assignments of this course: those wanted, or all that were handed out or handed in."""
        known = sources.names(self.solutions)
        if unknown := sorted(set(wanted) - set(known)):
            raise ValueError(f"No such assignment: {', '.join(unknown)}. There are: {', '.join(known)}.")
        used = {path.name for path in self.root.glob("submitted/*/*")} | {
            p.name for p in self.root.glob("collected/*/*")
        }
        used |= set(self.settings.get("released", []))
        return [name for name in known if name in (wanted or used)]

    @property
    def settings(self) -> dict:
        """What course.json holds."""
        return read_json(self.root / "course.json", {})

    def set_due(self, assignment: str, due: datetime) -> None:
        """Remember until when an assignment was to be handed in."""
        settings = self.settings
        settings.setdefault("due", {})[assignment] = due.astimezone(UTC).isoformat()
        write_json(self.root / "course.json", settings)

    def due(self, assignment: str) -> datetime | None:
        """Return until when an assignment was to be handed in."""
        due = self.settings.get("due", {}).get(assignment)
        return datetime.fromisoformat(due) if due else None

    def add_released(self, names: list[str]) -> None:
        """Remember that assignments were handed out."""
        settings = self.settings
        settings["released"] = sorted({*settings.get("released", []), *names})
        write_json(self.root / "course.json", settings)

    @contextmanager
    def one_writer(self):
        """Keep others from changing this course at the same time. The lock falls with the process that holds it."""
        try:
            with FileLock(self.root / ".lock", timeout=0):
                yield
        except Timeout:
            raise BlockingIOError(
                f"Another command is changing {self.root.name}/ at this moment. Wait until it has finished."
            ) from None
