"""What the book adds to the theme, and what it leaves out: each page loads the files that it uses, and no others."""

import re
from pathlib import Path
from urllib.parse import quote

from docutils import nodes

from book.launch import repository

TEMPLATES = Path(__file__).with_name("templates")
WORDS_PER_MINUTE = 220
SERVES_ONLY = {  # a page whose text has no such element needs none of these files
    r'class="[^"]*\bsd-': ("sphinx-design", "design-tabs"),
    r'class="[^"]*\b(toggle|dropdown)\b': ("togglebutton", "toggleHint", "toggleOpen"),
    r'class="[^"]*\bhighlight\b': ("clipboard", "copybutton"),
    r'class="[^"]*\bcell\b': ("mystnb",),
}
NOT_PROSE = re.compile(r"(<(?P<tag>pre|code|script|style)\b.*?</(?P=tag)>)", re.DOTALL)
INLINE_MATHS = re.compile(
    r'([(“]*)(<span class="math\b[^>]*><math\b.*?</math></span>)(\N{NO-BREAK SPACE}%|[,.;:!?)”’]*)', re.DOTALL
)
UNUSED = (  # what the theme brings along and no page asks for
    "_static/**/*.map", "_static/scripts/bootstrap.js*", "_static/scripts/fontawesome.js*",
    "_static/vendor/fontawesome/**/*.*", "_static/locales/**/*.*", "_static/**/*macros.html",
)  # fmt: skip


def choose_templates(app, config):
    """Let our templates come before the theme's."""
    config.templates_path = [str(TEMPLATES), *config.templates_path]


def tidy_markup(app, pagename, templatename, context, doctree):
    """Drop marks of code that have no color of their own, a fifth of a page, and a role that DPUB-ARIA deprecates."""
    body = context.get("body") or ""
    body = re.sub(r'<span class="(?:n|nn|p|w)">([^<]*)</span>', r"\1", body)
    context["body"] = keep_together(body.replace('role="doc-biblioentry"', 'role="listitem"'))


def keep_together(body):
    """Let no line begin with what belongs to the end of the last: a formula's comma, or the sign after a number.

    >>> keep_together("<p>90 % of <code>7 % 2</code></p>")
    '<p>90\\xa0% of <code>7 % 2</code></p>'
    """
    parts = NOT_PROSE.split(body)
    for i in range(0, len(parts), 3):  # what lies between is not prose, and its tag
        parts[i] = INLINE_MATHS.sub(together, re.sub(r"(?<=\d|>) %", "\N{NO-BREAK SPACE}%", parts[i]))
    return "".join(part for i, part in enumerate(parts) if i % 3 < 2)


def together(match):
    """Browsers break lines beside a formula as if it were a picture, unless told not to."""
    before, maths, after = match.groups()
    return f'<span class="together">{before}{maths}{after}</span>' if before or after else maths


def load_what_is_used(app, pagename, templatename, context, doctree):
    """Drop styles and scripts of elements that the page doesn't have."""
    body = context.get("body") or ""
    idle = [name for element, names in SERVES_ONLY.items() if not re.search(element, body) for name in names]
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context[kind] if not any(name in describe(file) for name in idle)]


def describe(asset):
    """A file's name, or an inline script's text."""
    return f"{asset.filename} {getattr(asset, 'attributes', {}).get('body', '')}"


def link_page(app, pagename, templatename, context, doctree):
    """Let the reader mend a page, or report a mistake, if _config.yml names a repository."""
    context["page_links"] = list(page_links(app, pagename, context)) if doctree is not None else []


def page_links(app, pagename, context):
    """Yield (label, address)."""
    if not (found := repository()):
        return
    url, branch = found
    path = app.env.doc2path(pagename, base=False)
    inner, field = ("/-", "issue[title]") if "gitlab" in url else ("", "title")
    title = re.sub(r"<[^>]+>", "", context.get("title", pagename))
    yield "Edit this page", f"{url}{inner}/edit/{branch}/{path}"
    yield "Report a mistake", f"{url}{inner}/issues/new?{quote(field)}={quote(f'Mistake in “{title}”')}"


def add_reading_time(app, doctree):
    """Say under a chapter's title which one it is, as others refer to it, and how long its text takes to read."""
    title = doctree.next_node(nodes.title)
    if title is None or not app.env.docname.startswith("chapters/"):
        return
    words = sum(len(paragraph.astext().split()) for paragraph in doctree.findall(nodes.paragraph))
    minutes = max(1, round(words / WORDS_PER_MINUTE))
    number = re.match(r"chapters/0*(\d+)-", app.env.docname)
    which = f"Chapter {number[1]} · " if number else ""
    text = f"{which}{minutes} minute{'s' * (minutes > 1)} to read"
    title.parent.insert(title.parent.index(title) + 1, nodes.paragraph("", text, classes=["reading-time"]))


def drop_unused(app, exception):
    """Delete files that no page loads, so that neither the site nor its zip carries them."""
    if app.builder.format == "html" and not exception:
        for pattern in UNUSED:
            for path in Path(app.outdir).glob(pattern):
                path.unlink()


def setup_theme(app):
    """Register it all; what drops files comes last, when all extensions have added theirs."""
    app.connect("config-inited", choose_templates)
    app.connect("html-page-context", link_page)
    app.connect("html-page-context", tidy_markup)
    app.connect("html-page-context", load_what_is_used, priority=900)
    app.connect("doctree-read", add_reading_time)
    app.connect("build-finished", drop_unused)
