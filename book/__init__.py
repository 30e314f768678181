"""Builds the book: executes the chapters, renders them with Sphinx, serves the result."""

import sys

# jsonschema, which nbformat needs, takes this package for one format that notebooks don't use, and it spends over a
# second on compiling a grammar. None makes the import fail, which jsonschema expects.
sys.modules.setdefault("rfc3987_syntax", None)
