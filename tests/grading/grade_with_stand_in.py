"""``python -m grading`` with the stand-in for the grader and a self-test that passes: for tests that need a process."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from grading import checks, cli, pool  # noqa: E402


def install():
    """Put the stand-ins in place."""
    pool.run_here.__kwdefaults__["function"] = "fake_grader:grade_notebook"
    checks.SELF_TEST = "fake_grader:green"
    checks.in_own_process.__defaults__ = ("fake_grader:green",)


if __name__ == "__main__":
    install()
    sys.exit(cli.main())
