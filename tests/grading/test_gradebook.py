"""What people gave stays, what isn't proven is no zero, and the gradebook, the export, and the account agree."""

import csv
import json
from datetime import UTC, datetime
from functools import cache

import nbformat
import pytest
from fake_grader import grade_notebook
from hand_in import ASSIGNMENT, notebook, put

from grading import gradebook, handins, results
from grading.collect import Collector
from grading.course import Course
from grading.explain import explain
from grading.export import export
from grading.sources import Assignment
from grading.standing import GRADED, LOOK, MANUAL, UNGRADED, Score, standing

nbgrader_api = pytest.importorskip("nbgrader.api")

SOURCE = Assignment(ASSIGNMENT)
TESTS = [cell for cell in SOURCE.graded if not cell.manual]
WRITTEN = [cell for cell in SOURCE.graded if cell.manual]
AUTOMATIC = sum(cell.points for cell in TESTS)
FIRST = TESTS[0].id
ALEMBIC_VERSION = cache(nbgrader_api.get_alembic_version)


class Class:
    """A course whose hand-ins are graded by the stand-in."""

    def __init__(self, root):
        self.root, self.course, self.time = root, Course(root / "course"), 1e9

    def hand_in(self, student, text="", answer="My answer.", grade=True, **options):
        """Collect and grade a hand-in, newer than all before."""
        self.time += 60
        files = {f"{student}.ipynb": notebook(text, student, answer, **options)}
        Collector(self.course, ASSIGNMENT).collect(put(self.root / str(self.time), files, self.time))
        if grade:
            self.grade()

    def grade(self, **options):
        """Grade what is new; return how many that was."""
        jobs = results.jobs(self.course, [ASSIGNMENT], **options)
        for job in jobs:
            results.save(self.course, job, grade_notebook(job.task.source, job.task.submission))
        gradebook.merge(self.course, [ASSIGNMENT])
        return len(jobs)

    def by_hand(self, student, scores, comment="", flagged=False):
        """Give points as formgrader does."""
        with self.course.open_gradebook() as book:
            for cell, score in scores.items():
                grade = book.find_grade(cell, ASSIGNMENT, ASSIGNMENT, student)
                grade.manual_score, grade.needs_manual_grade = score, flagged
            if comment:
                book.find_comment(WRITTEN[0].id, ASSIGNMENT, ASSIGNMENT, student).manual_comment = comment
            book.db.commit()

    def standing(self, student):
        return standing(self.course, ASSIGNMENT, student)

    def exported(self, tmp="grades.csv"):
        """The exported rows by student."""
        export(self.course, self.root / tmp)
        with open(self.root / tmp, encoding="utf-8-sig", newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture
def school(tmp_path, monkeypatch):
    # A fresh gradebook asks alembic for its version, which takes seconds; it is the same for all of them.
    monkeypatch.setattr(nbgrader_api, "get_alembic_version", ALEMBIC_VERSION)
    return Class(tmp_path)


pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def test_written_answer_waits_for_a_person_and_then_the_total_is_final(school):
    school.hand_in("ann", "GOOD all")
    assert school.standing("ann").state == MANUAL
    assert school.exported()["ann"]["total"] == ""
    assert "not read yet" in explain(school.course, "ann", ASSIGNMENT)
    school.by_hand("ann", {WRITTEN[0].id: 4.5}, "Well argued.")
    assert "read by a person; 4.5 given by hand" in explain(school.course, "ann", ASSIGNMENT)
    made = school.standing("ann")
    assert (made.state, made.total, made.manual) == (GRADED, AUTOMATIC + 4.5, 4.5)
    row = school.exported()["ann"]
    assert (row["total"], row["manual"], row["state"]) == (f"{AUTOMATIC + 4.5}", "4.5", "graded")
    questions = [float(row[f"question {n}"]) for n in range(1, len(SOURCE.questions) + 1)]
    assert sum(questions) + float(row["manual"]) == float(row["total"])


def test_zero_that_nobody_gave_is_not_called_read():
    assert Score("which", "Question 5", 6.0, True, value=0.0, automatic=0.0).reading == "not answered"
    assert Score("which", "Question 5", 6.0, True, value=0.0, by_hand=0.0).reading == "read by a person"


def test_nbgrader_sees_the_same_points(school):
    school.hand_in("ann", f"GOOD {FIRST} ")
    school.by_hand("ann", {WRITTEN[0].id: 2})
    with school.course.open_gradebook() as book:
        submission = book.find_submission(ASSIGNMENT, "ann")
        assert submission.score == TESTS[0].points + 2
        assert submission.max_score == SOURCE.points
        assert not submission.needs_manual_grade


def test_what_was_given_by_hand_survives_a_new_run(school):
    school.hand_in("ann", f"GOOD {FIRST} ")
    school.by_hand("ann", {WRITTEN[0].id: 3, TESTS[1].id: 0.5}, "Kept?")
    assert school.grade(again=True) == 1
    made = school.standing("ann")
    assert made.state == GRADED
    assert made.total == TESTS[0].points + 3 + 0.5
    assert next(score.comment for score in made.scores if score.manual) == "Kept?"


def test_changed_answer_flags_what_was_given_for_it(school):
    school.hand_in("ann", "GOOD all")
    school.by_hand("ann", {WRITTEN[0].id: 3})
    school.hand_in("ann", "GOOD all", answer="Quite another answer.")
    made = school.standing("ann")
    assert made.state == MANUAL
    assert [score.by_hand for score in made.scores if score.manual] == [3]
    school.by_hand("ann", {WRITTEN[0].id: 3})
    assert school.standing("ann").state == GRADED


def test_changed_code_flags_points_given_for_a_test(school):
    school.hand_in("ann", answers={SOURCE.cells[-1].id: ""})
    school.by_hand("ann", {FIRST: 1, WRITTEN[0].id: 1})
    solution = next(c for c in SOURCE.cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("solution"))
    school.hand_in("ann", answers={solution.id: "def changed(): ..."})
    made = school.standing("ann")
    assert made.state == LOOK
    assert FIRST in made.reasons[0]


def test_unchanged_answer_keeps_its_points_when_only_code_changed(school):
    school.hand_in("ann")
    school.by_hand("ann", {WRITTEN[0].id: 3})
    school.hand_in("ann", "GOOD all")
    assert school.standing("ann").total == AUTOMATIC + 3


def test_unproven_score_is_blank_and_never_zero(school):
    school.hand_in("ann", "UNREADABLE")
    row = school.exported()["ann"]
    assert (row["state"], row["reason"], row["total"], row["question 1"]) == (
        UNGRADED,
        "no cell of the assignment is in it",
        "",
        "",
    )
    with school.course.open_gradebook() as book:
        grades = book.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, "ann").grades
        assert {(grade.auto_score, grade.needs_manual_grade) for grade in grades} == {(None, True)}


def test_ungraded_can_be_settled_by_hand(school):
    school.hand_in("ann", "UNREADABLE")
    school.by_hand("ann", {cell.id: cell.points for cell in SOURCE.graded})
    assert school.standing("ann").total == SOURCE.points


def test_needs_a_look_is_a_proposal_until_accepted(school):
    school.hand_in("ann", "LOOK GOOD all")
    assert school.exported()["ann"]["total"] == ""
    assert school.standing("ann").reasons == ["a test cell was changed"]
    gradebook.accept(school.course, ASSIGNMENT, "ann")
    assert school.standing("ann").state == MANUAL
    school.by_hand("ann", {WRITTEN[0].id: 6})
    assert school.standing("ann").total == SOURCE.points


def test_nothing_to_accept_is_said(school):
    school.hand_in("ann", "UNREADABLE")
    with pytest.raises(ValueError, match="No score is proposed"):
        gradebook.accept(school.course, ASSIGNMENT, "ann")
    with pytest.raises(ValueError, match="nothing graded"):
        gradebook.accept(school.course, ASSIGNMENT, "nobody")


def test_roster_member_without_hand_in_is_ungraded(school):
    school.hand_in("ann", "GOOD all")
    school.course.students.enrol([{"id": "s9", "name": "Nobody Yet", "email": "", "number": ""}])
    row = school.exported()["s9"]
    assert (row["state"], row["reason"], row["total"]) == (UNGRADED, "nothing handed in", "")


def test_newer_hand_in_is_not_hidden_by_the_old_grade(school):
    school.hand_in("ann", "GOOD all")
    school.by_hand("ann", {WRITTEN[0].id: 6})
    school.hand_in("ann", "now different", grade=False)
    made = school.standing("ann")
    assert (made.state, made.reasons, made.total) == (UNGRADED, ["not graded yet"], None)


def test_unreadable_hand_in_after_a_good_one_needs_a_look(school):
    school.hand_in("ann", "GOOD all")
    school.by_hand("ann", {WRITTEN[0].id: 6})
    Collector(school.course, ASSIGNMENT).collect(put(school.root / "late", {"ann.ipynb": b"{"}, school.time + 99))
    made = school.standing("ann")
    assert made.state == LOOK
    assert "a later hand-in" in made.reasons[0]
    gradebook.accept(school.course, ASSIGNMENT, "ann")
    assert school.standing("ann").state == GRADED


def test_two_hand_ins_of_one_time_need_a_look(school):
    files = {f"ann/{name}.ipynb": notebook(name, "ann") for name in ("one", "two")}
    Collector(school.course, ASSIGNMENT).collect(put(school.root / "both", {**files, "bob/x.ipynb": notebook()}, 1e9))
    school.grade()
    assert "same time" in school.standing("ann").reasons[0]
    assert school.standing("bob").state == MANUAL


def test_late_is_marked_and_graded(school):
    school.course.set_due(ASSIGNMENT, datetime.fromtimestamp(1e9, UTC))
    school.hand_in("ann", "GOOD all")
    school.by_hand("ann", {WRITTEN[0].id: 6})
    row = school.exported()["ann"]
    assert (row["late"], row["state"], float(row["total"])) == ("late", GRADED, SOURCE.points)
    with school.course.open_gradebook() as book:
        assert book.find_submission(ASSIGNMENT, "ann").total_seconds_late == 60


def test_unchanged_submission_is_not_graded_again(school):
    school.hand_in("ann")
    assert school.grade() == 0
    assert school.grade(again=True) == 1
    assert school.grade(student="bob", again=True) == 0


def test_result_without_a_sandbox_does_not_pass_for_one_with(school):
    school.hand_in("ann", grade=False)
    (job,) = results.jobs(school.course, [ASSIGNMENT], sandboxed=False)
    results.save(school.course, job, grade_notebook(job.task.source, job.task.submission))
    assert results.jobs(school.course, [ASSIGNMENT], sandboxed=False) == []
    assert len(results.jobs(school.course, [ASSIGNMENT])) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r["cells"][FIRST].update(score=99.0),
        lambda r: r["cells"][FIRST].update(score=-1.0),
        lambda r: r["cells"][FIRST].update(score=float("nan")),
        lambda r: r["cells"][FIRST].update(score="1"),
        lambda r: r["cells"][FIRST].update(score=None),
        lambda r: r["cells"].pop(FIRST),
        lambda r: r["cells"].update(extra={"score": 1.0}),
        lambda r: r.update(state="fine"),
        lambda r: r.update(cells=None),
    ],
)
def test_impossible_result_is_ungraded(school, spoil):
    school.hand_in("ann", grade=False)
    (job,) = results.jobs(school.course, [ASSIGNMENT])
    result = grade_notebook(job.task.source, job.task.submission)
    assert results.wrong(result, SOURCE) == ""
    spoil(result)
    results.save(school.course, job, result)
    gradebook.merge(school.course, [ASSIGNMENT])
    made = school.standing("ann")
    assert made.state == UNGRADED
    assert "the grader returned" in made.reasons[0]


def test_merge_is_done_once_and_can_be_repeated(school):
    school.hand_in("ann", "GOOD all")
    assert gradebook.merge(school.course, [ASSIGNMENT]) == 0
    (school.course.root / "merged" / ASSIGNMENT / "ann.json").unlink()  # as after a kill between the two writes
    assert gradebook.merge(school.course, [ASSIGNMENT]) == 1
    assert school.standing("ann").state == MANUAL


def test_source_may_gain_a_test_but_not_lose_points_given_by_hand(school, monkeypatch):
    school.hand_in("ann", "GOOD all")
    school.by_hand("ann", {FIRST: 1})
    changed = Assignment(ASSIGNMENT)
    cell = nbformat.from_dict(json.loads(json.dumps(next(c for c in SOURCE.cells if c.id == FIRST))))
    cell.id = cell.metadata.nbgrader.grade_id = "extra-test"
    changed.cells = [*SOURCE.cells, cell]
    with school.course.open_gradebook() as book:
        gradebook.register(book, school.course, changed)
        assert book.find_grade("extra-test", ASSIGNMENT, ASSIGNMENT, "ann").auto_score is None
        gradebook.register(book, school.course, SOURCE)
        with pytest.raises(nbgrader_api.MissingEntry):
            book.find_grade("extra-test", ASSIGNMENT, ASSIGNMENT, "ann")
        lost = Assignment(ASSIGNMENT)
        lost.cells = [cell for cell in SOURCE.cells if cell.id != FIRST]
        with pytest.raises(ValueError, match=f"has lost its cell {FIRST}"):
            gradebook.register(book, school.course, lost)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x", "  =1", "＝1", "\t=1"])
def test_export_holds_no_formula(school, name):
    school.hand_in("ann", grade=False)
    school.course.students.enrol([{"id": name, "name": name, "email": "", "number": ""}])
    export(school.course, school.root / "g.csv")
    with open(school.root / "g.csv", encoding="utf-8-sig", newline="") as file:
        fields = [field for row in csv.reader(file) for field in row]
    assert any(name.strip() in field for field in fields)
    assert not [field for field in fields if field.strip()[:1] in ("=", "+", "-", "@", "＝")]


def test_explain_tells_all_and_controls_no_terminal(school):
    school.course.set_due(ASSIGNMENT, datetime(2001, 9, 9, tzinfo=UTC))
    school.hand_in("ann", "first")
    school.hand_in("ann", f"GOOD {FIRST} ")
    school.by_hand("ann", {WRITTEN[0].id: 2.5, TESTS[1].id: 1}, "Read \x1b[2Jit again.")
    text = explain(school.course, "ann", ASSIGNMENT)
    assert f"2.5 (by a person) = {TESTS[0].points + 3.5} of" in " ".join(text.split())
    assert text.count(".ipynb") == 2
    assert "this one counts; late" in text
    assert "The value is 1, expected <2>." in text
    assert "1 given by hand instead of 0 by the tests" in text
    assert "\x1b" not in text
    assert "Read it again." in text


def test_nbgraders_autograder_refuses_in_this_course(school, monkeypatch):
    """Formgrader has a button for it, and it would run the submission without a sandbox."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    school.hand_in("ann", "GOOD all")
    monkeypatch.chdir(school.course.root)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(school.course.root)).load_config()
    api = NbGraderAPI(config=config)
    graded = school.course.notebook("autograded", "ann", ASSIGNMENT)
    before = graded.read_bytes()
    result = api.autograde(ASSIGNMENT, "ann")
    assert not result["success"]
    assert "python -m grading grade" in result["error"]
    assert graded.read_bytes() == before


def test_nbgraders_own_feedback_runs(school, monkeypatch):
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    school.hand_in("ann", f"GOOD {FIRST} <script>window.pwned = 1</script>")
    school.by_hand("ann", {WRITTEN[0].id: 2.5}, "Well argued.")
    monkeypatch.chdir(school.course.root)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(school.course.root)).load_config()
    result = NbGraderAPI(config=config).generate_feedback(ASSIGNMENT, "ann")
    assert result["success"], result
    html = (school.course.root / "feedback/ann" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text("utf-8")
    assert "Well argued." in html
    assert f"Score: {TESTS[0].points + 2.5}" in html
    assert "<script>window.pwned" not in html


def test_records_of_two_students_do_not_mix(school):
    school.hand_in("ann", "GOOD all")
    school.hand_in("bob", "")
    assert {s: school.standing(s).question(SOURCE.questions[0]) for s in ("ann", "bob")} == {
        "ann": sum(cell.points for cell in TESTS if cell.question == SOURCE.questions[0]),
        "bob": 0,
    }
    assert handins.load(school.course, "ann", ASSIGNMENT)[0].student == "ann"
