"""A hand-in is matched with its assignment, whatever happened to it on the way."""

import copy
import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]  # grading/ is not installed

import small  # noqa: E402

from grading import align  # noqa: E402
from grading.limits import Limits  # noqa: E402


def plan(notebook, source=small.SOURCE):
    return align.plan(source, small.to_bytes(notebook))


def run_order(made):
    """What is run, in order: keys of locked cells, and the first words of what students wrote."""
    return [c.key if c.locked is not None else c.run.split("(")[0] for c in made.cells if c.locked is not None or c.run]


USUAL = ["setup", "def mse", "mse-value", "mse-hidden", "data", "def mae", "mae-value"]


def cell(notebook, key):
    return next(c for c in notebook["cells"] if c["id"] == key)


def stripped(notebook):
    for each in notebook["cells"]:
        each.pop("id")
        each["metadata"] = {}
    return notebook


def without_ids(notebook):
    for each in notebook["cells"]:
        each.pop("id")
    return notebook


def without_metadata(notebook):
    for each in notebook["cells"]:
        each["metadata"] = {}
    return notebook


def format_3(notebook):
    cells = stripped(notebook)["cells"]
    for each in cells:
        if each["cell_type"] == "code":
            each["input"] = each.pop("source")
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}


def lines(notebook):
    for each in notebook["cells"]:
        each["source"] = each["source"].splitlines(keepends=True)
    return notebook


def windows(notebook):
    for each in notebook["cells"]:
        each["source"] = each["source"].replace("\n", "\r\n")
    return notebook


@pytest.mark.parametrize("change", [copy.copy, stripped, without_ids, without_metadata, format_3, lines, windows])
def test_lost_metadata_changes_nothing(change):
    made = plan(change(small.handed_in()))
    assert run_order(made) == USUAL
    assert made.doubts == []
    assert [c.text for c in made.cells if c.role == "manual"] == [small.RIGHT["which"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(encoding):
    notebook = small.handed_in(which="Größe")
    made = align.plan(small.SOURCE, json.dumps(notebook, ensure_ascii=False).encode(encoding))
    assert [c.text for c in made.cells if c.role == "manual"] == ["Größe"]


def test_deleted_test_comes_back_at_its_place():
    notebook = small.handed_in()
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] not in ("mse-hidden", "data")]
    made = plan(notebook)
    assert run_order(made) == USUAL
    assert "mse-hidden" in " ".join(made.notes)


def test_test_above_its_answer_runs_below():
    notebook = small.handed_in()
    notebook["cells"].insert(0, notebook["cells"].pop(3))
    order = run_order(plan(notebook))
    assert order.index("mse-value") > order.index("def mse")
    assert sorted(order) == sorted(USUAL)


def test_duplicated_test_runs_once():
    notebook = small.handed_in()
    notebook["cells"].append(copy.deepcopy(cell(notebook, "mse-value")))
    assert run_order(plan(notebook)) == USUAL


def test_changed_test_is_replaced_but_what_stood_there_runs():
    """Somebody may have typed the answer into the test cell."""
    notebook = small.handed_in(mse=None)
    cell(notebook, "mse-value")["source"] = small.RIGHT["mse"]
    made = plan(notebook)
    order = run_order(made)
    assert order.index("def mse") < order.index("mse-value")
    assert next(c.locked for c in made.cells if c.key == "mse-value") == next(
        "".join(c["source"]) for c in json.loads(small.SOURCE)["cells"] if c["id"] == "mse-value"
    )


@pytest.mark.parametrize("place", [1, 4, 9])
def test_answer_in_a_cell_of_its_own_is_found(place):
    """The stub was left as it was, and the answer stands elsewhere."""
    notebook = small.handed_in(mse=None)
    answer = {"cell_type": "code", "id": "own", "metadata": {}, "source": small.RIGHT["mse"], "outputs": []}
    notebook["cells"].insert(place, answer)
    made = plan(notebook)
    order = run_order(made)
    assert order.index("mse-value") > order.index("def mse")
    assert small.STUB not in [c.run for c in made.cells]
    assert any("mse" in note for note in made.notes)


def test_two_answers_need_a_look():
    notebook = small.handed_in()
    second = copy.deepcopy(cell(notebook, "mse")) | {"source": "def mse(p, t):\n    return 1.0, p"}
    notebook["cells"].insert(4, second)
    assert any("answered 2 times" in doubt for doubt in plan(notebook).doubts)


def test_copy_left_blank_is_not_a_second_answer():
    notebook = small.handed_in()
    notebook["cells"].append(copy.deepcopy(cell(notebook, "mse")) | {"source": small.STUB})
    made = plan(notebook)
    assert made.doubts == []
    assert small.STUB not in [c.run for c in made.cells]


def test_missing_answer_needs_a_look():
    notebook = small.handed_in()
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] != "mae"]
    assert any("'mae'" in doubt for doubt in plan(notebook).doubts)


def test_answer_turned_into_text_needs_a_look():
    notebook = small.handed_in()
    cell(notebook, "mae")["cell_type"] = "markdown"
    made = plan(notebook)
    assert any("another type" in doubt for doubt in made.doubts)
    assert "def mae" in run_order(made)


@pytest.mark.parametrize(
    ("submission", "why"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"\x89PNG\r\n", "not JSON"),
        (b"<html></html>", "not JSON"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "without cells"),
        (b'{"cells": []}', "without cells"),
        (b'{"cells": 3}', "without cells"),
        (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "none of its code cells"),
        (b"[" * 100_000, "nested"),
        (b'{"cells": [' + b"{}," * 3000 + b"{}]}", "cells"),
    ],
)
def test_what_is_no_hand_in_says_why(submission, why):
    with pytest.raises(align.Unreadable, match=why):
        align.plan(small.SOURCE, submission)


def test_twenty_megabytes_of_output_are_no_problem():
    notebook = small.handed_in()
    cell(notebook, "mse")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 20_000_000}]
    assert run_order(plan(notebook)) == USUAL
    with pytest.raises(align.Unreadable, match="larger"):
        align.plan(small.SOURCE, bytes(Limits().submission + 1))


def test_names_that_tests_need():
    made = plan(small.handed_in())
    needed = {c.key: c.names for c in made.cells if c.locked is not None}
    assert needed == {"setup": [], "mse-value": ["mse"], "mse-hidden": ["mse"], "data": [], "mae-value": ["mae"]}


def test_hidden_lines_are_known_and_not_shown():
    made = plan(small.handed_in())
    hidden = next(c for c in made.cells if c.key == "mse-hidden")
    ((first, last),) = hidden.hidden
    assert "BEGIN HIDDEN" in hidden.locked.splitlines()[first - 1]
    assert "END HIDDEN" in hidden.locked.splitlines()[last - 1]
    assert "default_rng" not in hidden.text


def test_untouched_written_answer():
    assert [c.untouched for c in plan(small.handed_in(which=None)).cells if c.role == "manual"] == [True]
    assert [c.untouched for c in plan(small.handed_in()).cells if c.role == "manual"] == [False]


@pytest.mark.parametrize("folder", ["solutions", "exercises"])
@pytest.mark.parametrize("path", sorted((HERE.parents[1] / "exercises").glob("*/*.ipynb")), ids=lambda p: p.stem)
def test_every_assignment_aligns_with_itself(path, folder):
    source = (HERE.parents[1] / "solutions" / path.parent.name / path.name).read_text("utf-8")
    handed_in = (HERE.parents[1] / folder / path.parent.name / path.name).read_bytes()
    made = align.plan(source, handed_in)
    assert made.doubts == []
    assert made.notes == []
    keys = [c["metadata"]["nbgrader"]["grade_id"] for c in json.loads(source)["cells"] if "nbgrader" in c["metadata"]]
    assert [c.key for c in made.cells if c.metadata] == keys
