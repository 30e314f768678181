"""What runs the tests: a process that holds the instructor's code, and of the student's only data.

`Zygote` is a process that has NumPy, lossutils, and what else the tests import loaded once. For each submission it
forks a `Worker`, so that nothing is left from one submission to the next, and a test that dies takes no other with
it.

Arrays are passed as copies. If a function changes one, the test's own array is filled with random numbers: a test
that looks for changes sees one, and a test that goes on with the array finds nothing that the student put there.

In the worker's namespace the functions that the instructor's solution cells define are stand-ins, which call the
student's over a socket, and other names that they define are fetched as data before the cell that reads them. A
stand-in returns what arrives, made by `wire`, or raises what the student's function raised.
"""

import builtins
import importlib
import io
import itertools
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from grading import shared, wire
from grading.forker import Forker

ROOT = Path(__file__).resolve().parent.parent
MESSAGE = 2000
HIDDEN_CASE = "A further, hidden case failed"


class Hung(BaseException):
    """The student's side did not answer in time. No test should catch it."""


class Crashed(BaseException):
    """The student's side is gone, or sent what is no answer."""


class TimeUp(BaseException):
    """The test itself takes too long, whatever it was given."""


class Student:
    """The student's functions and data, as far as they can be had over a socket."""

    def __init__(self, namespace, patience, callbacks):
        self.namespace, self.patience, self.left = namespace, patience, callbacks
        self.channel, self.deadline = None, 0.0
        self.slow, self.stand_ins, self.trouble = set(), {}, None
        self.functions, self.handles = {}, itertools.count()

    def connect(self, connection, limit):
        """Talk to another server from here on."""
        if self.channel:
            self.channel.close()
        self.channel = wire.Channel(connection, limit, greedy=True)
        self.trouble = None

    def begin(self, deadline):
        """Give the following calls until `deadline`, and forget the functions that were passed before."""
        self.deadline, self.functions = deadline, {}

    def names(self, wanted):
        """Return what the names stand for: {name: ("value", …) or ("unplain", why) or ("missing",)}."""
        self._send(("get", list(wanted)), self.deadline)
        message = self._receive()
        if message[0] != "names" or type(message[1]) is not dict:
            raise self._broken("it sent no answer")
        found = {}
        for name in wanted:
            entry = message[1].get(name)
            if type(entry) is not tuple or not entry or entry[0] not in ("value", "unplain", "missing"):
                raise self._broken("it sent no answer")
            if entry[0] == "value" and callable(entry[1]):
                entry = ("value", self.stand_in(name, name))
            found[name] = entry
        return found

    def stand_in(self, target, name):
        """Return a function that calls the student's function `target`: a name, or the number of a handle."""

        def function(*args, **kwargs):
            return self.call(target, name, args, kwargs)

        function.__name__ = function.__qualname__ = name
        self.stand_ins[function] = target
        return function

    def call(self, target, name, arguments, options):
        """Call a function of the student's; return plain data or raise what it raised."""
        deadline = self.deadline
        if name in self.slow:
            deadline = min(deadline, time.monotonic() + self.patience)
        try:
            self._send(("call", target, arguments, options), deadline)
            while True:
                message = self._receive()
                if message[0] == "result":
                    _scramble([*arguments, *options.values()], message[2])
                    return message[1]
                if message[0] == "call":
                    self._answer(*message[1:])
                    self.channel.deadline = deadline
                elif message[0] == "unplain":
                    raise _unplain(name, message[1])
                else:
                    raise _raised(*message[1:])
        except Hung:
            self.slow.add(name)
            raise

    def _answer(self, handle, arguments, options):
        self.left -= 1
        if self.left < 0:
            raise self._broken("it called the test's functions too often")
        if type(handle) is not int or handle not in self.functions:
            raise self._broken("it called a function that doesn't exist")
        try:
            reply = ("result", self.functions[handle](*arguments, **options))
        except Exception as error:
            reply = ("error", type(error).__name__, str(error)[:500])
        try:
            self._send(reply, self.deadline)
        except wire.NotPlain as error:
            self._send(("error", "TypeError", str(error)), self.deadline)

    def _send(self, message, deadline):
        if self.trouble:
            raise self.trouble
        self.channel.deadline = deadline
        try:
            self.channel.send(message, self._handle)
        except wire.TooLate:
            raise self._late() from None
        except wire.WireError as error:
            raise self._broken(str(error)) from None

    def _receive(self):
        try:
            message = self.channel.receive(self._function)
        except wire.TooLate:
            raise self._late() from None
        except wire.WireError as error:
            raise self._broken(str(error)) from None
        if not _is_message(message):
            raise self._broken("it sent no answer")
        return message

    def _late(self):
        self.trouble = Hung()
        return self.trouble

    def _broken(self, why):
        self.trouble = Crashed(why)
        return self.trouble

    def _handle(self, function):
        if function in self.stand_ins:
            return {"back": self.stand_ins[function]}
        handle = next((handle for handle, known in self.functions.items() if known is function), None)
        if handle is None:
            handle = next(self.handles)  # never used twice: the other side remembers what a handle stands for
            self.functions[handle] = function
        passed = {"own": handle, "name": str(getattr(function, "__name__", "function"))[:100]}
        return passed | {"same": same} if (same := shared.known_there(function, self.namespace)) else passed

    def _function(self, content):
        if "back" in content:
            return self.functions[content["back"]]
        return self.stand_in(content["own"], "the returned function")


SHAPES = {
    "names": (dict,),
    "call": (int, tuple, dict),
    "unplain": (str,),
    "error": (str, str, str),
}


def _is_message(message):
    if type(message) is not tuple or not message or type(message[0]) is not str:
        return False
    if message[0] == "result":
        return len(message) == 3 and type(message[2]) is list
    return SHAPES.get(message[0]) == tuple(map(type, message[1:]))


def _scramble(arguments, changed):
    """Change the arrays that a function has changed, so that a test sees it, but to nothing it could choose."""
    for which in changed:
        if type(which) is int and 0 <= which < len(arguments) and type(arguments[which]) is np.ndarray:
            array = arguments[which]
            if array.flags.writeable and array.dtype.kind in "biufc":
                array[...] = np.random.default_rng().uniform(0, 2 if array.dtype.kind == "b" else 100, array.shape)


def _raised(name, text, line):
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        error = kind(text)
    except Exception:
        error = RuntimeError(text)
    error.student = (name[:100], text[:500], line[:300])
    return error


def _unplain(name, why):
    return AssertionError(f"{name} returned {why[:300]}.")


class Worker:
    """Runs the locked cells of one submission."""

    def __init__(self, connection, patience, callbacks, frame):
        self.channel = wire.Channel(connection)
        self.namespace = {"__name__": "__main__", "__builtins__": builtins}
        self.student = Student(self.namespace, patience, callbacks)
        self.frame = frame

    def loop(self):
        """Run cells until the other side closes the connection."""
        signal.signal(signal.SIGALRM, _time_up)
        while True:
            try:
                cell = self.channel.receive()
            except wire.Closed:
                return
            if cell["connect"]:
                self.student.connect(wire.receive_socket(self.channel), self.frame)
            started = time.monotonic()
            outcome, message = self.run(cell)
            self.channel.send(
                {
                    "outcome": outcome,
                    "message": message[:MESSAGE],
                    "seconds": time.monotonic() - started,
                    "broken": self.student.trouble is not None,
                }
            )

    def run(self, cell):
        """Run one cell; return its outcome and what the student may read."""
        file = f"<{cell['role']}:{cell['id']}>"
        why = {}
        self.student.begin(time.monotonic() + cell["seconds"])
        try:
            signal.setitimer(signal.ITIMER_REAL, cell["seconds"] + 1)
            try:
                if cell["names"]:
                    why = self.fetch(cell["names"])
                exec(compile(cell["source"], file, "exec"), self.namespace)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except (Hung, TimeUp):
            return "timeout", "No answer in time. Is there a loop that never ends?"
        except Crashed as error:
            return "crashed", f"Your code ended the process that ran it: {error}." if str(error) else "crashed"
        except MemoryError:
            return "failed", "There is not enough memory for this answer."
        except BaseException as error:
            return "failed", explain(error, cell, file, why)
        return "passed", ""

    def fetch(self, names):
        """Bring the student's names up to date; return why those that can't be had can't be had."""
        why = {}
        for name, (kind, *content) in self.student.names(names).items():
            if kind == "value":
                self.namespace[name] = content[0]
            else:
                self.namespace.pop(name, None)
                why[name] = f"{name} is {content[0]}." if content else f"{name} is not defined."
        return why


def _time_up(*_):
    raise TimeUp


def explain(error, cell, file, why):
    """Return what a student may read of the error that a test ended in."""
    places = _frames(error)
    lines = [number for name, number in places if name == file]
    hidden = bool(lines) and any(first <= lines[0] <= last for first, last in cell["hidden"])
    told = getattr(error, "student", None)
    if hidden:
        return _explain_hidden(error, told, any(name.endswith("hints.py") for name, _ in places), why)
    if told:
        name, text, line = told
        return f"{name}: {text}" + (f"\nin your line: {line}" if line else "")
    if isinstance(error, NameError) and error.name in why:
        return why[error.name]
    if isinstance(error, AssertionError):
        return str(error).strip() or f"This check failed: {_line(cell, lines)}"
    return f"{type(error).__name__}: {error}"


def _explain_hidden(error, told, hinted, why):
    if told:
        name, _, line = told
        kind = getattr(builtins, name, None)
        name = name if isinstance(kind, type) and issubclass(kind, BaseException) else "an error"
        return f"{HIDDEN_CASE}: your code stops with {name}" + (f" in the line: {line}" if line else ".")
    if isinstance(error, NameError) and error.name in why:
        return f"{HIDDEN_CASE}: {why[error.name]}"
    text = str(error)
    if hinted:
        lines = [line.strip() for line in text.splitlines() if "expected" in line] or text.strip().splitlines()[:1]
        return f"{HIDDEN_CASE}: {''.join(lines[:1])}"
    if mismatch := re.search(r"\(shapes (\(.*?\)), (\(.*?\)) mismatch\)", text):
        return f"{HIDDEN_CASE}: the answer has shape {mismatch[1]}, expected {mismatch[2]}."
    if mismatch := re.search(r"\(dtypes (\S+), (\S+) mismatch\)", text):
        return f"{HIDDEN_CASE}: the answer has dtype {mismatch[1]}, expected {mismatch[2]}."
    if "nan location mismatch" in text:
        return f"{HIDDEN_CASE}: the answer is NaN where it should be a number, or the other way round."
    if largest := re.search(r"Max absolute difference among violations: (\S+)", text):
        return f"{HIDDEN_CASE}: the answer differs from the right one by up to {largest[1]}."
    return f"{HIDDEN_CASE}."


def _frames(error):
    """The file and line of each call that an error went through."""
    return [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)]


def _line(cell, lines):
    return cell["source"].splitlines()[lines[0] - 1].strip() if lines else "a check"


def zygote_main():
    """Import what is asked for, and fork workers, until the connection on the given descriptor closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    channel = wire.Channel(connection)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who wait, not for those who work
    warnings.simplefilter("ignore")
    for name in ("numpy.testing", "lossutils.functional", "lossutils.hints"):
        importlib.import_module(name)
    sys.stdout = sys.stderr = io.StringIO()
    while True:
        try:
            request = channel.receive()
        except wire.Closed:
            return
        passed = wire.receive_socket(channel)
        for name in request["modules"]:
            try:
                importlib.import_module(name)
            except ImportError:
                continue  # the test that imports it says so
        child = os.fork()
        if not child:
            channel.close()
            _work(passed, request)
        passed.close()
        channel.send(("forked", child))


def _work(connection, request):
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + request["memory"], resource.RLIM_INFINITY))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        Worker(connection, request["patience"], request["callbacks"], request["frame"]).loop()
    finally:
        os._exit(0)


class Zygote(Forker):
    """The process that forks workers."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from grading.trusted import zygote_main; zygote_main()"
        environment = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        super().__init__(process, ours)

    @classmethod
    def worker(cls, modules, limits):
        """Return a connection to a fresh worker, and its process id."""
        request = {
            "modules": modules,
            "patience": limits.patience,
            "callbacks": limits.callbacks,
            "frame": limits.frame,
            "memory": limits.memory,
        }
        _, connection, process = cls.fork(request)
        return wire.Channel(connection), process
