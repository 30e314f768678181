"""Prove on this machine that the sandbox holds, before anything is graded in it.

Each check tries, inside the sandbox, what a submission must not be able to do, and looks at what came of it.
`without` is for the tests of this module: it takes one limit away, and the check must notice.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import lossutils
from grading import wire
from grading.align import Cell
from grading.kernel import KernelLost, StudentRun
from grading.limits import MB, Limits, SandboxError
from grading.sandbox import Sandbox, _environment

ROOT = Path(__file__).resolve().parent.parent
CHECKS: list[tuple[str, Callable]] = []


class Failed(Exception):
    """A check found a hole."""


def check(name):
    """Add a check: a function of the limits and `without` that raises `Failed` or returns what it saw."""

    def add(function):
        CHECKS.append((name, function))
        return function

    return add


def run(limits: Limits = Limits(), *, without: frozenset[str] = frozenset(), only: str = "") -> list:  # noqa: B008
    """Return (name, whether it held, what was seen) for each check, or for the one called `only`."""
    limits = replace(limits, memory=min(limits.memory, 512 * MB), cell_seconds=20.0)

    def finding(name, function):
        try:
            return name, True, function(limits, without)
        except Failed as hole:
            return name, False, str(hole)
        except (SandboxError, wire.WireError, OSError, ValueError) as error:
            return name, False, f"the check itself failed: {type(error).__name__}: {error}"

    with ThreadPoolExecutor(4) as pool:  # most of the time they wait
        found = [pool.submit(finding, *line) for line in CHECKS if only in ("", line[0])]
    return [finding.result() for finding in found]


def ask(sandbox, code):
    """Run a cell; return what it printed, as JSON."""
    sandbox.control.deadline = time.monotonic() + 30
    sandbox.control.send(("run", code))
    text = ""
    while (message := sandbox.control.receive())[0] != "done":
        text += message[3] if message[1] == "stream" else ""
    if message[1] != "ok":
        raise Failed(f"a probe stopped with {message[2]}: {message[3]}")
    return json.loads(text)


def probe(limits, without, code, **values):
    """Run one cell in a sandbox of its own, with variables set."""
    with Sandbox(limits, without=without) as sandbox:
        return ask(sandbox, "".join(f"{name} = {value!r}\n" for name, value in values.items()) + code)


@check("no network")
def network(limits, without):
    """Nothing that listens on this machine can be reached, and there is no way out."""
    name = f"\0grading-{uuid.uuid4()}"
    with socket.create_server(("127.0.0.1", 0)) as local, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        code = """
import json, socket
reached = []
for family, address in [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, name)]:
    with socket.socket(family) as s:
        s.settimeout(2)
        if not s.connect_ex(address):
            reached.append(str(address))
print(json.dumps([reached, [name for _, name in socket.if_nameindex()]]))
"""
        reached, interfaces = probe(limits, without, code, port=local.getsockname()[1], name=name)
    if reached or set(interfaces) - {"lo"}:
        raise Failed(f"reached {reached}, network interfaces {interfaces}")
    return "neither a port nor an abstract socket of this machine can be reached"


@check("no write outside")
def write_outside(limits, without):
    """Only /tmp and /dev/shm can be written, and they are the sandbox's own."""
    places = ["/", "/usr", "/etc", sys.prefix, sys.base_prefix, str(Path(lossutils.__file__).parent), "/grader"]
    code = """
import json, os
found = [p for p in places if os.path.exists(p) and not os.statvfs(p).f_flag & os.ST_RDONLY]
for p in places:
    try:
        open(os.path.join(p, "written-by-selftest"), "w").close()
        found.append(p)
    except OSError:
        pass
print(json.dumps(found))
"""
    if found := probe(limits, without, code, places=places):
        raise Failed(f"not read-only: {found}")
    return "everything but an empty /tmp and /dev/shm is read-only"


@check("no other submission's files")
def other_files(limits, without):
    """Neither this machine's temporary files nor those of another sandbox are visible."""
    with tempfile.NamedTemporaryFile(prefix="grading-other-") as file, Sandbox(limits, without=without) as other:
        ask(other, "open('/tmp/left-here', 'w').write('x'); open('/dev/shm/left-here', 'w').write('x'); print(0)")
        code = "import json, os; print(json.dumps([p for p in places if os.path.exists(p)]))"
        places = [file.name, "/tmp/left-here", "/dev/shm/left-here", str(ROOT / "submitted"), str(ROOT / "course")]
        places += ["/home", "/var", "/mnt", "/srv"]
        if found := probe(limits, without, code, places=places):
            raise Failed(f"visible: {found}")
    return "temporary files of this machine and of another sandbox are invisible"


@check("no solutions")
def solutions(limits, without):
    """The repository is not there, but for lossutils and what the kernel needs."""
    places = [
        str(ROOT / name) for name in ("solutions", "exercises", "tests", "grading/split.py", "pyproject.toml", ".git")
    ]
    code = "import json, os; print(json.dumps([p for p in places if os.path.exists(p)]))"
    if found := probe(limits, without, code, places=places):
        raise Failed(f"visible: {found}")
    return "solutions, tests, and the grader are invisible"


@check("no torch")
def torch(limits, without):
    """Torch can't be imported: answers must be written."""
    code = """
import json, sys
sys.modules.pop("torch", None)
try:
    import torch
    found = hasattr(torch, "tensor")
except (ImportError, OSError, MemoryError):
    found = False
print(json.dumps(found))
"""
    if probe(limits, without, code):
        raise Failed("torch can be imported")
    return "torch can't be imported"


@check("process limit")
def processes(limits, without):
    """A sandbox can't have more processes than allowed."""
    code = """
import json, os, time
made = 0
try:
    for _ in range(count):
        if not os.fork():
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError:
    pass
print(json.dumps(made))
"""
    try:
        made = probe(limits, without, code, count=limits.processes + 20)
    except wire.WireError:
        return "the sandbox was ended"
    if made > limits.processes:
        raise Failed(f"{made} processes were started, allowed are {limits.processes}")
    return f"after {made} processes no more could be started"


@check("total memory limit")
def memory(limits, without):
    """Several processes together can't have more memory than allowed."""
    code = """
import os, time
read, write = os.pipe()
for _ in range(4):
    if not os.fork():
        block = b"x" * size
        os.write(write, b"x")
        time.sleep(20)
        os._exit(0)
done = b""
while len(done) < 4:
    done += os.read(read, 4)
time.sleep(2)
print(0)
"""
    with Sandbox(limits, without=without) as sandbox:
        try:
            ask(sandbox, f"size = {limits.memory * 2 // 5}\n{code}")
        except (wire.WireError, Failed):
            if sandbox.exceeded:
                return f"ended: {sandbox.exceeded}"
            raise
    raise Failed(f"four processes had {1.6 * limits.memory / MB:.0f} MB together, allowed are {limits.memory // MB}")


@check("memory limit of a process")
def process_memory(limits, without):
    """One process can't reserve more than allowed."""
    code = """
import json, mmap
try:
    print(json.dumps(len(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))))
except (OSError, MemoryError):
    print(0)
"""
    if probe(limits, without, code, size=limits.memory * 2):
        raise Failed("a process could reserve twice the memory allowed")
    return "too large a reservation is refused"


@check("file and disk limit")
def disk(limits, without):
    """Neither one file nor all together can grow past the limits."""
    code = """
import json, os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fill(path, size):
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written < size:
                written += file.write(bytes(2**20))
    except OSError:
        pass
    return written
one = fill("/tmp/one", largest + 2**22)
os.remove("/tmp/one")
total = [sum(fill(f"{place}/{n}", largest // 2) for n in range(count)) for place in ("/tmp", "/dev/shm")]
print(json.dumps([one, *total]))
"""
    count = 2 * limits.disk // limits.file + 2
    one, *total = probe(limits, without, code, largest=limits.file, count=count)
    if one > limits.file:
        raise Failed(f"a file of {one} bytes was written, allowed are {limits.file}")
    if max(total) > limits.disk:
        raise Failed(f"{max(total)} bytes were written, allowed are {limits.disk}")
    return f"one file stopped at {one} bytes, all files at {max(total)}"


@check("time limit")
def seconds(limits, without):
    """A cell that ignores interrupts is ended."""
    text = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    cell = Cell("extra", "code", text, run=text)
    limits = replace(limits, cell_seconds=12.0 if "time" in without else 1.0)
    with StudentRun([cell, cell], limits, True, time.monotonic() + 60) as student:
        student.sandbox, started = student._sandbox(), time.monotonic()
        with contextlib.suppress(KernelLost):
            student._pass()
        took = time.monotonic() - started
    if took > 10:
        raise Failed(f"a cell with a second of time ran for {took:.0f} seconds")
    return f"a cell with a second of time was ended after {took:.1f} seconds"


@check("no survivors")
def survivors(limits, without):
    """A process that detaches itself ends with the sandbox."""
    mark = f"selftest-{uuid.uuid4()}"
    code = """
import subprocess, sys
if not __import__("os").fork():
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", mark], start_new_session=True)
    __import__("os")._exit(0)
import time
time.sleep(1)
print(0)
"""
    probe(limits, without, code, mark=mark)
    time.sleep(0.2)
    found = [p for p in os.listdir("/proc") if p.isdigit() and mark in _command_line(p)]
    for process in found:
        with contextlib.suppress(OSError):
            os.kill(int(process), signal.SIGKILL)
    if found:
        raise Failed(f"{len(found)} processes outlived the sandbox")
    return "a detached process ended with the sandbox"


def _command_line(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


@check("no processes of the host")
def proc(limits, without):
    """/proc shows the sandbox's processes only."""
    code = """
import json, os
shown = [p for p in os.listdir("/proc") if p.isdigit()]
print(json.dumps([os.readlink("/proc/self") == str(os.getpid()), len(shown)]))
"""
    own, count = probe(limits, without, code)
    if not own or count > 5:
        raise Failed(f"/proc is not the sandbox's own; it shows {count} processes")
    return f"/proc shows {count} processes, all of the sandbox"


@check("environment cleared")
def environment(limits, without):
    """No variable of whoever grades is passed on."""
    found = set(probe(limits, without, "import json, os; print(json.dumps(list(os.environ)))"))
    known = {
        "LC_CTYPE",
        "PWD",
        "PAGER",
        "GIT_PAGER",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
        "JPY_PARENT_PID",
        "_",
    }
    if others := found - set(_environment("/")) - known:
        raise Failed(f"variables passed on: {sorted(others)}")
    return "no variable is passed on"


@check("no privileges")
def privileges(limits, without):
    """The kernel has no capabilities and can't get any."""
    code = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([int(status["CapEff"], 16), int(status["CapPrm"], 16), int(status["NoNewPrivs"]), os.getuid()]))
"""
    effective, permitted, locked, user = probe(limits, without, code)
    if effective or permitted or not locked or user == 0:
        raise Failed(f"capabilities {effective:x}/{permitted:x}, no_new_privs {locked}, user {user}")
    return f"no capabilities, user {user}"


@check("no dangerous system calls")
def system_calls(limits, without):
    """Neither a new namespace nor a filesystem nor another process's memory can be asked for."""
    code = """
import ctypes, json, os
libc, path = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(b"/tmp")
child = os.fork()
if not child:
    os._exit(libc.unshare(0x10000000) == 0)  # a user namespace, in which one is root
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, libc.ptrace(0, 0, 0, 0) != 0]))
"""
    if not all(refused := probe(limits, without, code)):
        raise Failed(f"(user namespace, tracing) refused: {refused}")
    return "neither namespaces nor tracing can be had"
