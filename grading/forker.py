"""Processes that have everything loaded, and fork a copy of themselves for whoever asks."""

import os
import socket
import subprocess
import sys
import threading
import time
from typing import ClassVar

from grading import wire
from grading.limits import SandboxError


class Forker:
    """One such process. It answers a request and a socket with ("forked", id), and its copy serves the socket.

    A subclass starts the process in its `__init__`. There is one for each process that grades, and for each choice of
    the arguments of `__init__`.
    """

    patience = 120.0
    _all: ClassVar[dict] = {}
    _lock = threading.Lock()

    def __init__(self, process: subprocess.Popen, connection: socket.socket):
        self.process, self.channel, self.owner = process, wire.Channel(connection), os.getpid()

    @classmethod
    def fork(cls, request: dict, *arguments):
        """Return the process that forks, a connection to a fresh copy of it, and the copy's id.

        If it has ended, another is started, once, and standard error says why. Raises `SandboxError`.
        """
        key = (cls, *arguments)
        with cls._lock:
            for last in (False, True):
                forker = cls._all.get(key)
                if forker is None or forker.owner != os.getpid():
                    forker = cls._all[key] = cls(*arguments)
                ours, theirs = socket.socketpair()
                try:
                    with theirs:
                        forker.channel.deadline = time.monotonic() + cls.patience
                        forker.channel.send(request)
                        wire.send_socket(forker.channel, theirs)
                        return forker, ours, forker.channel.receive()[1]
                except (wire.WireError, OSError):
                    ours.close()
                    why = f"{cls.__name__} has ended: {cls._all.pop(key).end()}"
                    if last:
                        raise SandboxError(f"{why}; so had the one before it") from None
                    print(f"{why}; another is started", file=sys.stderr, flush=True)
        raise AssertionError

    def end(self) -> str:
        """End it if it hasn't ended by itself. Return what is known of how it did."""
        self.channel.close()
        try:
            return f"it returned {self.process.wait(5)}{self.said()}"
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            return f"it did not answer{self.said()}"

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def said(self) -> str:
        """Return its last words, if they are known."""
        return ""
