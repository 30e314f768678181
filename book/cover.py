"""What the cover shows of the whole book: its parts, and the files to take along."""

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

DOWNLOADS = "<!-- downloads -->"  # book.downloads writes between two of these


class Parts(SphinxDirective):
    """A list of the book's parts, one item each, that begins with the part's caption in bold.

    A part that `_toc.yml` has lists its chapters, linked; the others are marked as coming.
    """

    has_content = True

    def run(self):
        container = nodes.container(classes=["parts"])
        self.state.nested_parse(self.content, self.content_offset, container)
        chapters = {tree.caption: list(tree.items) for tree in self.env.external_site_map.root.subtrees}
        for item in list(container.findall(nodes.list_item)):
            caption = item.next_node(nodes.strong)
            found = chapters.get(re.sub(r"\.$", "", caption.astext()))
            item["classes"].append("part" if found else "part-coming")
            item.append(self.links(found) if found else nodes.paragraph("", "Coming", classes=["coming"]))
        return [container]

    def links(self, documents):
        """A list of links to pages, under their titles in `_toc.yml`, or else their own."""
        items = []
        for name in documents:
            title = self.env.external_site_map[name].title
            link = addnodes.pending_xref(
                "", nodes.inline("", title or "", classes=["xref", "doc"]), refdoc=self.env.docname, refdomain="std",
                reftype="doc", reftarget=f"/{name}", refexplicit=bool(title), refwarn=True,
            )  # fmt: skip
            items.append(nodes.list_item("", nodes.paragraph("", "", link)))
        return nodes.bullet_list("", *items, classes=["part-chapters"])


class Downloads(Directive):
    """The place where links to the book as one file will stand, once such files are built."""

    def run(self):
        return [nodes.raw("", f'<div class="downloads">{DOWNLOADS}{DOWNLOADS}</div>', format="html")]


def setup_cover(app):
    """Register the directives."""
    app.add_directive("parts", Parts)
    app.add_directive("downloads", Downloads)
