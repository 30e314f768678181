"""Run notebooks from top to bottom, and say exactly what went wrong when one doesn't."""

import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

CELL_TIMEOUT = 600  # seconds
KERNEL_ARGUMENTS = ["--IPKernelApp.log_level=ERROR"]  # it warns of local TCP at every start
ANSI_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):
    """A cell raised, or wrote to stderr; the message names the notebook and the cell."""


def execute_all(root, notebooks, *, complete=False, workers=2):
    """Execute notebooks, a few at a time, under one progress bar that counts cells.

    Parameters
    ----------
    root : Path
        Folder that holds the notebooks and the `lossutils` that they import.
    notebooks : dict of str to NotebookNode
        Notebooks by their path relative to `root`.
    complete : bool
        Draw every frame of every interactive figure, for pages that have no kernel.

    Yields
    ------
    tuple of (str, NotebookNode)
        Each name with its executed notebook, as soon as it is done.

    Raises
    ------
    NotebookFailed
        On the first cell that fails; the other running notebooks are finished first.
    """
    warm_font_cache()
    cells = sum(len(code_cells(notebook)) for notebook in notebooks.values())
    with tqdm(total=cells, unit="cell", desc="Executing", leave=True) as bar, ThreadPoolExecutor(workers) as pool:
        jobs = {
            pool.submit(execute, root, name, notebook, bar, complete): name
            for name, notebook in notebooks.items()
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def execute(root, name, notebook, bar, complete):
    """Execute one notebook in its own folder, importing the `lossutils` of `root`."""
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    environment.pop("LOSSUTILS_EXPLORE", None)
    if complete:
        environment["LOSSUTILS_EXPLORE"] = "complete"

    def advance(cell, cell_index):
        bar.set_postfix_str(f"{Path(name).stem}, cell {cell_index + 1}", refresh=False)
        bar.update()

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        store_widget_state=True,
        resources={"metadata": {"path": str((root / name).parent)}},
        on_cell_complete=advance,
        extra_arguments=KERNEL_ARGUMENTS,
    )
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise NotebookFailed(describe_failure(name, notebook, str(error))) from None
    except (RuntimeError, TimeoutError) as error:
        raise NotebookFailed(f"{name}: {error}") from None
    forbid_stderr(name, notebook)
    for cell in code_cells(notebook):
        cell.outputs = merge_streams(cell.outputs)
    return notebook


def describe_failure(name, notebook, traceback):
    """Name the notebook and the cell whose output is an error, and quote the traceback."""
    failed = [i for i, cell in enumerate(notebook.cells) if error_output(cell) and not may_raise(cell)]
    cell = f"{name}, cell {failed[0] + 1} (id {notebook.cells[failed[0]].id})" if failed else name
    return f"{cell} failed:\n\n{ANSI_COLOR.sub('', traceback).rstrip()}"


def forbid_stderr(name, notebook):
    """Warnings and other red text have no place in a published page."""
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise NotebookFailed(f"{name}, cell {number} (id {cell.id}) wrote to stderr:\n\n{output.text}")


def merge_streams(outputs):
    """Join pieces of one stream that follow each other: where they are cut depends on the clock."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and last.output_type == output.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def code_cells(notebook):
    """The cells that a kernel runs."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def error_output(cell):
    """Whether a cell ended in an exception."""
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def may_raise(cell):
    """Whether a cell is meant to show an exception, or may be left unsolved."""
    return "raises-exception" in cell.metadata.get("tags", [])


def warm_font_cache():
    """Build matplotlib's font cache here, lest its notice appear in red in the first chapter."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    import matplotlib.font_manager  # noqa: F401
