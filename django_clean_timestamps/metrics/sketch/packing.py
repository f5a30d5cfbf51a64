"""A sketch's state to few bytes and back, which stay readable: the first byte says how."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["State", "pack", "unpack"]

VERSION: Final = 1

# Version; checksum of all that follows.
_START: Final = struct.Struct("<BI")
# Flags, scale, bytes a count; the first bucket's index; min and max in seconds.
_FACTS: Final = struct.Struct("<BBBhdd")
_THRESHOLD: Final = struct.Struct("<d")
_HAS_WARNING, _HAS_CRITICAL = 1, 2
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}

# Without zlib's own header and checksum. Runs alone are looked for, since other repetition in counts is chance: this
# is smaller than the default by some bytes and takes a tenth of the time, most of which went into setting up.
_WINDOW_BITS, _MEMORY_LEVEL = -12, 4


class State(NamedTuple):
    """What a sketch consists of; see :class:`Sketch`."""

    scale: int
    offset: int
    counts: Sequence[int]
    nanoseconds: int
    smallest: float
    largest: float
    warning: float | None
    over_warning: int
    critical: float | None
    over_critical: int


def pack(state: State) -> bytes:
    """
    Return the state as bytes.

    The counts run from the first bucket that holds anything to the last, all as wide as the largest of them needs, all
    low bytes before all high ones, and are deflated: a bucket far from the others costs a few bytes.
    """
    counts = state.counts
    width = _width(max(counts, default=0))
    flags = (state.warning is not None) * _HAS_WARNING + (state.critical is not None) * _HAS_CRITICAL
    body = bytearray(_FACTS.pack(flags, state.scale, width, state.offset, state.smallest, state.largest))
    _write_number(body, state.nanoseconds)
    for threshold, over in ((state.warning, state.over_warning), (state.critical, state.over_critical)):
        if threshold is not None:
            body += _THRESHOLD.pack(threshold)
            _write_number(body, over)
    plain = struct.pack(f"<{len(counts)}{_CODES[width]}", *counts)
    compressor = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_RLE)
    body += compressor.compress(b"".join(plain[place::width] for place in range(width)))
    body += compressor.flush()
    return _START.pack(VERSION, zlib.crc32(body)) + body


def unpack(data: bytes | memoryview) -> State:
    """
    Return the state that was packed.

    Raises:
        ValueError: The bytes are of another version, were cut or damaged, or never were a sketch.
    """
    data = bytes(data)
    _check(data)
    flags, scale, width, offset, smallest, largest = _FACTS.unpack_from(data, _START.size)
    nanoseconds, at = _read_number(data, _START.size + _FACTS.size)
    warning = critical = None
    over_warning = over_critical = 0
    if flags & _HAS_WARNING:
        (warning,) = _THRESHOLD.unpack_from(data, at)
        over_warning, at = _read_number(data, at + _THRESHOLD.size)
    if flags & _HAS_CRITICAL:
        (critical,) = _THRESHOLD.unpack_from(data, at)
        over_critical, at = _read_number(data, at + _THRESHOLD.size)
    counts = _counts(zlib.decompress(data[at:], _WINDOW_BITS), width)
    return State(scale, offset, counts, nanoseconds, smallest, largest, warning, over_warning, critical, over_critical)


def _check(data: bytes) -> None:
    if not data:
        raise ValueError("A sketch was to be read from no bytes at all")
    if data[0] != VERSION:
        raise ValueError(
            f"The {len(data)} bytes are no sketch of a version that is known: the first is {data[0]}, and version "
            f"{VERSION} is read. Upgrade this process to the version that wrote them"
        )
    # The checksum answers for everything behind it, so that nothing there need be doubted again.
    if len(data) < _START.size or zlib.crc32(memoryview(data)[_START.size :]) != _START.unpack_from(data)[1]:
        raise ValueError(f"The {len(data)} bytes of a sketch were cut or changed: their checksum is wrong")


def _width(largest: int) -> int:
    return next(width for width in _CODES if largest < 1 << 8 * width)


def _counts(planes: bytes, width: int) -> Sequence[int]:
    if width == 1:
        return planes
    size = len(planes) // width
    plain = bytearray(len(planes))
    for place in range(width):
        plain[place::width] = planes[place * size : (place + 1) * size]
    return struct.unpack(f"<{size}{_CODES[width]}", plain)


def _write_number(body: bytearray, number: int) -> None:
    """Append a number of any size, seven bits a byte, the low ones first."""
    while number > 0x7F:
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that stands at an index, and the index after it."""
    number = shift = 0
    while (byte := data[at]) > 0x7F:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return number | byte << shift, at + 1
