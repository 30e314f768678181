"""The commands, as an instructor types them: what they say, what they exit with, and what they refuse."""

import csv
import subprocess
import sys

import grade_with_stand_in
import pytest
from hand_in import ASSIGNMENT, ROOT, notebook, put

from grading import checks, cli, sandbox
from grading.course import Course


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a course of its own; return its exit code and what it said."""
    import os
    from pathlib import Path

    here = Path(__file__).resolve().parent
    monkeypatch.setenv("PYTHONPATH", f"{here}{os.pathsep}{ROOT}")
    monkeypatch.setattr(checks, "SELF_TEST", "fake_grader:green")
    monkeypatch.setattr(checks.in_own_process, "__defaults__", ("fake_grader:green",))
    from grading import pool

    monkeypatch.setitem(pool.run_here.__kwdefaults__, "function", "fake_grader:grade_notebook")
    monkeypatch.setattr(sandbox, "missing", lambda: "")

    def command(*arguments):
        code = cli.main(["--course", str(tmp_path / "course"), *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


@pytest.fixture
def hand_ins(tmp_path):
    files = {"ann.ipynb": notebook("GOOD all", "ann", "Mine."), "bob.ipynb": notebook("LOOK", "bob", "Mine.")}
    return put(tmp_path / "in", files)


def test_course_from_collecting_to_export(run, hand_ins, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\nann,Ann\nbob,Bob\ncleo,Cleo\n")
    assert run("collect", ASSIGNMENT, hand_ins, "--roster", roster)[0] == 0
    code, said = run("grade")
    assert code == 1  # bob's needs a look
    assert "2 graded, 2 brought into the gradebook" in said
    assert "a test cell was changed" in said
    assert "Nothing new to grade." in run("grade")[1]
    assert run("accept", "bob", ASSIGNMENT)[0] == 0
    assert run("grade")[0] == 0
    assert "2 pages" in run("feedback", "--provisional")[1]
    code, said = run("feedback")
    assert code == 1
    assert "2 earlier pages were withdrawn" in said
    code, said = run("export", "-o", tmp_path / "grades.csv")
    assert code == 0
    assert "3 lines" in said
    with open(tmp_path / "grades.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["needs manual grading"] * 2 + ["ungraded"]
    assert "needs manual grading" in run("explain", "Ann", ASSIGNMENT)[1]


def test_red_self_test_refuses(run, hand_ins, monkeypatch):
    run("collect", ASSIGNMENT, hand_ins)
    monkeypatch.setattr(checks.in_own_process, "__defaults__", ("fake_grader:red",))
    code, said = run("grade")
    assert code == 1
    assert "no network: a request was answered" in said
    assert "no torch" not in said
    code, said = run("selftest")
    assert code == 1
    assert "NO" in said


def test_self_test_that_tests_nothing_refuses(run, hand_ins, monkeypatch):
    run("collect", ASSIGNMENT, hand_ins)
    monkeypatch.setattr(checks, "in_own_process", lambda: [])
    assert "found nothing to test" in run("grade")[1]
    assert run("selftest")[0] == 1


def test_machine_without_a_sandbox_refuses_unless_told(run, hand_ins, monkeypatch):
    run("collect", ASSIGNMENT, hand_ins)
    monkeypatch.setattr(sandbox, "missing", lambda: "Grading needs bubblewrap.")
    code, said = run("grade")
    assert code == 1
    assert cli.UNSAFE in said
    code, said = run("grade", cli.UNSAFE)
    assert "WITHOUT A SANDBOX" in said
    assert "2 graded" in said
    assert "WITHOUT a sandbox" in run("explain", "ann", ASSIGNMENT)[1]


@pytest.mark.parametrize(
    ("platform", "bwrap", "said"),
    [("darwin", "x", "needs Linux"), ("linux", None, "apt install bubblewrap"), ("linux", "x", "")],
)
def test_what_is_missing_is_said(monkeypatch, platform, bwrap, said):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: bwrap)
    assert said in sandbox.missing()
    assert bool(sandbox.missing()) == bool(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["collect", "nowhere.zip"], "no file or folder nowhere.zip"),
        (["collect", ASSIGNMENT], "Name a folder"),
        (["grade", "99-nothing"], "No such assignment: 99-nothing. There are: "),
        (["explain", "nobody", ASSIGNMENT], "no student nobody"),
        (["grade", "--student", "nobody"], "no student nobody"),
        (["collect", ROOT / "README.md", "--due", "2026-10-01"], "--due needs to know for which assignment"),
    ],
)
def test_mistaken_command_is_explained(run, arguments, said):
    code, text = run(*arguments)
    assert code == 2
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "arguments", [["collect", "x", "--due", "soon"], ["grade", "--workers", "0"], ["frobnicate"], []]
)
def test_wrong_usage_exits_with_2(run, arguments):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)


def test_file_in_place_of_the_course_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["--course", str(tmp_path / "file"), "export"]) == 2
    assert "names a folder" in capsys.readouterr().err


def test_damaged_record_is_named(run, hand_ins, tmp_path):
    run("collect", ASSIGNMENT, hand_ins)
    (tmp_path / "course" / "students.json").write_text("{")
    code, said = run("export")
    assert code == 2
    assert "students.json" in said


def test_two_writers_do_not_meet(run, hand_ins, tmp_path):
    with Course(tmp_path / "course").one_writer():
        code, said = run("collect", ASSIGNMENT, hand_ins)
    assert code == 2
    assert "Another command" in said
    assert run("collect", ASSIGNMENT, hand_ins)[0] == 0


def test_course_is_nobody_elses_to_read(run, hand_ins, tmp_path):
    run("collect", ASSIGNMENT, hand_ins)
    assert (tmp_path / "course").stat().st_mode & 0o077 == 0


def test_command_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "grading", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    verbs = ("release", "collect", "grade", "accept", "feedback", "export", "explain", "selftest")
    assert all(verb in done.stdout for verb in verbs)
    assert callable(grade_with_stand_in.install)


def test_release_counts_as_handed_out(run, monkeypatch, tmp_path):
    from book import assignments

    asked = []
    monkeypatch.setattr(assignments, "main", lambda names: asked.append(names) or 0)
    assert run("release", ASSIGNMENT)[0] == 0
    assert asked == [[ASSIGNMENT]]
    assert Course(tmp_path / "course").assignments() == [ASSIGNMENT]
