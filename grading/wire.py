"""Plain data between two processes that don't trust each other.

A frame is a header of two lengths, a JSON document, and the bytes of the arrays in it. The receiver checks the lengths
before it reads, and shapes and dtypes before it allocates, so a frame costs at most what its limits say. What
arrives is made of exact built-in types and exact `numpy.ndarray`: no pickles, no subclasses, no methods of the sender.

Functions don't cross. They are given a handle, and `functions` on each side says what a handle becomes.

This module is imported on both sides, also inside the sandbox: it needs nothing but NumPy.
"""

import json
import socket
import struct
import sys
import time

import numpy as np

HEADER = struct.Struct("<II")
JSON_LIMIT = 4 * 2**20
DEPTH_LIMIT = 40
NODE_LIMIT = 200_000
TEXT_LIMIT = 1_000_000
DIMENSIONS = 32
LITTLE = sys.byteorder == "little"

KINDS = [
    "|b1",
    "|i1",
    "|u1",
    "<i2",
    "<u2",
    "<i4",
    "<u4",
    "<i8",
    "<u8",
    "<f2",
    "<f4",
    "<f8",
    "<c8",
    "<c16",
    "<f16",
    "<c32",
]
DTYPES = {code: np.dtype(code) for code in KINDS}


class WireError(Exception):
    """The other side sent what it may not send, too much of it, or nothing in time."""


class Closed(WireError):
    """The other side is gone."""


class TooLate(WireError):
    """The other side did not answer in time."""


class NotPlain(TypeError):
    """A value that is not plain data."""


_CODES = {dtype.newbyteorder("="): code for code, dtype in DTYPES.items()}
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Ungradable:
    """What stands for a part of an answer that is not plain data. To look at it is an `AssertionError` that says so."""

    def __init__(self, why):
        self._why = why

    def _refuse(self, *_, **__):
        raise AssertionError(f"The answer has {self._why}.")

    __array__ = __float__ = __int__ = __bool__ = __len__ = __iter__ = __getitem__ = __eq__ = __lt__ = __gt__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __abs__ = __call__ = _refuse
    __hash__ = None

    def __repr__(self):
        return f"<{self._why}>"


def encode(value, handle=None):
    """Return `value` as a JSON document and a list of buffers; `handle` makes a callable a JSON-able name."""
    buffers = []
    budget = [NODE_LIMIT]
    return _encode(value, buffers, budget, 0, handle), buffers


def _encode(value, buffers, budget, depth, handle):
    kind = type(value)
    if kind is float or value is None or kind is bool:
        return value
    budget[0] -= 1
    if budget[0] < 0 or depth > DEPTH_LIMIT:
        raise NotPlain("too large or too deeply nested to be graded")
    if kind is np.ndarray:
        return _encode_array(value, buffers, "n")
    if kind is int:
        return value if -(2**63) <= value < 2**63 else {"i": _big(value)}
    if kind is str:
        if len(value) > TEXT_LIMIT:
            raise NotPlain("a text too long to be graded")
        return value
    if kind is tuple:
        return {"t": [_encode(item, buffers, budget, depth + 1, handle) for item in value]}
    if kind is list:
        return [_encode(item, buffers, budget, depth + 1, handle) for item in value]
    if kind is dict:
        pairs = value.items()
        return {"d": [[_encode(part, buffers, budget, depth + 1, handle) for part in pair] for pair in pairs]}
    if kind is complex:
        return {"c": [value.real, value.imag]}
    return _encode_unusual(value, buffers, budget, depth, handle)


def _encode_unusual(value, buffers, budget, depth, handle):
    """Subclasses lose what they add; things with a known plain form take it; the rest is refused."""
    if isinstance(value, np.generic):
        return _encode_array(np.asarray(value), buffers, "s")
    if isinstance(value, np.ndarray):
        return _encode_array(np.array(value, subok=False), buffers, "n")
    for base in (bool, int, float, complex, str, tuple, list, dict):
        if isinstance(value, base):
            return _encode(_demoted(base, value), buffers, budget, depth + 1, handle)
    if isinstance(value, type(Ellipsis)):
        return {"e": 0}
    if isinstance(value, range | slice):
        parts = value.start, value.stop, value.step
        kind = "r" if isinstance(value, range) else "l"
        return {kind: [_encode(part, buffers, budget, depth + 1, handle) for part in parts]}
    if isinstance(value, bytes) and len(value) <= TEXT_LIMIT:
        return {"b": value.hex()}
    if handle and callable(value):
        return {"f": handle(value)}
    if hasattr(value, "__array__"):
        return _encode_array(np.array(value, subok=False), buffers, "n")
    if handle:
        return {"u": f"{_article(type(value).__name__)}: {ONLY}"}
    raise NotPlain(f"{_article(type(value).__name__)}: {ONLY}")


ONLY = "only numbers, arrays, text, and tuples, lists, and dicts of them can be graded"


def _article(name):
    return f"a value of type {name[:60]}"


def _demoted(base, value):
    if base in (tuple, list):
        return base(base.__iter__(value))
    if base is dict:
        return dict(dict.items(value))
    if base is complex:
        return complex(complex.__add__(value, 0))
    return {bool: bool, int: int.__int__, float: float.__float__, str: str.__str__}[base](value)


def _encode_array(array, buffers, tag):
    code = _CODES.get(array.dtype) or array.dtype.newbyteorder("<").str
    if code not in DTYPES:
        what = "an array of objects" if array.dtype.kind == "O" else f"an array of dtype {array.dtype}"
        raise NotPlain(f"{what}: only arrays of numbers or truth values can be graded")
    buffers.append((array if array.dtype == DTYPES[code] else array.astype(DTYPES[code])).tobytes())
    return {tag: [code, list(array.shape)]}


def _big(value):
    if value.bit_length() > 10_000:
        raise NotPlain("an integer too large to be graded")
    return hex(value)


def decode(document, data, function=None):
    """Return the value that `document`, as JSON made it, and the bytes `data` describe.

    Raises
    ------
    WireError
        If they describe nothing, or anything but plain data within the limits.
    """
    reader = _Reader(memoryview(data), function)
    try:
        value = reader.read(document, 0)
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"malformed data: {type(error).__name__}") from None
    if reader.offset != len(data):
        raise WireError("malformed data: bytes that belong to nothing")
    return value


class _Reader:
    def __init__(self, data, function):
        self.data, self.function = data, function
        self.offset, self.nodes = 0, 0

    def read(self, document, depth):
        kind = type(document)
        self.nodes += 1
        if self.nodes > 2 * NODE_LIMIT or depth > 2 * DEPTH_LIMIT:
            raise WireError("malformed data: too large or too deeply nested")
        if kind is dict:
            ((tag, content),) = document.items()
            return _READERS[tag](self, content, depth + 1)
        if kind is list:
            return [self.read(item, depth + 1) for item in document]
        return document

    def _read_tuple(self, content, depth):
        return tuple([self.read(item, depth) for item in _listed(content)])

    def _read_dict(self, content, depth):
        return {self.read(key, depth): self.read(value, depth) for key, value in _listed(content)}

    def _read_complex(self, content, depth):
        real, imaginary = content
        return complex(float(real), float(imaginary))

    def _read_big(self, content, depth):
        if len(content) > 4000:
            raise WireError("malformed data: an integer too large")
        return int(content, 16)

    def _read_bytes(self, content, depth):
        return bytes.fromhex(content)

    def _read_ellipsis(self, content, depth):
        return ...

    def _read_range(self, content, depth):
        return range(*[self.read(part, depth) for part in content])

    def _read_slice(self, content, depth):
        return slice(*[self.read(part, depth) for part in content])

    def _read_ungradable(self, content, depth):
        return Ungradable(str(content)[:300])

    def _read_function(self, content, depth):
        if self.function is None:
            raise WireError("malformed data: a function where none can be")
        return self.function(content)

    def _read_array(self, content, depth):
        code, shape = content
        dtype = DTYPES[code]
        if type(shape) is not list or len(shape) > DIMENSIONS:
            raise WireError("malformed data: shape")
        extent = 1
        for size in shape:
            if type(size) is not int or not 0 <= size < 2**31:
                raise WireError("malformed data: shape")
            extent *= size or 1
        if extent >= 2**31:
            raise WireError("malformed data: shape")
        end = self.offset + (0 if 0 in shape else extent) * dtype.itemsize
        if end > len(self.data):
            raise WireError("malformed data: an array without its bytes")
        raw = self.data[self.offset : end]
        self.offset = end
        if dtype.kind == "b":  # a byte other than 0 and 1 is no truth value
            return (np.frombuffer(raw, np.uint8) != 0).reshape(shape)
        array = np.frombuffer(raw, dtype).reshape(shape)
        return array.copy() if LITTLE else array.astype(dtype.newbyteorder("="))

    def _read_scalar(self, content, depth):
        array = self._read_array(content, depth)
        if array.shape != ():
            raise WireError("malformed data: a scalar with a shape")
        return array[()]


_READERS = {
    "t": _Reader._read_tuple,
    "d": _Reader._read_dict,
    "c": _Reader._read_complex,
    "i": _Reader._read_big,
    "b": _Reader._read_bytes,
    "e": _Reader._read_ellipsis,
    "r": _Reader._read_range,
    "l": _Reader._read_slice,
    "f": _Reader._read_function,
    "n": _Reader._read_array,
    "s": _Reader._read_scalar,
    "u": _Reader._read_ungradable,
}


def _listed(content):
    if type(content) is not list:
        raise WireError("malformed data: not a list")
    return content


class Channel:
    """Frames over a stream socket.

    Parameters
    ----------
    connection : socket.socket
    limit : int
        The most bytes that the arrays of one frame may take.
    greedy : bool
        Read ahead. Faster, but no sockets can be passed between the frames.
    """

    def __init__(self, connection: socket.socket, limit: int = 32 * 2**20, *, greedy: bool = False):
        self.connection, self.limit, self.greedy = connection, limit, greedy
        self.deadline = None
        self._set, self._ahead = 0.0, b""
        connection.setblocking(True)

    def send(self, value, handle=None):
        """Send one value; raise `NotPlain`, having sent nothing, if it isn't plain data."""
        document, buffers = encode(value, handle)
        text = _ENCODE(document).encode()
        size = sum(map(len, buffers))
        if len(text) > JSON_LIMIT or size > self.limit:
            raise NotPlain("too large to be graded")
        view = memoryview(b"".join([HEADER.pack(len(text), size), text, *buffers]))
        while view:  # each piece within the deadline, however slowly the other side takes them
            self._arm()
            view = view[self._try(self.connection.send, view) :]

    def receive(self, function=None):
        """Return the next value; raise `WireError` if there is none within the limits and before the deadline."""
        text_size, size = HEADER.unpack(self._read(HEADER.size))
        if text_size > JSON_LIMIT or size > self.limit:
            raise WireError("a message larger than allowed")
        body = memoryview(self._read(text_size + size))
        try:
            document = json.loads(str(body[:text_size], "utf-8"))
        except (ValueError, RecursionError):
            raise WireError("malformed data: no JSON") from None
        return decode(document, body[text_size:], function)

    def _arm(self):
        """Have the kernel end the next call at the deadline, if it isn't set to already."""
        left = 0.0 if self.deadline is None else self.deadline - time.monotonic()
        if self.deadline is not None and left <= 0:
            raise TooLate("no answer in time")
        if self._set == left or self._set - 0.1 < left <= self._set:
            return
        seconds = int(left)
        timeout = struct.pack("@ll", seconds, max(int((left - seconds) * 1e6), int(left > 0)))
        try:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self.connection.setsockopt(socket.SOL_SOCKET, option, timeout)
        except OSError:
            raise Closed("the other side is gone") from None
        self._set = left

    def _try(self, function, *arguments):
        try:
            return function(*arguments)
        except BlockingIOError:
            raise TooLate("no answer in time") from None
        except OSError:
            raise Closed("the other side is gone") from None

    def _read(self, size):
        if size <= len(self._ahead):
            body, self._ahead = self._ahead[:size], self._ahead[size:]
            return body
        if self.greedy and size < 2**16:
            return self._read_ahead(size)
        body = bytearray(size)
        body[: len(self._ahead)] = self._ahead
        view = memoryview(body)[len(self._ahead) :]
        self._ahead = b""
        while view:
            self._arm()
            count = self._try(self.connection.recv_into, view)
            if not count:
                raise Closed("the other side is gone")
            view = view[count:]
        return body

    def _read_ahead(self, size):
        pieces, have = [self._ahead], len(self._ahead)
        self._ahead = b""
        while have < size:
            self._arm()
            piece = self._try(self.connection.recv, 2**16)
            if not piece:
                raise Closed("the other side is gone")
            pieces.append(piece)
            have += len(piece)
        body = b"".join(pieces)
        self._ahead = body[size:]
        return body[:size]

    def close(self):
        """Close the socket."""
        self.connection.close()


def send_socket(channel: Channel, passed: socket.socket) -> None:
    """Hand a socket to the process at the other end of a channel that isn't greedy."""
    socket.send_fds(channel.connection, [b"s"], [passed.fileno()])


def receive_socket(channel: Channel) -> socket.socket:
    """Return the socket that the other end of a channel hands over next."""
    _, descriptors, _, _ = socket.recv_fds(channel.connection, 1, 1)
    return socket.socket(fileno=descriptors[0])
