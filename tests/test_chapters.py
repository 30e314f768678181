"""Every chapter has the book's anatomy, and every source it cites stands in the bibliography."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
HEADINGS = ["Predict first", "From scratch", "Verified against PyTorch", "Where it breaks", "Exercises", "Going deeper"]

over_chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def cells(path, kind):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def prose(path):
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def code(path):
    return "\n".join(cell.source for cell in cells(path, "code"))


def test_there_are_chapters():
    assert CHAPTERS


@over_chapters
def test_the_parts_are_there_in_order(path):
    headings = re.findall(r"^## (.+)$", prose(path), re.M)
    places = [headings.index(heading) for heading in HEADINGS if heading in headings]
    assert [h for h in HEADINGS if h not in headings] == []
    assert places == sorted(places)


@over_chapters
def test_the_reader_predicts_explores_and_verifies(path):
    assert re.search(r"^- \*\*\w+\*\*", prose(path), re.M), "objectives, each a verb"
    assert len(re.findall(r"^explore\($", code(path), re.M)) >= 1
    assert len(re.findall(r"^    alt=", code(path), re.M)) >= len(re.findall(r"^(explore|show)\($", code(path), re.M))
    assert code(path).count("goal=Goal(") == len(re.findall(r"^explore\($", code(path), re.M))
    assert "verify(F." in code(path)
    assert "card(F." in code(path)
    assert code(path).count("quiz(") >= 1


@over_chapters
def test_exercises_have_folded_solutions(path):
    folded = [c for c in cells(path, "code") if "hide-cell" in c.metadata.get("tags", [])]
    assert len(folded) >= 2
    assert all(c.metadata["jupyter"] == {"outputs_hidden": True, "source_hidden": True} for c in folded)


@over_chapters
def test_cells_fit_a_page(path):
    long = {c.id: n for c in cells(path, "code") if (n := len(c.source.splitlines())) > 15}
    assert long == {}


@over_chapters
def test_code_fits_the_column(path):
    """The page shows 88 characters of a line (book/assets/book.css); the rest would have to be scrolled to."""
    wide = {c.id: line for c in cells(path, "code") for line in c.source.splitlines() if len(line) > 88}
    assert wide == {}


@over_chapters
def test_no_cell_writes_to_stderr(path):
    noisy = [c.id for c in cells(path, "code") for o in c.outputs if o.get("name") == "stderr"]
    assert noisy == []


@over_chapters
def test_cited_sources_stand_in_the_bibliography(path):
    bibliography = (ROOT / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"(?:doi|eprint) = \{([^}]+)\}", bibliography))
    cited = set(re.findall(r"\]\(https://(?:doi\.org|arxiv\.org/abs)/([^)\s]+)\)", prose(path)))
    assert cited, "a chapter cites its sources"
    assert cited <= known


@over_chapters
def test_words_that_look_down_on_the_reader(path):
    assert re.findall(r"\b(?:simply|obviously|trivially|of course)\b", prose(path), re.I) == []
