"""Small files that are either whole or not there: what an interrupted run leaves behind can be read again."""

import json
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o600)  # grades are nobody else's business
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value) -> None:
    """Write plain data as JSON, in one step."""
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode())


def read_json(path: Path, default=None):
    """Return the plain data in a JSON file, or `default` where there is no such file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return default
    try:
        return json.loads(content)
    except ValueError as error:
        raise ValueError(
            f"{path} is not the JSON that was written there ({error}). Mend it or move it away."
        ) from error
