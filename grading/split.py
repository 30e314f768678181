"""Grade one submission by split execution: students' cells in a sandbox, tests in a trusted process.

A test that runs beside the code that it judges can be fooled by it: a student's cell may patch NumPy, IPython, or the
test's own tools. So nothing is judged where the student's code runs. Locked cells come from the source and run in a
process of their own (`trusted`), in which the student's functions are stand-ins that send arguments into the sandbox
(`kernel`, `sandbox`, `student`) and get plain data back (`wire`). What comes back can be wrong, but it can't be
anything but an answer.

Three parties: this process, which trusts nobody; the worker, which is trusted and is given data only; and the sandbox.
"""

import os
import signal
import time
from dataclasses import replace

from grading import align, present, wire
from grading.kernel import KernelLost, OutOfTime, StudentRun
from grading.limits import Limits, SandboxError
from grading.names import plain_python
from grading.sandbox import missing
from grading.trusted import Zygote
from grading.unproven import nothing_proven

__all__ = ["Limits", "SandboxError", "grade_notebook"]


def grade_notebook(source: str, submission: bytes, *, limits: Limits = Limits(), sandboxed: bool = True) -> dict:  # noqa: B008
    """Grade one submission. A function of its arguments alone; its result is plain data that JSON can hold.

    Parameters
    ----------
    source : str
        The text of the solution notebook, with hidden tests.
    submission : bytes
        The file that was handed in, whatever it is.
    limits : Limits
        What it may use.
    sandboxed : bool
        Whether to run the student's cells in bubblewrap. Without it they can do whatever the user who grades can do.

    Returns
    -------
    dict
        ``state``: "graded", "ungraded", or "needs a look". ``reasons``: sentences for the instructor. ``cells``: for
        each graded cell points, score (None where nothing is proven), outcome (passed, failed, timeout, crashed,
        manual, ungraded), and message for the student. ``notebook``: what to show, as nbformat-4 JSON. ``seconds``,
        ``peak_bytes``: what it took.

    Raises
    ------
    SandboxError
        If the sandbox can't be set up.
    """
    if sandboxed and (reason := missing()):
        raise SandboxError(reason)
    started = time.monotonic()
    limits = _patient(limits)
    try:
        plan = align.plan(source, submission, limits)
    except align.Unreadable as error:
        return nothing_proven(source, str(error)) | {"seconds": time.monotonic() - started}
    results, peak = {}, 0
    try:
        with StudentRun(plan.cells, limits, sandboxed, started + limits.total_seconds * 0.6) as student:
            try:
                results = _Grading(plan, student, limits, started + limits.total_seconds).run()
            finally:
                student.close()
                peak = student.peak
    except (wire.WireError, OSError) as error:
        plan.doubts.append(f"Grading stopped with an error: {type(error).__name__}: {error}")
    return _report(plan, results, started, peak)


def _patient(limits):
    """Give more time where processes wait for processors: a slow machine is no fault of a student's."""
    factor = min(4.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
    times = ("cell_seconds", "test_seconds", "patience", "total_seconds")
    return replace(limits, **{name: factor * getattr(limits, name) for name in times})


class _Grading:
    """One submission's locked cells, run in order by a trusted worker."""

    def __init__(self, plan, student, limits, deadline):
        self.plan, self.student, self.limits, self.deadline = plan, student, limits, deadline
        self.worker, self.server, self.results, self.done = None, None, {}, []

    def run(self):
        """Return the result of each test."""
        try:
            self.student.run()
        except OutOfTime as error:
            self.plan.doubts.append(f"Not all cells were run: {error}.")
        try:
            tests = [position for position, cell in enumerate(self.plan.cells) if cell.role == "test"]
            for position, cell in enumerate(self.plan.cells[: max(tests, default=-1) + 1]):
                if cell.locked is not None:
                    outcome, message = self.cell(position, cell)
                    if cell.role == "test":
                        self.results[cell.key] = _result(cell, outcome, message)
        finally:
            if self.worker:
                self.worker.close()
            if self.server:
                self.server[0].close()
        return self.results

    def cell(self, position, cell):
        """Run one locked cell; return its outcome and message."""
        left = self.deadline - time.monotonic()
        if left <= 1:
            return "ungraded", "There was no time left for this test."
        connection = None
        if cell.names:
            try:
                connection = self.connect(position)
            except OutOfTime as error:
                return "ungraded", f"This test could not be run: {error}."
            except KernelLost as loss:
                if position in self.student.templates:
                    return "crashed", f"Your code ended the process that ran it: {loss}."
                return "ungraded", f"This test could not be run: {loss}."
        self.worker = self.worker or self.replayed()
        answer = self.ask(cell, connection, min(self.limits.test_seconds, left))
        if connection:
            connection.close()
        if answer is None:  # the worker hangs or is gone
            self.worker.close()
            self.worker = None
            self.drop_server()
            return "timeout", "The test did not end with what your code returned."
        self.done.append((position, cell))
        if answer["broken"]:
            self.drop_server()
        return answer["outcome"], self.explained(position, cell, answer)

    def connect(self, position):
        """Make sure that a server answers for the place in the notebook; return the connection to pass on, if new."""
        template = self.student.templates.get(position)
        if self.server and self.server[2] is template and template is not None:
            return None
        self.drop_server()
        connection, process = self.student.server(position)
        self.server = (connection.dup(), process, self.student.templates[position])
        return connection

    def drop_server(self):
        """End the server, whatever it does."""
        if self.server:
            connection, process, _ = self.server
            connection.close()
            if self.student.sandbox:
                self.student.sandbox.signal(process, signal.SIGKILL)
        self.server = None

    def ask(self, cell, connection, seconds):
        """Have the worker run a cell; return its answer, None if there is none in time."""
        request = {
            "id": cell.key,
            "role": cell.role,
            "source": plain_python(cell.locked),
            "hidden": cell.hidden,
            "names": cell.names,
            "seconds": seconds,
            "connect": connection is not None,
        }
        self.worker.deadline = time.monotonic() + seconds + 5
        try:
            self.worker.send(request)
            if connection is not None:
                wire.send_socket(self.worker, connection)
            return self.worker.receive()
        except (wire.WireError, OSError):
            return None

    def replayed(self):
        """Return a fresh worker that has run what ran before."""
        self.worker, self.process = Zygote.worker(self.plan.modules, self.limits)
        setup = align.Cell("setup", "code", "", "imports", locked=self.plan.prelude)
        self.ask(setup, None, 60)
        for position, cell in self.done:
            try:
                connection = self.student.server(position)[0] if cell.names else None
            except (KernelLost, OutOfTime):
                continue
            self.ask(cell, connection, self.limits.patience)
        return self.worker

    def explained(self, position, cell, answer):
        """Add why a name is missing, if its cell says why."""
        message = answer["message"]
        for earlier in range(position):
            made = self.plan.cells[earlier]
            why = self.student.errors.get(earlier) or self.student.broken.get(earlier)
            if why and any(message.endswith(f"{name} is not defined.") for name in made.defines):
                return f"{message} Its cell stops with {why}"
        return message


def _result(cell, outcome, message):
    score = {"passed": cell.points, "ungraded": None}.get(outcome, 0.0)
    return {"points": cell.points, "score": score, "outcome": outcome, "message": present.clean(message, 1990)}


def _manual(cell):
    if cell.untouched:
        message = "Left as it was handed out: 0 points, as nbgrader scores it."
        return {"points": cell.points, "score": 0.0, "outcome": "manual", "message": message}
    return {"points": cell.points, "score": None, "outcome": "manual", "message": ""}


def _report(plan, results, started, peak):
    cells = {}
    for cell in plan.cells:
        if cell.role == "test":
            cells[cell.key] = results.get(cell.key) or _result(cell, "ungraded", "This test was not run.")
        elif cell.role == "manual" and cell.key:
            cells[cell.key] = _manual(cell)
    doubts = list(plan.doubts)
    if open_ := [key for key, result in cells.items() if result["outcome"] == "ungraded"]:
        doubts.append(f"Tests that could not be run: {', '.join(open_)}.")
    return {
        "state": "needs a look" if doubts else "graded",
        "reasons": doubts + plan.notes,
        "cells": cells,
        "notebook": present.notebook(plan.cells, cells),
        "seconds": time.monotonic() - started,
        "peak_bytes": peak,
    }
