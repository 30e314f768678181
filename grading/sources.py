"""What the instructor wrote: an assignment's cells, points, and questions, read from solutions/."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_locked, is_solution, is_task

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = ROOT / "solutions"

# What nbgrader takes out of the student version, delimiters included.
REMOVED = re.compile(
    r"^[^\n]*### BEGIN (SOLUTION|HIDDEN TESTS)[^\n]*$.*?^[^\n]*### END \1[^\n]*$\n?", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Graded:
    """A cell that earns points: by a test, or (`manual`) by a person who reads it."""

    id: str
    points: float
    manual: bool
    question: str


class Assignment:
    """One assignment's source notebook.

    Parameters
    ----------
    name : the folder in solutions/, which holds NAME.ipynb
    folder : where the assignments lie
    """

    def __init__(self, name: str, folder: Path = SOLUTIONS):
        self.name = name
        self.path = folder / name / f"{name}.ipynb"
        if not self.path.is_file():
            raise ValueError(f"There is no assignment {name!r}: {name}/{name}.ipynb is missing in {folder.name}/.")

    @cached_property
    def text(self) -> str:
        """The source as it stands in the file, hidden tests and solutions included."""
        return self.path.read_text("utf-8")

    @cached_property
    def cells(self) -> list[NotebookNode]:
        """The cells of the source."""
        return nbformat.reads(self.text, as_version=4).cells

    @cached_property
    def graded(self) -> list[Graded]:
        """The cells that earn points, in order, each with the heading that it stands under."""
        found, heading = [], self.name
        for cell in self.cells:
            if cell.cell_type == "markdown" and (match := re.match(r"##? +(.+)", cell.source)):
                heading = re.sub(r"\s*\(\d+(\.\d+)? points?\)\s*$", "", match[1])
            if is_grade(cell) or is_task(cell):
                settings = cell.metadata.nbgrader
                manual = is_task(cell) or is_solution(cell) or cell.cell_type != "code"
                found.append(Graded(settings.grade_id, float(settings.points), manual, heading))
        return found

    @property
    def points(self) -> float:
        """The most that can be earned."""
        return sum(cell.points for cell in self.graded)

    @cached_property
    def questions(self) -> list[str]:
        """The headings under which a test earns points, in order."""
        return list(dict.fromkeys(cell.question for cell in self.graded if not cell.manual))

    @cached_property
    def ids(self) -> set[str]:
        """The ids by which nbgrader and Jupyter know this assignment's cells."""
        return {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in self.cells} - {None} | {
            cell.id for cell in self.cells if "id" in cell
        }

    @cached_property
    def handed_out(self) -> set[str]:
        """What students got and were not to change: the text of each such cell, without its white space."""
        kept = [cell for cell in self.cells if not is_solution(cell)]
        return {squeezed(REMOVED.sub("", cell.source)) for cell in kept} - {""}

    @cached_property
    def functions(self) -> set[str]:
        """The functions that students are to write."""
        answers = [cell.source for cell in self.cells if is_solution(cell) and not is_locked(cell)]
        return set(re.findall(r"^(?:def|class) (\w+)", "\n".join(answers), re.MULTILINE))


def squeezed(source: str) -> str:
    """Return text without white space, which editors change."""
    return re.sub(r"\s+", "", source)


def names(folder: Path = SOLUTIONS) -> list[str]:
    """Return the names of all assignments."""
    return sorted(path.parent.name for path in folder.glob("[!.]*/*.ipynb") if path.stem == path.parent.name)
