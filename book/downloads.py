"""The book as one file: the site as a zip, and the EPUB, offered on the cover."""

import re
import zipfile

from book.build import HTML
from book.cover import DOWNLOADS

NAME = "loss-functions-from-scratch"
ZIP, EPUB = HTML / f"{NAME}.zip", HTML / f"{NAME}.epub"
NEEDS_A_SERVER = {"lab"}  # the browser lab doesn't run from a folder
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same book makes the same bytes
BLOCK = re.compile(f"{DOWNLOADS}.*{DOWNLOADS}", re.DOTALL)
OFFERS = {
    ZIP: "the whole book for a folder or a USB stick; unpack it and open <code>index.html</code>",
    EPUB: "for e-readers; figures stand still",
}


def write_zip():
    """Pack the site, as it opens from a folder: without the files offered beside it, and what needs a server."""
    offer([])
    ZIP.unlink(missing_ok=True)
    with zipfile.ZipFile(ZIP, "x", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(HTML.rglob("*")):
            inside = path.relative_to(HTML)
            if path.is_file() and path not in OFFERS and inside.parts[0] not in NEEDS_A_SERVER:
                info = zipfile.ZipInfo(f"{NAME}/{inside.as_posix()}", EPOCH)
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)


def offer(files=OFFERS):
    """Link from the cover those of the files that exist."""
    items = "".join(
        f'<li><a href="{path.name}" download>{path.suffix[1:].upper()}, {path.stat().st_size / 1e6:.1f} MB</a>: '
        f"{OFFERS[path]}</li>"
        for path in files
        if path.exists()
    )
    block = f"<ul>{items}</ul>" if items else ""
    cover = HTML / "index.html"
    text = BLOCK.sub(f"{DOWNLOADS}{block}{DOWNLOADS}", cover.read_text(encoding="utf-8"))
    cover.write_text(text, encoding="utf-8")


def refresh():
    """After a build: pack the site anew; an EPUB of an older text goes."""
    EPUB.unlink(missing_ok=True)
    write_zip()
    offer()
