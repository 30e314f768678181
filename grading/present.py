"""The notebook that is shown after grading: cells, outcomes, and of the outputs only what can do no harm.

Outputs keep plain text, streams, errors, and PNG pictures. HTML, SVG, JavaScript, and widgets are dropped. Text in
Markdown cells stays what the student wrote; whoever renders it must sanitize it.
"""

import base64
import json
import re

from grading.align import Cell

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
PNG = b"\x89PNG\r\n\x1a\n"
VERDICT = {
    "passed": "Passed: {score:g} of {points:g} points.",
    "failed": "0 of {points:g} points. {message}",
    "timeout": "0 of {points:g} points. {message}",
    "crashed": "0 of {points:g} points. {message}",
    "ungraded": "Not graded. {message}",
}


def clean(text: str, limit: int) -> str:
    """Return text without control characters and escape sequences, cut to `limit` characters."""
    text = CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[:limit] + " …"


def png(text, longest: int) -> str | None:
    """Return the base64 of a PNG, encoded anew, or None if `text` isn't one of at most `longest` characters."""
    if not isinstance(text, str) or len(text) > longest:
        return None
    try:
        picture = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
    return base64.b64encode(picture).decode() if picture.startswith(PNG) else None


class Shown:
    """The outputs of one submission's cells, cleaned, up to a limit in all."""

    def __init__(self, limit: int):
        self.left = limit

    def add(self, outputs: list, message: tuple) -> None:
        """Append what a message of the student's kernel shows: ("output", kind, stream, text or data)."""
        if self.left <= 0 or len(message) != 4 or type(message[1]) is not str:
            return
        _, kind, name, content = message
        if kind == "stream" and type(content) is str:
            name = "stderr" if name == "stderr" else "stdout"
            self._stream(outputs, name, self._text(content))
        elif kind in ("display_data", "execute_result") and type(content) is dict and (data := self._data(content)):
            outputs.append({"output_type": "display_data", "metadata": {}, "data": data})

    def error(self, outputs: list, name: str, text: str) -> None:
        """Append an error."""
        name, text = self._text(name, 200), self._text(text, 2000)
        outputs.append({"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]})

    def _text(self, text, limit=20_000):
        text = clean(text, max(0, min(limit, self.left)))
        self.left -= len(text)
        return text

    def _stream(self, outputs, name, text):
        if outputs and outputs[-1].get("name") == name:
            outputs[-1]["text"] += text
        elif text:
            outputs.append({"output_type": "stream", "name": name, "text": text})

    def _data(self, content):
        data = {}
        if type(text := content.get("text/plain")) is str:
            data["text/plain"] = self._text(text)
        if picture := png(content.get("image/png"), self.left):
            data["image/png"] = picture
            self.left -= len(picture)
        return data


def notebook(cells: list[Cell], results: dict[str, dict]) -> str:
    """Return the cells of a plan, with their outputs and the results of the tests, as nbformat-4 JSON."""
    shown, seen = [], set()
    for position, cell in enumerate(cells):
        name = re.sub(r"[^A-Za-z0-9_-]", "-", cell.key)[:60]
        name = name if name and name not in seen else f"cell-{position}"
        seen.add(name)
        made = {"id": name, "cell_type": cell.kind, "metadata": {}, "source": cell.text}
        if cell.metadata:
            made["metadata"]["nbgrader"] = cell.metadata
        if cell.kind == "code":
            made |= {"execution_count": None, "outputs": _outputs(cell, results.get(cell.key))}
        shown.append(made)
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": shown})


def _outputs(cell, result):
    if cell.role != "test" or result is None:
        return cell.outputs
    text = VERDICT[result["outcome"]].format(**result)
    if result["outcome"] in ("passed", "ungraded"):
        return [*cell.outputs, {"output_type": "stream", "name": "stdout", "text": text}]
    kind = {"failed": "Test failed", "timeout": "Time is up", "crashed": "Process ended"}[result["outcome"]]
    return [*cell.outputs, {"output_type": "error", "ename": kind, "evalue": text, "traceback": [text]}]
