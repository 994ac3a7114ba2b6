"""Check of the heaps in which HDF5 files store texts, because libhdf5 reads some damaged heaps without end."""

from __future__ import annotations

import struct

from atomgraph.errors import FormatError

_START = b"GCOL\x01\x00\x00\x00"  # signature, version and reserved bytes of a heap
_HEADER, _OBJECT = 16, 16  # bytes before the first object, and of the header of an object


def check_heaps(content: bytes) -> None:
    """Check that the objects of each heap of an HDF5 file have sizes with which a reader reaches the end of the heap.

    Args:
        content: Content of the file.

    Raises:
        FormatError: If an object has no valid size.

    Source: HDF5 file format specification 3.0, section III.E, Global Heap.
    """
    start = content.find(_START)
    while start >= 0:
        _check_heap(content, start)
        start = content.find(_START, start + len(_START))


def _check_heap(content: bytes, start: int) -> None:
    """Check one heap, which begins at a position of the file."""
    if start + _HEADER > len(content):
        raise FormatError("the file is cut short; copy or download it again")
    (size,) = struct.unpack_from("<Q", content, start + 8)
    end, position = start + size, start + _HEADER
    if end > len(content):
        raise FormatError("the file is cut short or damaged (a heap of texts); copy or download it again")
    while position + _OBJECT <= end:
        index, _, _, n_bytes = struct.unpack_from("<HHIQ", content, position)
        # object 0 is free space, whose size contains its header; data of other objects are padded to 8 bytes
        step = n_bytes if index == 0 else _OBJECT + (n_bytes + 7) // 8 * 8
        if step < _OBJECT or position + step > end:
            raise FormatError("the file is damaged (a heap of texts); copy or download it again")
        position += step
