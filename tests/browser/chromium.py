"""Find Chromium, or install it: ``python tests/browser/chromium.py``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "No browser was found and none could be installed: browser tests are skipped."


def find():
    """Path of a Chromium on this machine, or None."""
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    return on_path or playwrights_own()


def playwrights_own():
    """Path of the Chromium that Playwright installs, where it exists."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install():
    """Try the ways there are; say nothing of their failures, for `find` tells the outcome."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]]
    else:
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    print("No browser found: installing Chromium …", flush=True)
    for command in commands:
        subprocess.run(command, check=False, capture_output=True)


def main():
    """Make sure of a browser; only in CI is its absence a failure."""
    if not find():
        install()
    if find():
        return 0
    print(MISSING, file=sys.stderr)
    return int(os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main())
