"""``python -m grading VERB``: see ``python -m grading --help``."""

import sys

import book  # noqa: F401  (comes first: it keeps a slow import out)
from grading.cli import main

if __name__ == "__main__":
    sys.exit(main())
