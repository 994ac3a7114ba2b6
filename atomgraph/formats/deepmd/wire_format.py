"""Reader of the wire format of protocol buffers: messages as lists of numbered fields.

Source: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from atomgraph.errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10  # bytes
Field = tuple[int, int, int | memoryview]


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message: number, wire type, and value, a whole number or the bytes of the field.

    Args:
        message: The message. Fields of a fixed size are yielded as bytes.

    Raises:
        FormatError: If the message is damaged.
    """
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            integer, position = read_varint(message, position)
            yield number, wire_type, integer
            continue
        if wire_type == BYTES:
            size, position = read_varint(message, position)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise FormatError(f"the file has a field of the wire type {wire_type}, which does not exist; copy it again")
        if size > len(message) - position:
            raise FormatError("the file is cut short or damaged; copy or download it again")
        yield number, wire_type, message[position : position + size]
        position += size


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of variable length and the position after it; FormatError if it is cut short or too long."""
    result = 0
    for count in range(_MAX_VARINT):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        result |= (byte & 127) << (7 * count)
        if not byte & 128:
            return result & 0xFFFF_FFFF_FFFF_FFFF, position
    raise FormatError("the file is cut short or damaged; copy or download it again")


def signed(number: int) -> int:
    """Return a number of 64 bits as a signed number."""
    return number - (1 << 64) if number >= 1 << 63 else number


def varints(content: int | memoryview) -> list[int]:
    """Return signed numbers of a field, one or packed."""
    if isinstance(content, int):
        return [signed(content)]
    numbers, position = [], 0
    while position < len(content):
        number, position = read_varint(content, position)
        numbers.append(signed(number))
    return numbers


def text(content: int | memoryview) -> str:
    """Return a field as text; FormatError if it is not UTF-8."""
    try:
        return bytes(as_bytes(content)).decode()
    except UnicodeDecodeError:
        raise FormatError("the file has a name that is not text; copy or download it again") from None


def as_bytes(content: int | memoryview) -> memoryview:
    """Return the bytes of a field; FormatError for a number."""
    if isinstance(content, int):
        raise FormatError("the file has a number in place of a message; copy or download it again")
    return content


def float32(content: int | memoryview) -> float:
    """Return a field of four bytes as a number; FormatError for another size."""
    content = as_bytes(content)
    if len(content) != 4:
        raise FormatError("the file has a number of a wrong size; copy or download it again")
    return float(struct.unpack("<f", content)[0])
