"""Serve `_build/html` on this machine only: ``python -m book.serve [--port 8000]``."""

import argparse
import functools
import http.server
from pathlib import Path

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
PORTS_TO_TRY = 100


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files, always their newest version, without a line on the terminal for each."""

    def end_headers(self):
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format, *args):
        pass


def open_server(folder, port, handler=QuietHandler):
    """A server on the first free port from `port` on; port 0 takes any."""
    handler = functools.partial(handler, directory=str(folder))
    for candidate in range(port, port + PORTS_TO_TRY):
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", candidate), handler)
        except OSError:
            continue
    raise SystemExit(f"No free port from {port} to {port + PORTS_TO_TRY - 1}.")


def main():
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    with open_server(HTML, parser.parse_args().port) as server:
        print(f"The book is at (Ctrl-C stops it):\nhttp://127.0.0.1:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nStopped.")


if __name__ == "__main__":
    main()
