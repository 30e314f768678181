"""A small class, graded for real: right, partly right, broken, and cheating hand-ins get what they should."""

import pytest
from classroom import Generator, grade_class
from hand_in import ROOT

from grading.sandbox import missing

pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "bubblewrap is here"),
]
NAME = "06-mse-mae-huber"


def test_everybody_in_a_class_gets_what_they_should(tmp_path):
    students = Generator(NAME).school(24)
    kinds = {student.name.partition("-")[0] for student in students}
    assert kinds == {"right", "untouched", "broken", "mistake", "cheat"}
    lines = grade_class(students, NAME, tmp_path)
    assert len(lines) == 24
    assert [line for line in lines if not line["fine"]] == []


def test_class_notices_unearned_points(tmp_path):
    """The comparison itself can fail: a hand-in that gets more, or less, than it should is reported."""
    generator = Generator(NAME)
    (right,) = generator.school(1)
    assert right.points == generator.full
    from dataclasses import replace

    wrong = [replace(right, name="less", points=right.points + 1), replace(right, name="more", points=1, at_most=True)]
    lines = grade_class(wrong, NAME, tmp_path)
    assert [line["fine"] for line in lines] == [False, False]
    assert (ROOT / "exercises" / NAME).is_dir()
