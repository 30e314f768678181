"""The build redoes what a change demands, and no more; and it fails with a sentence that helps."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = "chapters/tiny.ipynb"
SHOW_ANSWER = """
import time
from lossutils.losses import regression
print("answer", regression.ANSWER, "at", time.time_ns())
"""
SHOW_QUIZ = """
from lossutils.explore import quiz
quiz("Is </script> harmless?", [("yes", True, "It is escaped."), ("no", False, "Look again.")])
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the project with one tiny chapter."""
    for folder in ("book", "lossutils"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", tmp_path)
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


def test_missing_chapter_is_named(tree):
    """A chapter that the table of contents names must exist."""
    (tree / CHAPTER).unlink()
    assert "chapters/tiny" in build(tree).stderr
