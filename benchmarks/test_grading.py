"""How many hand-ins of each assignment a machine grades in a minute, and how much memory one takes: ``make bench``.

Each hand-in is the solution. The first answers of the workers don't count: they start the sandbox.
"""

import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "grading")]

pytest.importorskip("nbgrader", reason="Grading isn't measured: `make course` installs what it needs.")

from classroom import Generator, dump  # noqa: E402

from grading import sources  # noqa: E402
from grading.pool import Task, run_here, usable_cores  # noqa: E402
from grading.sandbox import missing  # noqa: E402

HAND_INS = 20


def hand_ins_a_minute(source, content, workers):
    """Grade with this many workers; return the rate once all have started, and the most bytes that one took."""
    tasks = [Task(str(number), source, content, True) for number in range(HAND_INS + workers)]
    ends, peak = [], 0
    for _, result in run_here(tasks, workers=workers):
        ends.append(time.monotonic())
        assert result["state"] == "graded", result["reasons"]
        assert {cell["outcome"] for cell in result["cells"].values()} <= {"passed", "manual"}
        peak = max(peak, result["peak_bytes"])
    return 60 * HAND_INS / (ends[-1] - ends[workers - 1]), peak


@pytest.mark.skipif(bool(missing()), reason=missing() or "bubblewrap is here")
@pytest.mark.parametrize("name", sources.names())
def test_assignment(record_property, name):
    """Grade an assignment on one core, and on all at once."""
    generator, cores = Generator(name), usable_cores()
    content = dump(generator.right())
    alone, peak = hand_ins_a_minute(generator.source.text, content, 1)
    together, _ = hand_ins_a_minute(generator.source.text, content, cores)
    record_property("assignment", {"name": name, "alone": alone, "each": together / cores, "peak": peak})
