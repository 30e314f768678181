"""Let the search find a loss by any of its names.

Readers know one loss under many names: `l1_loss`, `MeanAbsoluteError`, MAE, L1 loss. Wherever a page shows the card
of a loss, all names that `atlas.toml` has for it become entries of Sphinx's search index, and lead there; where no
page does, they lead to the loss's section on the atlas page.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from book.widgets import is_mime_bundle
from lossutils.atlas import entries

CARD = "Card: "  # how a card's text begins


MAIN, ASIDE = "main", ""  # Sphinx lists what is aside after all other results


def names_of(loss):
    """Every name of a loss: its function, its title, its names in other libraries, and its synonyms."""
    entry = entries()[loss]
    names = [loss, loss.replace("_", " "), entry["title"], *entry["names"].values(), *entry.get("also", [])]
    return list(dict.fromkeys(names))


def loss_on_card(bundle):
    """The loss whose card an output shows, or None."""
    titles = {entry["title"]: loss for loss, entry in entries().items()}
    texts = [child.astext().strip() for child in bundle if child.get("mime_type") == "text/plain"]
    return next((titles.get(text.removeprefix(CARD)) for text in texts if text.startswith(CARD)), None)


def enclosing_cell(node):
    """The code cell whose output a node is."""
    while node.get("nb_element") != "cell_code":
        node = node.parent
    return node


def index_of(loss, place, rank):
    """A node that puts all names of a loss into the index."""
    return addnodes.index(entries=[("single", name.replace(";", ","), place, rank, None) for name in names_of(loss)])


class IndexLosses(SphinxTransform):
    """Give each card an id, and index the names of its loss under it; likewise for sections of the atlas."""

    default_priority = 395  # before the outputs are reduced to what the page shows

    def apply(self, **kwargs):
        for bundle in list(self.document.findall(is_mime_bundle)):
            if loss := loss_on_card(bundle):
                cell = enclosing_cell(bundle)
                place = nodes.make_id(f"card-{loss}")
                cell["ids"].append(place)
                cell.parent.insert(cell.parent.index(cell), index_of(loss, place, MAIN))
        for section in list(self.document.findall(nodes.section)):
            if "loss" in section["classes"] and section["ids"][0] in entries():
                section.insert(1, index_of(section["ids"][0], section["ids"][0], ASIDE))


def rank_atlas(app, doctree, docname):
    """Where no card answers to a name, the atlas is the main place."""
    index = app.env.get_domain("index").entries
    on_cards = {entry[1] for listed in index.values() for entry in listed if entry[2].startswith("card-")}
    for node in doctree.findall(addnodes.index):
        node["entries"] = [
            (*entry[:3], MAIN if entry[3] or entry[1] not in on_cards else ASIDE, entry[4]) for entry in node["entries"]
        ]


def setup_search(app):
    """Register both."""
    app.add_transform(IndexLosses)
    app.connect("doctree-resolved", rank_atlas)
