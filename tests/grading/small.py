"""A small assignment for the tests of grading: two functions, a hidden test, data, and a written answer."""

import json


def _cell(key, text, kind="code", **marks):
    cell = {"cell_type": kind, "id": key, "metadata": {}, "source": text}
    if marks:
        usual = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
        cell["metadata"]["nbgrader"] = usual | marks | {"grade_id": key}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _test(key, points, text):
    return _cell(key, text, grade=True, locked=True, points=points)


RIGHT = {
    "mse": "def mse(p, t):\n    return np.mean((p - t) ** 2), 2 * (p - t) / p.size",
    "mae": "def mae(p, t):\n    return np.mean(np.abs(p - t))",
    "which": "The mean.",
}
STUB = '# YOUR CODE HERE\nraise NotImplementedError("replace this line with your code")'
HIDDEN = """### BEGIN HIDDEN TESTS
p, t = np.random.default_rng(1).normal(size=(2, 1000))
np.testing.assert_allclose(mse(p, t)[0], np.mean((p - t) ** 2), strict=True)
### END HIDDEN TESTS"""
VISIBLE = """value, _ = mse(np.array([2.5, 0.0, 4.0, 1.0]), np.array([2.0, 2.0, 1.0, 1.5]))
check_close(value, 3.375, {"Divide by n.": 13.5}, name="the value")"""

CELLS = [
    _cell("title", "# A small assignment", "markdown"),
    _cell("setup", "import numpy as np\n\nfrom lossutils.hints import check_close", locked=True),
    _cell("mse", f"### BEGIN SOLUTION\n{RIGHT['mse']}\n### END SOLUTION", solution=True),
    _test("mse-value", 1, "# 1 point: the value\n" + VISIBLE),
    _test("mse-hidden", 2, f"# 2 points: the value for other numbers\n{VISIBLE}\n{HIDDEN}"),
    _cell("data", "a, b = np.array([1.0, 2.0]), np.array([0.0, 4.0])", locked=True),
    _cell("mae", f"### BEGIN SOLUTION\n{RIGHT['mae']}\n### END SOLUTION", solution=True),
    _test("mae-value", 3, '# 3 points: the value\ncheck_close(mae(a, b), 1.5, name="the value")'),
    _cell("which", RIGHT["which"], "markdown", grade=True, solution=True, points=4),
]


def _notebook(cells):
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


SOURCE = json.dumps(_notebook(CELLS))


def handed_in(**answers):
    """Return the student version as a dict, with the right answers but for those given; None leaves the stub."""
    cells = json.loads(json.dumps(CELLS))
    answers = RIGHT | {key.replace("_", "-"): text for key, text in answers.items()}
    for cell in cells:
        if cell["id"] in RIGHT:
            stub = STUB if cell["cell_type"] == "code" else "YOUR ANSWER HERE"
            cell["source"] = stub if answers[cell["id"]] is None else answers[cell["id"]]
        else:
            cell["source"] = cell["source"].replace("\n" + HIDDEN, "")
    return _notebook(cells)


def to_bytes(notebook):
    """Return what is handed in: bytes stay what they are."""
    return notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
