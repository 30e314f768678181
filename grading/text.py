"""Text from strangers, made fit for a terminal line, a table, and a spreadsheet."""

import re
import unicodedata

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def one_line(text, longest: int = 300) -> str:
    """Return text as one printable line: no escape sequence moves the cursor, nothing is written backwards."""
    line = UNPRINTABLE.sub(" ", ESCAPES.sub("", str(text)))
    line = re.sub(r" {2,}", " ", line).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def for_spreadsheet(value):
    """Return a CSV field that no spreadsheet takes for a formula; numbers stay numbers."""
    if not isinstance(value, str):
        return "" if value is None else value
    line = one_line(value, 2000)
    # A leading space doesn't stop every spreadsheet, and full-width signs are read as signs by some.
    first = unicodedata.normalize("NFKC", line.lstrip()[:1])
    return f"'{line}" if first.startswith(FORMULA) else line


def number(value: float | None) -> str:
    """Return points as people write them: 2, not 2.0; 0.33, not a third."""
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def table(header: list[str], rows: list[list], widths: dict[str, int] | None = None) -> str:
    """Return rows under a header, in columns as wide as they need, but no wider than `widths` says."""
    cells = [
        [one_line(value, (widths or {}).get(title, 60)) for title, value in zip(header, row, strict=True)]
        for row in rows
    ]
    columns = list(zip(header, *cells, strict=True))
    wide = [max(map(len, column)) for column in columns]
    lines = [header, ["-" * width for width in wide], *cells]
    return "\n".join(
        "  ".join(value.ljust(width) for value, width in zip(line, wide, strict=True)).rstrip() for line in lines
    )
