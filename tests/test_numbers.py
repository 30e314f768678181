"""Every number in a chapter's prose is printed or stated by a cell beside it, or somebody has looked at it.

Those that no cell shows stand in `reviewed_numbers.toml`, each with why it is right.
"""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
REVIEWED = tomllib.loads((ROOT / "tests" / "reviewed_numbers.toml").read_text(encoding="utf-8"))
BESIDE = 10  # cells before and after
SMALL = 12  # whole numbers up to here are words

NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?!\w)")
NO_CLAIM = re.compile(  # links, code, formulas; numbers of chapters, exercises, lists; years, volumes, pages, 8-bit
    r"\[[^\]]*\]\([^)]*\)|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\b(?:chapters?|exercises?|assignments?) \*?\d+|"
    r"^\**\d+\. |<summary>\d+\.|"
    r"\b(?:1[6-9]|20)\d\d\b|\b\d+\(\d+\)|\d+[–-]\d+|\d+-\w+",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)


def unsupported(notebook):
    """Yield (cell id, number) for numbers in the text that no cell beside it shows, rounded or as a percentage."""
    shown = [numbers(stated(cell)) if cell.cell_type == "code" else [] for cell in notebook.cells]
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            around = [n for some in shown[max(0, place - BESIDE) : place + BESIDE + 1] for n in some]
            for text in NUMBER.findall(NO_CLAIM.sub(" ", cell.source)):
                if not supported(text.rstrip(","), around):
                    yield cell.id, text.rstrip(",")


def stated(cell):
    """What a cell says: its code, and what it printed."""
    printed = [str(output.get("text", "")) + str(output.get("data", "")) for output in cell.outputs]
    return "\n".join([cell.source, *printed])


def numbers(text):
    """All numbers in a text."""
    found = re.findall(r"\d[\d,_]*(?:\.\d+)?(?:e[+-]?\d+)?", text)
    return [float(n.replace(",", "").replace("_", "").rstrip("e")) for n in found]


def supported(text, around):
    value, decimals = float(text.replace(",", "")), len(text.partition(".")[2])
    if value <= SMALL and not decimals:
        return True
    half = 0.5 * 10.0**-decimals + 1e-9
    return any(abs(n - value) <= half or abs(100 * n - value) <= half for n in around)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_numbers_in_prose_are_shown_or_reviewed(path):
    found = sorted({f"{cell}: {number}" for cell, number in unsupported(nbformat.read(path, 4))})
    assert found == sorted(REVIEWED.get(path.stem, {})), (
        "look at each: is it true? Then say why in reviewed_numbers.toml"
    )


def test_a_wrong_number_is_found():
    cells = [nbformat.v4.new_code_cell("n = 442\nprint(0.25)"), nbformat.v4.new_markdown_cell("Of 443, 25 % and 442.")]
    assert [number for _, number in unsupported(nbformat.v4.new_notebook(cells=cells))] == ["443"]
