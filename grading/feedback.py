"""What a student may read of the grading: one HTML page for each submission, which needs nothing else and runs nothing.

nbgrader's own feedback page carries a student's scripts, asks other servers for its own, and shows an open score as
0. This one is made from the same notebook (autograded/) and gradebook; every element in it is on a short list, and
its content security policy forbids scripts and requests, should something ever get past the list.
"""

import base64
import hashlib
import html
import re
from functools import cache
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbconvert.filters.highlight import Highlight2HTML
from pygments.formatters import HtmlFormatter

from grading import handins
from grading.course import Course
from grading.files import write_atomic
from grading.harmless import ALT, clean, harmless_output, render
from grading.standing import GRADED, MANUAL, Standing, standings
from grading.text import number, one_line

HERE = Path(__file__).resolve().parent
MATHS = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
OUTCOMES = {
    "passed": "passed",
    "failed": "not passed",
    "timeout": "took too long",
    "crashed": "ended the session",
    "ungraded": "not graded",
}


def write(course: Course, made: Standing) -> Path:
    """Write the page of one submission; return its path."""
    path = course.root / "feedback" / made.student.slug / made.assignment / f"{made.assignment}.html"
    write_atomic(path, page(course, made).encode("utf-8", "replace"))
    return path


def due_pages(course: Course, wanted: list[str], provisional: bool) -> tuple[list[Standing], list[Standing]]:
    """Return whose page can be written, and who has to wait: whose grade isn't final."""
    states = {GRADED, MANUAL} if provisional else {GRADED}
    found = [made for made in standings(course, wanted) if made.result]
    return [made for made in found if made.state in states], [made for made in found if made.state not in states]


def withdraw(course: Course, made: Standing) -> bool:
    """Remove the page of a grade that isn't final any more; return whether there was one."""
    path = course.root / "feedback" / made.student.slug / made.assignment / f"{made.assignment}.html"
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def page(course: Course, made: Standing) -> str:
    """Return the page as HTML."""
    assignment = course.assignment(made.assignment)
    text = course.notebook("autograded", made.student.slug, made.assignment).read_text("utf-8")
    handed_out = {cell.source for cell in assignment.cells if cell.cell_type == "markdown"}
    scores = {score.id: score for score in made.scores}
    cells = [_cell(cell, scores, handed_out) for cell in nbformat.reads(text, as_version=4).cells]
    counted = handins.usable(made.handins)
    style = _style()
    return _template().render(
        made=made,
        title=f"{made.assignment}: {one_line(made.student.name, 100)}",
        handed_in=f"{counted.time:%Y-%m-%d %H:%M} UTC" if counted else "",
        cells=cells,
        number=number,
        outcome=_outcome,
        alt=ALT,
        final=made.state == GRADED,
        style=Markup(style),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _outcome(score):
    return score.reading if score.manual else OUTCOMES[score.outcome]


def _cell(cell, scores, handed_out):
    """Return what the template shows of a cell. Its HTML comes only from `clean`."""
    id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
    score = scores.get(id)
    test = score is not None and not score.manual
    if test and "BEGIN HIDDEN" in cell.source:
        raise ValueError(f"The notebook in autograded/ shows the hidden tests of {id}: no feedback was written.")
    if cell.cell_type == "code":
        body = Markup(clean(_highlighted(cell.source)))
        outputs = [] if test else [_output(output) for output in cell.outputs if harmless_output(output)]
    else:
        body, outputs = Markup(clean(render(cell.source))), []
        if cell.source in handed_out:  # formulas of strangers stay text
            body = Markup(typeset(str(body)))
    comment = Markup(clean(render(score.comment))) if score and score.comment else ""
    return {
        "id": id,
        "code": cell.cell_type == "code",
        "body": body,
        "outputs": outputs,
        "score": score,
        "comment": comment,
    }


@cache
def _highlighter():
    return Highlight2HTML(pygments_lexer="python3")


def _highlighted(source):
    return _highlighter()(source, language="python3")


def _output(output):
    output = harmless_output(output)
    if output.output_type == "stream":
        return {"text": output.text, "image": ""}
    if output.output_type == "error":
        return {"text": "\n".join(output.traceback), "image": ""}
    return {"text": output.data.get("text/plain", ""), "image": output.data.get("image/png", "")}


def typeset(body: str) -> str:
    """Return HTML with its formulas as MathML; text within code stays as it is."""
    pieces = re.split(r"(<pre.*?</pre>|<code.*?</code>)", body, flags=re.DOTALL)
    return "".join(MATHS.sub(_mathml, piece) if position % 2 == 0 else piece for position, piece in enumerate(pieces))


@cache
def _converter():
    from math_core import LatexToMathML

    return LatexToMathML(fancy_error=False)


def _mathml(match):
    latex = html.unescape(match[1] or match[2])
    try:
        return _converter().convert_with_local_state(latex, displaystyle=match[1] is not None)
    except Exception:  # a formula that can't be converted stays readable as it was written
        return match[0]


@cache
def _template():
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("feedback.html.j2")


@cache
def _style():
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    own = (HERE / "feedback.css").read_text("utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"
