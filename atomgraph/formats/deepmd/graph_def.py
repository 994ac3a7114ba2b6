"""Reader of TensorFlow's frozen graphs (``GraphDef``) as data: constants and attributes of operations by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from atomgraph.errors import FormatError
from atomgraph.formats.deepmd.wire_format import BYTES, FIXED32, as_bytes, fields, float32, signed, text, varints

_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # numbers of TensorFlow's types
_STRING = 7
_REPEATED = {1: 5, 2: 6, 3: 7, 9: 10}  # field of the numbers of each type in a TensorProto
_MAX_NODES, _MAX_DIMENSIONS = 200_000, 8


@dataclass
class FrozenGraph:
    """Constants and operations of a graph.

    Attributes:
        constants: Arrays, or lists of bytes, by the name of the constant.
        operations: Attributes of each kind of operation, of the first operation of this kind.
    """

    constants: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_graph(content: bytes) -> FrozenGraph:
    """Return the constants and operations of a frozen graph.

    Args:
        content: Content of a ``.pb`` file.

    Raises:
        FormatError: If the content is damaged.
    """
    graph, n_nodes = FrozenGraph(), 0
    for number, wire_type, node in fields(memoryview(content)):
        if number != 1 or wire_type != BYTES:
            continue
        n_nodes += 1
        if n_nodes > _MAX_NODES:
            raise FormatError("the file has more operations than any model")
        _read_node(as_bytes(node), graph, len(content))
    return graph


def _read_node(node: memoryview, graph: FrozenGraph, n_bytes: int) -> None:
    """Add one operation to the graph."""
    name, kind, entries = "", "", []
    for number, _, content in fields(node):
        if number == 1:
            name = text(content)
        elif number == 2:
            kind = text(content)
        elif number == 5:
            entries.append(as_bytes(content))
    if kind != "Const" and kind in graph.operations:
        return
    attributes = {}
    for entry in entries:
        pair = {number: content for number, _, content in fields(entry)}
        attributes[text(pair.get(1, memoryview(b"")))] = as_bytes(pair.get(2, memoryview(b"")))
    if kind == "Const":
        if "value" in attributes:
            graph.constants[name] = _attribute(attributes["value"], n_bytes)
    else:
        graph.operations[kind] = {key: _attribute(content, n_bytes) for key, content in attributes.items()}


def _attribute(message: memoryview, n_bytes: int) -> Any:
    """Return the value of an attribute; None for other types."""
    for number, wire_type, content in fields(message):
        if number == 2:
            return bytes(as_bytes(content))
        if number in (3, 6) and isinstance(content, int):
            return signed(content)
        if number == 4:
            return float32(content)
        if number == 5:
            return bool(content)
        if number == 8 and wire_type == BYTES:
            return _tensor(as_bytes(content), n_bytes)
        if number == 1 and wire_type == BYTES:
            return _list(as_bytes(content))
    return None


def _list(message: memoryview) -> list[Any]:
    """Return a list of whole numbers or of numbers of four bytes."""
    result: list[Any] = []
    for number, wire_type, content in fields(message):
        if number == 3:
            result += varints(content)
        elif number == 4:
            packed = as_bytes(content)
            result += (
                [float32(content)]
                if wire_type == FIXED32
                else np.frombuffer(packed[: len(packed) // 4 * 4], "<f4").tolist()
            )
    return result


def _tensor(message: memoryview, n_bytes: int) -> Any:
    """Return a constant: an array, a list of bytes, or None for other types; FormatError if its size is wrong."""
    kind, shape, content, strings = 0, [], None, []
    repeated: dict[int, list[int | memoryview]] = {}
    for number, _, part in fields(message):
        if number == 1 and isinstance(part, int):
            kind = part
        elif number == 2:
            shape = _shape(as_bytes(part))
        elif number == 4:
            content = as_bytes(part)
        elif number == 8:
            strings.append(bytes(as_bytes(part)))
        elif number in (5, 6, 7, 10):
            repeated.setdefault(number, []).append(part)
    if kind == _STRING:
        return strings
    if kind not in _TYPES:
        return None
    size = prod(shape)
    if content is not None and len(content):
        numbers = np.frombuffer(
            content[: len(content) // np.dtype(_TYPES[kind]).itemsize * np.dtype(_TYPES[kind]).itemsize], _TYPES[kind]
        )
    else:
        numbers = _numbers(repeated.get(_REPEATED[kind], []), kind)
        if 0 < len(numbers) < size <= n_bytes:  # the last number is repeated
            numbers = np.concatenate([numbers, np.full(size - len(numbers), numbers[-1])])
    if len(numbers) != size:
        raise FormatError(
            f"a constant of the file should have {size} numbers, but has {len(numbers)}; copy the file again"
        )
    return numbers.reshape(shape)


def _shape(message: memoryview) -> list[int]:
    """Return the shape of a tensor; FormatError if it is invalid."""
    shape = []
    for number, _, dimension in fields(message):
        if number == 2:
            sizes = [signed(size) for n, _, size in fields(as_bytes(dimension)) if n == 1 and isinstance(size, int)]
            shape.append(sizes[0] if sizes else 0)
    if len(shape) > _MAX_DIMENSIONS or any(not 0 <= size < 2**40 for size in shape):
        raise FormatError("a constant of the file has an invalid shape; copy the file again")
    return shape


def _numbers(parts: list[int | memoryview], kind: int) -> np.ndarray:
    """Return the numbers of a repeated field."""
    if kind in (3, 9):
        return np.array([number for part in parts for number in varints(part)]).astype(_TYPES[kind])
    joined = b"".join(bytes(as_bytes(part)) for part in parts)
    itemsize = np.dtype(_TYPES[kind]).itemsize
    return np.frombuffer(joined[: len(joined) // itemsize * itemsize], _TYPES[kind])
