"""The same work on a Dask cluster: ``--scheduler ADDRESS``.

Each of the cluster's threads keeps a worker process of its own (pool.py), so that a submission grades in the same
surroundings as on one machine. Dask moves the work of a machine that is lost to another; a result that has arrived
here is written down at once and never asked for again.
"""

import threading
from collections.abc import Iterable, Iterator

from grading.limits import SandboxError
from grading.pool import ATTEMPTS, DEADLINE, GRADER, Died, Task, Worker
from grading.unproven import nothing_proven

_own = threading.local()
_proven = threading.Lock()
_checks: dict[str, list] = {}


def grade(task: Task, function: str = GRADER, check: str = "", deadline: float = DEADLINE) -> dict:
    """Grade one submission; runs on the cluster. `check` names the self-test that must have passed in this process."""
    if check and task.sandboxed and (failed := _failed(check)):
        return {"refused": "; ".join(failed)}
    for _ in range(ATTEMPTS):
        worker = getattr(_own, "worker", None)
        try:
            worker = worker or Worker(function)
            _own.worker = worker
            return worker.run(task, deadline)
        except Died:
            if worker is not None:
                worker.end()
            _own.worker = None
    return {"result": nothing_proven(task.source, "the grader died twice")}


def _failed(check):
    with _proven:
        if check not in _checks:
            _checks[check] = run_check(check)
        return _checks[check]


def run_check(check: str) -> list[str]:
    """Run a self-test in a process of its own; return what is red."""
    from grading import checks

    return [f"{name}: {detail}" for name, passed, detail in checks.in_own_process(check) if not passed]


def run_on_cluster(
    tasks: Iterable[Task],
    address: str,
    *,
    function: str = GRADER,
    check: str = "",
    deadline: float = DEADLINE,
    timeout: str = "15s",
) -> Iterator[tuple[Task, dict]]:
    """Grade on the cluster whose scheduler is at `address`; yield each task with its result, as they come.

    Raises SandboxError if a machine of the cluster can't be trusted with submissions, OSError if there is no cluster.
    """
    from distributed import Client, as_completed
    from distributed.scheduler import KilledWorker

    by_key = {task.key: task for task in tasks}
    with Client(address, timeout=timeout, set_as_default=False) as client:
        futures = [
            client.submit(grade, task, function, check, deadline, key=f"grade-{key}", pure=False, retries=0)
            for key, task in by_key.items()
        ]
        for future in as_completed(futures, loop=client.loop):
            task = by_key[future.key.removeprefix("grade-")]
            try:
                answer = future.result()
            except KilledWorker:
                answer = {"result": nothing_proven(task.source, "every machine that graded it was lost")}
            except Exception as error:  # grading raises nothing, so the cluster did
                raise OSError(
                    f"The cluster can't run the grader ({type(error).__name__}: {str(error).splitlines()[0]})."
                    " Start its scheduler and workers in this repository's folder, with PYTHONPATH=."
                ) from error
            finally:
                future.release()
            if "refused" in answer:
                client.cancel(futures)
                raise SandboxError(f"A machine of the cluster can't grade: {answer['refused']}")
            yield task, answer["result"]
