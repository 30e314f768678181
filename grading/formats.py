"""Read the cells of whatever was handed in, in any version and encoding of the notebook format."""

import json


class NotANotebook(ValueError):
    """A file that isn't a notebook, and what it is instead."""


def read_cells(content: bytes) -> list[dict]:
    """Return the cells of a notebook. Raises `NotANotebook` for anything else."""
    if not content.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
        raise NotANotebook("an empty file")
    try:
        notebook = _parsed(content)
    except (RecursionError, MemoryError):
        raise NotANotebook("not a notebook: nested too deeply") from None
    except ValueError:
        raise NotANotebook("not a notebook: not JSON") from None
    if not isinstance(notebook, dict):
        raise NotANotebook("not a notebook: JSON of another kind")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # format 3
        sheets = [sheet.get("cells") for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise NotANotebook("not a notebook: JSON without cells")
    if not cells:
        raise NotANotebook("a notebook without cells")
    return [cell for cell in cells if isinstance(cell, dict)]


def _parsed(content):
    """JSON is UTF-8, -16, or -32; what some editors save is none of these."""
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        return json.loads(content.decode("latin-1"))


def source(cell: dict) -> str:
    """Return a cell's text, wherever its format version keeps it."""
    text = cell.get("source", cell.get("input", ""))
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""
