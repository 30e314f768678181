"""What runs inside the sandbox: an IPython kernel that runs a student's cells and answers calls of their functions.

Nothing here is trusted once the first cell has run: a submission may replace any of it. It only ever sends data, which
the other side checks, so a forged answer is worth what a computed one is.

The kernel is ipykernel's own, with its display hooks and magics, but its messages go over one inherited socket
instead of ZeroMQ's five: no thread, so that it can fork. Before the tests of a question it forks a *template*, which
keeps the state of that place in the notebook. When the tests run, the template forks a *server* for them, and another
if they kill the first one. So no test sees what another test did to the student's variables, and nothing that a
function saw in a hidden test is left in the memory of the cells that follow.
"""

import asyncio
import builtins
import contextlib
import ctypes
import gc
import importlib
import io
import logging
import os
import resource
import signal
import socket
import sys
import traceback

import numpy

from grading import calls, wire

TEXT = 20_000  # characters of one text output
PICTURE = 400_000  # base64 characters of one picture
LINE = 500


class Sink(io.TextIOBase):
    """A text stream that hands what is written to `write_text`, or nowhere."""

    encoding = "utf-8"

    def __init__(self, write_text=None):
        super().__init__()
        self.write_text = write_text

    def writable(self):
        """Return True, as text streams do."""
        return True

    def write(self, text):
        """Hand on `text`."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.write_text and text:
            self.write_text(text)
        return len(text)

    def fileno(self):
        """Raise, as notebooks' streams do."""
        raise io.UnsupportedOperation("fileno")


class Outputs:
    """Collects what cells show, in small pieces, up to a limit for each cell."""

    def __init__(self):
        self.channel = None
        self.left = 0

    def begin(self):
        """Start with a fresh allowance."""
        self.left = 10 * TEXT

    def text(self, name, text):
        """Show a piece of a stream."""
        if self.left > 0:
            text = text[: min(TEXT, self.left)]
            self.left -= len(text) + 50
            self.channel.send(("output", "stream", name, text))

    def data(self, kind, data):
        """Show a display or a result: its plain text, and its picture if that isn't too large."""
        kept = {}
        if isinstance(text := data.get("text/plain"), str):
            kept["text/plain"] = text[:TEXT]
        picture = data.get("image/png")
        if isinstance(picture, str) and len(picture) <= PICTURE:
            kept["image/png"] = picture
        if self.left > 0:
            self.left -= len(kept.get("text/plain", "")) + 50
            self.channel.send(("output", kind, "", kept))


def make_kernel(outputs):
    """Return an IPython kernel whose messages go to `outputs`."""
    sys.modules["debugpy"] = None  # without it, the kernel starts no debugger
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_client.session import Session
    from traitlets.config import Config

    class OneWay(Session):
        """A session that sends nothing over ZeroMQ."""

        def send(self, stream, msg_or_type, content=None, *args, **kwargs):
            message = msg_or_type if isinstance(msg_or_type, dict) else {"msg_type": msg_or_type, "content": content}
            kind, content = message.get("msg_type"), message.get("content") or {}
            if kind in ("display_data", "execute_result"):
                outputs.data(kind, content.get("data", {}))
            elif kind == "stream":
                outputs.text(content.get("name", "stdout"), content.get("text", ""))
            return message

    class Kernel(IPythonKernel):
        """A kernel without sockets and threads."""

        def start(self):
            self.shell.exit_now = False

        def _abort_queues(self, subshell_id=None):
            pass

    whole = {"bbox_inches": None}  # to find the tightest box, each picture would be drawn twice
    inline = {"figure_formats": {"png"}, "print_figure_kwargs": whole}
    config = {"HistoryManager": {"enabled": False}, "InlineBackend": inline}
    kernel = Kernel(
        session=OneWay(key=b"none"), iopub_socket=None, log=logging.getLogger("kernel"), config=Config(config)
    )
    kernel.shell.kernel = kernel
    kernel.shell.enable_gui = lambda gui=None: None  # there is no event loop to join
    kernel.shell.InteractiveTB.set_mode("Minimal")  # a traceback in colors takes a tenth of a second
    return kernel


class Runner:
    """Runs cells in a kernel, and forks it."""

    def __init__(self, connection, kernel, outputs):
        self.channel = outputs.channel = wire.Channel(connection)
        self.kernel, self.outputs = kernel, outputs

    def loop(self):
        """Do what the other side asks for until it closes the connection."""
        self.channel.send(("ready", os.getpid()))
        sys.stdout = Sink(lambda text: self.outputs.text("stdout", text))
        sys.stderr = Sink(lambda text: self.outputs.text("stderr", text))
        while True:
            try:
                message = self.channel.receive()
            except wire.Closed:
                os._exit(0)
            except KeyboardInterrupt:  # it came too late, between two cells
                continue
            if message[0] == "run":
                self.run(message[1])
            elif message[0] == "fork":
                self.fork()

    def run(self, source):
        """Run one cell and report how it ended."""
        self.outputs.begin()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            reply = self._execute(source)
            report = ("done", reply["status"], str(reply.get("ename", ""))[:LINE], str(reply.get("evalue", ""))[:LINE])
        except BaseException as error:
            report = ("done", "error", type(error).__name__, str(error)[:LINE])
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.channel.send(report)

    def _execute(self, source):
        work = self.kernel.do_execute(source, silent=False, store_history=True, allow_stdin=False)
        try:
            while True:
                work.send(None)
        except StopIteration as stop:
            return stop.value

    def fork(self):
        """Fork a template that listens on the socket which comes next."""
        connection = wire.receive_socket(self.channel)
        child = os.fork()
        if child:
            connection.close()
            self.channel.send(("forked", child))
            return
        try:
            self.channel.close()
            Template(connection, self.kernel.shell).loop()
        finally:
            os._exit(0)


class Template:
    """A copy of the kernel that keeps its state and forks servers."""

    def __init__(self, connection, shell):
        self.channel, self.shell = wire.Channel(connection), shell

    def loop(self):
        """Fork a server whenever asked to, until the connection closes."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        sys.stdout = sys.stderr = Sink()
        while True:
            self.channel.receive()
            connection = wire.receive_socket(self.channel)
            child = os.fork()
            if not child:
                break
            connection.close()
            self.channel.send(("serving", child))
        self.channel.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        Server(connection, self.shell).loop()


class Server:
    """Answers calls of the student's functions."""

    def __init__(self, connection, shell):
        self.channel, self.shell = wire.Channel(connection, greedy=True), shell
        self.names = shell.user_ns
        self.own, self.theirs = [], {}

    def loop(self):
        """Answer until the connection closes."""
        try:
            while True:
                self.answer(self.channel.receive(self.callback))
        except wire.WireError:
            pass

    def answer(self, message):
        """Answer one message."""
        if message[0] == "get":
            self.channel.send(("names", {name: self.describe(name) for name in message[1]}), self.handle)
            return
        _, function, arguments, options = message
        try:
            function = self.names[function] if isinstance(function, str) else self.own[function]
            given = [*arguments, *options.values()]
            before = [_bytes(argument) for argument in given]
            value = function(*arguments, **options)
            changed = [i for i, argument in enumerate(given) if _bytes(argument) != before[i]]
        except wire.WireError:
            raise
        except BaseException as error:
            self.report(error)
            return
        try:
            self.channel.send(("result", value, changed), self.handle)
        except wire.NotPlain as error:
            self.channel.send(("unplain", str(error)[:LINE]))

    def describe(self, name):
        """Return what a name stands for: ("value", …), ("unplain", why), or ("missing",)."""
        if name not in self.names:
            return ("missing",)
        value = self.names[name]
        try:
            wire.encode(value, self.handle)
        except wire.NotPlain as error:
            return ("unplain", str(error)[:LINE])
        return ("value", value)

    def report(self, error):
        """Say which error a call ended in, and at which line of the student's."""
        line = ""
        for frame, number in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            if "ipykernel" in name and "site-packages" not in name:
                line = traceback.linecache.getline(name, number).strip()
        try:
            text = str(error)
        except Exception:
            text = ""
        self.channel.send(("error", type(error).__name__[:100], text[:LINE], line[:LINE]))

    def handle(self, function):
        """Return the handle of a function of the student's."""
        for handle, known in self.theirs.items():
            if known is function:
                return {"back": handle}
        self.own.append(function)
        return {"own": len(self.own) - 1}

    def callback(self, content):
        """Return the function that a handle of the other side stands for."""
        if "back" in content:
            back = content["back"]
            return self.names[back] if isinstance(back, str) else self.own[back]
        handle = content["own"]
        if handle not in self.theirs and "same" in content and (here := self._same(*content["same"])):
            self.theirs[handle] = here
        if handle not in self.theirs:
            self.theirs[handle] = self._stand_in(handle, content.get("name", "function"))
        return self.theirs[handle]

    def _same(self, kind, name):
        """A function that both sides have needs no call across: one of lossutils, or of a locked cell."""
        if kind == "cell":
            return self.names.get(name)
        function = getattr(importlib.import_module("lossutils.functional"), name)
        return importlib.import_module("lossutils").value_and_grad(function) if kind == "gradient" else function

    def _stand_in(self, handle, name):
        channel = self.channel

        def function(*args, **kwargs):
            channel.send(("call", handle, args, kwargs), self.handle)
            while True:
                message = channel.receive(self.callback)
                if message[0] == "result":
                    return message[1]
                if message[0] == "error":
                    raise _rebuilt(message[1], message[2])
                self.answer(message)

        function.__name__ = function.__qualname__ = name
        return function


def _bytes(argument):
    return argument.tobytes() if type(argument) is numpy.ndarray else b""


def _rebuilt(name, text):
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        return kind(text)
    except Exception:
        return RuntimeError(text)


def lock_in(rules):
    """Drop all privileges and set the limits of each process, before anything of the student's runs."""
    if rules.get("uid") is not None:
        os.setgroups([])
        os.setresgid(rules["uid"], rules["uid"], rules["uid"])
        os.setresuid(rules["uid"], rules["uid"], rules["uid"])
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    if "calls" not in rules.get("without", ()):
        calls.forbid()
    for name, value in rules["limits"].items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))
    os.umask(0o077)
    os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
    os.chdir(os.environ["HOME"])


def main():
    """Run one kernel; the first message on the inherited socket says what to limit."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    lock_in(wire.Channel(connection).receive())
    _serve(connection, *_prepare())


def _prepare():
    sys.modules.update(dict.fromkeys(("torch", "nbgrader")))  # absent, as in the folder of packages
    outputs = Outputs()
    return make_kernel(outputs), outputs


def _serve(connection, kernel, outputs):
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)  # it was a file of the grader's, which other kernels share
    os.close(nowhere)
    asyncio.set_event_loop(asyncio.new_event_loop())
    Runner(connection, kernel, outputs).loop()


# Starting a kernel takes a second, most of it imports. Where there is the right to (as root), one process
# per grader does them once, and forks a kernel for each submission into namespaces of its own.

NAMESPACES = {"ns": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000}
WARM_UP = """
import lossutils.functional, lossutils.hints, matplotlib.pyplot, matplotlib_inline.backend_inline
matplotlib.pyplot.plot([0, 1], label="$x$")
matplotlib.pyplot.legend()
matplotlib.pyplot.show()
matplotlib.pyplot.close("all")
"""


def warm_main():
    """Load what notebooks need; fork a kernel for each connection passed, until the own one closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    channel = wire.Channel(connection)
    kernel, outputs = _prepare()
    kernel.shell.run_cell(WARM_UP, store_history=False)
    kernel.shell.reset(new_session=True)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    channel.send(("ready", 0))
    while True:
        try:
            request = channel.receive()
        except wire.Closed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # all in this namespace: one that is stopped wouldn't notice
            return
        passed = wire.receive_socket(channel)
        child = os.fork()
        if not child:
            try:
                channel.close()
                _nest(passed, request)
                lock_in(request)
                importlib.import_module("numpy").random.seed()
                _serve(passed, kernel, outputs)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
            finally:
                os._exit(0)
        passed.close()
        channel.send(("forked", child))


def _nest(connection, request):
    """Go into fresh namespaces with an empty /tmp, as their second process; the first one waits for it."""
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result):
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    check(libc.unshare(sum(flag for name, flag in NAMESPACES.items() if name not in request["without"])))
    told, telling = os.pipe()
    first = os.fork()
    if first:
        wire.Channel(connection).send(("first", first))
        os._exit(0)  # which closes the pipe: only now may the other processes say something
    os.close(telling)
    os.read(told, 1)
    os.close(told)
    check(libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None))  # MS_REC | MS_PRIVATE
    kept = [(folder, os.open(folder, os.O_PATH | os.O_DIRECTORY)) for folder in request["kept"]]
    if "tmp" not in request["without"]:
        for place in (b"/tmp", b"/dev/shm"):
            options = f"mode=1777,size={request['disk']}".encode()
            check(libc.mount(b"tmpfs", place, b"tmpfs", 6, options))  # nosuid, nodev
        for folder, handle in kept:  # of the Python that runs this, where it lies in one of the two
            os.makedirs(folder, exist_ok=True)
            check(
                libc.mount(f"/proc/self/fd/{handle}".encode(), folder.encode(), None, 0x5000, None)
            )  # MS_BIND | MS_REC
    for _, handle in kept:
        os.close(handle)
    if "proc" not in request["without"]:
        check(libc.mount(b"proc", b"/proc", b"proc", 14, None))  # nosuid, nodev, noexec
    second = os.fork()
    if second:
        connection.close()
        while os.wait()[0] != second:
            pass
        os._exit(0)


if __name__ == "__main__":
    main()
