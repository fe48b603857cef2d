"""Frames between judge and worker: a msgpack header and raw tensor bytes, every size bounded before it is believed.

A frame is 12 bytes (header length, payload length; big-endian u32 and u64), the header, then the bytes of its tensors
one after the other. Both sides use this module; neither ever unpickles or evaluates what it is sent. Of weights that
repeat themselves the judge sends one period.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
import torch
from msgspec import UNSET, Meta, Raw, UnsetType

from grader.tracing import repeat_into

MAX_HEADER = 16 << 20  # bytes; a header holds names and numbers, no weights
MAX_PAYLOAD = 2 << 30  # bytes; the weights of VGG-19 take 575 MB
MAX_NODES = 200_000  # values in one frame
MAX_DEPTH = 24
MAX_DIMENSIONS = 8
# Numbers after which made-up weights repeat themselves. A prime, so rows of a matrix begin at different places; so many
# that nothing depends on them all being different.
PERIOD = 65_521
_PREFIX = struct.Struct(">IQ")

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bool,
    )
}


class ProtocolError(Exception):
    """What arrived is not a frame of this protocol."""


class TensorInfo(msgspec.Struct, array_like=True):
    """dtype (a key of `DTYPES`) and shape of one tensor of the payload, and whether that is one `PERIOD` of it."""

    dtype: str
    shape: Annotated[list[int], Meta(max_length=MAX_DIMENSIONS)]
    repeats: bool = False


class Frame(msgspec.Struct, array_like=True):
    """One message: ``kind`` (a request's operation; "value" or "error" in a reply), ``body`` and its tensors.

    The body is decoded value by value, each by its own type. At once, and as `Any`, its maps could have tuples of
    numbers as keys, all of one hash: 10,000 of them (140 KB) keep a decoder busy for 16 s.
    """

    number: int
    kind: str
    body: Raw
    tensors: Annotated[list[TensorInfo], Meta(max_length=MAX_NODES)] = []


class Handle(msgspec.Struct):
    """Names an object that stays in the worker; ``type`` is its class's name, ``module`` whether it is an nn.Module."""

    number: int
    type: str
    module: bool


_Items = Annotated[list[Raw], Meta(max_length=MAX_NODES)]
_Entries = Annotated[list[tuple[str, Raw]], Meta(max_length=MAX_NODES)]


class _Tagged(
    msgspec.Struct, forbid_unknown_fields=True, rename={"content": "bytes", "items": "tuple", "entries": "dict"}
):
    """What is neither a list nor a plain value: a map with one of these keys."""

    tensor: int | UnsetType = UNSET
    content: bytes | UnsetType = UNSET
    items: _Items | UnsetType = UNSET
    entries: _Entries | UnsetType = UNSET
    handle: Handle | UnsetType = UNSET


_decode_list = msgspec.msgpack.Decoder(_Items).decode
_decode_tagged = msgspec.msgpack.Decoder(_Tagged).decode
_decode_plain = msgspec.msgpack.Decoder(None | bool | int | float | str).decode


def send(
    stream: BinaryIO,
    number: int,
    kind: str,
    body: object,
    to_handle: Callable[[object], Handle] | None = None,
    *,
    shorten: bool = False,
) -> int:
    """Write one frame; whoever calls flushes ``stream``. Returns how many bytes its tensors take.

    ``to_handle`` is asked for a `Handle` for what cannot be sent as data. With ``shorten``, of a tensor that repeats
    its first `PERIOD` numbers only these are sent.

    Raises:
        ProtocolError: ``body`` holds something that can neither be sent nor be named by a handle, or is too large.
    """
    infos: list[TensorInfo] = []
    blocks: list[torch.Tensor] = []
    tree = _pack(body, infos, blocks, to_handle, 0)
    if shorten:
        for place, (info, block) in enumerate(zip(infos, blocks, strict=True)):
            if info.dtype == "float32" and _repeats(block.view(torch.int32)):
                info.repeats, blocks[place] = True, block[: 4 * PERIOD]
    header = msgspec.msgpack.encode(Frame(number, kind, Raw(msgspec.msgpack.encode(tree)), infos))
    size = sum(block.numel() for block in blocks)
    if len(header) > MAX_HEADER or size > MAX_PAYLOAD:
        raise ProtocolError(f"{(len(header) + size) / 1e6:,.0f} MB are too much for one message")
    stream.write(_PREFIX.pack(len(header), size) + header)
    for block in blocks:
        stream.write(block.numpy().data)
    return size


def receive(
    stream: BinaryIO,
    from_handle: Callable[[Handle], object] | None = None,
    max_payload: int = MAX_PAYLOAD,
    *,
    shortened: bool = False,
) -> tuple[int, str, Any]:
    """Read one frame: (number, kind, body). ``from_handle`` turns handles into what stands for them.

    Only with ``shortened`` may a tensor be larger than what is sent of it: that is for who trusts the other side.

    Raises:
        EOFError: the other side is gone.
        ProtocolError: the frame is not one of ours or exceeds a bound.
    """
    prefix = bytearray(_PREFIX.size)
    _fill(stream, memoryview(prefix))
    header_size, payload_size = _PREFIX.unpack(prefix)
    if header_size > MAX_HEADER or payload_size > min(max_payload, MAX_PAYLOAD):
        raise ProtocolError(f"announces {header_size:,} + {payload_size:,} bytes, over the limit")
    header = bytearray(header_size)
    _fill(stream, memoryview(header))
    try:
        frame = msgspec.msgpack.decode(header, type=Frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable header: {error}") from None
    if not shortened and any(info.repeats for info in frame.tensors):
        raise ProtocolError("a tensor larger than what is sent of it")
    sizes = [_bytes_of(info) for info in frame.tensors]
    if sum(sizes) != payload_size:
        raise ProtocolError("tensor sizes do not add up to the payload")
    tensors = [_read_tensor(stream, info) for info in frame.tensors]
    return frame.number, frame.kind, _Unpacker(tensors, from_handle).unpack(frame.body, 0)


def _read_tensor(stream: BinaryIO, info: TensorInfo) -> torch.Tensor:
    """The next tensor of the payload, read to where it stays.

    Its memory is asked for at once, and is the system's until something is written to it: what a process holds grows
    with what arrives, not with what was announced.
    """
    try:
        tensor = torch.empty(info.shape, dtype=DTYPES[info.dtype])
    except RuntimeError:
        raise ProtocolError("a tensor larger than there is memory for") from None
    flat = tensor.reshape(-1)
    if tensor.numel():
        _fill(stream, flat[: PERIOD if info.repeats else None].view(torch.uint8).numpy().data)
    if info.repeats:
        repeat_into(flat[PERIOD:], flat[:PERIOD])
    return tensor


def _repeats(numbers: torch.Tensor) -> bool:
    """Whether there is much to leave out of ``numbers`` (1-d): they begin again, and again, after a `PERIOD`."""
    return (
        len(numbers) >= 2 * PERIOD
        and torch.equal(numbers[PERIOD : PERIOD + 64], numbers[:64])  # mostly enough to see that they do not
        and torch.equal(numbers[PERIOD:], numbers[:-PERIOD])
    )


def _fill(stream: BinaryIO, buffer: memoryview) -> None:
    """Read until ``buffer`` is full."""
    filled = 0
    while filled < len(buffer):
        count = stream.readinto(buffer[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        filled += count


def _bytes_of(info: TensorInfo) -> int:
    if info.dtype not in DTYPES or len(info.shape) > MAX_DIMENSIONS:
        raise ProtocolError(f"no tensor is {info.dtype!r} with {len(info.shape)} dimensions")
    count = 1
    for extent in info.shape:
        if not 0 <= extent <= MAX_PAYLOAD:
            raise ProtocolError(f"no tensor has an extent of {extent}")
        count *= max(extent, 1)  # strides are bounded, too: those of an empty tensor do not count its 0
        if count > MAX_PAYLOAD:
            raise ProtocolError("a tensor larger than any payload")
    if info.repeats:
        if count < PERIOD or 0 in info.shape:
            raise ProtocolError("a tensor smaller than what is sent of it")
        count = PERIOD
    return 0 if 0 in info.shape else count * DTYPES[info.dtype].itemsize


# Of each kind, the method that gives the plain value, whatever a derived class has in its place.
_PLAIN: dict[type, Callable[[Any], object]] = {int: int.__pos__, float: float.__pos__, str: str.__str__}


def _pack(
    value: object,
    infos: list[TensorInfo],
    blocks: list[torch.Tensor],
    to_handle: Callable[[object], Handle] | None,
    depth: int,
) -> object:
    """Plain values stay as they are, lists too; everything else becomes a map with one key that says what it is."""
    if depth > MAX_DEPTH:
        raise ProtocolError("nested too deeply")
    if isinstance(value, np.generic):  # np.mean(losses) is as good a number as any
        value = value.item()
    for kind, plainly in _PLAIN.items():  # of a class derived from a number or a string only that is sent
        if isinstance(value, kind) and type(value) is not bool:
            value = plainly(value)
    if value is None or type(value) in (bool, str, float):
        return value
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    if type(value) is bytes:
        return {"bytes": value}
    if isinstance(value, torch.Tensor):
        name = str(value.dtype).removeprefix("torch.")
        if name in DTYPES and value.layout == torch.strided and value.device.type == "cpu":
            plain = value.detach().as_subclass(torch.Tensor).contiguous()
            infos.append(TensorInfo(name, list(plain.shape)))
            flat = plain.reshape(-1)
            if flat.stride(0) != 1:  # of at most one element, so contiguous whatever its stride: x[:, 0] of one row
                flat = flat.clone(memory_format=torch.contiguous_format)
            blocks.append(flat.view(torch.uint8))
            return {"tensor": len(infos) - 1}
    elif isinstance(value, torch.Size):
        return {"tuple": [int(extent) for extent in value]}
    elif isinstance(value, tuple):
        return {"tuple": [_pack(item, infos, blocks, to_handle, depth + 1) for item in value]}
    elif type(value) is list:
        return [_pack(item, infos, blocks, to_handle, depth + 1) for item in value]
    elif isinstance(value, dict) and all(type(key) is str for key in value):
        return {"dict": [[key, _pack(item, infos, blocks, to_handle, depth + 1)] for key, item in value.items()]}
    if isinstance(value, Handle):
        return {"handle": value}
    if to_handle is not None:
        return {"handle": to_handle(value)}
    raise ProtocolError(f"a {type(value).__name__} cannot be sent")


class _Unpacker:
    def __init__(self, tensors: list[torch.Tensor], from_handle: Callable[[Handle], object] | None) -> None:
        self.tensors, self.from_handle, self.nodes = tensors, from_handle, 0

    def unpack(self, encoded: Raw, depth: int) -> Any:
        self.nodes += 1
        if depth > 2 * MAX_DEPTH or self.nodes > MAX_NODES:
            raise ProtocolError("nested too deeply or too large")
        try:
            return self._value(encoded, depth)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolError(f"a value of no known kind, or too large: {error}") from None

    def _value(self, encoded: Raw, depth: int) -> Any:
        first = memoryview(encoded)[0]
        if first >> 4 == 0x9 or first in (0xDC, 0xDD):  # msgpack's lists
            return [self.unpack(item, depth + 1) for item in _decode_list(encoded)]
        if first >> 4 != 0x8 and first not in (0xDE, 0xDF):  # and its maps
            return _decode_plain(encoded)
        tagged = _decode_tagged(encoded)
        given = [value for value in msgspec.structs.astuple(tagged) if value is not UNSET]
        if len(given) == 1:
            if tagged.tensor is not UNSET and 0 <= tagged.tensor < len(self.tensors):
                return self.tensors[tagged.tensor]
            if tagged.content is not UNSET:
                return tagged.content
            if tagged.items is not UNSET:
                return tuple(self.unpack(item, depth + 1) for item in tagged.items)
            if tagged.entries is not UNSET:
                return {key: self.unpack(item, depth + 1) for key, item in tagged.entries}
            if tagged.handle is not UNSET and self.from_handle is not None:
                return self.from_handle(tagged.handle)
        raise ProtocolError("a value of no known kind")
