"""Bubblewrap around the student's kernel, limits around both, and a watcher that ends what exceeds them.

What the sandbox has: the Python that runs this, its packages without torch and nbgrader's data, `lossutils`, some files
of this package, and an empty tmpfs of limited size. What it hasn't: network, the host's processes, its environment, the
rest of the repository, any other submission. Processes are limited by the kernel (each sandbox has a user of its own
where this runs as root, and a user namespace where it doesn't). Memory is limited in total: the watcher adds up all
processes of the sandbox, since control groups are rarely delegated to those who grade.

Signals go only to processes found among the descendants of the sandbox's own first process, through pidfds.
"""

import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import lossutils
from grading import wire
from grading.forker import Forker
from grading.limits import MB, Limits, SandboxError

HERE = Path(__file__).resolve().parent
BOOT = "import sys; sys.path.insert(0, {folder!r}); from grading.student import {main}; {main}()"
SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"]
HIDDEN = ["torch", "torchgen", "functorch", "nbgrader"]
INSTALL = "sudo apt install bubblewrap  (Fedora: sudo dnf install bubblewrap, Arch: sudo pacman -S bubblewrap)"
INSIDE = "/grader"
TICK = 0.05


def missing() -> str:
    """Say what this machine lacks for grading in a sandbox, and how to get it; "" if it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return (
            "Grading needs Linux: submissions run in bubblewrap, which exists nowhere else.\n"
            "Use a Linux machine, a virtual machine, WSL 2 on Windows, or a cluster of such machines (--scheduler)."
        )
    if not shutil.which("bwrap"):
        return f"Grading needs bubblewrap, in which submissions run. Install it:\n  {INSTALL}"
    return ""


@cache
def _font_cache() -> Path | None:
    """Matplotlib's list of fonts, made if need be, so that no sandbox has to make its own."""
    code = "import matplotlib.font_manager as f, matplotlib as m; print(m.get_cachedir(), f.FontManager.__version__)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if made.returncode:
        return None
    folder, version = made.stdout.strip().rsplit(" ", 1)
    path = Path(folder) / f"fontlist-v{version}.json"
    return path if path.exists() else None


def _environment(home: str) -> dict[str, str]:
    threads = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return threads | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "IPYTHONDIR": f"{home}/.ipython",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _parents(paths) -> list[str]:
    """The folders above the paths, outermost first: bubblewrap would make them unreadable for others."""
    found = {str(parent) for path in paths for parent in Path(path).parents}
    return sorted(found - {"/"}, key=len)


def _site_packages() -> Path:
    return Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")


def _folders(without=frozenset()) -> list[str]:
    """The folders that the sandbox has besides the system's."""
    found = [sys.base_prefix, str(Path(sys.base_prefix).resolve()), sys.prefix]
    found.append(str(Path(lossutils.__file__).resolve().parent))
    if "files" in without:
        found.append(str(HERE.parent))
    return list(dict.fromkeys(found))


def command(limits: Limits, *, without: frozenset[str] = frozenset(), warm: bool = False) -> list[str]:
    """Return the bubblewrap command up to the program to run.

    `without` leaves out parts, for the self-test's own test. `warm` lets the program make namespaces.
    """
    home = "/tmp/home"
    arguments = ["bwrap", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--hostname", "sandbox"]
    if not warm:  # which ends with its connection, and must not end with the thread that happened to start it
        arguments.append("--die-with-parent")
    if "net" not in without:
        arguments.append("--unshare-net")
    if "env" not in without:
        arguments.append("--clearenv")
    if os.getuid() == 0:
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        if warm:
            arguments += ["--cap-add", "CAP_SYS_ADMIN"]
    else:
        arguments += ["--unshare-user", "--disable-userns"]
    arguments += ["--dev", "/dev"]
    size = 2**40 if "disk" in without else limits.disk
    for place in ("/tmp", "/dev/shm"):  # first, since what is bound may lie in it
        arguments += ["--size", str(size), "--perms", "1777", "--tmpfs", place]
    folders = _folders(without)
    for parent in _parents([*folders, f"{INSIDE}/grading/x", "/etc/x"]):
        arguments += ["--perms", "0755", "--dir", parent]
    for path in SYSTEM:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        else:
            arguments += ["--ro-bind-try", path, path]
    bind = "--bind" if "read-only" in without else "--ro-bind"
    for folder in folders:
        if not folder.startswith("/usr/") and folder != "/usr":
            arguments += [bind, folder, folder]
    for name in ("__init__.py", "calls.py", "wire.py", "student.py"):
        arguments += ["--ro-bind", str(HERE / name), f"{INSIDE}/grading/{name}"]
    if "torch" not in without:
        for name in HIDDEN:
            if (_site_packages() / name).is_dir():
                arguments += ["--perms", "0000", "--tmpfs", str(_site_packages() / name)]
    proc = ["--ro-bind", "/proc", "/proc"] if "proc" in without else ["--proc", "/proc"]
    arguments += proc
    arguments += ["--perms", "1777", "--dir", home, "--perms", "1777", "--dir", f"{home}/.matplotlib"]
    if font_cache := _font_cache():
        arguments += ["--ro-bind", str(font_cache), f"{home}/.matplotlib/{font_cache.name}"]
    for folder in ("/dev", "/"):
        arguments += ["--remount-ro", folder]
    for name, value in _environment(home).items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--chdir", home, "--"]


def rules(limits: Limits, *, sandboxed: bool = True, without: frozenset[str] = frozenset()) -> dict:
    """Return what the first process in the sandbox sets for itself and all that follow."""
    values = {
        "CORE": 0,
        "CPU": int(limits.total_seconds) + 5,
        "DATA": limits.memory,
        "AS": 4 * limits.memory,
        "FSIZE": limits.file,
        "NOFILE": limits.open_files,
        "NPROC": limits.processes,
    }
    if not sandboxed:
        del values["NPROC"]  # it would count all processes of the user
    values = {name: value for name, value in values.items() if name not in without}
    uid = random.SystemRandom().randrange(0x40000000, 0x60000000) if sandboxed and os.getuid() == 0 else None
    uid = None if "uid" in without else uid
    disk = 2**40 if "disk" in without else limits.disk
    kept = [folder for folder in _folders(without) if folder.startswith(("/tmp/", "/dev/shm/"))]
    return {"uid": uid, "limits": values, "disk": disk, "without": sorted(without), "kept": kept}


class Warm(Forker):
    """A sandboxed process that has everything loaded and forks kernels.

    It never runs a line of a student's. Each kernel gets namespaces, a /tmp, and a user of its own.
    """

    def __init__(self, without):
        ours, theirs = socket.socketpair()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        with theirs:
            process, self.first = _bubblewrap(
                command(Limits(), without=without, warm=True), "warm_main", theirs, self.errors
            )
        super().__init__(process, ours)
        self.channel.deadline = time.monotonic() + 60
        try:
            self.channel.receive()
        except wire.WireError as error:
            raise SandboxError(f"the sandbox did not start ({error}): {self.end()}") from None

    def kill(self):
        """End it, and with it all in its namespace: bubblewrap alone would leave them behind."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)

    def said(self):
        """Return its last words."""
        return f" and said: {_read(self.errors)}"


def _bubblewrap(arguments, main, connection, errors):
    """Start a Python program in bubblewrap; return bubblewrap's process and the host's id of the first one inside."""
    read, write = os.pipe()
    head, *tail = arguments
    boot = [sys.executable, "-I", "-c", BOOT.format(folder=INSIDE, main=main), str(connection.fileno())]
    with os.fdopen(read) as answer:
        process = subprocess.Popen(
            [head, "--info-fd", str(write), *tail, *boot],
            pass_fds=[connection.fileno(), write],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        os.close(write)
        text = answer.read()
    if not text.strip():
        process.wait()
        raise SandboxError(f"bubblewrap failed: {_read(errors)}")
    return process, json.loads(text)["child-pid"]


def _read(errors):
    """The last words in a file, left where they are: whoever writes to it shares its position."""
    handle = errors.fileno()
    said = os.pread(handle, 2000, max(0, os.fstat(handle).st_size - 2000))
    return said.decode(errors="replace").strip() or "nothing"


def _inside(process):
    """The ids of a process in all pid namespaces, the host's first."""
    try:
        with open(f"/proc/{process}/status") as file:
            return [int(part) for line in file if line.startswith("NSpid:") for part in line.split()[1:]]
    except OSError:
        return []


def _on_the_host(number, above):
    """Return the host's id of the process that has the id `number` in the namespace of the warm process."""
    until = time.monotonic() + 10
    while time.monotonic() < until:  # Linux may leave a child out of the list while a sibling of it ends
        for process in descendants(above):
            if _inside(process)[1:2] == [number]:
                return process
        time.sleep(0.001)
    raise ProcessLookupError(f"process {number} can't be found")


def descendants(first: int) -> list[int]:
    """Return the ids of a process and all below it."""
    found, waiting = [], [first]
    while waiting:
        process = waiting.pop()
        found.append(process)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children") as file:
                    waiting += map(int, file.read().split())
    return found


class Sandbox:
    """One kernel in one sandbox. Use it as a context manager: nothing of it is left afterwards.

    Attributes
    ----------
    control : wire.Channel
        The connection to `student.Runner`.
    peak : int
        The most bytes that all its processes had at a time.
    exceeded : str
        Why the watcher ended it, "" if it didn't.
    """

    def __init__(self, limits: Limits, *, sandboxed: bool = True, without: frozenset[str] = frozenset()):
        self.limits, self.sandboxed, self.without = limits, sandboxed, without
        self.warm = sandboxed and os.getuid() == 0
        self.peak, self.exceeded = 0, ""
        self._closed = threading.Event()
        self._home = self._process = self._errors = self._first = self._handle = self.control = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        if self.sandboxed and (reason := missing()):
            raise SandboxError(reason)
        told = rules(self.limits, sandboxed=self.sandboxed, without=self.without)
        if self.warm:
            warm, connection, _ = Warm.fork(told, self.without)
            self._errors = warm.errors
        else:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
            connection = self._spawn()
        self.control = wire.Channel(connection, self.limits.frame)
        self.control.deadline = time.monotonic() + 60
        try:
            if self.warm:
                self._first = _on_the_host(self._told("first"), warm.first)
            else:
                self.control.send(told)
            self._handle = os.pidfd_open(self._first)
            self.kernel = self._told("ready")
        except (wire.WireError, OSError) as error:
            raise SandboxError(f"the sandbox did not start ({error!r}) and said: {_read(self._errors)}") from None
        threading.Thread(target=self._watch, daemon=True).start()

    def _told(self, what):
        """Receive the process id that comes under this name, and no other: whom we signal depends on it."""
        said, number = self.control.receive()
        if said != what:
            raise wire.WireError(f"it said {said!r} before {what!r}")
        return number

    def _spawn(self):
        """Start a kernel of its own; return the connection to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            if self.sandboxed:
                arguments = command(self.limits, without=self.without)
                self._process, self._first = _bubblewrap(arguments, "main", theirs, self._errors)
                return ours
            self._home = tempfile.mkdtemp(prefix="grading-")
            boot = BOOT.format(folder=str(HERE.parent), main="main")
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", boot, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_environment(self._home),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
            self._first = self._process.pid
            return ours

    def processes(self) -> list[int]:
        """Return the ids, on the host, of all processes in the sandbox."""
        return descendants(self._first)

    def signal(self, inside: int, number: int) -> None:
        """Send a signal to the process that has the id `inside` in the sandbox, if there is one."""
        for process in self.processes():
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(process)
                try:
                    if _inside(process)[-1:] == [inside] and process in self.processes():
                        signal.pidfd_send_signal(handle, number)
                        return
                finally:
                    os.close(handle)

    def _watch(self):
        shared = 0  # by how much forks, which share memory, make the sum of resident sizes too large
        while not self._closed.wait(TICK):
            processes = self.processes()
            resident = sum(map(_resident, processes))
            used = resident - shared
            if used > max(self.peak, self.limits.memory // 2):
                used = sum(map(_proportional, processes))  # dear, so only if it matters
                shared = max(0, resident - used)
            self.peak = max(self.peak, used)
            if used > self.limits.memory and "memory" not in self.without:
                self.exceeded = f"more than {self.limits.memory // MB} MB of memory"
            elif len(processes) > self.limits.processes + 8 and "processes" not in self.without:
                self.exceeded = f"more than {self.limits.processes} processes"
            if self.exceeded:
                self.kill()
                return

    def kill(self) -> None:
        """End all processes of the sandbox: the kernel ends those of a pid namespace with its first one."""
        if self._handle is None:
            return
        if not self.sandboxed:
            for process in reversed(self.processes()):
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """End everything and wait until it has ended."""
        self._closed.set()
        self.kill()
        if self._handle is not None:
            select.select([self._handle], [], [], 10)  # readable when the first process, hence all, have ended
            os.close(self._handle)
            self._handle = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self.control is not None:
            self.control.close()
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)


def _resident(process):
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0


def _proportional(process):
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            return 1024 * int(next(line for line in file if line.startswith("Pss:")).split()[1])
    except (OSError, StopIteration):
        return _resident(process)
