"""Hand submissions to worker processes, on this machine or, through Dask, on others.

A worker that dies or doesn't come back loses the one submission it had. That one is tried once more, in a fresh
worker, and then it is ungraded; every other submission is graded as if nothing had happened.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from time import monotonic

from grading.limits import SandboxError
from grading.unproven import nothing_proven
from grading.worker import read_frame, write_frame

ROOT = Path(__file__).resolve().parents[1]
GRADER = "grading.split:grade_notebook"
DEADLINE = 240.0  # seconds; the grader's own limits end a submission long before
ATTEMPTS = 2


@dataclass(frozen=True)
class Task:
    """One submission to grade. `key` tells it from all others."""

    key: str
    source: str
    submission: bytes
    sandboxed: bool = True

    def frame(self) -> dict:
        """What goes to the worker."""
        return {
            "source": self.source,
            "submission": self.submission.decode("latin-1"),
            "sandboxed": self.sandboxed,
        }


class Died(RuntimeError):
    """A worker ended, or had to be ended, before it answered."""


class Worker:
    """A worker process and what it is doing."""

    def __init__(self, function: str = GRADER, log=None):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        # Threads of numerical libraries would fight for the cores that the other workers use.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **threads, "PYTHONPATH": path},
            cwd=ROOT,
            start_new_session=True,  # so that all it started can be ended with it
        )
        self.task: Task | None = None
        self.attempt, self.until = 0, 0.0
        try:
            self.send({"function": function})
            self._receive()  # ready
        except Died:
            self.end()
            raise

    def send(self, frame: dict) -> None:
        """Write a frame to the worker."""
        try:
            write_frame(self.process.stdin, frame)
        except OSError as error:
            raise Died from error

    def start(self, task: Task, attempt: int, deadline: float) -> None:
        """Give the worker something to do."""
        self.task, self.attempt, self.until = task, attempt, monotonic() + deadline
        self.send(task.frame())

    def finish(self) -> dict:
        """Return the answer, once there is something to read. Raises `Died`."""
        answer = self._receive()
        self.task = None
        return answer

    def _receive(self):
        try:
            return read_frame(self.process.stdout)
        except (EOFError, OSError, ValueError) as error:
            raise Died from error

    def run(self, task: Task, deadline: float) -> dict:
        """Grade one submission while the caller waits. Raises `Died`."""
        timer = threading.Timer(deadline, self.end)
        timer.start()
        try:
            self.send(task.frame())
            return self._receive()
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the process and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()
        self.process.wait()


def run_here(
    tasks: Iterable[Task], *, workers: int | None = None, function: str = GRADER, deadline: float = DEADLINE, log=None
) -> Iterator[tuple[Task, dict]]:
    """Grade on this machine; yield each task with its result, as they come.

    Raises SandboxError if a worker can't set up its sandbox.
    """
    waiting = deque((task, 1) for task in tasks)
    free: list[Worker] = []
    busy: list[Worker] = []
    size = min(workers or usable_cores(), len(waiting))
    starts_left = size + ATTEMPTS * len(waiting) + 3  # a worker that can't even start must not be started forever
    try:
        while waiting or busy:
            while waiting and len(busy) < size:
                if not free:
                    if not starts_left:
                        raise SandboxError("Workers end as soon as they are started. The log says why.")
                    starts_left -= 1
                task, attempt = waiting.popleft()
                worker = None
                try:
                    worker = free.pop() if free else Worker(function, log)
                    busy.append(worker)
                    worker.start(task, attempt, deadline)
                except Died:
                    if worker is None:
                        waiting.appendleft((task, attempt))
                    # Otherwise its pipe has ended, which shows below.
            yield from _finished(busy, free, waiting)
    finally:
        for worker in busy + free:
            worker.end()


def _finished(busy, free, waiting):
    """Wait until a worker answers, dies, or is out of time; yield what is settled by that."""
    if not busy:
        return
    pipes = {worker.process.stdout: worker for worker in busy}
    patience = max(0.0, min(worker.until for worker in busy) - monotonic())
    ready = [pipes[pipe] for pipe in wait(list(pipes), patience)]
    overdue = [worker for worker in busy if worker not in ready and monotonic() >= worker.until]
    for worker in ready + overdue:
        busy.remove(worker)
        task, attempt = worker.task, worker.attempt
        try:
            if worker in overdue:
                raise Died
            # A worker that stops in the middle of its answer is ended by the timer.
            timer = threading.Timer(max(1.0, worker.until - monotonic()), worker.end)
            timer.start()
            try:
                answer = worker.finish()
            finally:
                timer.cancel()
            free.append(worker)
            yield task, _checked(answer)
        except Died:
            worker.end()
            if attempt < ATTEMPTS:
                waiting.append((task, attempt + 1))
            else:
                yield task, nothing_proven(task.source, _twice(worker in overdue))


def _twice(overdue):
    what = "didn't finish in time" if overdue else "died"
    return f"the grader {what} twice"


def _checked(answer):
    if "refused" in answer:
        raise SandboxError(answer["refused"])
    return answer["result"]


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
