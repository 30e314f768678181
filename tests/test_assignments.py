"""Every assignment in solutions/: its student version is up to date and safe to run, and its grading is just.

Grading is nbgrader's own. An assignment's usual mistakes stand in wrong_answers/NAME.toml, with what each must
cost and what the student must be told.
"""

import json
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # book/ is not installed

nbgrader_utils = pytest.importorskip("nbgrader.utils")

from nbgrader.api import Gradebook  # noqa: E402

from book import assignments  # noqa: E402
from lossutils.hints import check_any_shape, check_close, slope_report  # noqa: E402

# nbgrader's own use of SQLAlchemy, and the cells that it adds back, warn.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning"),
]

NAMES = assignments.names()


def _mistakes(name):
    file = ROOT / "tests" / "wrong_answers" / f"{name}.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.exists() else {}


MISTAKES = [(name, mistake) for name in NAMES for mistake in _mistakes(name)]


@cache
def read(folder, name):
    return nbformat.read(ROOT / folder / name / f"{name}.ipynb", as_version=4)


generated = cache(assignments.generate)


def test_cells(notebook):
    return [cell for cell in notebook.cells if _is_test(cell)]


def _is_test(cell):
    return cell.cell_type == "code" and nbgrader_utils.is_grade(cell)


test_cells.__test__ = False


class Course:
    """A course in a folder of its own, with one assignment; hands in notebooks and reads what they got."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.student_version = nbformat.read(assignments.release(name, root) / f"{name}.ipynb", as_version=4)
        self.api = assignments.open_course(root)

    def grade(self, student, notebook):
        """Return the automatic score of each test cell and what its error says ("" if none)."""
        folder = self.root / "submitted" / student / self.name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{self.name}.ipynb")
        result = self.api.autograde(self.name, student)
        assert result["success"], result.get("log")
        graded = nbformat.read(self.root / "autograded" / student / self.name / f"{self.name}.ipynb", as_version=4)
        errors = {
            cell.metadata.nbgrader.grade_id: "".join(output.get("evalue", "") for output in cell.outputs)
            for cell in test_cells(graded)
        }
        with Gradebook(self.api.coursedir.db_url) as gradebook:
            grades = gradebook.find_submission_notebook(self.name, self.name, student).grades
            return {grade.name: grade.auto_score for grade in grades}, errors

    def answers(self, replaced=None):
        """The student version with the answers of the solution, but for those replaced."""
        right = {
            cell.id: cell.source for cell in read("solutions", self.name).cells if nbgrader_utils.is_solution(cell)
        }
        notebook = nbformat.from_dict(json.loads(json.dumps(self.student_version)))
        for cell in notebook.cells:
            cell.source = (right | (replaced or {})).get(cell.id, cell.source)
        return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return the course of an assignment, generated when first asked for."""
    return cache(lambda name: Course(name, tmp_path_factory.mktemp(name)))


def points(name):
    return {c.metadata.nbgrader.grade_id: c.metadata.nbgrader.points for c in test_cells(read("solutions", name))}


# The student version


def test_exercises_have_sources():
    assert assignments.orphans() == []


@pytest.mark.parametrize("name", NAMES)
def test_exercise_is_up_to_date(name):
    """What is generated now is, byte for byte, what was generated when it was committed."""
    assert assignments.differences(name, generated(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_exercise_gives_nothing_away(name):
    """No line of a solution, a hidden test, or a model answer is left anywhere in the file."""
    text = generated(name)[f"{name}.ipynb"].decode()
    assert not re.search("(BEGIN|END) (HIDDEN|SOLUTION)", text)
    given = {line for cell in json.loads(text)["cells"] for line in _lines("".join(cell["source"]))}
    secret, shown = set(), set()
    for cell in read("solutions", name).cells:
        answer = cell.cell_type == "markdown" and nbgrader_utils.is_solution(cell)
        visible = "" if answer else REGION.sub("", cell.source)
        shown |= _lines(visible)
        secret |= _lines(cell.source) - _lines(visible)
    assert secret
    assert given & (secret - shown) == set()


# What nbgrader removes, delimiters included.
REGION = re.compile(r"^ *### BEGIN (SOLUTION|HIDDEN TESTS)$.*?^ *### END \1$", re.DOTALL | re.MULTILINE)


def _lines(source):
    return {line.strip() for line in source.splitlines()} - {""}


@pytest.mark.parametrize("name", NAMES)
def test_run_all_goes_through_and_keeps_every_cell(name, tmp_path):
    """Without allow_errors, as in Jupyter: only cells tagged raises-exception may raise, and all are reached."""
    from nbclient import NotebookClient

    before = read("exercises", name)
    notebook = nbformat.from_dict(json.loads(json.dumps(before)))
    for cell in notebook.cells:
        cell.pop("execution_count", None)
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [(c.id, c.source) for c in notebook.cells] == [(c.id, c.source) for c in before.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_unsolved_cells_say_so(name):
    """What raises in the untouched notebook raises NotImplementedError, not something that a student must decode."""
    outputs = {c.id: c.outputs for c in read("exercises", name).cells if c.cell_type == "code"}
    errors = {id: o.ename for id, os in outputs.items() for o in os if o.output_type == "error"}
    assert set(errors.values()) == {"NotImplementedError"}
    assert set(errors) >= {cell.id for cell in test_cells(read("exercises", name))}


@pytest.mark.parametrize("folder", ["solutions", "exercises"])
@pytest.mark.parametrize("name", NAMES)
def test_stored_notebook_is_portable(folder, name):
    """No warning, no picture, no machine's path in what is stored; ids that people can read."""
    for cell in read(folder, name).cells:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id)
        if "nbgrader" in cell.metadata:
            assert cell.metadata.nbgrader.grade_id == cell.id
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", cell.id
            assert set(output.get("data", {})) <= {"text/plain"}, cell.id
            assert not re.search(r"/(home|work|tmp|root|Users)/", json.dumps(output)), cell.id
    if folder == "solutions":
        assert not any("raises-exception" in c.metadata.get("tags", []) for c in read(folder, name).cells)


@pytest.mark.parametrize("name", NAMES)
def test_points_are_as_stated(name):
    """The introduction, the question headings, and the test cells tell the points that nbgrader counts."""
    notebook = read("solutions", name)
    automatic = sum(points(name).values())
    graded = [cell.metadata.nbgrader.points for cell in notebook.cells if nbgrader_utils.is_grade(cell)]
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert re.search(rf"\b{sum(graded)} points: {automatic} for code", text.replace("\n", " "))
    assert sum(int(n) for n in re.findall(r"^## .*\((\d+) points\)$", text, re.MULTILINE)) == sum(graded)
    for cell in test_cells(notebook):
        stated = re.match(r"# (\d+) points?: ", cell.source)
        assert int(stated[1]) == cell.metadata.nbgrader.points, cell.id


# Grading


@pytest.mark.parametrize("name", NAMES)
def test_solution_scores_full_marks(name, course):
    """A hand-in with the right answers gets every point that a test gives; the rest waits for a person."""
    scores, errors = course(name).grade("solution", course(name).answers())
    assert {test: scores[test] for test in points(name)} == points(name), errors


@pytest.mark.parametrize("name", NAMES)
def test_untouched_exercise_scores_zero(name, course):
    scores, _ = course(name).grade("untouched", read("exercises", name))
    assert set(scores.values()) == {0}


@pytest.mark.parametrize("name", NAMES)
def test_deleted_test_cell_costs_nothing(name, course):
    """Students delete cells by accident, and the grader puts them back."""
    notebook = course(name).answers()
    lost = test_cells(notebook)[0]
    notebook.cells.remove(lost)
    scores, _ = course(name).grade("careless", notebook)
    assert scores[lost.id] == points(name)[lost.id]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{n}-{m}" for n, m in MISTAKES])
def test_mistake_costs_its_points_and_is_recognized(name, mistake, course):
    case = _mistakes(name)[mistake]
    scores, errors = course(name).grade(mistake, course(name).answers(case["answers"]))
    assert {test: scores[test] for test in points(name)} == points(name) | dict.fromkeys(case["loses"], 0), errors
    for test, hint in case["loses"].items():
        assert hint in errors[test]


# The generator


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Let the generator write to a folder of the test's own; return it and the first assignment's name."""
    monkeypatch.setattr(assignments, "EXERCISES", tmp_path)
    monkeypatch.setattr(assignments, "generate", generated)
    return tmp_path, NAMES[0]


def test_generator_writes_and_then_finds_nothing_to_do(copy, capsys):
    folder, name = copy
    assert assignments.main([name]) == 0
    assert (folder / name / f"{name}.ipynb").read_bytes() == generated(name)[f"{name}.ipynb"]
    assert assignments.main(["--check", name]) == 0
    assert f"{name}: up to date" in capsys.readouterr().out


def test_check_names_the_file_that_drifted_and_leaves_it(copy, capsys):
    folder, name = copy
    assignments.main([name])
    path = folder / name / f"{name}.ipynb"
    path.write_bytes(path.read_bytes() + b" ")
    (folder / name / "stray.csv").touch()
    assert assignments.main(["--check", name]) == 1
    complaints = capsys.readouterr().err
    assert f"exercises/{name}/{name}.ipynb differs" in complaints
    assert f"exercises/{name}/stray.csv has no source" in complaints
    assert path.read_bytes().endswith(b" ")


def test_generator_does_not_overwrite_answers(copy, capsys):
    """Somebody who works in exercises/ keeps what they wrote, unless they say otherwise."""
    folder, name = copy
    assignments.main([name])
    path = folder / name / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if nbgrader_utils.is_solution(cell))
    cell.source += "\n    # mine"
    nbformat.write(notebook, path)
    assert assignments.main([name]) == 1
    assert cell.id in capsys.readouterr().err
    assert "# mine" in path.read_text("utf-8")
    assert assignments.main(["--force", name]) == 0
    assert "# mine" not in path.read_text("utf-8")


def test_unknown_assignment_is_refused():
    with pytest.raises(SystemExit):
        assignments.main(["99-nothing"])


# The hints


@pytest.mark.parametrize("answer", [2.0, np.float32(2.0), np.array(2.0)])
def test_right_answer_of_any_float_type_passes(answer):
    check_close(answer, 2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "None"),
        (2, "floating point"),
        (np.array([2.0]), "shape"),
        (np.array([]), "shape"),
        (np.nan, "nan"),
        ("2.0", "floating point"),
        (2.1, "2.1, expected 2"),
    ],
)
def test_wrong_answer_raises(answer, message):
    with pytest.raises(AssertionError, match=message):
        check_close(answer, 2.0)


def test_hint_of_another_shape_is_recognized():
    with pytest.raises(AssertionError, match="Take the mean"):
        check_close(np.array([1.0, 3.0]), 2.0, {"Take the mean.": [1.0, 3.0]})


def test_right_answer_beats_a_hint_that_happens_to_agree():
    check_close(0.0, 0.0, {"The sign is flipped.": -0.0})


def _loss(prediction, target):
    residual = prediction - target
    return np.mean(residual**2), 2 * residual / residual.size


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda p, t: (_loss(p, t)[1], _loss(p, t)[1]), "single number"),
        (lambda p, t: (_loss(p, t)[0], 1.0), "gradient has shape"),
        (lambda p, t: (0.0, _loss(p, t)[1]), "is 0"),
        (lambda p, t: (_loss(p, t)[0] * len(p), _loss(p, t)[1]), "value changes"),
        (lambda p, t: (_loss(p, t)[0], _loss(p, t)[1] * len(p)), "gradient changes"),
        (lambda p, t: _loss(np.subtract(p, t, out=p), 0 * t), "changes its arguments"),
    ],
)
def test_check_any_shape_finds(loss, message):
    check_any_shape(_loss)
    with pytest.raises(AssertionError, match=message):
        check_any_shape(loss)


def _unwritten(prediction, target):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("loss", "report"),
    [
        (_loss, "is the slope of the value"),
        (_unwritten, "not written yet"),
        (lambda p, t: _loss(p, t)[0], "stops with"),
        (lambda p, t: (_loss(p, t)[0], -_loss(p, t)[1]), "-1 times"),
        (lambda p, t: (_loss(p, t)[0], _loss(p, t)[1][:1]), "has shape"),
        (lambda p, t: (_loss(p, t)[0], np.sign(p - t)), "is not the slope"),
        (lambda p, t: (1.0, _loss(p, t)[1]), "is not the slope"),
    ],
)
def test_slope_report_says(loss, report):
    assert report in slope_report(loss, np.array([1.0, 5.0, 2.0]), np.array([0.5, 3.0, 3.0]))
