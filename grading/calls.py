"""System calls that no notebook needs, and through which others have got out of sandboxes: they fail in ours.

A seccomp filter, as in containers. It is a second wall: namespaces, limits, and the lack of privileges hold by
themselves. On processors that aren't listed here there is no second wall.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst, and the tables of system calls.
"""

import ctypes
import errno
import os
import struct

# For each processor its audit number, clone, clone3, and then: ptrace, mounts, kernel modules, keys, other namespaces,
# performance counters, files by handle, other processes' memory, new kernels, bpf, page faults.
FORBIDDEN = {
    "x86_64": (
        *(0xC000003E, 56, 435, 101, 155, 165, 166, 175, 248, 249, 250, 272, 298, 300, 303, 304, 308, 310, 311),
        *(312, 313, 320, 321, 323),
    ),
    "aarch64": (
        *(0xC00000B7, 220, 435, 117, 41, 40, 39, 105, 217, 218, 219, 97, 241, 262, 264, 265, 268, 270, 271),
        *(272, 273, 294, 280, 282),
    ),
}
EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)  # io_uring and the new way to mount
NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
OTHER_ABI = 0x40000000  # x32 on x86-64

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def program(machine: str) -> bytes:
    """Return the filter for a processor, as an array of struct sock_filter; b"" if it isn't listed."""
    if machine not in FORBIDDEN:
        return b""
    audit, clone, clone3, *calls = FORBIDDEN[machine]
    denied = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, audit), denied, (_LOAD, 0, 0, _NUMBER)]
    steps += [(_AT_LEAST, 0, 1, OTHER_ABI), denied]
    for call in (*calls, *EVERYWHERE):
        steps += [(_EQUAL, 0, 1, call), denied]
    # Its flags are in memory, where a filter can't look. C libraries fall back on clone.
    steps += [(_EQUAL, 0, 1, clone3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    steps += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, NAMESPACES), denied]
    return b"".join(struct.pack("=HBBI", *step) for step in [*steps, (_RETURN, 0, 0, _ALLOW)])


def forbid() -> None:
    """Make the calls fail with EPERM from here on, in this process and all that it starts.

    The process must have given up getting privileges (PR_SET_NO_NEW_PRIVS). Raises OSError if Linux refuses.
    """
    code = program(os.uname().machine)
    if not code:
        return
    filter = ctypes.create_string_buffer(code, len(code))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(filter)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(22, 2, described, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
