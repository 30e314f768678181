"""What a page costs its reader: bytes to load, and the time until the first figure answers."""

import gzip
from urllib.parse import unquote, urlsplit

READY = """new MutationObserver((_, watch) => {
    if (!document.querySelector(".lf-drawing")) return;
    window.figureReady = performance.now();
    watch.disconnect();
}).observe(document, { childList: true, subtree: true });"""


def files_of(page, site, address):
    """Visit a page of the site; return the paths of all files that it asked for."""
    asked = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{site}/{address}", wait_until="networkidle")
    return {unquote(urlsplit(url).path).lstrip("/") for url in asked if url.startswith(site)}


def weigh(folder, files):
    """Bytes of these files, as they lie there and with gzip, as a server sends them."""
    contents = [(folder / name).read_bytes() for name in sorted(files) if (folder / name).is_file()]
    return sum(map(len, contents)), sum(len(gzip.compress(content)) for content in contents)


def milliseconds_until_ready(page, site, address):
    """Time from navigation until the page's first figure has its controls, or None where there is no figure."""
    page.add_init_script(READY)
    page.goto(f"{site}/{address}", wait_until="load")  # figures are drawn by then
    return page.evaluate("window.figureReady ?? null")
