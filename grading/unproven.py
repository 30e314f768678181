"""The result of a submission of which nothing is known: no score, and so no zero either."""

import json


def nothing_proven(source: str, reason: str) -> dict:
    """Return a result in which every graded cell of `source`, the assignment's notebook, is ungraded for a reason."""
    settings = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(source)["cells"]]
    cells = {
        one["grade_id"]: {
            "points": float(one["points"]),
            "score": None,
            "outcome": "ungraded",
            "message": reason,
        }
        for one in settings
        if one.get("grade") or one.get("task")
    }
    return {"state": "ungraded", "reasons": [reason], "cells": cells, "notebook": "", "seconds": 0.0, "peak_bytes": 0}
