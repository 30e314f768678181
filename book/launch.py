"""A row of links below a chapter's title, and below the link to an exercise: where else the notebook runs.

"Run" leads to the lab, if it is built; "Open in Colab" and "Binder" are there if `_config.yml` names a repository on
GitHub; the notebook can be downloaded in any case. The copies for Colab and for download begin with a cell that
installs lossutils where it is missing, and have plain Markdown where chapters use the book's own boxes.
"""

import json
import posixpath
from pathlib import Path
from urllib.parse import quote

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from book.lab import plain_markdown, setup_cell

ROOT = Path(__file__).resolve().parents[1]
CODE_HOST = "https://github.com/"
COPIES = "notebooks"  # the branch to which publishing pushes the copies, for Colab
SECONDS = "10 to 30"  # of a first start: a fast machine, and two slow cores
INSTALL = """\
import importlib.util

# The helper package of the book, where it isn't installed already.
if not importlib.util.find_spec("lossutils"):
    {how}"""
FROM_REPOSITORY = '%pip install --quiet "git+{url}"'
BY_HAND = 'raise ModuleNotFoundError("This notebook needs lossutils: run `pip install -e .` in a clone of the book.")'


class launch_row(nodes.General, nodes.Element):
    """The row; `notebook` is the path in the repository."""


class AddRows(SphinxTransform):
    """Put a row below the title of each chapter, and below each paragraph of it that links to an exercise."""

    default_priority = 415  # before links to files become downloads

    def apply(self, **kwargs):
        page = Path(self.env.doc2path(self.env.docname, base=False))
        if page.suffix != ".ipynb" or page.parts[0] != "chapters":
            return
        for title in list(self.document.findall(nodes.title))[:1]:
            insert_after(title, launch_row(notebook=page.as_posix(), what="chapter"))
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = posixpath.normpath(posixpath.join(page.parent.as_posix(), link.get("reftarget", "")))
            if target.startswith("exercises/") and target.endswith(".ipynb"):
                insert_after(paragraph_of(link), launch_row(notebook=target, what="assignment"))


def insert_after(node, new):
    """Put a node behind another."""
    node.parent.insert(node.parent.index(node) + 1, new)


def paragraph_of(node):
    """The paragraph that a link stands in."""
    while not isinstance(node, nodes.paragraph):
        node = node.parent
    return node


def visit_row(translator, node):
    """Write the row."""
    builder = translator.builder
    if builder.name == "epub":
        raise nodes.SkipNode
    up = "../" * builder.current_docname.count("/")
    links = row(node["notebook"], node["what"], builder.config.launch_lab, repository(), up)
    translator.body.append(f'<div class="launch" role="group" aria-label="Run this {node["what"]}">{links}</div>\n')
    raise nodes.SkipNode


def skip(translator, node):
    """Leave the row out where there is no HTML."""
    raise nodes.SkipNode


def row(notebook, what, lab, repository, up):
    """The links of a row, as HTML.

    Parameters
    ----------
    notebook : str
        Path in the repository.
    what : str
        What the reader calls it: chapter or assignment.
    lab : dict
        What `book.lab.build` returned.
    repository : (str, str) or None
        URL and branch.
    up : str
        The way from the page to the book's root.
    """
    parts = []
    if path := lab.get("paths", {}).get(notebook):
        cost = f"in your browser; the first time, {SECONDS} seconds and {lab['megabytes']} MB"
        address = f"{up}lab/notebooks/index.html?path={quote(path)}"
        parts.append(f'<a class="launch-run" href="{address}">Run this {what}</a>')
        parts.append(f'<span class="launch-cost">{cost}</span>')
    parts += [f'<a href="{url}">{name}</a>' for name, url in elsewhere(notebook, repository)]
    parts.append(f'<a href="{up}_sources/{quote(notebook)}" download>Download notebook</a>')
    return " ".join(parts)


def elsewhere(notebook, repository):
    """Names and addresses of the services that run a notebook of the repository."""
    if not repository or not repository[0].startswith(CODE_HOST):
        return []
    place, path = repository[0].removeprefix(CODE_HOST), quote(notebook)
    return [
        ("Open in Colab", f"https://colab.research.google.com/github/{place}/blob/{COPIES}/{path}"),
        ("Binder", f"https://mybinder.org/v2/gh/{place}/{quote(repository[1])}?urlpath=lab/tree/{path}"),
    ]


def repository():
    """URL and branch of the repository that `_config.yml` names, or None."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8")).get("repository") or {}
    url = (config.get("url") or "").rstrip("/").removesuffix(".git")
    return (url, config.get("branch") or "main") if url else None


def portable(text, repository):
    """A notebook's text in plain Markdown, with a first cell that installs lossutils where it is missing."""
    how = FROM_REPOSITORY.format(url=repository[0]) if repository else BY_HAND
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = plain_markdown("".join(cell["source"]))
    notebook["cells"].insert(0, setup_cell("install", INSTALL.format(how=how)))
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def setup_launch(app):
    """Register the row with Sphinx; `launch_lab` is what `book.lab.build` returned."""
    app.add_config_value("launch_lab", {}, "html")
    app.add_node(launch_row, html=(visit_row, None), latex=(skip, None), text=(skip, None))
    app.add_transform(AddRows)
    app.add_css_file("launch.css", priority=901)
    app.add_js_file("launch.js", loading_method="defer")
