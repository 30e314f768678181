"""The student's half of grading one submission: run its cells, and keep the state that each test needs.

A cell that hangs is interrupted; if that doesn't help, or a cell ends the kernel, a fresh one runs the cells before it
again and goes on after it. Before a test runs, a copy of the kernel is forked and kept. So all cells have run, and
their outputs are final, before the first hidden test is seen by any code of the student's.
"""

import signal
import socket
import time

from grading import wire
from grading.align import Cell
from grading.limits import Limits
from grading.present import Shown
from grading.sandbox import Sandbox


class KernelLost(Exception):
    """The kernel died, hung, or stopped making sense; the message says which."""


class OutOfTime(Exception):
    """The submission has used its time."""


class StudentRun:
    """The student's kernel, over as many sandboxes as it takes. A context manager."""

    def __init__(self, cells: list[Cell], limits: Limits, sandboxed: bool, deadline: float):
        self.cells, self.limits, self.sandboxed, self.deadline = cells, limits, sandboxed, deadline
        self.sandbox, self.templates, self.peak = None, {}, 0
        self.broken, self.hung, self.errors = {}, set(), {}  # cells that ended the kernel or hung; errors of cells
        self.shown = Shown(limits.output)
        self.finished = 0  # cells before this one need not be shown again

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the sandbox."""
        for template in set(self.templates.values()):
            template.close()
        self.templates = {}
        if self.sandbox:
            self.sandbox.close()
            self.peak = max(self.peak, self.sandbox.peak)
        self.sandbox = None

    def run(self):
        """Run all cells; start again after a loss. Raise `OutOfTime` where the time ends."""
        while True:
            self.close()
            self.sandbox = self._sandbox()
            try:
                self._pass()
                self.sandbox.signal(self.sandbox.kernel, signal.SIGSTOP)  # its threads have no more to do
                return
            except KernelLost as loss:
                self._lost(str(loss))

    def _sandbox(self):
        sandbox = Sandbox(self.limits, sandboxed=self.sandboxed).__enter__()
        sandbox.control.limit = 0  # no arrays here
        return sandbox

    def _lost(self, why):
        cell = self.cells[self.current]
        why = self.sandbox.exceeded or why
        if self.current in self.broken:  # not the cell, but the copy made before it
            raise OutOfTime(f"the kernel could not be kept alive ({why})")
        self.broken[self.current] = why
        if self.current >= self.finished:
            self.shown.error(cell.outputs, "Process ended", f"This cell ended the process: {why}.")
            self.finished = self.current + 1

    def _pass(self):
        template = None
        for position, cell in enumerate(self.cells):
            self.current = position
            if cell.locked is not None and cell.names:
                template = template or self._fork()
                self.templates[self.current] = template
            if cell.run is not None and self.current not in self.broken:
                self._cell(cell)
                template = None

    def _cell(self, cell):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime("its cells took too long")
        seconds = self.limits.patience if self.hung else self.limits.cell_seconds
        control = self.sandbox.control
        control.deadline = time.monotonic() + min(seconds, left)
        outputs = cell.outputs if self.current >= self.finished else []
        interrupted = False
        try:
            try:
                control.send(("run", cell.run))
                message = self._message(outputs)
            except wire.TooLate:
                interrupted = True
                self.hung.add(self.current)
                self.sandbox.signal(self.sandbox.kernel, signal.SIGINT)
                control.deadline = time.monotonic() + 2
                message = self._message(outputs)
        except wire.TooLate:
            raise KernelLost("it did not stop when interrupted") from None
        except wire.WireError as error:
            raise KernelLost(str(error)) from None
        self._ended(cell, outputs, message, interrupted, seconds)

    def _ended(self, cell, outputs, message, interrupted, seconds):
        if interrupted:
            message = ("done", "error", "Time is up", f"This cell had not ended after {seconds:.0f} seconds.")
        if message[1] != "ok":
            self.errors[self.current] = f"{message[2]}: {message[3]}"
            if self.current >= self.finished:
                self.shown.error(outputs, message[2], message[3])
        self.finished = max(self.finished, self.current + 1)

    def _message(self, outputs):
        """Show outputs until the cell is done; return its last message."""
        while True:
            message = self.sandbox.control.receive()
            if type(message) is not tuple or not message:
                raise wire.WireError("it sent what is no message")
            if message[0] == "done" and tuple(map(type, message)) == (str,) * 4:
                return message
            if message[0] == "output":
                self.shown.add(outputs, message)

    def _fork(self):
        return wire.Channel(self._ask(self.sandbox.control, ("fork",))[0], 0)

    def _ask(self, channel, request):
        """Send a request and one end of a new connection; return the other end, and the new process's id."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                channel.deadline = time.monotonic() + 10
                channel.send(request)
                wire.send_socket(channel, theirs)
            while (message := channel.receive())[0] == "output":
                pass
            if message[0] not in ("forked", "serving") or type(message[1]) is not int:
                raise wire.WireError("it sent no answer")
            return ours, message[1]
        except (wire.WireError, OSError, TypeError, IndexError) as error:
            ours.close()
            raise KernelLost(str(error)) from None

    def server(self, position: int):
        """Return a connection to a fresh server for the test at `position`, and its id in the sandbox."""
        if position not in self.templates:
            raise KernelLost("the cells above it did not end in time")
        try:
            return self._ask(self.templates[position], ("serve",))
        except KernelLost:
            self.run()  # something took the sandbox down: everything once more, without showing it
            return self._ask(self.templates[position], ("serve",))
