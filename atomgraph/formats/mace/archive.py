"""Reads the container of ``torch.save``: an uncompressed zip with one pickle and a raw record for each storage."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.safe_pickle import PickledObject, Stored, read_pickle

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_LARGEST_PICKLE = 256 * 2**20
_DAMAGED = (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, MemoryError)


class Archive:
    """The records of a file. ``root``: what its pickle holds; ``tensor(node)``: numbers, read when they are asked for.

    Raises:
        FormatError: Where the container is damaged, and where tensors reach outside their records.
    """

    def __init__(self, path: Path):
        if not _is_zip(path):
            raise FormatError(
                "it is in the container of torch before 1.6; open it once with the torch that made it and write it again "
                "with torch.save"
            )
        try:
            self._zip = zipfile.ZipFile(path)
            names = self._zip.namelist()
        except _DAMAGED as error:
            raise FormatError(f"it is cut short or damaged ({error}); copy or download it again") from None
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise FormatError(f"it is a zip archive, but not one that torch.save wrote: it holds {_some(names)}")
        self._prefix = pickles[0].removesuffix("data.pkl")
        self.is_script = f"{self._prefix}constants.pkl" in names or any(
            name.startswith(f"{self._prefix}code/") for name in names
        )
        order = f"{self._prefix}byteorder"
        self._swapped = order in names and self._record(order, 64) != b"little"
        self._storages: dict[str, Tensor] = {}
        self._root: Any = None
        self._read = False

    @property
    def root(self) -> Any:
        """The object that was saved, inert."""
        if not self._read:
            self._root, self._read = read_pickle(self._record(f"{self._prefix}data.pkl", _LARGEST_PICKLE)), True
        return self._root

    def tensor(self, node: PickledObject) -> Tensor:
        """The tensor that a node stands for, a view of its record; FormatError where it reaches outside."""
        if len(node.args) < 4 or not isinstance(node.args[0], Stored):
            raise FormatError("it holds a tensor without a storage")
        stored, offset, size, stride = node.args[:4]
        numbers = [offset, *_numbers(size), *_numbers(stride)]
        if len(_numbers(size)) != len(_numbers(stride)) or any(type(n) is not int or n < 0 for n in numbers):
            raise FormatError("it holds a tensor of no shape")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        n_numbers = prod(size)
        if n_numbers and (last >= stored.size or n_numbers > stored.size):
            raise FormatError(f"it holds a tensor that reaches outside its record data/{stored.key}")
        if not n_numbers:
            return torch.zeros(tuple(size), dtype=self._dtype(stored))
        return torch.as_strided(self._storage(stored), tuple(size), tuple(stride), offset)

    def _storage(self, stored: Stored) -> Tensor:
        if stored.key not in self._storages:
            dtype = self._dtype(stored)
            expected = stored.size * dtype.itemsize
            content = bytearray(self._record(f"{self._prefix}data/{stored.key}", None, expected))
            numbers = torch.frombuffer(content, dtype=dtype, count=stored.size)
            if self._swapped and dtype.itemsize > 1:
                raw = torch.frombuffer(content, dtype=torch.uint8, count=expected)
                numbers = raw.view(-1, dtype.itemsize).flip(1).contiguous().view(dtype).flatten()
            self._storages[stored.key] = numbers
        result = self._storages[stored.key]
        if result.dtype != self._dtype(stored) or len(result) < stored.size:
            raise FormatError(f"it tells two things of its record data/{stored.key}")
        return result

    def _dtype(self, stored: Stored) -> torch.dtype:
        if stored.kind not in _DTYPES:
            raise FormatError(f"it holds numbers of the kind {stored.kind}, which are not read")
        return _DTYPES[stored.kind]

    def _record(self, name: str, most: int | None, least: int = 0) -> bytes:
        try:
            about = self._zip.getinfo(name)
            if about.compress_type != zipfile.ZIP_STORED or about.flag_bits & 1:
                raise FormatError(f"its record {name} is compressed or encrypted, which torch.save never does")
            if about.file_size < least or (most is not None and about.file_size > most):
                raise FormatError(f"its record {name} has {about.file_size} bytes, {least or most} were expected")
            return self._zip.read(about)
        except KeyError:
            raise FormatError(f"its record {name} is missing; copy or download it again") from None
        except _DAMAGED as error:
            raise FormatError(f"its record {name} is damaged ({error}); copy or download it again") from None


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _numbers(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (None,)


def _some(names: list[str]) -> str:
    first = ", ".join(repr(name[:60]) for name in names[:3])
    return first + (" and more" if len(names) > 3 else "") if names else "nothing"
