"""Hypothesis draws the same examples on every run, so that a change fails or passes for what it changed.

``HYPOTHESIS_PROFILE=random pytest …`` looks for new ones.
"""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("random")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
