"""The sandbox holds, and the self-test notices each limit that is taken away."""

import base64
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # grading/ is not installed

from grading import selftest, wire
from grading.limits import MB, Limits, SandboxError
from grading.sandbox import Sandbox, _on_the_host, descendants, missing
from grading.sources import ROOT

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "bubblewrap is here")
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root starts kernels in namespaces of their own")

TAKEN_AWAY = [
    ("no network", "net"),
    ("no write outside", "read-only"),
    pytest.param("no other submission's files", "tmp", marks=ROOT_ONLY),
    ("no solutions", "files"),
    ("no torch", "torch"),
    ("process limit", "NPROC processes"),
    ("total memory limit", "memory"),
    ("memory limit of a process", "DATA AS"),
    ("file and disk limit", "FSIZE"),
    ("file and disk limit", "disk"),
    ("time limit", "time"),
    pytest.param("no survivors", "pid", marks=ROOT_ONLY),
    ("no processes of the host", "proc"),
    ("environment cleared", "env"),
    pytest.param("no privileges", "uid", marks=ROOT_ONLY),
    ("no dangerous system calls", "calls"),
]


def test_selftest_is_green():
    results = selftest.run()
    assert [name for name, _, _ in results] == [name for name, _ in selftest.CHECKS]
    assert [result for result in results if not result[1]] == []


@pytest.mark.parametrize(("name", "without"), TAKEN_AWAY)
def test_selftest_is_red_without(name, without):
    ((_, held, seen),) = selftest.run(without=frozenset(without.split()), only=name)
    assert not held
    assert "check itself failed" not in seen, seen


def test_every_check_was_seen_red():
    named = {getattr(case, "values", case)[0] for case in TAKEN_AWAY}
    assert named == {name for name, _ in selftest.CHECKS}


def run(sandbox, code):
    sandbox.control.deadline = time.monotonic() + 20
    sandbox.control.send(("run", code))
    shown = []
    while (message := sandbox.control.receive())[0] != "done":
        shown.append(message)
    return shown, message


def test_kernel_is_ipython_with_magics_and_pictures():
    with Sandbox(Limits()) as sandbox:
        assert run(sandbox, "!echo shell")[0][0][3].strip() == "shell"
        assert run(sandbox, "%%bash\necho cell")[0][0][3] == "cell\n"
        assert run(sandbox, "import asyncio\nawait asyncio.sleep(0)\n1 + 1")[0][0][3] == {"text/plain": "2"}
        shown, _ = run(sandbox, "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()")
        picture = base64.b64decode(shown[-1][3]["image/png"])
        assert struct.unpack(">II", picture[16:24]) == (640, 480), "the whole canvas: a tightest box costs a drawing"
        assert run(sandbox, "1 / 0")[1] == ("done", "error", "ZeroDivisionError", "division by zero")


def test_sandbox_leaves_nothing():
    before = set(descendants(os.getpid()))
    with Sandbox(Limits()) as sandbox:
        warm = set(descendants(os.getpid())) - set(sandbox.processes())
        run(sandbox, "import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)")
        assert len(sandbox.processes()) >= 3
        inside = set(sandbox.processes())
    left = {process for process in descendants(os.getpid()) if alive(process)}
    assert not left & inside
    assert left <= before | warm


FRESH = """
import os, signal, subprocess, sys, threading, time
from grading.limits import Limits
from grading.sandbox import Sandbox, Warm, descendants

def use():
    with Sandbox(Limits()) as sandbox:
        return sandbox.kernel

"""


def in_fresh_process(code):
    """Run code in a process that has no sandbox yet; return what it printed and said."""
    command = [sys.executable, "-c", FRESH + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, -9), done.stderr
    return done.stdout, done.stderr


@ROOT_ONLY
def test_warm_sandbox_outlives_the_thread_that_started_it():
    code = """
thread = threading.Thread(target=use)
thread.start()
thread.join()
time.sleep(0.5)
(warm,) = Warm._all.values()
use()
print(warm.process.poll(), [warm] == list(Warm._all.values()))
"""
    assert in_fresh_process(code) == ("None True\n", "")


@ROOT_ONLY
def test_warm_sandbox_that_has_ended_is_replaced_and_told_of():
    code = """
use()
(warm,) = Warm._all.values()
os.kill(warm.first, 9)
warm.process.wait()
print(type(use()))
"""
    seen, said = in_fresh_process(code)
    assert seen == "<class 'int'>\n"
    assert said == "Warm has ended: it returned 137 and said: nothing; another is started\n"


@ROOT_ONLY
def test_warm_sandbox_that_hangs_is_replaced_and_leaves_nothing():
    code = """
use()
(warm,) = Warm._all.values()
processes = descendants(warm.process.pid)
os.kill(processes[-1], signal.SIGSTOP)
Warm.patience = 1
print(use(), [process for process in processes if os.path.exists(f"/proc/{process}")])
"""
    seen, said = in_fresh_process(code)
    assert seen == "2 []\n"
    assert said == "Warm has ended: it did not answer and said: nothing; another is started\n"


CHANGED = """
import atexit, pathlib, shutil, tempfile
import grading.sandbox as sandbox

def change(old, new):
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for name in ("__init__.py", "calls.py", "wire.py", "student.py"):
        shutil.copy(sandbox.HERE / name, folder)
    source = (folder / "student.py").read_text()
    assert source.count(old) == 1
    (folder / "student.py").write_text(source.replace(old, new))
    sandbox.HERE = folder

"""


@ROOT_ONLY
def test_warm_sandbox_that_ends_at_once_is_an_error():
    """As where no process can be started any more: said with its reason, not tried forever."""
    code = """
change("passed = wire.receive_socket(channel)", "raise OSError('no more processes')")
try:
    use()
except sandbox.SandboxError as error:
    print(str(error).splitlines()[0], str(error).splitlines()[-1])
"""
    seen, said = in_fresh_process(CHANGED + code)
    assert seen.startswith("Warm has ended: it returned 1 and said: Traceback")
    assert seen.endswith("OSError: no more processes; so had the one before it\n")
    assert said.count("another is started") == 1


@ROOT_ONLY
def test_kernel_that_is_ready_early_is_not_taken_for_another():
    """The process between the warm one and a kernel may be slow to say which one is to be signalled."""
    code = """
line = 'wire.Channel(connection).send(("first", first))'
change(line, "__import__('time').sleep(1); " + line)
use()
with Sandbox(Limits()) as second:
    (warm,) = Warm._all.values()
    print(warm.process.poll(), warm.first in second.processes(), len(second.processes()))
"""
    assert in_fresh_process(CHANGED + code) == ("None False 2\n", "")


def test_submission_has_no_file_of_the_graders():
    """Whoever writes to standard error must not leave words there for the next one."""
    with Sandbox(Limits()) as sandbox:
        code = "import os\nfor n in os.listdir('/proc/self/fd'):\n    print(os.path.realpath(f'/proc/self/fd/{n}'))"
        files = {line for message in run(sandbox, code)[0] for line in message[3].splitlines()}
    assert [name for name in files if "deleted" in name] == []


def test_nothing_is_left_of_a_grader_that_is_killed():
    code = """
sandbox, other = Sandbox(Limits()).__enter__(), Sandbox(Limits()).__enter__()
sandbox.signal(sandbox.kernel, signal.SIGSTOP)  # as is done when all cells have run
print(*{*descendants(os.getpid()), *sandbox.processes()} - {os.getpid()}, flush=True)
os.kill(os.getpid(), 9)
"""
    processes = in_fresh_process(code)[0].split()
    assert len(processes) >= 3
    until = time.monotonic() + 10
    while (left := [process for process in processes if alive(process)]) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


def alive(process):
    """Whether a process runs; one that has ended may wait a moment to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_signal_reaches_only_processes_of_the_sandbox():
    with Sandbox(Limits()) as sandbox:
        sandbox.signal(os.getpid(), 9)  # an id of the host's means nothing here
        sandbox.signal(10**6, 9)
        assert run(sandbox, "print('alive')")[0][0][3].startswith("alive")


def test_too_little_to_start_is_a_sandbox_error():
    with pytest.raises(SandboxError), Sandbox(replace(Limits(), memory=MB)):
        pass


def test_sandbox_holds_where_the_library_lies_in_tmp():
    """The sandbox's own /tmp must not hide what it needs from the machine's."""
    code = """
import json, sys
from grading import selftest
from grading.limits import Limits
read = "import json; print(json.dumps(open(path).read()))"
path = sys.argv[1] + "/lossutils/__init__.py"
print(json.dumps([selftest.probe(Limits(), frozenset(), read, path=path), *selftest.run(only="no write outside")]))
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for name in ("grading", "lossutils"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        environment = os.environ | {"PYTHONPATH": folder}
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        text, (_, held, seen) = json.loads(done.stdout)
        assert text == (ROOT / "lossutils/__init__.py").read_text()
        assert held, seen


def test_child_that_linux_leaves_out_is_looked_for_again(monkeypatch):
    lists = iter([[1], [1], [1, 42]])
    monkeypatch.setattr("grading.sandbox.descendants", lambda above: next(lists))
    monkeypatch.setattr("grading.sandbox._inside", lambda process: [process, 7] if process == 42 else [process])
    assert _on_the_host(7, 1) == 42


def test_dead_kernel_is_noticed():
    with Sandbox(Limits()) as sandbox, pytest.raises(wire.Closed):
        run(sandbox, "import os\nos._exit(0)")
