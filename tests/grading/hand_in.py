"""Make hand-ins for tests: an assignment as students get it, filled in, and put where platforms put it."""

import io
import json
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # grading/ is not installed

import nbformat  # noqa: E402

from grading import sources  # noqa: E402

ASSIGNMENT = "06-mse-mae-huber"
EXERCISE = (sources.ROOT / "exercises" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text("utf-8")


def notebook(text="", who="", answer="", answers=None):
    """Return a hand-in as bytes: the untouched exercise with a last cell `text`, and a written answer if given."""
    made = nbformat.reads(EXERCISE, as_version=4)
    made.metadata["who"] = who
    for cell in made.cells:
        settings = cell.metadata.get("nbgrader", {})
        if answer and settings.get("grade") and settings.get("solution"):
            cell.source = answer
        if answers and cell.id in answers:
            cell.source = answers[cell.id]
    if text:
        made.cells.append(nbformat.v4.new_markdown_cell(text, id="from-the-test"))
    return nbformat.writes(made).encode()


def put(root, files, mtime=None):
    """Write files, given by path, into a folder; return the folder."""
    import os

    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if mtime:
            os.utime(path, (mtime, mtime))
    return root


def zipped(files, time=(2026, 10, 1, 12, 0, 0), edit=None):
    """Return a zip archive as bytes; `edit` may change each ZipInfo before it is written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, time)
            info.compress_type = zipfile.ZIP_DEFLATED
            if edit:
                edit(info)
            archive.writestr(info, content)
    return buffer.getvalue()


def stripped(content):
    """Return a hand-in as other editors save it: no metadata, no ids, an older format."""
    made = json.loads(content)
    for cell in made["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return json.dumps(made | {"nbformat_minor": 4, "metadata": {}}).encode()
