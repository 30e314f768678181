"""A class of generated hand-ins, graded in one run: what each should get, against what it got.

    python tests/grading/classroom.py [--students 200] [--assignment NAME] [--workers N]

Right, partly right (tests/wrong_answers/), broken in every way that honest students find, and cheating in the ways of
attacks/. A cheat must not get more than honest work elsewhere in the same hand-in earns.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE / "attacks")]

import psutil  # noqa: E402
from nbgrader.utils import is_solution  # noqa: E402
from tqdm import tqdm  # noqa: E402

from grading import gradebook, results, sources  # noqa: E402
from grading.collect import Collector  # noqa: E402
from grading.course import Course  # noqa: E402
from grading.pool import run_here  # noqa: E402
from grading.standing import LOOK, UNGRADED, standings  # noqa: E402
from grading.text import number, table  # noqa: E402

DONE = ("graded", "needs manual grading")


@dataclass(frozen=True)
class Student:
    """A hand-in and what it should get: a state, and the points of the tests, exactly or (`at_most`) at most."""

    name: str
    content: bytes
    states: tuple[str, ...]
    points: float | None
    at_most: bool = False


class Generator:
    """Makes hand-ins for one assignment."""

    def __init__(self, name: str):
        self.source = sources.Assignment(name)
        exercise = ROOT / "exercises" / name / f"{name}.ipynb"
        self.exercise = json.loads(exercise.read_text("utf-8"))
        self.answers = {cell.id: cell.source for cell in self.source.cells if is_solution(cell)}
        self.tests = [cell for cell in self.source.graded if not cell.manual]
        self.full = sum(cell.points for cell in self.tests)
        self.coded = [c.id for c in self.source.cells if is_solution(c) and c.cell_type == "code"]

    def right(self, **changed) -> dict:
        """A hand-in with all answers, but for those that are changed."""
        made = json.loads(json.dumps(self.exercise))
        answers = self.answers | changed
        for cell in made["cells"]:
            cell["source"] = answers.get(cell["id"], cell["source"])
        return made

    def lost_with(self, answer: str) -> float:
        """Points of the tests of the question in which an answer stands."""
        heading, headings = "", {}
        for cell in self.source.cells:
            heading = next((c.question for c in self.source.graded if c.id == cell.id), heading)
            headings[cell.id] = heading
        order = [cell.id for cell in self.source.cells]
        question = next(c.question for c in self.tests if order.index(c.id) > order.index(answer))
        return sum(cell.points for cell in self.tests if cell.question == question)

    def mistakes(self):
        """Yield the assignment's usual mistakes."""
        file = ROOT / "tests" / "wrong_answers" / f"{self.source.name}.toml"
        points = {cell.id: cell.points for cell in self.tests}
        for name, case in tomllib.loads(file.read_text("utf-8")).items() if file.exists() else ():
            lost = sum(points[test] for test in case["loses"])
            yield Student(f"mistake-{name}", dump(self.right(**case["answers"])), DONE, self.full - lost)

    def honest(self):
        """Yield right and untouched work, and all that happens to honest files."""
        full, anyhow = self.full, (*DONE, LOOK)
        yield Student("right", dump(self.right()), DONE, full)
        yield Student("untouched", dump(self.exercise), DONE, 0)
        for name, change in BROKEN.items():
            yield Student(f"broken-{name}", change(self, self.right()), anyhow, full)
        first = self.coded[0]
        lost = full - self.lost_with(first)
        for name, code in HURT.items():
            made = self.right(**{first: code})
            yield Student(f"broken-{name}", dump(made), anyhow, lost, at_most=True)
        yield Student("broken-not-json", b"{ this was a notebook", (UNGRADED,), None)
        yield Student("broken-empty", b"", (UNGRADED,), None)
        yield Student("broken-pdf", b"%PDF-1.7\n" + os.urandom(2000), (UNGRADED,), None)
        yield Student("broken-deep", b'{"cells": ' + b"[" * 100_000, (UNGRADED,), None)

    def cheats(self):
        """Yield the attacks that fit: each in place of the first answer."""
        first = self.coded[0]
        lost = self.full - self.lost_with(first)
        states = (*DONE, LOOK, UNGRADED)
        for name, attack in tomllib.loads((HERE / "attacks" / "code.toml").read_text("utf-8")).items():
            if "code" in attack:
                made = self.right(**{first: attack["code"]})
                yield Student(f"cheat-{name}", dump(made), states, lost, at_most=True)
        import notebooks

        for name, (_, change) in notebooks.ATTACKS.items():
            made = self.right(**{first: "x = 1"})
            try:
                content = change(made)
            except (StopIteration, KeyError):  # it names cells that this assignment doesn't have
                continue
            content = content if isinstance(content, bytes) else dump(content)
            yield Student(f"cheat-{name}", content, states, lost, at_most=True)

    def school(self, count: int) -> list[Student]:
        """Return so many hand-ins: one of every kind if there is room, the rest right or with a usual mistake."""
        honest, mistakes, cheats = list(self.honest()), list(self.mistakes()), list(self.cheats())
        mixed = [kind for kinds in _zip_longest(honest, mistakes, cheats) for kind in kinds if kind]
        ordinary = [honest[0], *mistakes]
        chosen = mixed[:count]
        chosen += [ordinary[n % len(ordinary)] for n in range(count - len(chosen))]
        return [Student(f"{s.name}-{n:03}", s.content, s.states, s.points, s.at_most) for n, s in enumerate(chosen)]


def _zip_longest(*lists):
    for n in range(max(map(len, lists))):
        yield [one[n] if n < len(one) else None for one in lists]


def dump(notebook: dict) -> bytes:
    """Return a notebook as a file."""
    return json.dumps(notebook).encode()


def _tests(generator, made):
    return [cell for cell in made["cells"] if cell["id"] in {test.id for test in generator.tests}]


def _deleted(generator, made):
    made["cells"].remove(_tests(generator, made)[0])
    return dump(made)


def _moved(generator, made):
    cell = _tests(generator, made)[-1]
    made["cells"].remove(cell)
    return dump(made | {"cells": [*made["cells"], cell]})


def _duplicated(generator, made):
    cell = _tests(generator, made)[0]
    at = made["cells"].index(cell)
    made["cells"].insert(at, json.loads(json.dumps(cell)))
    return dump(made)


def _retyped(generator, made):
    _tests(generator, made)[0]["source"] = "# I changed this\npass"
    return dump(made)


def _stripped(generator, made):
    for cell in made["cells"]:
        cell["metadata"] = {}
        cell.pop("id")
    return dump(made | {"metadata": {}, "nbformat_minor": 4})


def _noisy(generator, made):
    for cell in made["cells"]:
        if cell["id"] in generator.coded:
            told = "import sys, warnings\nwarnings.warn('odd')\nprint('debug', file=sys.stderr)\n"
            cell["source"] = told + "".join(cell["source"])
    return dump(made)


def _huge_output(generator, made):
    code = next(cell for cell in made["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "0123456789" * 2_000_000}]
    return dump(made)


def _old(generator, made):
    return dump(
        made | {"nbformat_minor": 2, "cells": [{k: v for k, v in c.items() if k != "id"} for c in made["cells"]]}
    )


def _extra(generator, made):
    cell = {"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "execution_count": None}
    made["cells"].insert(3, cell | {"source": "1 / 0"})
    return dump(made)


BROKEN: dict[str, Callable] = {
    "deleted-test": _deleted,
    "moved-test": _moved,
    "duplicated-test": _duplicated,
    "retyped-test": _retyped,
    "no-metadata": _stripped,
    "noise-on-stderr": _noisy,
    "huge-output": _huge_output,
    "old-format": _old,
    "failing-extra-cell": _extra,
}
HURT = {
    "endless-loop": "while True:\n    pass",
    "kernel-death": "import os\nos._exit(1)",
    "syntax-error": "def mse(prediction, target:\n",
    "eats-memory": "hoard = [bytearray(10**8) for _ in range(1000)]",
}


class Watch(threading.Thread):
    """Samples the memory of this process and all that it started."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    memory = process.memory_full_info()
                    total += getattr(memory, "pss", memory.rss)
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


def grade_class(students: list[Student], name: str, root: Path, workers: int | None = None, **options) -> list[dict]:
    """Collect and grade a class; return a line for each student: expected, got, whether that is right, seconds."""
    course = Course(root / "course")
    folder = root / "hand-ins"
    for student in students:
        (folder / student.name).mkdir(parents=True)
        (folder / student.name / "my work.ipynb").write_bytes(student.content)
    with open(os.devnull, "wb") as log:
        Collector(course, name).collect(folder)
        jobs = {job.task.key: job for job in results.jobs(course, [name])}
        run = run_here([job.task for job in jobs.values()], workers=workers, log=log, **options)
        for task, result in tqdm(run, total=len(jobs), disable=None, leave=False):
            results.save(course, jobs[task.key], result)
    gradebook.merge(course, [name])
    found = {made.student.id: made for made in standings(course, [name])}
    return [_line(student, found[student.name]) for student in students]


def _line(student, made):
    automatic = [score.automatic for score in made.scores if not score.manual]
    got = sum(automatic) if None not in automatic else None
    if student.points is None:
        right = got is None
    elif student.at_most:
        right = (got or 0) <= student.points
    else:
        right = got == student.points
    return {
        "student": student.name,
        "expected": f"{'≤ ' if student.at_most else ''}{number(student.points)}",
        "got": number(got),
        "state": made.state,
        "fine": right and made.state in student.states,
        "seconds": (made.result or {}).get("seconds", 0.0),
        "peak": (made.result or {}).get("peak_bytes", 0),
        "why": "; ".join(made.reasons),
    }


def main() -> int:
    """Grade a class and print what came of it; return 1 if anybody got what they shouldn't."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--assignment", default="06-mse-mae-huber", choices=sources.names())
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    students = Generator(options.assignment).school(options.students)
    root = Path(tempfile.mkdtemp(prefix="classroom-"))
    watch = Watch()
    watch.start()
    started = time.monotonic()
    try:
        lines = grade_class(students, options.assignment, root, options.workers)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    took = time.monotonic() - started
    watch.over.set()
    columns = ["student", "expected", "got", "state", "seconds", "why"]
    rows = [
        [line["student"], line["expected"], line["got"], line["state"], f"{line['seconds']:.1f}", line["why"]]
        for line in lines
    ]
    print(
        table([*columns, ""], [[*row, "" if line["fine"] else "WRONG"] for row, line in zip(rows, lines, strict=True)])
    )
    wrong = sum(not line["fine"] for line in lines)
    print(f"\n{len(lines)} hand-ins in {took:.0f} s, {60 * len(lines) / took:.0f} a minute; {wrong} not as expected.")
    seconds = sorted(line["seconds"] for line in lines)
    print(f"Seconds for one: median {seconds[len(seconds) // 2]:.1f}, longest {seconds[-1]:.1f}.")
    print(
        f"Peak memory: {max(line['peak'] for line in lines) / 1e6:.0f} MB one sandbox, {watch.peak / 1e6:.0f} MB all."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
