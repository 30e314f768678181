"""A process that grades one submission after another: ``python -m grading.worker``, started by pool.py.

It is a process of its own, with one thread, so that what goes wrong in it takes nothing else along, and the grader
may fork. Frames of JSON come in on standard input and go out on standard output; a frame is its length and then its
text. Whatever else would be printed goes to standard error.
"""

import importlib
import json
import os
import signal
import struct
import sys

import book  # noqa: F401  (comes first: it keeps a slow import out)

LENGTH = struct.Struct(">Q")


def write_frame(file, value) -> None:
    """Write plain data as one frame."""
    text = json.dumps(value).encode()
    file.write(LENGTH.pack(len(text)) + text)
    file.flush()


def read_exactly(file, count: int) -> bytes:
    """Return the next bytes of a file; raise EOFError where it ends before them."""
    pieces = []
    while count:
        piece = file.read(count)
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def read_frame(file):
    """Return the plain data of the next frame."""
    (length,) = LENGTH.unpack(read_exactly(file, LENGTH.size))
    return json.loads(read_exactly(file, length))


def resolve(name: str):
    """Return the function called "module:name"."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def main() -> None:
    """Grade until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the work
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        function = resolve(read_frame(incoming)["function"])
        write_frame(outgoing, {"ready": os.getpid()})
        while True:
            write_frame(outgoing, answer(function, read_frame(incoming)))
    except (EOFError, BrokenPipeError):
        return


def answer(function, task: dict) -> dict:
    """Return the result of one task, or the error that stands for "this machine can't grade"."""
    from grading.limits import SandboxError

    submission = task["submission"].encode("latin-1")
    try:
        return {"result": function(task["source"], submission, sandboxed=task["sandboxed"])}
    except SandboxError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    sys.exit(main())
