"""Write the book as an EPUB: ``python -m book.epub``. Maths is MathML; figures show their first frame."""

import re
import shutil
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from book import build, downloads

OUTPUT = build.BUILD / "epub"
STYLE = Path(__file__).with_name("epub-book.css")
ITEM = re.compile(r'(<item id="[^"]*" href="([^"]*\.xhtml)" media-type="[^"]*")(?= />)')
LAUNCH_ROW = re.compile(r'<div class="launch".*?</div>', re.DOTALL)
STYLES = ("pygments.css", STYLE.name)


def main():
    """Build the site where needed, then the EPUB beside it; return the exit code."""
    if code := build.main():
        return code
    print("Writing the EPUB …", flush=True)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    if build.render({}, "epub", OUTPUT) != 0:
        print("\nThe EPUB was not built: see the warnings above.", file=sys.stderr)
        return 1
    declare_contents(next(OUTPUT.glob("*.epub")), downloads.EPUB)
    downloads.offer()
    print(f"{downloads.EPUB.relative_to(build.ROOT)}: {downloads.EPUB.stat().st_size / 1e6:.1f} MB")
    return 0


def declare_contents(source, target):
    """Copy an EPUB, adding to its manifest which pages hold maths and pictures: the standard demands it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "content.opf":
                content = ITEM.sub(lambda item: item[1] + properties(old.read(item[2])), content.decode()).encode()
            new.writestr(info, content)  # each with its own compression: mimetype first, and stored


def properties(page):
    """The attribute that names the kinds of markup in a page, or nothing."""
    kinds = [kind for kind in ("mathml", "svg") if f"<{kind.removesuffix('ml')}".encode() in page]
    return f' properties="{" ".join(kinds)}"' if kinds else ""


def describe(app):
    """Fill in what an EPUB says of itself."""
    app.config.version = app.config.release = version("lossutils")
    app.config.epub_description = "The losses of machine learning, one at a time, written from scratch and checked."
    app.config.epub_identifier = app.config.epub_uid = downloads.NAME
    app.config.epub_scheme = "name"
    app.config.epub_show_urls = "no"
    app.config.epub_title = app.config.html_title
    app.config.epub_contributor = app.config.author
    app.config.epub_tocscope = "includehidden"  # the book's table of contents is in none of its pages


def slim_files(app):
    """Of the web's files an e-reader needs none: no scripts, no fonts, and one style of its own."""
    app.config.html_static_path = [str(STYLE)]
    app.config.epub_exclude_files = ["search.html", "searchindex.js"]
    app.add_css_file(STYLE.name)


def slim_page(app, pagename, templatename, context, doctree):
    """Let a page of the EPUB load that style alone, and leave out links to where the site runs notebooks."""
    context["body"] = LAUNCH_ROW.sub("", context.get("body") or "")
    context["script_files"] = []
    context["css_files"] = [file for file in context["css_files"] if Path(file.filename).name in STYLES]


def setup_epub(app):
    """Register it; nothing happens where another format is built."""

    def connect(event, action, priority):
        def act(app, *rest):
            if app.builder.name == "epub":
                action(app, *rest)

        app.connect(event, act, priority)

    connect("builder-inited", describe, 100)  # before Sphinx checks it
    connect("builder-inited", slim_files, 900)  # after all extensions have added theirs
    connect("html-page-context", slim_page, 950)


if __name__ == "__main__":
    sys.exit(main())
