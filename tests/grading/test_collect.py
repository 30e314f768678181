"""Collecting: every platform's names are understood, nothing hostile is followed, nothing lost, nobody guessed."""

import json
import os
import stat
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from hand_in import ASSIGNMENT, EXERCISE, notebook, put, stripped, zipped

from grading import handins, intake
from grading.attribution import claim
from grading.collect import Collector
from grading.course import Course
from grading.formats import NotANotebook, read_cells
from grading.recognize import recognize
from grading.sources import Assignment, names
from grading.students import make_slug, read_roster, words

NOTEBOOK = EXERCISE.encode()
FILE = f"{ASSIGNMENT}.ipynb"


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "course")


def collect(course, source, assignment="", student=""):
    return Collector(course, assignment, student).collect(source)


def submitted(course):
    """Who has something to be graded."""
    return course.submissions(ASSIGNMENT)


def write(tmp_path, content, name="class.zip"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


# Whose is it?

MOODLE = "Jane Doe_4711_assignsubmission_file_"


@pytest.mark.parametrize(
    ("path", "who"),
    [
        (f"{MOODLE}/{FILE}", "Jane Doe"),
        (f"{MOODLE}{FILE}", "Jane Doe"),
        (f"{MOODLE}/sub/folder/x.ipynb", "Jane Doe"),
        (f"doejane_LATE_1234_5678_{FILE}", "doejane"),
        (f"doejane_1234_5678_{FILE}", "doejane"),
        ("doejane_1234_5678_hw/x.ipynb", "doejane"),
        (f"jane/{FILE}", "jane"),
        (f"jane/{ASSIGNMENT}/{FILE}", "jane"),
        (f"{ASSIGNMENT}/jane/{FILE}", "jane"),
        (f"submitted/jane/{ASSIGNMENT}/{FILE}", "jane"),
        ("Assignment 6/jane/x.ipynb", "jane"),
        ("jane.ipynb", "jane"),
        ("jane (2).ipynb", "jane"),
        ("jane.doe.ipynb.txt", "jane.doe"),
        (f"{ASSIGNMENT}_jane.ipynb", "jane"),
        (f"jane-{ASSIGNMENT}-final (1).ipynb", "jane"),
        (FILE, None),
        (f"{ASSIGNMENT} (3).ipynb", None),
    ],
)
def test_path_says_whose_it_is(path, who):
    found = claim(tuple(path.split("/")), [ASSIGNMENT])
    assert (found and found.who) == who


def test_late_mark_of_canvas_is_seen():
    assert claim((f"doejane_LATE_12_345_{FILE}",), [ASSIGNMENT]).late
    assert not claim((f"doejane_12_345_{FILE}",), [ASSIGNMENT]).late


@pytest.mark.parametrize("wrapper", ["", "Course 101 - all/"])
@pytest.mark.parametrize(
    "template", ["{}_1{}_assignsubmission_file_/x.ipynb", "{}_1{}_22{}_x.ipynb", "{}/hand-in.ipynb", "{}.ipynb"]
)
def test_class_is_collected_from_archive_and_folder(course, tmp_path, template, wrapper):
    files = {
        wrapper + template.format(name, n, n): notebook(who=name) for n, name in enumerate(["ann", "bob", "cleo"], 10)
    }
    rows = collect(course, write(tmp_path, zipped(files)))
    assert {row.state for row in rows} == {"collected"}
    assert submitted(course) == ["ann", "bob", "cleo"]
    again = collect(course, put(tmp_path / "folder", files))
    assert {row.state for row in again} == {"known"}
    for name in ("ann", "bob", "cleo"):
        kept = json.loads(course.notebook("submitted", name, ASSIGNMENT).read_bytes())
        assert kept["metadata"]["who"] == name


def test_roster_finds_people_by_every_name_they_go_by(course, tmp_path):
    roster = write(
        tmp_path,
        "Student ID;First name;Surname;Email address\n"
        "s001;Jane;Doe;jd@x.org\ns002;Zoë;de la Cruz;zoe@x.org\ns003;Li;Wei;liwei@x.org\n".encode(),
        "r.csv",
    )
    course.students.enrol(read_roster(roster))
    files = {
        f"Jane Doe_1_assignsubmission_file_/{FILE}": notebook(who="1"),
        "delacruzzoe_77_88_x.ipynb": notebook(who="2"),
        "Wei, Li/x.ipynb": notebook(who="3"),
        "mallory/x.ipynb": notebook(who="4"),
    }
    rows = collect(course, put(tmp_path / "in", files))
    assert submitted(course) == ["s001", "s002", "s003"]
    assert [(row.student, row.note) for row in rows if row.state == "set aside"] == [
        ("mallory", "nobody in the roster is called 'mallory'")
    ]


def test_two_of_one_name_are_not_one_person(course, tmp_path):
    """The newest would win, and the other's work would vanish."""
    files = {f"Jane Doe_{n}_assignsubmission_file_/x.ipynb": notebook(who=str(n)) for n in (1, 2)}
    rows = collect(course, put(tmp_path / "in", files))
    assert submitted(course) == []
    assert all(row.state == "set aside" and "two people" in row.note for row in rows)


def test_canvas_number_tells_namesakes_apart_later(course, tmp_path):
    collect(course, put(tmp_path / "a", {"doej_111_55_x.ipynb": notebook(who="1")}))
    rows = collect(course, put(tmp_path / "b", {"doej_222_66_x.ipynb": notebook(who="2")}))
    assert rows[0].state == "set aside"
    assert "another" in rows[0].note


def test_unknown_owner_is_set_aside_and_kept_and_can_be_named(course, tmp_path):
    source = put(tmp_path / "in", {FILE: NOTEBOOK})
    (row,) = collect(course, source)
    assert row.state == "set aside"
    assert "--as" in row.note
    (kept,) = (course.root / "set-aside").glob("*.bin")
    assert kept.read_bytes() == NOTEBOOK
    collect(course, source / FILE, student="jane")
    assert submitted(course) == ["jane"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>", "a" * 300, "..", "CON", "王小明", "a\x00b\x1b[2J"]
)
def test_dangerous_name_becomes_a_safe_folder_and_is_kept(course, tmp_path, name):
    student = course.students.add(name)
    assert student.slug == make_slug(name)
    assert set(student.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(student.slug) < 60
    assert Course(course.root).students[student.slug].id == name


def test_two_names_never_share_a_folder(course):
    slugs = [course.students.add(name).slug for name in ("Ann B", "ann-b", "ann.b", "Änn B", "王", "李")]
    assert len(set(slugs)) == 6


@pytest.mark.parametrize(
    ("text", "message"), [("name\nx\n", "no column for the student's id"), ("id\ns1\ns1\n", "lists s1 more than once")]
)
def test_wrong_roster_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_roster(write(tmp_path, text.encode(), "r.csv"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_roster_of_any_encoding_is_read(tmp_path, encoding):
    (entry,) = read_roster(write(tmp_path, "ID\tName\ns1\tJosé Müller\n".encode(encoding), "r.csv"))
    assert entry["name"] == "José Müller"


def test_words_of_a_name():
    assert words("Doe, Jané-Ann_X.") == ("doe", "jane", "ann", "x")


# What is it?


def test_assignment_is_known_by_content(course, tmp_path):
    files = {"ann.dat": NOTEBOOK, "bob.json": stripped(NOTEBOOK), "cleo": b"\xef\xbb\xbf" + NOTEBOOK}
    rows = collect(course, put(tmp_path / "in", files))
    assert {row.assignment for row in rows} == {ASSIGNMENT}
    assert submitted(course) == ["ann", "bob", "cleo"]


def test_every_assignment_is_told_from_the_others():
    assignments = [Assignment(name) for name in names()]
    for assignment in assignments:
        for cells in (
            json.loads(assignment.text)["cells"],
            json.loads(stripped(assignment.text.encode()))["cells"],
        ):
            assert recognize(cells, assignments) == (assignment.name, "")


def test_old_format_is_read():
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y"]}]}]}
    (cell,) = read_cells(json.dumps(old).encode())
    assert cell["input"] == ["x = 1\n", "y"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"  \n", "an empty file"),
        (b"%PDF-1.7", "not a notebook: not JSON"),
        (b"[1, 2]", "not a notebook: JSON of another kind"),
        (b'{"a": 1}', "not a notebook: JSON without cells"),
        (b'{"cells": []}', "a notebook without cells"),
        (b"[" * 100_000, "not a notebook: nested too deeply"),
    ],
)
def test_what_is_no_notebook_says_what_it_is(content, reason):
    with pytest.raises(NotANotebook, match=reason):
        read_cells(content)


def test_unreadable_hand_in_of_a_known_student_is_on_record(course, tmp_path):
    files = {"ann/x.ipynb": notebook(who="a"), "bob/x.ipynb": b"{ broken", "cleo/report.pdf": b"%PDF"}
    rows = collect(course, put(tmp_path / "in", files))
    assert submitted(course) == ["ann"]
    assert {row.student: row.note for row in rows if row.state == "set aside"} == {
        "bob": "not a notebook: not JSON",
        "cleo": "not a notebook: not JSON",
    }
    (record,) = handins.load(course, "bob", ASSIGNMENT)
    assert record.problem == "not a notebook: not JSON"


def test_data_file_beside_the_notebook_is_no_failed_hand_in(course, tmp_path):
    collect(course, put(tmp_path / "in", {"ann/x.ipynb": NOTEBOOK, "ann/data.csv": b"1,2"}))
    (record,) = handins.load(course, "ann", ASSIGNMENT)
    assert not record.problem


def test_named_assignment_decides_where_content_does_not(course, tmp_path):
    own = json.dumps({"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}}]}).encode()
    source = put(tmp_path / "in", {"ann.ipynb": own})
    (row,) = collect(course, source)
    assert row.note == "not from any assignment of this course"
    (row,) = collect(course, source, assignment=ASSIGNMENT)
    assert row.state == "collected"


# Which counts?


def test_newest_counts_and_no_other_is_lost(course, tmp_path):
    start = datetime(2026, 10, 1, tzinfo=UTC)
    for day, who in ((2, "second"), (1, "first"), (3, "third")):
        files = {"ann.ipynb": notebook(who=who)}
        collect(course, put(tmp_path / who, files, (start + timedelta(days=day)).timestamp()))
    records = handins.load(course, "ann", ASSIGNMENT)
    assert [record.time.day for record in records] == [4, 3, 2]
    assert json.loads(course.notebook("submitted", "ann", ASSIGNMENT).read_bytes())["metadata"]["who"] == "third"
    assert len(list((course.root / "collected/ann" / ASSIGNMENT).glob("*.ipynb"))) == 3
    stamp = (course.notebook("submitted", "ann", ASSIGNMENT).parent / "timestamp.txt").read_text()
    assert stamp == "2026-10-04 00:00:00.000000 UTC\n"


def test_same_file_again_keeps_its_earlier_time(course, tmp_path):
    """Who hands in once more, after the due time, what was in time, isn't late."""
    for time in (2e9, 1e9, 1.5e9):
        collect(course, put(tmp_path / str(time), {"ann.ipynb": NOTEBOOK}, time))
    (record,) = handins.load(course, "ann", ASSIGNMENT)
    assert record.time.timestamp() == 1e9


def test_nbgraders_own_time_is_read(course, tmp_path):
    files = {f"ann/{ASSIGNMENT}/{FILE}": NOTEBOOK, f"ann/{ASSIGNMENT}/timestamp.txt": b"2026-03-01 10:00:00.5 UTC\n"}
    collect(course, put(tmp_path / "in", files))
    (record,) = handins.load(course, "ann", ASSIGNMENT)
    assert record.time == datetime(2026, 3, 1, 10, 0, 0, 500_000, UTC)


def test_late_is_marked_not_refused(course, tmp_path):
    course.set_due(ASSIGNMENT, datetime(2026, 9, 30, 12, tzinfo=UTC))
    files = {"ann.ipynb": notebook(who="a"), "bob_LATE_12_13_x.ipynb": notebook(who="b")}
    rows = collect(course, write(tmp_path, zipped(files)))
    assert [row.note for row in rows] == ["late", "late"]
    assert submitted(course) == ["ann", "bob"]


# Hostile archives

GOOD = {"ann/x.ipynb": NOTEBOOK}


@pytest.mark.parametrize(
    "name",
    ["../../escape.ipynb", "/etc/escape.ipynb", "C:\\escape.ipynb", "..\\escape.ipynb", "bob/../../escape.ipynb"],
)
def test_path_out_of_the_archive_is_refused(course, tmp_path, name):
    rows = collect(course, write(tmp_path, zipped({**GOOD, name: notebook(who="evil")})))
    assert [row.note for row in rows if row.state == "set aside"] == ["its path leads out of the archive"]
    assert submitted(course) == ["ann"]
    assert not [path for path in tmp_path.rglob("escape*")]


def test_link_in_archive_and_in_folder_is_not_followed(course, tmp_path):
    secret = write(tmp_path, NOTEBOOK, "secret.ipynb")

    def link(info):
        if "bob" in info.filename:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    rows = collect(course, write(tmp_path, zipped({**GOOD, "bob/x.ipynb": str(secret).encode()}, edit=link)))
    assert "a symbolic link, which isn't followed" in [row.note for row in rows]
    folder = put(tmp_path / "in", GOOD)
    (folder / "bob").mkdir()
    (folder / "bob" / "x.ipynb").symlink_to(secret)
    (folder / "cleo").symlink_to(tmp_path)
    rows = collect(course, folder)
    assert [row.note for row in rows if row.state == "set aside"] == ["a symbolic link, which isn't followed"] * 2
    assert submitted(course) == ["ann"]


def test_pipe_does_not_hang(course, tmp_path):
    folder = put(tmp_path / "in", GOOD)
    os.mkfifo(folder / "pipe.ipynb")
    rows = collect(course, folder)
    assert [row.note for row in rows if row.state == "set aside"] == ["not a regular file"]


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("ONE_FILE", 20_000_000, "larger than"),
        ("WHOLE_ARCHIVE", 20_000_000, "the archive unpacks to more than"),
        ("RATIO_FROM", 1_000_000, "times its size"),
    ],
)
def test_bomb_is_counted_while_it_unpacks(course, tmp_path, monkeypatch, limit, value, reason):
    monkeypatch.setattr(intake, limit, value)
    archive = zipped({"ann/x.ipynb": NOTEBOOK, "bob/x.ipynb": b"0" * 30_000_000})
    rows = collect(course, write(tmp_path, archive))
    assert [reason in row.note for row in rows if row.state == "set aside"] == [True]
    assert submitted(course) == ["ann"]


def test_lie_about_the_size_is_found(course, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "ONE_FILE", 1_000_000)
    archive = bytearray(zipped({"bob/x.ipynb": b"0" * 3_000_000}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # where the unpacked size stands
        at = archive.rindex(mark)
        archive[at + offset : at + offset + 4] = (100).to_bytes(4, "little")
    rows = collect(course, write(tmp_path, bytes(archive)))
    assert [row.state for row in rows] == ["set aside"]


def test_archive_in_archive_is_opened_once(course, tmp_path):
    inner = zipped({"x.ipynb": notebook(who="ann"), "__MACOSX/._x.ipynb": b"junk"})
    deep = zipped({"more.zip": zipped({"x.ipynb": notebook(who="bob")})})
    rows = collect(course, write(tmp_path, zipped({"ann.zip": inner, "bob.zip": deep, "cleo/x.ipynb": NOTEBOOK})))
    assert submitted(course) == ["ann", "cleo"]
    assert ["not JSON" in row.note for row in rows if row.student == "bob"] == [True]


@pytest.mark.parametrize("content", [b"PK\x03\x04 broken", b"", zipped(GOOD)[:-30]])
def test_broken_inner_archive_is_listed(course, tmp_path, content):
    rows = collect(course, put(tmp_path / "in", {**GOOD, "bob/work.zip": content}))
    assert [(row.student, row.note) for row in rows if row.state == "set aside"] == [("bob", "a damaged archive")]


def test_encrypted_and_damaged_entries_are_listed(course, tmp_path):
    archive = bytearray(zipped({**GOOD, "bob/x.ipynb": os.urandom(100)}))
    at = archive.rindex(b"PK\x01\x02")
    archive[at + 16 : at + 20] = b"\0\0\0\0"  # its checksum
    rows = collect(course, write(tmp_path, bytes(archive)))
    assert ["damaged" in row.note for row in rows if row.state == "set aside"] == [True]
    archive[at + 8] |= 1  # says that it is encrypted
    rows = collect(course, write(tmp_path, bytes(archive), "b.zip"))
    assert [row.note for row in rows if row.state == "set aside"] == ["encrypted"]


def test_junk_of_editors_and_systems_is_ignored(course, tmp_path):
    junk = (
        "__MACOSX/ann/._x.ipynb",
        ".ipynb_checkpoints/x.ipynb",
        "ann/.DS_Store",
        "ann/.ipynb_checkpoints/x-checkpoint.ipynb",
    )
    rows = collect(course, put(tmp_path / "in", {**GOOD, **dict.fromkeys(junk, notebook(who="junk"))}))
    assert [row.state for row in rows] == ["collected"]


def test_names_of_other_encodings_are_read(course, tmp_path):
    folder = put(tmp_path / "in", GOOD)
    (folder / os.fsdecode(b"Bj\xf6rn")).mkdir()  # Latin-1
    (folder / os.fsdecode(b"Bj\xf6rn") / "x.ipynb").write_bytes(notebook(who="b"))
    rows = collect(course, folder)
    assert [row.state for row in rows] == ["collected"] * 2

    def unmarked(info):
        info.flag_bits = 0

    name = "Bjørn/x.ipynb".encode().decode("cp437")
    archive = zipped({name: notebook(who="c"), "cleo/x.ipynb": notebook(who="d")}, edit=unmarked)
    archive = archive.replace(name.encode(), name.encode("cp437"))
    with zipfile.ZipFile(write(tmp_path, zipped({"Bjørn/x.ipynb": b"x"}))) as check:
        assert check.namelist() == ["Bjørn/x.ipynb"]
    collect(course, tmp_path / "class.zip")
    assert any(student.id == "Bjørn" for student in course.students)


def test_missing_source_is_named(course, tmp_path):
    with pytest.raises(ValueError, match="no file or folder"):
        collect(course, tmp_path / "nothing.zip")
