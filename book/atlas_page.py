"""The atlas page: the directive ``loss-atlas`` writes every entry of ``atlas.toml``, family by family.

Without scripts the page is a plain list. ``atlas.js`` puts a filter above it, from the classes of the entries.
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from book.atlas_plots import svg
from lossutils import functional
from lossutils.atlas import card, entries

FAMILIES = {
    "regression": "A real number",
    "likelihood": "Counts, amounts, and forecasts with a spread",
    "classification": "Classes",
    "margin": "Margins",
    "divergence": "Distributions",
    "embedding": "Embeddings",
    "segmentation": "Masks",
    "ranking": "Order",
    "sequence": "Sequences",
    "adversarial": "Adversaries",
    "denoising": "Denoising",
    "preference": "Preferences",
    "multitask": "Several tasks",
}
CLAIMS = {
    "convex": "convex",
    "differentiable": "smooth slope",
    "bounded_gradient": "bounded pull",
    "redescending": "lets go of far outliers",
    "robust": "robust",
    "proper": "proper score",
}


class LossAtlas(SphinxDirective):
    """Every loss's card, with what is claimed of it, in a section named after the loss."""

    def run(self):
        """Return a section for each family."""
        return [self.family(name, title) for name, title in FAMILIES.items()]

    def family(self, family, title):
        """A family's losses, in the order of the atlas."""
        section = nodes.section(ids=[f"family-{family}"], names=[family])
        section += nodes.title(title, title)
        section += [self.loss(name, entry) for name, entry in entries().items() if entry["family"] == family]
        return section

    def loss(self, name, entry):
        """One loss: its title, what it is called here, its card, and its claims."""
        section = nodes.section(ids=[name], names=[name], classes=["loss", *filters(entry)])
        section += nodes.title(entry["title"], entry["title"])
        section += nodes.raw("", svg(name, entry["title"]), format="html")
        here = f"- **In lossutils:** `{name}`; first argument: {entry['takes']}"
        also = f"- **Also called:** {', '.join(entry['also'])}" if "also" in entry else ""
        lines = [here, *card(getattr(functional, name)).markdown().splitlines()[2:], also, claims(entry)]
        lines = [line for line in lines if line]
        self.state.nested_parse(StringList(lines, source="lossutils/atlas.toml"), 0, section)
        return section


def filters(entry):
    """The classes by which the page can be filtered."""
    kinds = [f"{field}--{entry[field].replace(' ', '-')}" for field in ("takes", "predicts")]
    return kinds + [f"is--{claim}" for claim in CLAIMS if entry.get(claim)]


def claims(entry):
    """What holds of a loss, as a line of its card; empty if nothing does."""
    held = [words for claim, words in CLAIMS.items() if entry.get(claim)]
    return f"- **Properties:** {', '.join(held)}" if held else ""


def load_filter(app, pagename, templatename, context, doctree):
    """Link the filter from the atlas page alone."""
    if doctree is not None and any("loss" in section["classes"] for section in doctree.findall(nodes.section)):
        app.add_js_file("atlas.js", loading_method="defer")
        app.add_css_file("atlas.css")


def setup_atlas(app):
    """Register the directive."""
    app.add_directive("loss-atlas", LossAtlas)
    app.connect("html-page-context", load_filter)
