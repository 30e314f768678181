"""What the lab and the rows of links are made of: Pyodide's files checked, wheels described, notebooks copied."""

import hashlib
import json
import re
import threading
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest

from book import lab, launch, pyodide
from book.serve import open_server

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "exercises/06-x/06-x.ipynb"
LAB = {"megabytes": 42, "paths": {"chapters/06-x.ipynb": "chapters/06-x-0123abcd/06-x.ipynb"}}
REPOSITORY = ("https://github.com/someone/book", "main")


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A small Pyodide on a server of this machine, with pins that fit: its folder and its URL."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    files = {"pyodide.js": b"// start", "one-1.whl": b"one", "two-2.whl": b"two", "unused.whl": b"never fetched"}
    lock = {"packages": {
        "one": {"file_name": "one-1.whl", "sha256": sum_of(b"one"), "depends": ["Two_"]},
        "two-": {"file_name": "two-2.whl", "sha256": sum_of(b"two"), "depends": []},
        "unused": {"file_name": "unused.whl", "sha256": sum_of(b"never fetched"), "depends": []},
    }}  # fmt: skip
    files[pyodide.LOCK] = json.dumps(lock).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pins = {name: sum_of(files[name]) for name in ("pyodide.js", pyodide.LOCK)}
    monkeypatch.setattr(pyodide, "PINS", pins)
    monkeypatch.setattr(pyodide, "PACKAGES", ["one"])
    with open_server(folder, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_fetching_takes_what_is_needed_and_checks_it(mirror, tmp_path):
    """The lock file, the interpreter, and the packages with all that they depend on; nothing else."""
    count, size = pyodide.fetch(mirror[1], tmp_path / "here")
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert fetched.keys() == {"pyodide.js", "one-1.whl", "two-2.whl", pyodide.LOCK}
    assert (count, size) == (4, sum(map(len, fetched.values())))


def test_fetching_again_loads_only_what_is_wrong(mirror, tmp_path, capsys):
    """Files with the right sum are kept; a spoiled one is replaced."""
    pyodide.fetch(mirror[1], tmp_path / "here")
    (tmp_path / "here" / "one-1.whl").write_bytes(b"spoiled")
    capsys.readouterr()
    pyodide.fetch(mirror[1], tmp_path / "here")
    assert capsys.readouterr().out.split() == ["one-1.whl"]
    assert (tmp_path / "here" / "one-1.whl").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["two-2.whl", "pyodide.js", pyodide.LOCK])
def test_a_corrupted_file_is_refused(mirror, tmp_path, monkeypatch, name):
    """Whatever differs by a byte is named and not kept, and the folder doesn't count as filled."""
    folder, url = mirror
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(pyodide.Refused, match=re.escape(name)):
        pyodide.fetch(url, tmp_path / "here")
    assert not (tmp_path / "here" / name).exists()
    monkeypatch.delenv("PYODIDE_DIST", raising=False)
    monkeypatch.setattr(pyodide, "FOLDER", tmp_path / "here")
    assert pyodide.find() is None


def test_a_missing_file_is_refused(mirror, tmp_path):
    (mirror[0] / "two-2.whl").unlink()
    with pytest.raises(pyodide.Refused, match=r"two-2.whl can't be fetched.*404"):
        pyodide.fetch(mirror[1], tmp_path / "here")


def test_a_named_folder_must_hold_pyodide(monkeypatch, tmp_path):
    monkeypatch.setenv("PYODIDE_DIST", str(tmp_path))
    with pytest.raises(pyodide.Refused, match=re.escape(pyodide.LOCK)):
        pyodide.find()


def test_without_pyodide_there_is_no_lab(monkeypatch, tmp_path, capsys):
    """One line says so, and the pages get nothing to link to."""
    monkeypatch.delenv("PYODIDE_DIST", raising=False)
    monkeypatch.setattr(pyodide, "FOLDER", tmp_path)
    assert lab.build(["chapters/06-x.ipynb"]) == {}
    assert capsys.readouterr().out == lab.NO_LAB + "\n"


def write_wheel(folder, name, version, *required):
    """A wheel with a module and what it requires."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {other}" for other in required]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\n")
    return path


def test_wheels_become_entries_of_the_lock(tmp_path, monkeypatch):
    """Sum, modules, and dependencies as the browser needs them; a newer wheel takes the place of Pyodide's."""
    monkeypatch.setattr(pyodide, "PACKAGES", ["numpy"])
    old = {"name": "typing-extensions", "version": "1", "depends": []}
    packages = {"numpy": {"name": "numpy", "depends": ["typing_extensions"]}, "typing-extensions": old, "scipy": {}}
    required = ["numpy>=2", "Typing_Extensions", "torch; extra == 'torch'", "wine; sys_platform == 'win32'", "absent"]
    wheels = [
        write_wheel(tmp_path, "lossutils", "0.1", *required),
        write_wheel(tmp_path, "typing_extensions", "4", "numpy; extra == 'fast'"),
    ]
    lock = lab.extended({"info": {"version": "x"}, "packages": packages}, wheels)
    assert lock["info"] == {"version": "x"}
    assert lock["packages"].keys() == {"numpy", "typing-extensions", "lossutils"}
    assert lock["packages"]["typing-extensions"]["version"] == "4"
    assert lock["packages"]["typing-extensions"]["depends"] == []
    ours = lock["packages"]["lossutils"]
    assert ours["depends"] == ["numpy", "typing-extensions"]
    assert ours["imports"] == ["lossutils"]
    assert ours["sha256"] == sum_of(wheels[0].read_bytes())
    assert ours["file_name"] == wheels[0].name


def notebook(*texts):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])


def test_a_new_text_has_a_new_path():
    """An edited copy in the reader's browser must not hide a new edition; stored outputs are no new edition."""
    first = notebook("one")
    path = lab.versioned(NOTEBOOK, nbformat.writes(first))
    assert re.fullmatch(r"exercises/06-x-[0-9a-f]{8}/06-x.ipynb", path)
    assert lab.versioned(NOTEBOOK, nbformat.writes(notebook("two"))) != path
    first.metadata["anything"] = "else"
    assert lab.versioned(NOTEBOOK, nbformat.writes(first)) == path


def test_links_hold_in_the_lab():
    """Notebooks are linked by their versioned paths, other files of the repository are copied, the rest stays."""
    text = "[a](../../chapters/06-x.ipynb#top) [b](../../README.md) [c](https://w.org/) [d](#here) [e](../gone.md)"
    paths = {NOTEBOOK: "exercises/06-x-1/06-x.ipynb", "chapters/06-x.ipynb": "chapters/06-x-2/06-x.ipynb"}
    linked = {}
    copy = lab.lab_copy(json.loads(nbformat.writes(notebook(text))), NOTEBOOK, paths, linked)
    assert copy["cells"][1]["source"] == (
        "[a](../../chapters/06-x-2/06-x.ipynb#top) [b](../../source/README.md) [c](https://w.org/) [d](#here) "
        "[e](../gone.md)"
    )
    assert linked == {"README.md": "source/README.md"}
    nbformat.validate(nbformat.from_dict(copy))


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("chapters/*.ipynb"))])
def test_copies_have_no_markup_that_jupyter_does_not_know(name):
    """JupyterLab and Colab would show the book's directives as text."""
    text = (ROOT / name).read_text("utf-8")
    assert ":::{" in text
    for copy in (lab.lab_copy(json.loads(text), name, {name: name}, {}), json.loads(launch.portable(text, None))):
        texts = ["".join(cell["source"]) for cell in copy["cells"] if cell["cell_type"] == "markdown"]
        assert any("\n> - **" in text for text in texts), "what the reader will be able to do"
        assert [text for text in texts if ":::" in text or re.search(r"\{[a-z]+\}`", text)] == []


def test_the_row_without_lab_and_repository():
    """What there is no way to run isn't offered; the notebook is."""
    html = launch.row("chapters/06-x.ipynb", "chapter", {}, None, "../")
    assert html == '<a href="../_sources/chapters/06-x.ipynb" download>Download notebook</a>'


def test_the_row_with_lab_and_repository():
    """The lab by a relative link, with its cost; Colab gets the copy that installs lossutils, Binder the repository."""
    html = launch.row("chapters/06-x.ipynb", "chapter", LAB, REPOSITORY, "../")
    assert 'href="../lab/notebooks/index.html?path=chapters/06-x-0123abcd/06-x.ipynb">Run this chapter<' in html
    assert "42 MB" in html
    assert "colab.research.google.com/github/someone/book/blob/notebooks/chapters/06-x.ipynb" in html
    assert "mybinder.org/v2/gh/someone/book/main?urlpath=lab/tree/chapters/06-x.ipynb" in html
    assert launch.elsewhere("chapters/06-x.ipynb", ("https://example.org/book", "main")) == []


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ('repository: {url: ""}', None),
        ("title: x", None),
        ("repository: {url: https://github.com/someone/book.git}", REPOSITORY),
        ("repository: {url: https://github.com/someone/book/, branch: next}", (REPOSITORY[0], "next")),
    ],
)
def test_the_repository_is_read_from_the_configuration(tmp_path, monkeypatch, config, found):
    (tmp_path / "_config.yml").write_text(config)
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    assert launch.repository() == found


@pytest.mark.parametrize("repository", [None, REPOSITORY], ids=["no repository", "repository"])
def test_a_copy_installs_what_is_missing_and_nothing_else(repository):
    """The first cell, and it only, is added; where lossutils is there, it does nothing."""
    text = nbformat.writes(notebook("one"))
    copy = nbformat.reads(launch.portable(text, repository), as_version=4)
    nbformat.validate(copy)
    assert [cell.source for cell in copy.cells[1:]] == ["one"]
    assert copy.cells[0].metadata.tags == ["install"]
    source = copy.cells[0].source.replace("%pip", "raise SystemExit #")
    exec(source, {})
    with pytest.raises((SystemExit, ModuleNotFoundError)):
        exec(source.replace("lossutils", "no_such_package"), {})


def test_binder_installs_what_the_project_names():
    """An extra of pyproject.toml, under the pins of constraints.txt, on a Python that the project allows."""
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    extra = re.fullmatch(r"-e \.\[(\w+)\]", lines[-1])[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]
    assert "-c ../constraints.txt" in lines
    version = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert tuple(map(int, version.split("."))) >= (3, 11)
