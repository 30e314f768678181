"""Interactive figures as a person uses them: in a real JupyterLab, and in a page without a kernel."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
import xml.etree.ElementTree as ET

import nbformat
import numpy as np
import pytest

from lossutils.explore import Goal, explore, quiz
from lossutils.explore.base import STYLE, module
from lossutils.plots import figure

NOTEBOOK = """\
from pathlib import Path

from lossutils.explore import Goal, explore
from lossutils.plots import figure

def draw(height, steep=False):
    with Path("drawn.txt").open("a") as log:
        log.write(f"{height},{steep}\\n")
    fig, ax = figure()
    ax.plot([0, 1], [0, height * (10 if steep else 1)], label="line")
    ax.set_ylim(0, 50)
    return fig, {"loss": height**2}

explore(draw, alt="A line.", height=(0, 4), steep=False,
        goal=Goal("Find the height 4.", lambda height, steep: height == 4, reached="It is four."))
"""


def draw(height, steep=False):
    fig, (left, right) = figure(cols=2)
    x = np.linspace(-3, 3, 120)
    left.plot(x, height * x**2, label="parabola")
    right.scatter(x, np.sin(height * x), s=9, label="sine")
    for tick in range(height):
        right.text(tick / 5, 0, str(tick))
    right.set_yscale("symlog" if steep else "linear")
    return fig, {"loss": height**2}


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)


@pytest.fixture
def lab(tmp_path):
    """Start JupyterLab on a folder with one notebook; give its address and the folder."""
    cell = nbformat.v4.new_code_cell(NOTEBOOK)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), tmp_path / "figure.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {
        name: str(tmp_path / ".jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        "--IdentityProvider.token=", "--allow-root", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly", f"--ServerApp.root_dir={tmp_path}",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "LOSSUTILS_EXPLORE"}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env={**environment, **home}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: server.poll() is not None or answers(address))
        assert server.poll() is None, (tmp_path / "lab.log").read_text()
        yield address, tmp_path
    finally:
        server.terminate()
        server.wait(30)


def answers(address):
    try:
        return urllib.request.urlopen(f"{address}/api", timeout=1).status == 200
    except OSError:
        return False


def test_figure_in_jupyterlab(browser, lab):
    address, folder = lab
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(f"{address}/lab/workspaces/w{secrets.token_hex(4)}/tree/figure.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Control+Enter")

    def drawn():
        return (folder / "drawn.txt").read_text().split()

    widget = page.locator(".lossutils")
    widget.locator("svg").wait_for(timeout=60_000)
    assert drawn() == ["2,False"]
    assert widget.locator("svg").get_attribute("aria-label") == "A line."
    first = widget.locator("svg").inner_html()

    slider = page.get_by_role("slider", name="height")
    slider.focus()
    slider.press("ArrowRight")
    wait_for(lambda: widget.locator("svg").inner_html() != first)
    assert slider.get_attribute("aria-valuetext") == "3"
    assert drawn() == ["2,False", "3,False"]
    assert widget.locator("dd").text_content() == "9"
    # JupyterLab styles lists of terms for prose; name and number must not overlap
    name, number = (widget.locator(tag).bounding_box() for tag in ("dt", "dd"))
    assert name["x"] + name["width"] <= number["x"]
    assert widget.locator("dt").evaluate("(term) => term.scrollWidth <= term.clientWidth")

    slider.press("ArrowLeft")
    wait_for(lambda: widget.locator("svg").inner_html() == first)
    slider.press("ArrowRight")
    wait_for(lambda: widget.locator("svg").inner_html() != first)
    assert drawn() == ["2,False", "3,False"], "a frame that was there was drawn again"

    slider.press("End")
    widget.get_by_text("Goal reached: It is four.", exact=True).wait_for()
    wait_for(lambda: "Goal reached: It is four." in widget.locator("[aria-live=polite]").text_content())

    page.get_by_role("checkbox", name="steep").press("Space")
    wait_for(lambda: drawn()[-1] == "4,True")

    # letters would be the notebook's commands, such as "b" for a new cell below
    slider.focus()
    slider.press("b")
    assert page.locator(".jp-Notebook .jp-Cell").count() == 1

    widget.get_by_text("Show as table").click()
    last = widget.locator("tbody tr").last.locator("th, td")
    wait_for(lambda: last.all_text_contents() == ["1", "40"])
    widget.get_by_text("Show as table").click()
    widget.get_by_text("Show all positions").click()
    wait_for(lambda: len(drawn()) == 10)
    assert len(set(drawn())) == 10
    wait_for(lambda: "✓ reached" in widget.locator("tbody tr").last.text_content())
    widget.get_by_role("button", name="Reset").press("Enter")
    wait_for(lambda: widget.locator("svg").inner_html() == first)
    page.close()


def static_page(*shown):
    """Return a page that shows complete widgets with a model that can do nothing but hold their state."""
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width>"]
    parts.append(f"<title>t</title><style>{STYLE}</style><main>")
    for kind in {widget.kind for widget in shown}:
        script = module(kind).replace("export default { render };", f"window.{kind} = render;")
        parts.append(f"<script>{{{script}}}</script>")
    for widget in shown:
        state = {name: value for name, value in widget.get_state().items() if name[0] != "_" and name != "layout"}
        data = json.dumps(state).replace("<", "\\u003c")
        parts.append(
            f"<div class=lossutils>{widget.fallback}</div><script>{{const state = {data};"
            "const model = {get: (name) => state[name], set(name, value) { state[name] = value }, on() {}, off() {},"
            "save_changes() {}, send() { throw Error('sent') }};"
            f"window.{widget.kind}({{model, el: document.currentScript.previousSibling}})}}</script>"
        )
    return "".join(parts)


@pytest.fixture(scope="module")
def complete():
    goal = Goal("Find 6.", lambda height, steep: height == 6)
    widget = explore(draw, alt="A parabola.", height=(1, 6), steep=False, goal=goal)
    widget.complete_frames()
    return widget


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 900, "height": 900})
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert not problems


def test_static_figure_shows_every_frame_as_drawn(page, complete):
    page.set_content(static_page(complete))
    seen = page.evaluate(
        """() => {
          const slider = document.querySelector("input[type=range]"), box = document.querySelector("[type=checkbox]");
          const seen = {};
          // there and back again, so that each frame follows another one than its neighbor too
          for (const index of [0, 1, 2, 3, 4, 5, 3, 0, 5, 1, 4, 2]) for (const steep of [true, false]) {
            slider.value = index;
            box.checked = steep;
            slider.dispatchEvent(new Event("input"));
            const svg = document.querySelector("svg");
            (seen[`${index},${Number(steep)}`] ??= []).push(svg.outerHTML);
          }
          return seen;
        }"""
    )
    assert len(seen) == 12
    for key, markups in seen.items():
        height, steep = map(int, key.split(","))
        fresh = explore(draw, alt="A parabola.", height=[height + 1], steep=[bool(steep)])
        expected = page.evaluate(
            "(markup) => { const div = document.createElement('div'); div.innerHTML = markup; return div.innerHTML }",
            fresh.fallback,
        )
        assert {normal(markup) for markup in markups} == {normal(expected)}


def normal(markup):
    """Sort attributes: a patch may add one at the end."""
    return ET.canonicalize(markup)


def test_static_figure_follows_the_slider_within_a_frame(page, complete, capsys):
    page.set_content(static_page(complete))
    runs = page.evaluate(
        """() => {
          const slider = document.querySelector("input[type=range]");
          const time = (value) => {
            slider.value = value;
            const start = performance.now();
            slider.dispatchEvent(new Event("input"));
            return performance.now() - start;
          };
          return [1, 2, 3].map(() => Array.from({ length: 150 }, (_, i) => time((i * 5) % 6)));
        }"""
    )
    times = min(runs, key=np.median)  # the quietest of three runs: machines are shared
    median, late = np.percentile(times, [50, 95])
    with capsys.disabled():
        print(f"\nslider to changed DOM: median {median:.1f} ms, 95 % within {late:.1f} ms")
    # a tenth of what still feels immediate; the rest of the 16 ms belongs to layout and paint
    assert median <= 4


def test_static_figure_by_keyboard(page, complete):
    page.set_content(static_page(complete))
    page.get_by_role("slider", name="height").press("End")
    page.get_by_text("Goal reached: You found it.", exact=True).wait_for()
    status = page.locator("[aria-live=polite]")
    wait_for(lambda: status.text_content() == "loss 36; Goal reached: You found it.")
    page.get_by_text("Show all positions").click()
    wait_for(lambda: page.locator("tbody tr").count() == 12)
    assert page.locator("tbody tr").last.locator("th, td").all_text_contents() == ["6", "on", "36", "✓ reached"]
    page.get_by_role("button", name="Reset").press("Enter")
    assert page.locator("dd").text_content() == "9"
    page.get_by_role("checkbox", name="steep").press("Space")
    assert page.get_by_role("checkbox", name="steep").is_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_has_no_accessibility_violation_and_fits_a_phone(page, complete, theme):
    from axe_playwright_python.sync_playwright import Axe

    answers = [("`mean`", False, "That is for squares."), ("median", True, "Yes."), ("mode", False, "No.")]
    page.set_viewport_size({"width": 340, "height": 800})
    page.set_content(static_page(complete, quiz("Which?", answers)))
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    if theme == "dark":
        page.add_style_tag(content="html { background: #14181e }")
    page.get_by_text("Show as table").click()
    page.get_by_text("Show all positions").click()
    for fold in page.locator("details .lf-table").all():
        fold.locator("table").first.wait_for()
    page.get_by_label("mean").check()
    page.get_by_role("button", name="Check").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    results = Axe().run(page)
    rules = [
        rule["id"] for rule in results.response["violations"] if rule["id"] not in ("page-has-heading-one", "region")
    ]
    assert rules == [], results.generate_report()


def test_quiz_answers_each_choice(page):
    answers = [("mean", False, "That is for squares."), ("median", True, "As many above as below.")]
    page.set_content(static_page(quiz("Which `constant`?", answers)))
    status = page.locator("[aria-live=polite]")
    page.get_by_role("button", name="Check").click()
    assert status.text_content() == "Choose an answer first."
    page.get_by_role("radio", name="mean").press("Space")
    page.get_by_role("button", name="Check").press("Enter")
    assert status.text_content() == "✗ Not quite. That is for squares."
    page.get_by_role("radio", name="mean").press("ArrowDown")
    assert status.text_content() == ""
    assert page.get_by_role("radio", name="median").is_checked()
    page.get_by_role("button", name="Check").press("Enter")
    assert page.get_by_text("As many above as below.").first.is_visible()
    assert page.get_by_role("group", name="Which constant?").is_visible()


def test_quiz_with_several_right_answers_counts_what_is_missing(page):
    answers = [("a", True, "A."), ("b", True, "B."), ("c", False, "C.")]
    page.set_content(static_page(quiz("Which?", answers)))
    page.get_by_role("checkbox", name="a").check()
    page.get_by_role("button", name="Check").click()
    assert page.locator("[aria-live=polite]").text_content() == "✓ Right. A. One right answer is still missing."
    page.get_by_role("checkbox", name="b").check()
    page.get_by_role("button", name="Check").click()
    assert page.locator("[aria-live=polite]").text_content() == "✓ Right. A. ✓ Right. B."
