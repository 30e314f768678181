"""Attacks by what the notebook itself says: metadata, tags, ids, order, size.

Each function changes a notebook, in which `mse` is not answered, and returns it or the bytes to hand in. The tests of
`mse` may give nothing for it, since nothing computes it.
"""

import json

ATTACKS = {}


def attack(about):
    """Register an attack."""

    def add(function):
        ATTACKS[function.__name__.replace("_", "-")] = (about, function)
        return function

    return add


def cell(notebook, key):
    return next(c for c in notebook["cells"] if c["id"] == key)


@attack("test cells are tagged to be skipped, or allowed to raise")
def tags(notebook):
    for each in notebook["cells"]:
        each["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
    return notebook


@attack("the points of the tests are raised in the metadata")
def points(notebook):
    for each in notebook["cells"]:
        if "nbgrader" in each["metadata"]:
            each["metadata"]["nbgrader"]["points"] = 300
    return notebook


@attack("the test cells are emptied")
def emptied(notebook):
    for key in ("mse-value", "mse-hidden"):
        cell(notebook, key)["source"] = "pass"
    return notebook


@attack("the test cells become Markdown")
def markdown_tests(notebook):
    for key in ("mse-value", "mse-hidden"):
        cell(notebook, key)["cell_type"] = "markdown"
    return notebook


@attack("the test cells are deleted")
def deleted(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if not c["id"].startswith("mse-")]
    return notebook


@attack("a test's id is given to the answer, and the other way round")
def swapped_ids(notebook):
    first, second = cell(notebook, "mse"), cell(notebook, "mse-value")
    first["metadata"]["nbgrader"]["grade_id"], second["metadata"]["nbgrader"]["grade_id"] = "mse-value", "mse"
    return notebook


@attack("a test cell stands fifty times, to earn its points each time")
def duplicated(notebook):
    notebook["cells"] += [json.loads(json.dumps(cell(notebook, "mse-value"))) for _ in range(50)]
    return notebook


@attack("a further graded cell with 100 points")
def invented(notebook):
    marks = {"grade": True, "grade_id": "bonus", "locked": True, "points": 100, "solution": False, "schema_version": 3}
    notebook["cells"].append({"cell_type": "code", "id": "bonus", "metadata": {"nbgrader": marks}, "source": "pass"})
    return notebook


@attack("a written answer is declared to be a passed test")
def manual_as_test(notebook):
    cell(notebook, "which")["metadata"]["nbgrader"] |= {"grade_id": "mse-value", "solution": False}
    return notebook


@attack("outputs that show the tests as passed")
def outputs(notebook):
    shown = {"output_type": "stream", "name": "stdout", "text": "Passed: 100 of 100 points."}
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["outputs"] = [shown]
    return notebook


@attack("metadata of the wrong types")
def odd_metadata(notebook):
    for each, value in zip(
        notebook["cells"], [None, [], "x", 3, {"nbgrader": []}, {"nbgrader": {"grade_id": {}}}], strict=False
    ):
        each["metadata"] = value
    return notebook


@attack("cells and sources of the wrong types")
def odd_cells(notebook):
    notebook["cells"] += [None, 3, "x", [], {}, {"cell_type": []}, {"cell_type": "code", "source": {"a": 1}}]
    notebook["cells"] += [
        {"cell_type": "code", "source": ["a", None, 3]},
        {"cell_type": "code", "metadata": 0, "source": 1},
    ]
    return notebook


@attack("ids that are paths and markup")
def odd_ids(notebook):
    for number, each in enumerate(notebook["cells"]):
        if not each["id"].startswith("ma"):
            each["id"] = f"../../{number}<script>alert(1)</script>"
    return notebook


@attack("lone surrogates, NUL, and control characters in a source")
def odd_characters(notebook):
    cell(notebook, "mse")["source"] = "x = '\ud800\x00\x1b[2J'\ndef mse(p, t): return 0.0, p"
    return notebook


@attack("metadata nested fifty thousand deep")
def deep(notebook):
    text = json.dumps(notebook)
    return text.replace('"metadata": {', '"metadata": {"deep": ' + "[" * 50_000 + "]" * 50_000 + ", ", 1).encode()


@attack("keys that stand twice in the JSON")
def double_keys(notebook):
    return json.dumps(notebook).replace('"nbformat": 4', '"cells": [], "nbformat": 4', 1).encode()


@attack("a cell of a megabyte")
def huge_cell(notebook):
    cell(notebook, "mse")["source"] = "x = 0\n" * 200_000
    return notebook


@attack("ten thousand cells")
def many_cells(notebook):
    notebook["cells"] += [{"cell_type": "code", "metadata": {}, "source": "pass", "outputs": []}] * 10_000
    return notebook


@attack("a locked cell is changed to patch what tests use")
def changed_setup(notebook):
    cell(notebook, "setup")["source"] = (
        "check_close = lambda *a, **k: None\nimport numpy as np\nnp.testing.assert_allclose = check_close"
    )
    return notebook
