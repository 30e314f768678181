"""A real browser, the built book, and pages that refuse every request to another machine."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import chromium
import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

from book.serve import HTML, open_server

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def browser():
    """Chromium, for the whole session."""
    path = chromium.find()
    if not path and os.environ.get("CI") == "true":
        pytest.fail(chromium.MISSING)
    if not path:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book(browser):
    """Folder of the built book, brought up to date; by one process of those that run tests side by side."""
    HTML.parent.mkdir(exist_ok=True)
    with FileLock(HTML.parent / "tests.lock"):
        done = subprocess.run([sys.executable, "-m", "book.build"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return HTML


@pytest.fixture(scope="session")
def site(book):
    """URL of the built book on this machine."""
    with open_server(book, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Visit:
    """A page opened in a fresh profile, with all that went wrong on it."""

    def __init__(self, context):
        self.refused, self.errors = [], []
        context.route("**/*", self._guard)
        self.page = context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _guard(self, route):
        url = route.request.url
        if url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
            route.continue_()
        else:
            self.refused.append(url)
            route.abort()


@pytest.fixture
def visit(browser):
    """Open a URL: `visit(url, viewport=PHONE, color_scheme="dark", javascript=False)`."""
    contexts = []

    def open_page(url, *, viewport=DESKTOP, color_scheme="light", javascript=True):
        context = browser.new_context(viewport=viewport, color_scheme=color_scheme, java_script_enabled=javascript)
        contexts.append(context)
        visit = Visit(context)
        visit.page.goto(url, wait_until="load")
        return visit

    yield open_page
    for context in contexts:
        context.close()
