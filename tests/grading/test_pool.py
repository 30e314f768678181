"""The pool: a worker that dies or hangs costs its own submission at most; nothing is lost, nothing graded twice."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hand_in import ASSIGNMENT, ROOT, notebook

from grading import pool
from grading.limits import SandboxError
from grading.pool import Task, run_here
from grading.sources import Assignment

HERE = Path(__file__).resolve().parent
FAKE = "fake_grader:grade_notebook"
SOURCE = Assignment(ASSIGNMENT).text


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    """Workers find the stand-in, and note each call in this file."""
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{ROOT}")
    monkeypatch.setenv("GRADED_LOG", str(tmp_path / "graded.log"))
    return tmp_path / "graded.log"


def tasks(**texts):
    return [Task(who, SOURCE, notebook(text, who)) for who, text in texts.items()]


def grade(work, **options):
    """Return the results by student, each of which came once."""
    got = [(task.key, result) for task, result in run_here(work, function=FAKE, **options)]
    assert len(got) == len(dict(got)) == len(work)
    return dict(got)


def calls(log):
    """How often each student's submission was graded."""
    return Counter(line.split()[1] for line in log.read_text().splitlines())


def score(result):
    return sum(cell["score"] or 0 for cell in result["cells"].values())


def test_all_are_graded_once_by_several_processes(log):
    got = grade(tasks(**{f"s{n}": "GOOD all" if n % 2 else "" for n in range(6)}), workers=2)
    assert {who: score(result) > 0 for who, result in got.items()} == {f"s{n}": n % 2 == 1 for n in range(6)}
    assert set(calls(log).values()) == {1}
    assert len({line.split()[0] for line in log.read_text().splitlines()}) == 2


def test_dead_worker_loses_only_its_submission(log):
    got = grade(tasks(a="GOOD all", b="DIE ALWAYS", c="GOOD all", d="DIE ONCE GOOD all"), workers=2)
    assert got["b"]["reasons"] == ["the grader died twice"]
    assert {cell["score"] for cell in got["b"]["cells"].values()} == {None}
    assert score(got["a"]) == score(got["c"]) == score(got["d"]) > 0
    assert calls(log) == {"a": 1, "b": 2, "c": 1, "d": 2}


def test_hanging_worker_is_ended_and_holds_nobody_up(log):
    got = grade(tasks(a="HANG", b="GOOD all", c="GOOD all"), workers=2, deadline=4.0)
    assert got["a"]["state"] == "ungraded"
    assert got["a"]["reasons"] == ["the grader didn't finish in time twice"]
    assert score(got["b"]) == score(got["c"]) > 0


def test_machine_that_cannot_hold_submissions_stops_the_run():
    with pytest.raises(SandboxError, match="no user namespaces here"):
        grade(tasks(a="REFUSE", b=""), workers=1)


def test_workers_that_cannot_start_are_not_started_forever():
    with pytest.raises(SandboxError, match="as soon as they are started"):
        list(run_here(tasks(a="", b=""), workers=2, function="no_such_module:f", log=subprocess.DEVNULL))


def test_nothing_is_left_running():
    started = []
    original = pool.Worker

    class Noted(original):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.append(self.process)

    pool.Worker = Noted
    try:
        run = run_here(tasks(a="", b="HANG"), workers=2, function=FAKE)
        next(run)
        run.close()  # what Ctrl-C comes to
    finally:
        pool.Worker = original
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_orphaned_worker_ends_by_itself():
    """Whoever hands out work may be killed."""
    worker = pool.Worker(FAKE)
    worker.process.stdin.close()
    assert worker.process.wait(20) == 0


# On a cluster


def on_cluster(cluster, work, **options):
    from grading.cluster import run_on_cluster

    got = []
    for task, result in run_on_cluster(work, cluster.scheduler_address, function=FAKE, **options):
        got.append((task.key, result))
        yield got


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cluster_that_loses_a_machine_loses_and_repeats_nothing(log, monkeypatch):
    """Kill one in the middle: each submission has one result, and none that had arrived is graded again."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("GRADING_TAKES", "0.3")
    work = tasks(**{f"s{n}": "GOOD all" for n in range(10)})
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        arrived = []
        for got in on_cluster(local, work):
            if len(got) == 3:
                arrived = [who for who, _ in got]
                with distributed.Client(local.scheduler_address) as client:
                    victim = next(iter(client.run(os.getpid).values()))
                os.kill(victim, 9)
    assert Counter(who for who, _ in got) == {f"s{n}": 1 for n in range(10)}
    assert all(score(result) > 0 for _, result in got)
    assert {calls(log)[who] for who in arrived} == {1}
    assert max(calls(log).values()) <= 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cluster_isolates_deaths_and_tests_itself_first(log):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        work = tasks(a="DIE ALWAYS", b="GOOD all", c="DIE ONCE GOOD all")
        got = dict(list(on_cluster(local, work, check="fake_grader:green"))[-1])
        assert got["a"]["reasons"] == ["the grader died twice"]
        assert score(got["b"]) == score(got["c"]) > 0
        before = sum(calls(log).values())
        with pytest.raises(SandboxError, match="no network: a request was answered"):
            list(on_cluster(local, tasks(d="GOOD all"), check="fake_grader:red"))
        assert sum(calls(log).values()) == before


def test_no_cluster_is_said():
    from grading.cluster import run_on_cluster

    with pytest.raises(OSError, match="Timed out"):
        list(run_on_cluster(tasks(a=""), "tcp://127.0.0.1:9", function=FAKE, timeout="1s"))


def test_killed_run_goes_on_where_it_was(tmp_path, monkeypatch, log):
    """SIGKILL in the middle of `grade`; the second run grades the rest."""
    from grading.collect import Collector
    from grading.course import Course

    monkeypatch.setenv("GRADING_TAKES", "0.4")
    course = Course(tmp_path / "course")
    for n in range(8):
        path = tmp_path / f"s{n}.ipynb"
        path.write_bytes(notebook("GOOD all", f"s{n}"))
        Collector(course, ASSIGNMENT).collect(path)
    command = [
        sys.executable,
        str(HERE / "grade_with_stand_in.py"),
        "--course",
        str(course.root),
        "grade",
        "--workers",
        "1",
    ]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    results = course.root / "results" / ASSIGNMENT
    until = time.monotonic() + 60
    while len(list(results.glob("*.json"))) < 3:
        assert time.monotonic() < until
        time.sleep(0.05)
    run.kill()
    run.wait()
    kept = {path.stem for path in results.glob("[!.]*.json")}
    assert 3 <= len(kept) < 8
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "8 brought into the gradebook" in done.stdout, done.stderr
    assert len(list(results.glob("[!.]*.json"))) == 8
    assert {calls(log)[who] for who in kept} == {1}
