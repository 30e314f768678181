"""Build the book into `_build/html`: ``python -m book.build``.

Four steps, each skipped where nothing it depends on has changed:

1. execute the chapters whose code, or `lossutils`, or the pinned versions changed;
2. stage their current text together with the stored outputs in `_build/source`;
3. build the lab, where the files for it are there (see `book/lab.py`);
4. render the staged folder with Jupyter Book's Sphinx, warnings being errors.
"""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
EXECUTED, SOURCE, HTML, DOCTREES = (BUILD / name for name in ("executed", "source", "html", ".doctrees"))
STAMP, RENDERER_STAMP = BUILD / "book.sha256", BUILD / "renderer.sha256"
EXECUTION_TAGS = {"raises-exception", "skip-execution"}


def main():
    """Bring `_build/html` up to date; return the exit code."""
    from book import lab

    start = time.monotonic()
    stamp = digest(all_inputs(), lab.key())
    if (HTML / "index.html").exists() and read(STAMP) == stamp:
        print("The book is up to date: nothing changed since the last build.")
        return 0
    STAMP.unlink(missing_ok=True)
    from book.execute import NotebookFailed

    try:
        documents = book_documents()
        notebooks = {name: (ROOT / name).read_text(encoding="utf-8") for name in documents if is_notebook(name)}
        execute_stale(notebooks)
    except (FileNotFoundError, NotebookFailed) as failure:
        print(f"\nThe book was not built.\n{failure}", file=sys.stderr)
        return 1
    stage(documents, notebooks)
    lab_info = lab.build(notebooks)
    print("Rendering the pages …", flush=True)
    if render(lab_info) != 0:
        shutil.rmtree(DOCTREES, ignore_errors=True)  # a warning must come back in the next build
        print("\nThe book was not built: see the warnings above.", file=sys.stderr)
        return 1
    offer_plain_notebooks(notebooks)
    lab.publish(HTML, lab_info)
    offer_downloads()
    STAMP.write_text(stamp)
    print(f"Built {len(documents)} pages in {time.monotonic() - start:.0f} s.")
    return 0


def all_inputs():
    """Every file that the pages depend on."""
    return [*library_files(), *renderer_files(), *source_files()]


def library_files():
    """What a chapter's results depend on beside its own code."""
    return [*files_under(ROOT / "lossutils"), ROOT / "constraints.txt"]


def renderer_files():
    """What every page's looks depend on."""
    return [*files_under(ROOT / "book"), ROOT / "_config.yml", ROOT / "_toc.yml"]


def source_files():
    """Text of the book, with the files beside it and those that it offers for download."""
    folders = ("chapters", "appendix", "exercises")
    below = [path for folder in folders for path in files_under(ROOT / folder)]
    return [*below, *(path for kind in ("md", "ipynb", "bib") for path in sorted(ROOT.glob(f"*.{kind}")))]


def files_under(folder):
    """All files of a folder but for Python's and Jupyter's litter."""
    litter = {"__pycache__", ".ipynb_checkpoints"}
    return sorted(path for path in folder.rglob("*") if path.is_file() and not litter & set(path.parts))


def digest(paths, *extra):
    """Hash of file names and contents, and of the Python that runs."""
    total = hashlib.sha256(repr((sys.version_info[:3], extra)).encode())
    for path in paths:
        if path.exists():
            total.update(f"{path.relative_to(ROOT)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def read(path):
    """A file's text, or None where there is none."""
    return path.read_text() if path.exists() else None


def book_documents():
    """Files named in `_toc.yml`, relative to the root, in reading order."""
    import yaml

    def entries(node):
        if isinstance(node, dict):
            yield from (node[key] for key in ("root", "file") if key in node)
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)):
                yield from entries(child)

    documents = []
    for entry in entries(yaml.safe_load((ROOT / "_toc.yml").read_text())):
        found = [entry + suffix for suffix in ("", ".ipynb", ".md") if (ROOT / (entry + suffix)).is_file()]
        if not found:
            raise FileNotFoundError(f"_toc.yml names {entry!r}, but there is no such .ipynb or .md file.")
        documents.append(found[0])
    return documents


def is_notebook(name):
    """Whether a document has code to execute."""
    return name.endswith(".ipynb")


def execute_stale(notebooks):
    """Execute the notebooks whose stored outputs no longer follow from their code."""
    import nbformat

    from book.execute import execute_all

    library = digest(library_files())
    keys = {name: execution_key(json.loads(text), library) for name, text in notebooks.items()}
    stale = {
        name: nbformat.reads(text, as_version=4)
        for name, text in notebooks.items()
        if read(EXECUTED / f"{name}.sha256") != keys[name]
    }
    for name, notebook in execute_all(ROOT, stale, complete=True) if stale else ():
        target = EXECUTED / name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        (EXECUTED / f"{name}.sha256").write_text(keys[name])


def code_cells(notebook):
    """The cells that a kernel sees."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def execution_key(notebook, library):
    """Hash of what the outputs depend on: code, execution tags, `library`; not the prose."""
    code = [
        ("".join(cell["source"]), sorted(EXECUTION_TAGS & set(cell["metadata"].get("tags", []))))
        for cell in code_cells(notebook)
    ]
    return hashlib.sha256(repr((code, library)).encode()).hexdigest()


def with_outputs(name, text):
    """The notebook's current text with the outputs and the widget state of its last execution."""
    notebook, executed = json.loads(text), json.loads((EXECUTED / name).read_text(encoding="utf-8"))
    for cell, done in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell["outputs"], cell["execution_count"] = done["outputs"], done["execution_count"]
    notebook["metadata"] = executed["metadata"] | notebook["metadata"]
    notebook["cells"] = folds_joined(notebook["cells"])
    return json.dumps(notebook, ensure_ascii=False)


def folds_joined(cells):
    """Cells with neighbors made one where the code of both is folded away and the first one shows nothing.

    >>> folded = {"cell_type": "code", "metadata": {"tags": ["hide-input"]}, "outputs": []}
    >>> folds_joined([folded | {"source": "a = 1"}, folded | {"source": ["b = a\\n", "b"]}])[0]["source"]
    'a = 1\\n\\n\\nb = a\\nb'
    """
    joined = []
    for cell in cells:
        if joined and is_folded(joined[-1]) and not joined[-1]["outputs"] and is_folded(cell):
            cell = cell | {"source": "\n\n\n".join("".join(part["source"]) for part in (joined.pop(), cell))}
        joined.append(cell)
    return joined


def is_folded(cell):
    """Whether the page hides a cell's code, and not its outputs."""
    return cell["cell_type"] == "code" and "hide-input" in cell["metadata"].get("tags", [])


def stage(documents, notebooks):
    """Fill `_build/source`, rewriting only what changed, so that Sphinx reads only that again."""
    wanted = [*documents, *beside_chapters(), "_toc.yml", "references.bib"]
    staged = {name: (ROOT / name).read_bytes() for name in wanted}
    staged |= {name: with_outputs(name, text).encode() for name, text in notebooks.items()}
    for path in files_under(SOURCE):
        if str(path.relative_to(SOURCE)) not in staged:
            path.unlink()
    for name, content in staged.items():
        target = SOURCE / name
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def beside_chapters():
    """Pictures and other files in chapters/ that are no pages."""
    paths = files_under(ROOT / "chapters")
    return [str(path.relative_to(ROOT)) for path in paths if path.suffix not in (".ipynb", ".md")]


def render(lab_info, builder="html", folder=HTML):
    """Run Sphinx with Jupyter Book's configuration; return 0 if there was no warning."""
    from jupyter_book.sphinx import build_sphinx

    renderer = digest(renderer_files())
    if read(RENDERER_STAMP) != renderer:
        for stale in (HTML, DOCTREES):
            shutil.rmtree(stale, ignore_errors=True)
    outcome = build_sphinx(
        SOURCE,
        folder,
        builder=builder,
        path_config=ROOT / "_config.yml",
        noconfig=True,
        doctreedir=DOCTREES,
        confoverrides={
            "external_toc_path": "_toc.yml",
            "latex_individualpages": False,
            "launch_lab": lab_info,
            "nb_execution_mode": "off",
            "nitpicky": True,
        },
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    RENDERER_STAMP.write_text(renderer)
    return outcome


def offer_plain_notebooks(notebooks):
    """Readers download the repository's notebook, made ready to run elsewhere, not megabytes of frames."""
    from book.lab import exercises
    from book.launch import portable, repository

    for name in [*notebooks, *exercises()]:
        target = HTML / "_sources" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(portable((ROOT / name).read_text(encoding="utf-8"), repository()), encoding="utf-8")


def offer_downloads():
    """Pack the site into one file, and link it from the cover."""
    from book.downloads import refresh

    refresh()


if __name__ == "__main__":
    sys.exit(main())
