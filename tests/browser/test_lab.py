"""The lab as a reader uses it: a chapter and an assignment run in a real browser, with no Python outside it."""

import json
import threading
import time
from pathlib import Path

import nbformat
import pytest

from book import lab, pyodide
from book.serve import QuietHandler, open_server
from lossutils.verify import NO_TORCH

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "06-mse-mae-huber"
OTHERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb") if path.stem != CHAPTER)
# The only cell that prints something else in a browser: WebAssembly doesn't tell of divisions by zero.
WITHOUT_FLAGS = {
    "05-numbers-that-survive": {
        "hunt-code": "no alarm: WebAssembly, in which browsers run Python, has no such flags\n",
    }
}
PATIENCE = 300  # seconds for a notebook to run, on a busy machine
CELLS = """() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => ({
    id: cell.model.id,
    code: cell.model.type === "code",
    source: cell.model.sharedModel.getSource(),
    tags: cell.model.getMetadata("tags") ?? [],
    count: cell.model.executionCount,
    outputs: cell.model.type === "code" ? cell.model.sharedModel.getOutputs() : [],
}))"""
REPLACE = """(sources) => {
    for (const cell of jupyterapp.shell.currentWidget.content.widgets) {
        if (cell.model.id in sources) cell.model.sharedModel.setSource(sources[cell.model.id]);
    }
}"""
SHOW = """(id) => {
    const notebook = jupyterapp.shell.currentWidget.content;
    return notebook.scrollToItem(notebook.widgets.findIndex((cell) => cell.model.id === id), "center");
}"""


class CountingHandler(QuietHandler):
    """Serve, and keep what was sent."""

    sent: dict[str, int] = {}  # noqa: RUF012

    def copyfile(self, source, outputfile):
        type(self).sent[self.path.partition("?")[0]] = Path(source.name).stat().st_size
        super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def lab_site(request):
    """URL of the built book with its lab, under a prefix as on a project's pages."""
    if pyodide.find() is None:
        pytest.skip("The lab isn't tested: neither PYODIDE_DIST nor `make pyodide` provides Pyodide.")
    html = request.getfixturevalue("book")
    with open_server(html, 0, CountingHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def open_lab(visit, lab_site, link, chapter=CHAPTER, **options):
    """Follow a link of the chapter's page into the lab; return the visit and every address asked for."""
    seen = visit(f"{lab_site}/chapters/{chapter}.html", **options)
    asked = []
    seen.page.context.on("request", lambda request: asked.append(request.url))
    seen.page.get_by_role("link", name=link).click()
    wait_for_notebook(seen.page)
    return seen, asked


def wait_for_notebook(page):
    """Wait until the notebook is shown."""
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function("() => jupyterapp.shell.currentWidget?.context.isReady")


def cells(page):
    """All cells as the lab holds them, by id."""
    return {cell["id"]: cell for cell in page.evaluate(CELLS)}


def run_all(page):
    """Run all cells, and wait for the last; return the cells."""
    earlier = max((cell["count"] or 0 for cell in cells(page).values()), default=0)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    end = time.monotonic() + PATIENCE
    while True:
        now = cells(page)
        if all((cell["count"] or 0) > earlier for cell in now.values() if cell["code"]):
            return now
        waiting = [name for name, c in now.items() if c["code"] and (c["count"] or 0) <= earlier]
        assert time.monotonic() < end, f"not run: {waiting}; errors, which stop the others: {complaints(now)}"
        page.wait_for_timeout(500)


def complaints(cells):
    """Errors and red text, by the id of the cell."""
    outputs = [(name, output) for name, cell in cells.items() for output in cell["outputs"]]
    return {name: o.get("evalue", o.get("text")) for name, o in outputs if "ename" in o or o.get("name") == "stderr"}


def printed(cell):
    """What a cell wrote."""
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def printed_differently(done, chapter, folder="chapters"):
    """What cells printed in the lab and what the repository has, where that isn't the same, by id."""
    stored = json.loads((ROOT / folder / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    expected = {cell["id"]: printed(cell) for cell in stored if cell["cell_type"] == "code"}
    found = {name: printed(done[name]).replace(f"{NO_TORCH}\n", "") for name in expected}
    return {name: (found[name], text) for name, text in expected.items() if found[name] != text}


def elsewhere(seen, asked):
    """Addresses on other machines."""
    here = ("http://127.0.0.1:", "data:", "blob:")
    return seen.refused + [url for url in asked if not url.startswith(here)]


def test_a_chapter_runs_and_its_figures_live(visit, lab_site):
    """From the button to the last cell, with no error, no other host, and the size that the page has promised."""
    CountingHandler.sent.clear()
    seen, asked = open_lab(visit, lab_site, "Run this chapter", color_scheme="dark")
    page = seen.page
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    done = run_all(page)
    assert complaints(done) == {}
    assert NO_TORCH in printed(done["verify"])
    assert printed_differently(done, CHAPTER) == {}

    page.evaluate(SHOW, "explore-losses")
    slider = page.get_by_role("slider", name="threshold δ")
    figure = page.locator(".lossutils svg").filter(visible=True).first
    for key, value in [("ArrowLeft", 2.5), ("ArrowRight", 3.0)]:
        before = figure.inner_html()
        slider.press(key)
        page.wait_for_function(
            "([svg, before]) => svg.innerHTML !== before", arg=[figure.element_handle(), before], timeout=20_000
        )
        assert float(slider.get_attribute("aria-valuetext")) == value

    promised = json.loads(lab.INFO.read_text())["megabytes"]
    loaded = sum(size for path, size in CountingHandler.sent.items() if path.startswith("/lab/"))
    assert loaded / 1e6 == pytest.approx(promised, rel=0.05)
    assert elsewhere(seen, asked) == []


@pytest.mark.parametrize("chapter", OTHERS)
def test_every_chapter_runs(visit, lab_site, chapter):
    """Top to bottom, without an error, and with the same numbers as elsewhere."""
    seen, _ = open_lab(visit, lab_site, "Run this chapter", chapter)
    done = run_all(seen.page)
    assert complaints(done) == {}
    different = printed_differently(done, chapter)
    assert {name: here for name, (here, _) in different.items()} == WITHOUT_FLAGS.get(chapter, {})


def solution(chapter=CHAPTER):
    """What an instructor writes into the assignment, by cell."""
    source = nbformat.read(ROOT / "solutions" / chapter / f"{chapter}.ipynb", as_version=4)
    answers = [c for c in source.cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("solution")]
    return {cell.metadata.nbgrader.grade_id: cell.source for cell in answers}


def run_untouched_and_solved(page, chapter):
    """Untouched, only the cells that may raise do; solved, none, and all print what the solution prints."""
    untouched = run_all(page)
    failed = complaints(untouched)
    assert failed
    assert all("raises-exception" in untouched[name]["tags"] for name in failed), failed
    page.evaluate(REPLACE, solution(chapter))
    done = run_all(page)
    assert complaints(done) == {}
    assert printed_differently(done, chapter, f"solutions/{chapter}") == {}
    return untouched


@pytest.mark.parametrize("chapter", OTHERS)
def test_every_assignment_runs(visit, lab_site, chapter):
    """Top to bottom, as it is handed out and with the answers in it."""
    seen, _ = open_lab(visit, lab_site, "Run this assignment", chapter)
    run_untouched_and_solved(seen.page, chapter)


def test_an_assignment_runs_keeps_answers_and_goes_back(visit, lab_site, tmp_path):
    """Untouched and solved; the work is kept, downloaded, and thrown away."""
    seen, asked = open_lab(visit, lab_site, "Run this assignment")
    page = seen.page
    untouched = run_untouched_and_solved(page, CHAPTER)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == f"{CHAPTER}.ipynb"
    download.value.save_as(tmp_path / "mine.ipynb")
    mine = nbformat.read(tmp_path / "mine.ipynb", as_version=4)
    nbformat.validate(mine)
    assert solution().items() <= {cell.id: cell.source for cell in mine.cells}.items()
    assert [cell.id for cell in mine.cells] == [name for name in untouched if name != "lab-setup"]
    assert mine.metadata.kernelspec.name == "python3", "what nbgrader starts"

    page.reload()
    wait_for_notebook(page)
    assert cells(page)["mse"]["source"] == solution()["mse"]

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Published text").click()
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.content.widgets.some((cell) => "
        "cell.model.id === 'mse' && cell.model.sharedModel.getSource().includes('YOUR CODE HERE'))"
    )
    page.reload()
    wait_for_notebook(page)
    assert "YOUR CODE HERE" in cells(page)["mse"]["source"]
    assert elsewhere(seen, asked) == []
