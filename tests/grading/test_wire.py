"""Plain data crosses exactly, and nothing else crosses at all."""

import json
import math
import socket
import struct
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # grading/ is not installed

from grading import wire

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=20),
    st.binary(max_size=20),
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=4),
    ),
    max_leaves=20,
)
ARRAYS = [
    np.array(True),
    np.zeros((0, 3), np.float32),
    np.arange(24, dtype=np.int8).reshape(2, 3, 4)[:, ::-1],
    np.array([1.5, np.nan, -np.inf, -0.0]),
    np.array([1 + 2j], np.complex64),
    np.arange(6, dtype=">f8").reshape(2, 3).T,
    np.float16([1, 2]),
    np.uint64([2**64 - 1]),
]


def there_and_back(value):
    document, buffers = wire.encode(value)
    return wire.decode(json.loads(json.dumps(document)), b"".join(buffers))


def same(first, second):
    if type(first) is not type(second):
        return False
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return same(list(first.items()), list(second.items()))
    if isinstance(first, float):
        return struct.pack("d", first) == struct.pack("d", second) or (math.isnan(first) and math.isnan(second))
    if isinstance(first, complex):
        return same([first.real, first.imag], [second.real, second.imag])
    return first == second


@given(DATA)
def test_round_trip_is_exact(value):
    assert same(there_and_back(value), value)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_round_trip(array):
    back = there_and_back(array)
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    assert back.tobytes() == array.astype(back.dtype).tobytes()
    assert back.flags.writeable
    assert not np.shares_memory(back, array)


@pytest.mark.parametrize(
    "scalar", [np.float32(0.1), np.int64(3), np.bool_(True), np.complex128(1j), np.float64(np.nan)]
)
def test_numpy_scalars_keep_their_type(scalar):
    back = there_and_back(scalar)
    assert type(back) is type(scalar)
    assert np.array_equal(back, scalar, equal_nan=True)


class Liar(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class Row(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("value", "kind"), [(Liar(2), float), (np.zeros(2).view(Row), np.ndarray), (type("T", (tuple,), {})([1]), tuple)]
)
def test_subclasses_lose_what_they_add(value, kind):
    assert type(there_and_back(value)) is kind


@pytest.mark.parametrize(
    "value",
    [object(), np.array([None]), np.array(["a"]), {1}, 1 << 20_000, np.zeros(2, "M8[s]"), print, type],
    ids=["object", "object array", "text array", "set", "huge integer", "dates", "function", "class"],
)
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(wire.NotPlain):
        wire.encode(value)


def test_deep_and_circular_values_are_refused():
    circular = []
    circular.append(circular)
    with pytest.raises(wire.NotPlain, match="nested"):
        wire.encode(circular)
    with pytest.raises(wire.NotPlain, match="large"):
        wire.encode([[]] * 300_000)


def test_a_part_that_is_no_plain_data_can_be_passed_over():
    """So a wrong second part of a tuple doesn't cost the points of the first."""
    document, _ = wire.encode((1.5, {1}), handle=lambda f: {})
    value, refused = wire.decode(document, b"")
    assert value == 1.5
    for look in (lambda: refused == 1, lambda: np.asarray(refused), lambda: len(refused), lambda: bool(refused)):
        with pytest.raises(AssertionError, match="type set"):
            look()


MALFORMED = [
    ({"n": ["|O", [1]]}, bytes(8)),
    ({"n": ["<f8", [2]]}, bytes(8)),
    ({"n": ["<f8", [1]]}, bytes(16)),
    ({"n": ["<f8", [-1]]}, bytes(8)),
    ({"n": ["<f8", [True]]}, bytes(8)),
    ({"n": ["<f8", [0, 2**40]]}, b""),
    ({"n": ["<f8", [2**30, 2**30]]}, b""),
    ({"n": ["<f8", [1] * 40]}, bytes(8)),
    ({"n": "x"}, b""),
    ({"s": ["<f8", [1]]}, bytes(8)),
    ({"zz": 1}, b""),
    ({"t": 1}, b""),
    ({"t": [], "d": []}, b""),
    ({"d": [[[], 1]]}, b""),
    ({"i": "0x" + "f" * 10_000}, b""),
    ({"f": 1}, b""),
    ({}, b""),
]


@pytest.mark.parametrize(("document", "data"), MALFORMED)
def test_malformed_data_is_an_error_and_nothing_else(document, data):
    with pytest.raises(wire.WireError):
        wire.decode(document, data)


def test_truth_values_are_true_or_false():
    """A byte of 7 viewed as bool would be both equal and unequal to True."""
    back = wire.decode({"n": ["|b1", [3]]}, bytes([0, 1, 7]))
    assert back.view(np.uint8).tolist() == [0, 1, 1]


@pytest.fixture(params=[False, True], ids=["exact", "greedy"])
def pair(request):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield wire.Channel(ours, 2**20, greedy=request.param), theirs


@pytest.mark.parametrize("header", [(2**32 - 1, 0), (10, 2**32 - 1), (10, 300 * 2**20)])
def test_length_is_checked_before_anything_is_read(pair, header):
    channel, other = pair
    other.sendall(wire.HEADER.pack(*header))
    tracemalloc.start()
    with pytest.raises(wire.WireError, match="larger"):
        channel.receive()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_slow_drip_ends_at_the_deadline(pair):
    channel, other = pair
    stop = threading.Event()

    def drip():
        other.sendall(wire.HEADER.pack(1000, 0))
        while not stop.wait(0.02):
            try:
                other.sendall(b" ")
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    channel.deadline = time.monotonic() + 0.5
    with pytest.raises(wire.TooLate):
        channel.receive()
    stop.set()


def test_nobody_reads_ends_at_the_deadline(pair):
    channel, _ = pair
    channel.deadline = time.monotonic() + 0.3
    with pytest.raises(wire.TooLate):  # the first few frames may fit into the socket's buffer
        channel.send([np.zeros(2**10)] * 100)


@pytest.mark.parametrize("frame", [b"[[[", b"\xff\xfe\xff", b"[" * 100_000, b"9" * 10_000])
def test_what_is_no_json_is_an_error(pair, frame):
    channel, other = pair
    other.sendall(wire.HEADER.pack(len(frame), 0) + frame)
    with pytest.raises(wire.WireError):
        channel.receive()


def test_frames_in_pieces_and_several_at_once(pair):
    channel, other = pair
    sender = wire.Channel(other, 2**20)
    for value in (1.5, (np.arange(3.0), "x"), None):
        sender.send(value)
    assert channel.receive() == 1.5
    assert channel.receive()[1] == "x"
    assert channel.receive() is None
    other.close()
    with pytest.raises(wire.Closed):
        channel.receive()
