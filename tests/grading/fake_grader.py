"""Stands in for the grader where a test is about what happens around it.

A hand-in's text says what to do: points for a test if "GOOD test-id" stands in it, and "HANG", "DIE", "DIE ONCE",
"LOOK", "UNREADABLE", or "REFUSE" where that is to happen. Each call leaves a line in the file that GRADED_LOG names.
"""

import json
import os
import time
from pathlib import Path

from grading.limits import SandboxError
from grading.unproven import nothing_proven


def grade_notebook(source, submission, *, sandboxed=True):
    """Return a result of the shape that grading/split.py returns."""
    text = submission.decode("utf-8", "replace")
    if log := os.environ.get("GRADED_LOG"):
        with open(log, "a") as file:
            file.write(f"{os.getpid()} {_name(text)}\n")
    _misbehave(text)
    time.sleep(float(os.environ.get("GRADING_TAKES", "0")))
    if "UNREADABLE" in text:
        return nothing_proven(source, "no cell of the assignment is in it")
    result = nothing_proven(source, "")
    handed_in = json.loads(text)
    answers = {_id(cell): cell for cell in handed_in["cells"]}
    cells = [_cell(cell, answers, result["cells"], text) for cell in json.loads(source)["cells"]]
    known = {cell["id"] for cell in cells}
    cells += [cell for cell in handed_in["cells"] if cell.get("id") not in known]
    state = "needs a look" if "LOOK" in text else "graded"
    reasons = ["a test cell was changed"] if "LOOK" in text else []
    shown = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return result | {"state": state, "reasons": reasons, "notebook": shown, "seconds": 0.1, "peak_bytes": 10**6}


def _id(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade_id")


def _cell(cell, answers, scores, text):
    id = _id(cell)
    if id in scores and cell["metadata"]["nbgrader"]["solution"]:
        scores[id] |= {"outcome": "manual", "message": ""}
    elif id in scores:
        good = f"GOOD {id} " in text or "GOOD all" in text
        points = scores[id]["points"] if good else 0.0
        told = "" if good else "The value is 1, expected <2>."
        scores[id] |= {"score": points, "outcome": "passed" if good else "failed", "message": told}
        cell["source"] = "".join(cell["source"]).split("### BEGIN HIDDEN")[0]
    return answers.get(id, cell) if id and not cell["metadata"]["nbgrader"]["locked"] else cell


def _misbehave(text):
    once = Path(os.environ.get("GRADED_LOG", "/nowhere") + ".once")
    if "REFUSE" in text:
        raise SandboxError("no user namespaces here")
    if "HANG" in text:
        time.sleep(600)
    if "DIE ONCE" in text and not once.exists():
        once.touch()
        os._exit(7)
    if "DIE ALWAYS" in text:
        os._exit(7)


def _name(text):
    return json.loads(text)["metadata"].get("who", "?")


def green(limits):
    """A self-test that passes."""
    return [("no network", True, "connect: unreachable")]


def red(limits):
    """A self-test that doesn't."""
    return [("no network", False, "a request was answered"), ("no torch", True, "")]
