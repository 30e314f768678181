"""Build the lab, JupyterLite with the chapters and exercises, where Pyodide's files are there.

The lab is made in `_build/lab-cache` and put into the book as `lab/`. It asks no other machine for anything: Python for
the browser lies in it, and `lossutils` and its widgets are added to Pyodide's own list of packages, so that
`import lossutils` needs no installation.

A notebook's folder there carries a digest of its text. The reader's browser keeps changed notebooks by their path;
a new edition has a new path, so that an old copy doesn't hide it.
"""

import hashlib
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from book import pyodide
from book.build import BUILD, ROOT, code_cells, digest, files_under, read

CACHE = BUILD / "lab-cache"
SITE, LAB = CACHE / "site", CACHE / "built"  # JupyterLite goes wrong where one name is the beginning of the other
INFO = CACHE / "info.json"
SETTINGS = Path(__file__).with_name("lab")
LABEXTENSIONS = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@jupyterlite/pyodide-kernel-extension", "anywidget")
WHEELS = ("anywidget", "comm", "ipywidgets", "psygnal", "typing_extensions")  # Pyodide lacks them, or has them too old
PYTHON = "3.12"  # Pyodide's
SHELL = 8_000_000  # bytes of JupyterLab that a notebook loads, of some 20 million; tests/browser/test_lab.py compares
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)")
DIRECTIVE = re.compile(r"^:::\{(\w+)\} *([^\n]*)\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
TITLES = {"warning": "Warning", "margin": "", "parts": "", "downloads": ""}  # of directives that have none of their own
SETUP = """\
import logging

# Matplotlib announces in red that it looks for fonts. Here that is no news.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)"""
NO_LAB = "The book gets no lab: Pyodide's files aren't here. `make pyodide` fetches them."


def key():
    """Digest of all that the lab is made of, or None where there is no Pyodide."""
    dist = pyodide.find()
    if dist is None:
        return None
    folders = [ROOT / name for name in ("lossutils", "chapters", "exercises", "book/lab")]
    single = [ROOT / name for name in ("pyproject.toml", "constraints.txt", "book/lab.py", "book/pyodide.py")]
    paths = [path for folder in folders for path in files_under(folder)]
    return digest([*paths, *single], hashlib.sha256((dist / pyodide.LOCK).read_bytes()).hexdigest())


def build(notebooks):
    """Bring the lab up to date.

    Parameters
    ----------
    notebooks : iterable of str
        The book's notebooks, as paths in the repository. The lab holds the chapters among them, and all exercises.

    Returns
    -------
    dict
        What the pages say: `megabytes` of a first start, and the `paths` of notebooks in the lab by their paths in
        the repository. Empty where there is no Pyodide.
    """
    if (current := key()) is None:
        print(NO_LAB)
        return {}
    chapters = sorted(name for name in notebooks if name.startswith("chapters/"))
    current = hashlib.sha256(repr((current, chapters)).encode()).hexdigest()
    if (info := json.loads(read(INFO) or "{}")).get("key") != current:
        print("Building the lab …", flush=True)
        INFO.unlink(missing_ok=True)
        info = {"key": current, **make(pyodide.find(), [*chapters, *exercises()])}
        INFO.write_text(json.dumps(info, indent=1))
    return {name: info[name] for name in ("megabytes", "paths")}


def exercises():
    """The students' notebooks, as paths in the repository."""
    return [path.relative_to(ROOT).as_posix() for path in files_under(ROOT / "exercises") if path.suffix == ".ipynb"]


def publish(html, info):
    """Put the lab into the book, or take a former one out; hard links cost no space."""
    shutil.rmtree(html / "lab", ignore_errors=True)
    if info:
        shutil.copytree(LAB, html / "lab", copy_function=os.link)


def make(dist, notebooks):
    """Make the lab from scratch; return what the pages say about it."""
    for folder in (SITE, LAB):
        shutil.rmtree(folder, ignore_errors=True)
    paths = write_notebooks(notebooks, SITE / "files")
    run_jupyterlite()
    python = LAB / "static" / "pyodide"
    fill(dist, [*kernel_wheels(), *fetched_wheels(), own_wheel()], python)
    return {"megabytes": round(first_start(LAB) / 1e6), "paths": paths}


# ---- notebooks


def write_notebooks(names, folder):
    """Write the lab's copies, with the files that they link to; return their paths by name."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    paths = {name: versioned(name, text) for name, text in texts.items()}
    linked = {}
    for name, text in texts.items():
        content = json.dumps(lab_copy(json.loads(text), name, paths, linked), ensure_ascii=False, indent=1)
        write(folder / paths[name], content.encode())
    for source, target in linked.items():
        write(folder / target, (ROOT / source).read_bytes())
    return paths


def versioned(name, text):
    """A notebook's path in the lab; it changes with the text, not with stored outputs.

    >>> versioned("exercises/06-huber/06-huber.ipynb", '{"cells": []}')
    'exercises/06-huber-4f53cda1/06-huber.ipynb'
    """
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    edition = hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:8]
    path = Path(name)
    return f"{path.parts[0]}/{path.stem}-{edition}/{path.name}"


def lab_copy(notebook, name, paths, linked):
    """A notebook without outputs, with a cell that prepares the lab, and links that hold there.

    Links to other notebooks lead to their copies. Other files of the repository are noted in `linked`, as source
    and target, to be copied into the lab's folder `source/`, where they hide no installed package.
    """
    for cell in code_cells(notebook):
        cell["outputs"], cell["execution_count"] = [], None
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = plain_markdown("".join(cell["source"]))
            cell["source"] = LINK.sub(lambda found: relinked(found[0], name, paths, linked), text)
    notebook["cells"].insert(0, setup_cell("lab-setup", SETUP))
    return notebook


def relinked(link, name, paths, linked):
    """The target of a link in the notebook `name`, as it must be in the lab."""
    source = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    if source in paths:
        target = paths[source]
    elif (ROOT / source).is_file() and not source.startswith(".."):
        target = linked[source] = f"source/{source}"
    else:
        return link
    return posixpath.relpath(target, posixpath.dirname(paths[name]))


def plain_markdown(text):
    """A text whose boxes and margin notes, which only the book's pages know, are quotations for any Jupyter.

    >>> print(plain_markdown(":::{warning}\\nNot a device.\\n:::\\n\\n:::{margin}\\nAside.\\n:::"))
    > **Warning**
    >
    > Not a device.
    <BLANKLINE>
    > Aside.
    """

    def quotation(found):
        kind, title, body = found.groups()
        title = title or TITLES[kind]
        lines = [*([f"**{title}**", ""] if title else []), *body.splitlines()]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    return DIRECTIVE.sub(quotation, text)


def setup_cell(identifier, source):
    """A folded code cell that is about the place where a notebook runs, not about its subject."""
    metadata = {"jupyter": {"source_hidden": True}, "tags": [identifier]}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": identifier,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def write(path, content):
    """Write bytes, making the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# ---- JupyterLite


def run_jupyterlite():
    """Let JupyterLite build the site, with the extensions named here only, not all that happen to be installed."""
    extensions = [str(LABEXTENSIONS / name) for name in EXTENSIONS] + [str(SETTINGS / "extension")]
    config = {
        "apps": ["notebooks", "lab"],
        "no_sourcemaps": True,
        "ignore_sys_prefix": True,
        "federated_extensions": extensions,
        "output_dir": str(LAB),
        "cache_dir": str(SITE / ".cache"),
    }
    write(SITE / "jupyter_lite_config.json", json.dumps({"LiteBuildConfig": config}).encode())
    for name in ("jupyter-lite.json", "overrides.json"):
        shutil.copy(SETTINGS / name, SITE)
    run(sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", str(SITE), cwd=SITE)


def run(*command, **options):
    """Run a command quietly; if it fails, end with what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise SystemExit(f"The lab was not built: {' '.join(command)} failed.\n{done.stdout}")


# ---- packages


def kernel_wheels():
    """The wheels that come with JupyterLite's kernel."""
    wheels = LABEXTENSIONS / "@jupyterlite" / "pyodide-kernel-extension" / "static" / "pypi"
    return [path for path in sorted(wheels.glob("*.whl")) if not path.name.startswith("widgetsnbextension")]


def fetched_wheels():
    """Wheels of what Pyodide lacks, in the pinned versions; pip fetches them once."""
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.split("==")[0] in WHEELS]
    folder = CACHE / "wheels" / hashlib.sha256(repr(pins).encode()).hexdigest()[:8]
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        anywhere = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", f"--python-version={PYTHON}", *anywhere]
        run(*command, "--dest", str(draft), *pins)
        draft.rename(folder)
    return sorted(folder.glob("*.whl"))


def own_wheel():
    """A wheel of lossutils, built from a copy, since setuptools leaves its litter beside the source."""
    copy, folder = CACHE / "lossutils", CACHE / "own"
    for path in (copy, folder):
        shutil.rmtree(path, ignore_errors=True)
    about = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    for path in [*files_under(ROOT / "lossutils"), *about]:
        write(copy / path.relative_to(ROOT), path.read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(copy))
    return next(folder.glob("*.whl"))


def fill(dist, wheels, folder):
    """Copy the files of Pyodide that are needed, checked, and the wheels; write the list of them all."""
    lock = pyodide.read_lock(dist)
    for name, expected in pyodide.sums(lock).items():
        write(folder / name, pyodide.check(name, (dist / name).read_bytes(), expected))
    for wheel in wheels:
        write(folder / wheel.name, wheel.read_bytes())
    (folder / pyodide.LOCK).write_text(json.dumps(extended(lock, wheels)))


def extended(lock, wheels):
    """The lock file's content for what is in the lab: the packages of Pyodide that are needed, and the wheels."""
    packages = {name: lock["packages"][name] for name in pyodide.closure(lock["packages"], pyodide.PACKAGES)}
    described = {entry["name"]: entry for entry in map(describe, wheels)}
    known = packages.keys() | described.keys()
    for entry in described.values():
        entry["depends"] = [name for name in entry["depends"] if name in known]
    return {**lock, "packages": packages | described}


def describe(wheel):
    """A wheel's entry in the lock file, with all that it requires in the browser."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        head = Parser().parsestr(archive.read(metadata).decode())
    browser = {"extra": "", "python_version": PYTHON, "sys_platform": "emscripten"}
    required = map(Requirement, head.get_all("Requires-Dist", []))
    modules = {name.partition("/")[0].removesuffix(".py") for name in names if ".dist-info/" not in name}
    return {
        "name": canonicalize_name(head["Name"]),
        "version": head["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(name for name in modules if name.isidentifier()),
        "depends": sorted({canonicalize_name(r.name) for r in required if not r.marker or r.marker.evaluate(browser)}),
        "unvendored_tests": False,
    }


def first_start(lab):
    """Bytes that a first start loads: Python with all its packages, and JupyterLab."""
    python = [path.stat().st_size for path in (lab / "static" / "pyodide").iterdir() if path.suffix != ".mjs"]
    return sum(python) + SHELL
