"""The build redoes what a change demands, and no more; and it fails with a sentence that helps."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = "chapters/tiny.ipynb"
SHOW_ANSWER = """
import time
from lossutils.losses import regression
print("answer", regression.ANSWER, end=" ", flush=True)
time.sleep(0.3)  # the line arrives in two pieces
print("at", time.time_ns())
"""
SHOW_QUIZ = """
from lossutils.explore import quiz
quiz("Is </script> harmless?", [("yes", True, "It is escaped."), ("no", False, "Look again.")])
"""
SHOW_FIGURE = """
from lossutils.explore import explore
from lossutils.plots import figure
def draw(height):
    fig, ax = figure()
    ax.plot([0, 1], [0, height], label="line")
    return fig
explore(draw, height=(0, 2), alt="A line.")
"""
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the project with one tiny chapter, and no lab."""
    monkeypatch.delenv("PYODIDE_DIST", raising=False)
    for folder in ("book", "lossutils"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n- file: chapters/tiny\n")
    (tmp_path / "index.md").write_text("# A book\n")
    (tmp_path / "chapters").mkdir()
    with (tmp_path / "lossutils" / "losses" / "regression.py").open("a") as library:
        library.write("\nANSWER = 41\n")
    write_chapter(tmp_path, "First text.", SHOW_ANSWER, SHOW_QUIZ)
    return tmp_path


def write_chapter(tree, prose, *codes):
    """Write the chapter: a paragraph, then cells named code-1, code-2, …"""
    cells = [new_markdown_cell(f"# Tiny\n\n{prose}", id="prose")]
    cells += [new_code_cell(code.strip(), id=f"code-{number}") for number, code in enumerate(codes, start=1)]
    nbformat.write(new_notebook(cells=cells), tree / CHAPTER)


def build(tree):
    """Run the build there; return the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "book.build"]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


def page(tree):
    """Build with success, and return the chapter's page."""
    done = build(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    return (tree / "_build/html" / Path(CHAPTER).with_suffix(".html")).read_text()


def answer(html):
    """What the chapter printed: the answer and the time."""
    return re.search(r"answer (\d+) at (\d+)", html).groups()


def test_rebuild_redoes_what_changed(tree):
    """An edit to the library runs the chapter again; an edit to the text doesn't; no edit does nothing."""
    first = answer(page(tree))
    assert first[0] == "41"

    start = time.monotonic()
    assert "nothing changed" in build(tree).stdout
    assert time.monotonic() - start < 1

    write_chapter(tree, "Second text.", SHOW_ANSWER, SHOW_QUIZ)
    html = page(tree)
    assert "Second text." in html
    assert answer(html) == first

    library = tree / "lossutils" / "losses" / "regression.py"
    library.write_text(library.read_text().replace("ANSWER = 41", "ANSWER = 42"))
    html = page(tree)
    assert answer(html)[0] == "42"

    state = re.search(r'<script type="application/json">(.*?)</script>', html)[1]
    assert json.loads(state)["question"] == "Is &lt;/script&gt; harmless?"
    assert not re.search(r"fallback|_esm|_css", state)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", ["failed", "1 / 0", "ZeroDivisionError: division by zero"]),
        ("import warnings; warnings.warn('mind the gap')", ["wrote to stderr", "mind the gap"]),
    ],
    ids=["error", "stderr"],
)
def test_failing_cell_is_named(tree, code, said):
    """A cell that raises, or warns, stops the build; the message names notebook, cell, and cause."""
    write_chapter(tree, "Text.", "1 + 1", code)
    done = build(tree)
    assert done.returncode == 1
    for text in [f"{CHAPTER}, cell 3 (id code-2)", *said]:
        assert text in done.stderr
    assert "\x1b" not in done.stderr.partition("not built")[2]


@pytest.mark.parametrize(
    ("prose", "said"),
    [("See [there](nowhere.md).", "nowhere.md"), (r"It is $\unknowncommand{x}$.", "Maths not understood")],
    ids=["reference", "maths"],
)
def test_warning_fails_every_build(tree, prose, said):
    """A broken reference or formula fails the build, and the next one too."""
    write_chapter(tree, prose, "1 + 1")
    for _ in range(2):
        done = build(tree)
        assert done.returncode == 1
        assert said in done.stderr


def test_book_to_take_along_and_to_mend(tree):
    """The EPUB is well formed and complete, with maths as MathML and figures with texts; both files are on the cover.
    With a repository named, a page links to where it is edited and to where mistakes are reported."""
    config = (tree / "_config.yml").read_text().replace('url: ""', 'url: "https://github.com/someone/book"')
    (tree / "_config.yml").write_text(config)
    (tree / "index.md").write_text("# A book\n\n:::{parts}\n- **Part I.** Later.\n:::\n\n:::{downloads}\n:::\n")
    write_chapter(tree, "It is $x^2$ & more.", SHOW_FIGURE, SHOW_QUIZ)
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "book.epub"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    html = tree / "_build/html"
    cover = (html / "index.html").read_text()
    for name in ("loss-functions-from-scratch.zip", "loss-functions-from-scratch.epub"):
        assert f'href="{name}"' in cover
    page = (html / Path(CHAPTER).with_suffix(".html")).read_text()
    assert "https://github.com/someone/book/edit/main/chapters/tiny.ipynb" in page
    assert "https://github.com/someone/book/issues/new?title=Mistake%20in%20%E2%80%9CTiny%E2%80%9D" in page
    assert "1 minute to read" in page
    with zipfile.ZipFile(html / "loss-functions-from-scratch.epub") as epub:
        check_epub(epub)
        chapter = epub.read("chapters/tiny.xhtml").decode()
    assert "<math" in chapter
    assert 'aria-label="A line."' in chapter
    assert "var(--" not in chapter
    assert "<script" not in chapter


def check_epub(epub):
    """mimetype first and plain; well-formed XML; manifest complete and true; no link dangling; a text on pictures."""
    first = epub.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert epub.read("mimetype") == b"application/epub+zip"
    assert epub.testzip() is None
    manifest = {item.get("href"): item for item in ET.fromstring(epub.read("content.opf")).iter() if item.get("href")}
    files = set(epub.namelist())
    assert files - {"mimetype", "META-INF/container.xml", "content.opf"} == manifest.keys()
    for name in sorted(file for file in files if file.endswith((".xhtml", ".ncx", ".opf", ".xml"))):
        root = ET.fromstring(epub.read(name))
        for node in root.iter():
            if node.tag in (f"{XHTML}img", "{http://www.w3.org/2000/svg}svg"):
                assert node.get("alt") or node.get("aria-label")
            for link in filter(None, (node.get("href"), node.get("src"))):
                target = urlsplit(link)
                if not target.scheme and target.path:
                    assert resolve(name, unquote(target.path)) in files
        if name.endswith(".xhtml"):
            kinds = (manifest[name].get("properties") or "").split()
            assert ("mathml" in kinds) == any(node.tag.endswith("MathML}math") for node in root.iter())


def resolve(page, link):
    """The file that a link on a page means."""
    parts = []
    for part in (PurePosixPath(page).parent / link).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def test_missing_chapter_is_named(tree):
    """A chapter that the table of contents names must exist."""
    (tree / CHAPTER).unlink()
    assert "chapters/tiny" in build(tree).stderr
