"""Run a graded course: hand out, collect, grade, give feedback, export, explain.

The course lives in a folder of its own, which is an nbgrader course: start ``nbgrader formgrader`` there to read
written answers and give points by hand. The appendix "Running a course" walks through everything.
"""

import argparse
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from tqdm import tqdm

from grading import checks, collect, results, sandbox, sources
from grading.course import Course
from grading.limits import SandboxError
from grading.students import read_roster
from grading.text import one_line, table

DONE, PROBLEM, USAGE, INTERRUPTED = 0, 1, 2, 130
UNSAFE = "--without-sandbox-i-trust-every-submission"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 something is left to do, 2 wrong usage, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    except SandboxError as error:
        print(f"Nothing is graded without a sandbox that holds.\n{error}", file=sys.stderr)
        return PROBLEM
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE


def _parser():
    parser = argparse.ArgumentParser(prog="python -m grading", description=__doc__.split("\n")[0])
    parser.add_argument("--course", type=Path, default=Path("course"), help="the course's folder (default: course/)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, run, help):
        made = verbs.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        # Also after the verb, where people look for it first.
        made.add_argument("--course", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    made = verb("release", release, "write the student versions of assignments, and count them as handed out")
    made.add_argument("assignment", nargs="*", help="assignments (default: all)")
    made = verb("collect", collect_sources, "take in hand-ins, whatever platform they come from")
    made.add_argument(
        "source", nargs="+", help="folders, zip files, or notebooks; before them, an assignment if all are for it"
    )
    made.add_argument("--roster", type=Path, help="CSV file of the students: id, name, and perhaps email, LMS id")
    made.add_argument("--as", dest="student", default="", metavar="STUDENT", help="all of it is this student's")
    made.add_argument("--due", type=_time, help="until when it had to be handed in: 2026-10-01T18:00 or with +02:00")
    made = verb("grade", grade, "grade what was collected and isn't graded yet")
    made.add_argument("assignment", nargs="*", help="assignments (default: all of the course)")
    made.add_argument("--student", default="", help="only this student's")
    made.add_argument("--again", action="store_true", help="also what is graded already")
    made.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the work")
    made.add_argument("--workers", type=_positive, help="processes on this machine (default: one for each core)")
    made.add_argument(
        UNSAFE, dest="unsafe", action="store_true", help="run submissions as yourself, with all that you may do"
    )
    made = verb("accept", accept, "take the proposed scores of a hand-in that needs a look for final")
    made.add_argument("student")
    made.add_argument("assignment")
    made = verb("feedback", feedback, "write a page for each student whose grade is final")
    made.add_argument("assignment", nargs="*", help="assignments (default: all of the course)")
    made.add_argument("--provisional", action="store_true", help="also where written answers are still to be read")
    made = verb("export", export, "write everybody's grades to a CSV file")
    made.add_argument("assignment", nargs="*", help="assignments (default: all of the course)")
    made.add_argument("-o", "--output", type=Path, help="the file (default: grades.csv in the course's folder)")
    made = verb("explain", explain, "say how a grade came about")
    made.add_argument("student")
    made.add_argument("assignment")
    verb("selftest", selftest, "prove that the sandbox of this machine holds")
    return parser


def _time(text):
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it like 2026-10-01T18:00") from None


def _positive(text):
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def progress(items, **options):
    """Wrap an iterable in a progress bar, which is silent where standard error isn't a terminal."""
    return tqdm(items, disable=None, leave=False, **options)


def release(options) -> int:
    """Write exercises/ from solutions/."""
    from book import assignments

    course = Course(options.course)
    code = assignments.main(options.assignment)
    if code == 0:
        course.add_released(options.assignment or assignments.names())
        print("The student versions are in exercises/.")
    return code


def collect_sources(options) -> int:
    """Take in hand-ins; list what couldn't be attributed."""
    course = Course(options.course)
    given, assignment = list(options.source), ""
    if given[0] in sources.names(course.solutions) and not Path(given[0]).exists():
        assignment = given.pop(0)
    if not given and not options.roster and not options.due:
        raise ValueError("Name a folder, a zip file, or a notebook to collect.")
    if missing := [source for source in given if not Path(source).exists()]:
        raise ValueError(f"There is no file or folder {', '.join(map(one_line, missing))}.")
    with course.one_writer():
        if options.roster:
            print(f"{course.students.enrol(read_roster(options.roster))} students in the roster")
        if options.due:
            if not assignment:
                raise ValueError("--due needs to know for which assignment: collect ASSIGNMENT SOURCE … --due TIME")
            course.set_due(assignment, options.due)
        collector = collect.Collector(course, assignment, options.student, progress)
        rows = [row for source in given for row in collector.collect(Path(source))]
    return _report(course, rows)


def _report(course, rows):
    aside = [row for row in rows if row.state == "set aside"]
    for state, what in (("collected", "collected"), ("known", "collected before"), ("set aside", "set aside")):
        if count := sum(row.state == state for row in rows):
            print(f"{count} {what}")
    late = [row for row in rows if row.state == "collected" and row.note]
    for title, shown in (("Collected, with a note", late), ("Set aside", aside)):
        if shown:
            print(f"\n{title}:")
            print(
                table(
                    ["student", "assignment", "file", "why"], [[r.student, r.assignment, r.file, r.note] for r in shown]
                )
            )
    if aside:
        print(f"\nThe files are in {course.root.name}/set-aside/ or {course.root.name}/collected/.")
        print("Collect one again with --as STUDENT, after ASSIGNMENT if need be, once you know whose it is.")
    return PROBLEM if aside else DONE


def grade(options) -> int:
    """Grade what is new, then bring it into the gradebook."""
    from grading import gradebook

    course = Course(options.course)
    student = _student(course, options.student) if options.student else ""
    with course.one_writer():
        jobs = results.jobs(course, options.assignment, student, options.again, not options.unsafe)
        try:
            if jobs:
                _check(options)
                _run(course, jobs, options)
            else:
                print("Nothing new to grade.")
        finally:
            merged = gradebook.merge(course, options.assignment, progress)
        print(f"{len(jobs)} graded, {merged} brought into the gradebook")
    return _summary(course, options.assignment)


def _check(options):
    """Refuse where submissions couldn't be held."""
    if options.unsafe:
        print("WITHOUT A SANDBOX: submissions can read, change, and send all that you can.", file=sys.stderr)
    elif not options.scheduler:
        if reason := sandbox.missing():
            raise SandboxError(f"{reason}\n{UNSAFE} grades all the same, if you do.")
        findings = checks.in_own_process()
        if red := [f"  {name}: {detail}" for name, passed, detail in findings if not passed]:
            raise SandboxError("The self-test is red:\n" + "\n".join(red))
        if not findings:
            raise SandboxError("The self-test found nothing to test.")
        print(f"Self-test of the sandbox: {len(findings)} of {len(findings)} hold.")


def _run(course, jobs, options):
    by_key = {job.task.key: job for job in jobs}
    tasks = [job.task for job in jobs]
    with open(course.root / "grade.log", "ab") as log:
        if options.scheduler:
            from grading.cluster import run_on_cluster

            done = run_on_cluster(tasks, options.scheduler, check="" if options.unsafe else checks.SELF_TEST)
        else:
            from grading.pool import run_here

            done = run_here(tasks, workers=options.workers, log=log)
        with closing(done), tqdm(total=len(jobs), desc="grading", unit="hand-in", disable=None, leave=False) as bar:
            for task, result in done:
                results.save(course, by_key[task.key], result)
                bar.update()


def _summary(course, wanted):
    """Print how many stand how, and what a person has to do."""
    from grading.standing import GRADED, MANUAL, standings

    found = [made for made in standings(course, wanted) if made.handins]
    counts = {}
    for made in found:
        counts[made.assignment, made.state] = counts.get((made.assignment, made.state), 0) + 1
    print(table(["assignment", "state", "hand-ins"], [[*key, count] for key, count in sorted(counts.items())]))
    open_ones = [made for made in found if made.state not in (GRADED, MANUAL)]
    if open_ones:
        print("\nFor you to look at:")
        lines = [[made.student.slug, made.assignment, made.state, "; ".join(made.reasons)] for made in open_ones]
        print(table(["student", "assignment", "state", "why"], lines, {"why": 120}))
    return PROBLEM if open_ones else DONE


def accept(options) -> int:
    """Make proposed scores final."""
    from grading import gradebook

    course = Course(options.course)
    slug = _student(course, options.student)
    course.assignments([options.assignment])
    with course.one_writer():
        gradebook.accept(course, options.assignment, slug)
    print(f"The scores of {slug} in {options.assignment} stand.")
    return DONE


def feedback(options) -> int:
    """Write pages for students."""
    from grading import feedback as pages

    course = Course(options.course)
    ready, waiting = pages.due_pages(course, options.assignment, options.provisional)
    for made in progress(ready, desc="feedback"):
        pages.write(course, made)
    withdrawn = sum(pages.withdraw(course, made) for made in waiting)
    print(f"{len(ready)} pages in {course.root.name}/feedback/")
    if waiting:
        print(f"{len(waiting)} without a page, because the grade isn't final:")
        print(table(["student", "assignment", "state"], [[m.student.slug, m.assignment, m.state] for m in waiting]))
    if withdrawn:
        print(f"{withdrawn} earlier pages were withdrawn: those grades are open again.")
    return PROBLEM if waiting else DONE


def export(options) -> int:
    """Write grades.csv."""
    from grading.export import export as write

    course = Course(options.course)
    path = options.output or course.root / "grades.csv"
    found = write(course, path, options.assignment)
    final = sum(made.total is not None for made in found)
    print(f"{len(found)} lines in {path}: {final} final, {len(found) - final} open")
    return DONE


def explain(options) -> int:
    """Print an account of one grade."""
    from grading.explain import explain as account

    course = Course(options.course)
    course.assignments([options.assignment])
    print(account(course, _student(course, options.student), options.assignment))
    return DONE


def selftest(options) -> int:
    """Print what the self-test finds."""
    if reason := sandbox.missing():
        raise SandboxError(reason)
    findings = checks.in_own_process()
    print(
        table(
            ["holds", "what", "how it shows"],
            [["yes" if ok else "NO", name, detail] for name, ok, detail in findings],
            {"how it shows": 100},
        )
    )
    return DONE if findings and all(passed for _, passed, _ in findings) else PROBLEM


def _student(course, text):
    """Return the folder name of the student whom an id, name, or folder name means."""
    if found := course.students.find(text):
        if len(found) > 1:
            raise ValueError(f"{text} may be {' or '.join(student.slug for student in found)}.")
        return found[0].slug
    raise ValueError(f"There is no student {one_line(text)} in {course.root.name}/.")
