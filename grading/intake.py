"""Open what an instructor was given, a folder, an archive, or a file, without believing anything that it says.

Nothing is ever written under a name from an archive: names are labels, contents are bytes. Links are not followed,
sizes are counted while reading, and whatever is refused is still listed, with the reason.
"""

import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grading.text import one_line

MB = 2**20
ONE_FILE = 100 * MB
WHOLE_ARCHIVE = 8192 * MB  # 400 hand-ins of 20 MB each, unpacked
INNER_ARCHIVE = 256 * MB  # a student's own archive within the class's
ENTRIES, INNER_ENTRIES = 50_000, 500
RATIO, RATIO_FROM = 400, 64 * MB  # text with much repetition shrinks to a hundredth, a bomb to a thousandth
IGNORED_FOLDERS = {"__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git", "@eaDir"}
IGNORED_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}


class Refused(ValueError):
    """A file that isn't read, and why."""


@dataclass(frozen=True)
class Entry:
    """One file that was handed in.

    Parameters
    ----------
    parts : its path within the source, the file's name last
    label : the same for people to read, the source's name first
    time : when it was last changed, as the folder or archive says
    read : returns its content; raises `Refused` where it won't be read
    """

    parts: tuple[str, ...]
    label: str
    time: datetime
    read: Callable[[], bytes]


@contextmanager
def open_source(path: Path) -> Iterator[list[Entry]]:
    """Yield the files in a folder or archive, or the one file that it is. Raises ValueError where there is no such."""
    path = Path(path)
    with ExitStack() as stack:
        if path.is_dir():
            yield list(_folder(path, stack))
        elif not path.is_file():
            raise ValueError(f"There is no file or folder {one_line(path)}.")
        elif zipfile.is_zipfile(path):
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
                raise ValueError(f"{one_line(path.name)} is a damaged archive: {error}.") from error
            yield list(_archive(archive, (), path.name, path.stat().st_size, stack))
        else:
            yield [_file(path, (path.name,), path.name)]


def _ignored(parts):
    return bool(IGNORED_FOLDERS & set(parts[:-1])) or parts[-1] in IGNORED_FILES or parts[-1].startswith("._")


def _folder(root, stack):
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = Path(folder).relative_to(root).parts
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted(files) + linked:
            path, parts = Path(folder) / name, (*map(_readable, inside), _readable(name))
            if _ignored(parts):
                continue
            entry = _file(path, parts, "/".join((_readable(root.name), *parts)))
            yield from _unpacked(entry, stack) if name.lower().endswith(".zip") else [entry]


def _readable(name):
    """Names in another encoding than UTF-8 arrive as lone surrogates."""
    return os.fsencode(name).decode("utf-8", "replace")


def _file(path, parts, label):
    about = path.lstat()

    def read():
        if stat.S_ISLNK(about.st_mode):
            raise Refused("a symbolic link, which isn't followed")
        if not stat.S_ISREG(about.st_mode):
            raise Refused("not a regular file")
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            return _bounded(file, ONE_FILE)

    return Entry(parts, one_line(label), datetime.fromtimestamp(about.st_mtime, UTC), read)


def _bounded(file, most):
    content = file.read(most + 1)
    if len(content) > most:
        raise Refused(f"larger than {most // MB} MB")
    return content


def _archive(archive, above, label, size, stack, inner=False):
    """Yield an archive's files; `above` are the parts of the path at which it lies itself."""
    most, entries = (INNER_ARCHIVE, INNER_ENTRIES) if inner else (WHOLE_ARCHIVE, ENTRIES)
    budget = _Budget(most, size)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for position, info in enumerate(infos):
        name = _name(info)
        parts = (*above, *(part for part in name.replace("\\", "/").split("/") if part not in ("", ".")))
        if parts == above or _ignored(parts):
            continue
        shown = one_line(f"{label}/{name}")
        problem = _problem(info, name) or (f"more than {entries} files in one archive" if position >= entries else "")
        entry = Entry(parts, shown, _time(info), _reader(archive, info, budget, problem))
        nested = name.lower().endswith(".zip") and not inner and not problem
        yield from _unpacked(entry, stack) if nested else [entry]


class _Budget:
    """Bytes that one archive may still unpack to."""

    def __init__(self, most, packed):
        self.most, self.packed, self.used = most, packed, 0

    def take(self, count):
        self.used += count
        if self.used > self.most:
            raise Refused(f"the archive unpacks to more than {self.most // MB} MB")
        if self.used > max(RATIO_FROM, RATIO * self.packed):
            raise Refused(f"the archive unpacks to more than {RATIO} times its size")


def _name(info):
    """Archives that don't say UTF-8 are read as code page 437; most of them are UTF-8 all the same."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _problem(info, name):
    path = name.replace("\\", "/")
    if path.startswith("/") or path[1:2] == ":" or ".." in path.split("/"):
        return "its path leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a symbolic link, which isn't followed"
    if info.flag_bits & 0x1:
        return "encrypted"
    return ""


def _time(info):
    """Archives store local time without saying so."""
    try:
        return datetime(*info.date_time).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _reader(archive, info, budget, problem):
    def read():
        if problem:
            raise Refused(problem)
        content = io.BytesIO()
        try:
            with archive.open(info) as file:
                while piece := file.read(MB):
                    budget.take(len(piece))
                    if content.tell() + len(piece) > ONE_FILE:
                        raise Refused(f"larger than {ONE_FILE // MB} MB")
                    content.write(piece)
        except Refused:
            raise
        except Exception as error:  # zipfile raises whatever its decompressors do
            raise Refused(f"damaged in the archive: {one_line(error, 100)}") from error
        return content.getvalue()

    return read


def _unpacked(entry, stack):
    """Yield the files of an archive within a source; platforms pack the archives that students hand in."""
    try:
        content = entry.read()
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        file.write(content)
        archive = stack.enter_context(zipfile.ZipFile(file))
        above = (*entry.parts[:-1], entry.parts[-1][:-4])
        yield from _archive(archive, above, entry.label, len(content), stack, inner=True)
    except (Refused, zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        reason = str(error) if isinstance(error, Refused) else "a damaged archive"
        yield Entry(entry.parts, entry.label, entry.time, _refuse(reason))


def _refuse(reason):
    def read():
        raise Refused(reason)

    return read
