"""Stored notebooks hold on any machine: text outputs only, and ids that stay."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book.notebooks import is_normalized, main, normalize, notebook_names, serialize

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", notebook_names(ROOT))
def test_stored_notebook_is_normalized(name):
    """`make notebooks` would change nothing but results."""
    assert is_normalized(ROOT / name)


def executed_notebook():
    """A notebook as Jupyter saves it after a run."""
    outputs = [
        new_output("stream", name="stdout", text="one\n"),
        new_output("stream", name="stdout", text="two\n"),
        new_output("display_data", {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBOR"}),
        new_output("display_data", {"image/png": "iVBOR"}),
        new_output("execute_result", {"text/plain": "quiz: …", "text/html": "<b>"}, execution_count=7),
    ]
    metadata = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "tags": ["hide-cell"]}
    cell = new_code_cell("1", outputs=outputs, execution_count=7, metadata=metadata)
    language = {"name": "python", "version": "3.11.7"}
    return new_notebook(cells=[cell], metadata={"widgets": {"state": {}}, "language_info": language})


def test_normalizing_keeps_text_only():
    """Pictures, times, widget state, and versions go; text and tags stay."""
    notebook = normalize(executed_notebook())
    cell = notebook.cells[0]
    assert cell.outputs[0].text == "one\ntwo\n"
    assert [list(output.data) for output in cell.outputs[1:]] == [["text/plain"], ["text/plain"]]
    assert cell.execution_count == cell.outputs[-1].execution_count == 1
    assert cell.metadata == {"tags": ["hide-cell"]}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata.language_info
    nbformat.validate(notebook)


def test_normalizing_twice_changes_nothing():
    """Normal form is a fixed point."""
    once = serialize(executed_notebook())
    assert serialize(nbformat.reads(once, as_version=4)) == once


def test_ids_are_slugs():
    """An id that a person chose stays; another becomes a number that is free."""
    ids = ["fit-line", "A1b2C3d4", "cell-02"]
    notebook = new_notebook(cells=[new_code_cell(str(i), id=name) for i, name in enumerate(ids)])
    normalize(notebook)
    assert [cell.id for cell in notebook.cells] == ["fit-line", "cell-02a", "cell-02"]


def test_check_names_the_notebook(tmp_path, monkeypatch, capsys):
    """`--check` fails, and says which file to refresh."""
    monkeypatch.setattr("book.notebooks.ROOT", tmp_path)
    nbformat.write(executed_notebook(), tmp_path / "untidy.ipynb")
    assert main(["--check", str(tmp_path / "untidy.ipynb")]) == 1
    assert "untidy.ipynb is not normalized" in capsys.readouterr().err
