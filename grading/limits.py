"""What one submission may use, in seconds and bytes, and the error where it can't be held to that."""

from dataclasses import dataclass

MB = 2**20


class SandboxError(RuntimeError):
    """The sandbox could not be set up. Nothing was graded."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    The times are wall-clock seconds. `memory` and `processes` hold for the whole sandbox; the disk is a tmpfs, so it
    is memory too. `patience` is what a cell or a function that has hung once gets the next time.
    """

    cell_seconds: float = 10.0
    test_seconds: float = 10.0
    patience: float = 3.0
    total_seconds: float = 90.0
    memory: int = 1024 * MB
    processes: int = 64
    disk: int = 64 * MB
    file: int = 32 * MB
    open_files: int = 256
    frame: int = 32 * MB
    callbacks: int = 200_000
    output: int = 1 * MB
    submission: int = 64 * MB
    cells: int = 2000
    cell_text: int = 500_000
