"""grader.protocol: what is sent arrives as it was; what is no frame of ours ends in ProtocolError or EOFError."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import tracemalloc
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import protocol
from grader.protocol import DTYPES, Handle, ProtocolError

quietly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
PREFIX = struct.Struct(">IQ")


def there_and_back(body: object) -> Any:
    stream = io.BytesIO()
    protocol.send(stream, 7, "value", body)
    stream.seek(0)
    number, kind, value = protocol.receive(stream)
    assert (number, kind, stream.read()) == (7, "value", b"")
    return value


def raw(header: object, payload: bytes = b"", sizes: tuple[int, int] | None = None) -> io.BytesIO:
    """A frame made by hand; ``sizes`` are what its prefix announces."""
    content = header if isinstance(header, bytes) else msgspec.msgpack.encode(header)
    return io.BytesIO(PREFIX.pack(*(sizes or (len(content), len(payload)))) + content + payload)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8).numpy().tobytes()


def some(dtype: torch.dtype, shape: list[int]) -> torch.Tensor:
    """Any bits at all, so nan and infinity too; a bool is 0 or 1."""
    drawn = torch.randint(2 if dtype == torch.bool else 256, (math.prod(shape) * dtype.itemsize,), dtype=torch.uint8)
    return drawn.view(dtype).reshape(shape)


def same(one: Any, other: Any) -> bool:
    """Equal in type and value; nan equals nan."""
    if isinstance(one, torch.Tensor):
        kind = type(other) is torch.Tensor and other.dtype == one.dtype and other.shape == one.shape
        return kind and bits(one.detach()) == bits(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Of every dtype, with 0 to 4 dimensions, empty ones too; whole, transposed, every second element, or trained."""
    dtype = DTYPES[draw(st.sampled_from(sorted(DTYPES)))]
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    tensor = some(dtype, shape)
    form = draw(st.sampled_from(["whole", "transposed", "stepped", "requires_grad", "parameter"]))
    if form == "transposed":
        return tensor.permute(tuple(reversed(range(tensor.dim()))))
    if form == "stepped" and shape:
        return some(dtype, [shape[0] * 2, *shape[1:]])[::2]
    if dtype.is_floating_point and form == "requires_grad":
        return tensor.requires_grad_()
    return torch.nn.Parameter(tensor, requires_grad=dtype.is_floating_point) if form == "parameter" else tensor


plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5)
values = st.recursive(
    plain | tensors(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
# What msgpack can say at all: tags without sense, numbers where lists should be, bytes, very large numbers.
anything = st.recursive(
    plain | st.binary(max_size=4) | st.integers(0, 2**64 - 1) | st.sampled_from(["tensor", "tuple", "dict", "handle"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tensor", "tuple", "dict", "handle", "x"]), inner, max_size=2)
    ),
    max_leaves=10,
)


@quietly
@given(values)
def test_what_is_sent_arrives(value: object) -> None:
    arrived = there_and_back(value)
    assert same(value, arrived)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_keeps_its_bits(dtype: torch.dtype) -> None:
    given = some(dtype, [2, 2])
    arrived = there_and_back([given, given[0, 1], given.T, given[:0]])
    assert same([given, given[0, 1], given.T, given[:0]], arrived)


def test_one_element_of_any_stride() -> None:
    rows = torch.arange(6.0).reshape(1, 6)
    assert same([rows[:, 2], rows[:0, 3], rows[0, ::6]], there_and_back([rows[:, 2], rows[:0, 3], rows[0, ::6]]))


class Whole(int):
    def __pos__(self) -> int:
        return 0


class Real(float):
    def __pos__(self) -> float:
        return 0.0


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return ""


def test_of_a_class_derived_from_a_number_or_a_string_that_arrives() -> None:
    arrived = there_and_back([Whole(7), Real(2.5), Text("x"), True])
    assert arrived == [7, 2.5, "x", True]
    assert [type(each) for each in arrived] == [int, float, str, bool]


def test_what_arrives_is_a_copy_of_ones_own() -> None:
    given = torch.zeros(3)
    arrived = there_and_back(given)
    arrived += 1  # writable, without a warning
    assert not given.any()
    assert same(there_and_back(torch.Size([2, 3])), (2, 3))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70], ids=str)
def test_integers_beyond_64_bit_are_refused(value: int) -> None:
    with pytest.raises(ProtocolError, match="int cannot be sent"):
        there_and_back([value])


@pytest.mark.parametrize(
    "value",
    [{1, 2}, {1: "a"}, torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to_sparse(), torch.nn.ReLU()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_data_needs_a_handle(value: object) -> None:
    with pytest.raises(ProtocolError, match="cannot be sent"):
        there_and_back([value])


def test_handles_name_what_stays() -> None:
    stream, model = io.BytesIO(), torch.nn.ReLU()
    protocol.send(stream, 1, "value", {"model": model, "k": [3]}, lambda value: Handle(5, type(value).__name__, True))
    stream.seek(0)
    assert protocol.receive(stream, lambda handle: handle)[2] == {"model": Handle(5, "ReLU", True), "k": [3]}
    stream.seek(0)
    assert protocol.receive(stream, lambda handle: model)[2]["model"] is model
    stream.seek(0)
    with pytest.raises(ProtocolError):  # nobody here knows of handles
        protocol.receive(stream)


def test_frames_follow_each_other() -> None:
    stream = io.BytesIO()
    for number in range(3):
        protocol.send(stream, number, "call", [torch.full((number,), number)])
    stream.seek(0)
    for number in range(3):
        assert protocol.receive(stream)[2][0].tolist() == [number] * number
    with pytest.raises(EOFError):
        protocol.receive(stream)


@pytest.mark.parametrize(
    "sizes", [(protocol.MAX_HEADER + 1, 0), (10, protocol.MAX_PAYLOAD + 1), (2**32 - 1, 2**64 - 1)]
)
def test_too_large_announcements_are_refused_unread(sizes: tuple[int, int]) -> None:
    stream = io.BytesIO(PREFIX.pack(*sizes) + bytes(100))
    with pytest.raises(ProtocolError, match="over the limit"):
        protocol.receive(stream)
    assert stream.tell() == PREFIX.size


def test_memory_follows_what_arrives_not_what_is_announced() -> None:
    header = msgspec.msgpack.encode([1, "value", {"tensor": 0}, [["uint8", [protocol.MAX_PAYLOAD]]]])
    stream = raw(header, bytes(1000), (len(header), protocol.MAX_PAYLOAD))
    tracemalloc.start()
    try:
        with pytest.raises(EOFError):
            protocol.receive(stream)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("infos", "payload"),
    [
        ([["float32", [2]]], 4),  # too little
        ([["float32", [2]]], 12),  # too much
        ([], 4),
        ([["float32", [2]], ["uint8", [1]]], 8),
        ([["complex64", [1]]], 8),
        ([["object", [1]]], 8),
        ([["uint8", [-1]]], 1),
        ([["uint8", [-2, -2]]], 4),
        ([["uint8", [2**62, 4]]], 0),  # 2**64, which is 0 in 64 bit
        ([["uint8", [2**32, 2**32]]], 0),
        ([["uint8", [0, 2**31, 2**31, 2**31]]], 0),  # empty, but its strides overflow
        ([["uint8", [1] * 9]], 1),
        ([["uint8", "x"]], 1),
        ([["uint8", [1.5]]], 1),
        ([["uint8", [0]]] * (protocol.MAX_NODES + 1), 0),
    ],
    ids=lambda value: str(value)[:40],
)
def test_tensors_that_cannot_be(infos: list[object], payload: int) -> None:
    with pytest.raises(ProtocolError):
        protocol.receive(raw([1, "value", None, infos], bytes(payload)))


@pytest.mark.parametrize(
    "body",
    [
        {"tensor": 1},
        {"tensor": -1},
        {"tensor": True},
        {"tensor": 0.0},
        {"tuple": {"tuple": []}},
        {"dict": [["a"]]},
        {"dict": [[1, 2]]},
        {"dict": {"a": 1}},
        {"handle": 5},
        {"handle": {"number": 1}},
        {"nothing": 1},
        {"tuple": [], "dict": []},
        {},
        b"bytes",
    ],
    ids=str,
)
def test_values_of_no_known_kind(body: object) -> None:
    with pytest.raises(ProtocolError):
        protocol.receive(raw([1, "value", body, [["uint8", [1]]]], b"\0"), lambda handle: handle)


@pytest.mark.parametrize(
    "header", [b"", b"\xc1", b"\x93\x01\xa1\xff\xc0", b"\x91" * 50_000, b"\xc0", b"\x90"], ids=repr
)
def test_headers_that_are_none(header: bytes) -> None:
    with pytest.raises(ProtocolError, match="unreadable"):
        protocol.receive(raw(header))


def test_no_map_with_keys_of_ones_choosing_is_ever_built() -> None:
    """Tuples of integers with one hash for all of them can be computed; a map of them takes quadratic time."""
    body = {(number, number): None for number in range(3)}
    with pytest.raises(ProtocolError, match="no known kind"):
        protocol.receive(raw([1, "value", [body], []]))
    with pytest.raises(ProtocolError, match="no known kind"):
        protocol.receive(raw([1, "value", {"handle": {"number": body, "type": "x", "module": True}}, []]))


def test_the_payload_can_be_bounded_further() -> None:
    stream = io.BytesIO()
    protocol.send(stream, 1, "value", torch.zeros(100))
    stream.seek(0)
    with pytest.raises(ProtocolError, match="over the limit"):
        protocol.receive(stream, max_payload=399)
    stream.seek(0)
    assert len(protocol.receive(stream, max_payload=400)[2]) == 100


def shortened(body: object) -> io.BytesIO:
    stream = io.BytesIO()
    protocol.send(stream, 1, "value", body, shorten=True)
    stream.seek(0)
    return stream


def test_of_what_repeats_itself_one_period_is_sent() -> None:
    period = torch.randn(protocol.PERIOD)
    weight = torch.cat([period] * 3)[: 2 * protocol.PERIOD + 78].reshape(-1, 40)  # 131,120 numbers
    stream = shortened([weight, torch.arange(3.0)])
    assert len(stream.getvalue()) < 4 * protocol.PERIOD + 200
    found = protocol.receive(stream, shortened=True)[2]
    assert torch.equal(found[0], weight)
    assert torch.equal(found[1], torch.arange(3.0))


@pytest.mark.parametrize("place", [0, 64, protocol.PERIOD - 1, protocol.PERIOD, 2 * protocol.PERIOD])
def test_what_only_nearly_repeats_itself_is_sent_whole(place: int) -> None:
    weight = torch.cat([torch.randn(protocol.PERIOD)] * 3)
    weight[place] += 1
    for each in (weight, weight.double(), weight[: 2 * protocol.PERIOD - 1], torch.randn(3 * protocol.PERIOD)):
        found = protocol.receive(shortened(each))[2]  # would be an error otherwise
        assert torch.equal(found, each)


def test_a_shortened_tensor_is_read_from_who_is_trusted_only() -> None:
    stream = shortened(torch.zeros(2, protocol.PERIOD))
    with pytest.raises(ProtocolError, match="larger than what is sent"):
        protocol.receive(stream)
    for shape in ([2, 3], [0, protocol.PERIOD]):
        with pytest.raises(ProtocolError, match="smaller than what is sent"):
            protocol.receive(raw([1, "value", None, [["float32", shape, True]]]), shortened=True)


def test_depth_and_number_of_values_are_bounded() -> None:
    deep: list[Any] = []
    for _ in range(protocol.MAX_DEPTH):
        deep = [deep]
    assert there_and_back(deep) == deep
    with pytest.raises(ProtocolError, match="deeply"):
        there_and_back([deep])
    for _ in range(2 * protocol.MAX_DEPTH):
        deep = [deep]
    with pytest.raises(ProtocolError, match="deeply"):
        protocol.receive(raw([1, "value", deep, []]))
    with pytest.raises(ProtocolError, match="too large"):
        protocol.receive(raw([1, "value", [0] * protocol.MAX_NODES, []]))


def test_a_frame_cut_anywhere_is_an_end_of_file() -> None:
    stream = io.BytesIO()
    protocol.send(stream, 1, "value", {"a": [torch.arange(3), "text"]})
    whole = stream.getvalue()
    for size in range(len(whole)):
        with pytest.raises(EOFError):
            protocol.receive(io.BytesIO(whole[:size]))


def only_our_errors(stream: io.BytesIO) -> None:
    with contextlib.suppress(ProtocolError, EOFError):
        protocol.receive(stream, lambda handle: handle)


@quietly
@given(st.binary(max_size=200))
def test_random_bytes(content: bytes) -> None:
    only_our_errors(io.BytesIO(content))
    only_our_errors(raw(content))


@quietly
@given(
    anything, anything, st.lists(st.tuples(st.sampled_from([*DTYPES, "x"]), st.lists(st.integers(-1, 5))), max_size=3)
)
def test_random_headers(body: object, whole: object, infos: list[Any]) -> None:
    sizes = [math.prod(shape) * DTYPES[name].itemsize for name, shape in infos if name in DTYPES]
    payload = bytes(max(0, sum(sizes)))
    only_our_errors(raw([1, "value", body, infos], payload))
    only_our_errors(raw([1, "value", body, whole]))
    only_our_errors(raw(whole))


@quietly
@given(values, st.data())
def test_damaged_frames(value: object, data: st.DataObject) -> None:
    stream = io.BytesIO()
    protocol.send(stream, 1, "value", value)
    damaged = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    only_our_errors(io.BytesIO(bytes(damaged)))
