"""The book's Sphinx extension: static widgets, MathML, and pages that ask nobody else for anything."""

import os
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from book.atlas_page import setup_atlas
from book.cover import setup_cover
from book.epub import setup_epub
from book.launch import setup_launch
from book.mathml import setup_maths
from book.search import setup_search
from book.theme import setup_theme
from book.widgets import setup_widgets, write_host

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(__file__).with_name("assets")
PROMPTS = {"all": "the solution", "input": "the code", "input+output": "the code", "output": "the output"}


class NamePrompts(SphinxTransform):
    """Say what a folded cell holds: a folded cell is a solution, folded input is a figure's code."""

    default_priority = 410

    def apply(self, **kwargs):
        for cell in self.document.findall(nodes.container):
            if cell.get("hide_mode"):
                what = PROMPTS[cell["hide_mode"]]
                cell["prompt_show"], cell["prompt_hide"] = f"Show {what}", f"Hide {what}"


class OfferRepositoryFiles(SphinxTransform):
    """Turn links to files of the repository, which work in Jupyter and on a code host, into downloads."""

    default_priority = 420

    def apply(self, **kwargs):
        here = ROOT / self.env.docname
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = here.parent / link.get("reftarget", "").partition("#")[0]
            if link.get("reftype") == "myst" and not link.get("refdomain") and target.is_file():
                source = os.path.relpath(target.resolve(), self.app.srcdir)
                download = addnodes.download_reference("", "", reftarget=f"/{source}", refdoc=self.env.docname)
                download.extend(link.children)
                link.replace_self(download)


def visit_folded(translator, node):
    """Write a folded cell so that its name for screen readers is the text that everyone sees."""
    translator.body.append(
        f'<details class="hide {" ".join(node["classes"])}"><summary>'
        f'<span class="when-closed">{translator.encode(node["prompt_show"])}</span>'
        f'<span class="when-open">{translator.encode(node["prompt_hide"])}</span></summary>\n'
    )


def depart_folded(translator, node):
    """Close a folded cell."""
    translator.body.append("</details>\n")


def add_assets(app):
    """Offer our stylesheet, script, font, and the widgets' host as static files."""
    generated = Path(app.doctreedir) / "lossutils"
    write_host(generated)
    app.config.html_static_path += [str(ASSETS), str(generated)]


def add_icon(app, config):
    """Show the book's icon in the browser's tab."""
    config.html_favicon = str(ASSETS / "favicon.svg")


def setup(app):
    """Register everything with Sphinx."""
    os.environ.setdefault("LOSSUTILS_EXPLORE", "complete")  # for `jupyter-book build`, which executes by itself
    setup_maths(app)
    setup_widgets(app)
    setup_atlas(app)
    setup_launch(app)
    setup_theme(app)
    setup_cover(app)
    setup_search(app)
    setup_epub(app)
    app.add_transform(NamePrompts)
    app.add_transform(OfferRepositoryFiles)
    app.add_node(HideCodeCellNode, override=True, html=(visit_folded, depart_folded))
    app.connect("config-inited", add_icon)
    app.connect("builder-inited", add_assets)
    app.add_css_file("book.css", priority=900)
    app.add_js_file("book.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
