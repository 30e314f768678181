"""What each page of the built book costs its reader, measured in Chromium: ``make bench``.

Bytes are exact. Milliseconds, from navigation on this machine until the first figure answers, are for comparison only.
"""

import re
import statistics
import sys
import threading
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "tests" / "browser"))

import chromium
from playwright.sync_api import sync_playwright
from weight import files_of, milliseconds_until_ready, weigh

from book.build import HTML, book_documents, main
from book.serve import open_server

PAGES = [re.sub(r"\.(ipynb|md)$", ".html", name) for name in book_documents()]
ROUNDS = 5


@pytest.fixture(scope="module")
def site():
    """Address of the book on this machine, brought up to date."""
    assert main() == 0
    with open_server(HTML, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    path = chromium.find()
    if not path:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def fresh_page(browser):
    """A function that gives a page with nothing in its cache, and closes the one before: open tabs take time."""
    opened = []

    def fresh():
        while opened:
            opened.pop().close()
        opened.append(browser.new_page())
        return opened[-1]

    yield fresh
    fresh().close()


@pytest.mark.parametrize("name", PAGES)
def test_page(record_property, site, fresh_page, name):
    """Weigh a page on a first visit and after another page, and time its first figure."""
    files = files_of(fresh_page(), site, name)
    own = {file for file in files if not file.startswith("_static/")}
    times = [milliseconds_until_ready(fresh_page(), site, name) for _ in range(ROUNDS)]
    ready = None if None in times else round(statistics.median(times))
    record_property("page", {"name": name, "first": weigh(HTML, files), "next": weigh(HTML, own), "ready": ready})
