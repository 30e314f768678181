"""Fetch Python for the browser into `_build/pyodide`: ``python -m book.pyodide [--from URL]``.

Pyodide's files are pinned twice: the lock file and the interpreter here, every package by the lock file. What
doesn't have the pinned sum is refused. With the folder filled, `make book` builds the lab.
"""

import argparse
import hashlib
import json
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_build" / "pyodide"
VERSION = "0.27.7"
SOURCE = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"  # Pyodide's official distribution
LOCK = "pyodide-lock.json"
PINS = {
    "pyodide-lock.json": "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c",
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.mjs": "04c052c815abb0bf2981fa38c2dfa58e3120ee5288c956df2b2a15e301782c5f",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
# What the kernel and lossutils load; what these depend on follows from the lock file.
PACKAGES = ("ipython", "jedi", "matplotlib", "micropip", "numpy", "sqlite3", "ssl")
TIMEOUT = 60  # seconds without an answer


class Refused(SystemExit):
    """A file isn't what it should be, or can't be had. The message names it, and a command ends with it."""


def find():
    """The folder with Pyodide's files: what PYODIDE_DIST names, else a filled `_build/pyodide`, else None."""
    named = os.environ.get("PYODIDE_DIST")
    folder = Path(named) if named else FOLDER
    if (folder / LOCK).is_file():
        return folder
    if named:
        raise Refused(f"PYODIDE_DIST is {named}, but there is no {LOCK}.")
    return None


def sums(lock):
    """The sha256 of every file that the lab needs, by file name.

    Parameters
    ----------
    lock : dict
        The content of the lock file.
    """
    entries = [lock["packages"][name] for name in closure(lock["packages"], PACKAGES)]
    return PINS | {entry["file_name"]: entry["sha256"] for entry in entries}


def closure(packages, names):
    """Packages by name, and all that they depend on, in alphabetical order.

    >>> closure({"a": {"depends": ["b"]}, "b": {"depends": []}, "c": {"depends": []}}, ["a"])
    ['a', 'b']
    """
    found, ahead = set(), list(names)
    while ahead:
        if (name := ahead.pop()) not in found:
            found.add(name)
            ahead += [dependency.lower().replace("_", "-") for dependency in packages[name]["depends"]]
    return sorted(found)


def check(name, content, expected):
    """Return the content if it has the expected sum; else raise `Refused`."""
    if (actual := hashlib.sha256(content).hexdigest()) != expected:
        raise Refused(f"{name} is refused: its sha256 is {actual}, and {expected} is expected.")
    return content


def read_lock(folder):
    """The content of the lock file in a folder, checked."""
    return json.loads(check(LOCK, (folder / LOCK).read_bytes(), PINS[LOCK]))


def fetch(source=SOURCE, folder=FOLDER):
    """Fill the folder from a URL, keeping the files that are right already; return their number and bytes.

    Raises
    ------
    Refused
        A file can't be had, or doesn't have the pinned sum. Nothing of it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK).unlink(missing_ok=True)  # written last, so that a folder with it is complete
    lock = check(LOCK, download(source, LOCK), PINS[LOCK])
    expected = sums(json.loads(lock))
    del expected[LOCK]
    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(lambda item: fetch_file(source, folder, *item), expected.items()))
    (folder / LOCK).write_bytes(lock)
    return len(sizes) + 1, sum(sizes) + len(lock)


def fetch_file(source, folder, name, expected):
    """Fetch one file unless it is there and right; return its size."""
    target = folder / name
    if not target.exists() or hashlib.sha256(target.read_bytes()).hexdigest() != expected:
        target.write_bytes(check(name, download(source, name), expected))
        print(f"  {name}", flush=True)
    return target.stat().st_size


def download(source, name):
    """The content of a file below a URL."""
    url = source.rstrip("/") + "/" + name
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise Refused(f"{url} can't be fetched: {error}") from None


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m book.pyodide", description=__doc__.partition("\n")[0])
    parser.add_argument("--from", dest="source", default=SOURCE, metavar="URL", help=f"default: {SOURCE}")
    options = parser.parse_args(arguments)
    count, size = fetch(options.source)
    print(f"Pyodide {VERSION}: {count} files, {size / 1e6:.0f} MB, in {FOLDER.relative_to(ROOT)}; sums are right.")


if __name__ == "__main__":
    main()
