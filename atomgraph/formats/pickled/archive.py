"""Reader of the archives of ``torch.save``: an uncompressed zip with one pickle and a record for each storage."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.safe_pickle import PickledObject, StorageReference, read_pickle

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
ZIP_START = b"PK\x03\x04"  # first bytes of a zip archive
_MAX_PICKLE_SIZE = 256 * 2**20  # bytes
_DAMAGED = (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, MemoryError)


class Archive:
    """The records of a file; tensors are read on first use.

    Args:
        path: The file.

    Attributes:
        is_script: Whether the file contains TorchScript.

    Raises:
        FormatError: If the archive is damaged, or was written by torch before 1.6.
    """

    PICKLE: ClassVar[str] = "data.pkl"  # name of the pickle, below the folder of the archive
    STORAGE: ClassVar[str] = "data/{}"  # name of the record of a storage, with its key

    def __init__(self, path: Path):
        if not _is_zip(path):
            raise FormatError(
                "the file is in the format of torch before 1.6; load it with that version of torch and write it again with "
                "torch.save of a later version"
            )
        try:
            self._zip = zipfile.ZipFile(path)
            names = self._zip.namelist()
        except _DAMAGED as error:
            raise FormatError(f"the file is cut short or damaged ({error}); copy or download it again") from None
        pickles = [
            name for name in names if name.count("/") == self.PICKLE.count("/") + 1 and name.endswith(f"/{self.PICKLE}")
        ]
        if len(pickles) != 1:
            raise FormatError(
                f"the file is a zip archive, but not one that torch.save wrote: it contains {_first_names(names)}"
            )
        self._prefix = pickles[0].removesuffix(self.PICKLE)
        self.is_script = f"{self._prefix}constants.pkl" in names or any(
            name.startswith(f"{self._prefix}code/") for name in names
        )
        byte_order = f"{self._prefix}byteorder"
        self._is_big_endian = byte_order in names and self.record(byte_order, 64) != b"little"
        self._storages: dict[str, Tensor] = {}
        self._root: Any = None
        self._has_root = False

    @property
    def folder(self) -> str:
        """Name of the folder of all records, with a slash at its end."""
        return self._prefix

    @property
    def root(self) -> Any:
        """The saved object, as data (``PickledObject``)."""
        if not self._has_root:
            self._root, self._has_root = (
                read_pickle(self.record(f"{self._prefix}{self.PICKLE}", _MAX_PICKLE_SIZE)),
                True,
            )
        return self._root

    def tensor(self, node: PickledObject) -> Tensor:
        """Return the tensor of an object, as a view of its record; FormatError if it exceeds the record."""
        if len(node.args) < 4 or not isinstance(node.args[0], StorageReference):
            raise FormatError("the file contains a tensor without a storage")
        reference, offset, size, stride = node.args[:4]
        numbers = [offset, *_numbers(size), *_numbers(stride)]
        if len(_numbers(size)) != len(_numbers(stride)) or any(type(n) is not int or n < 0 for n in numbers):
            raise FormatError("the file contains a tensor without a valid shape")
        last_index = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        n_numbers = prod(size)
        if n_numbers and (last_index >= reference.size or n_numbers > reference.size):
            raise FormatError(f"the file contains a tensor that exceeds the record data/{reference.key}")
        if not n_numbers:
            return torch.zeros(tuple(size), dtype=self._dtype(reference))
        return torch.as_strided(self._storage(reference), tuple(size), tuple(stride), offset)

    def _storage(self, reference: StorageReference) -> Tensor:
        """Return all numbers of a record, flat."""
        if reference.key not in self._storages:
            dtype = self._dtype(reference)
            n_bytes = reference.size * dtype.itemsize
            content = bytearray(self.record(f"{self._prefix}{self.STORAGE.format(reference.key)}", None, n_bytes))
            numbers = torch.frombuffer(content, dtype=dtype, count=reference.size)
            if self._is_big_endian and dtype.itemsize > 1:
                raw = torch.frombuffer(content, dtype=torch.uint8, count=n_bytes)
                numbers = raw.view(-1, dtype.itemsize).flip(1).contiguous().view(dtype).flatten()
            self._storages[reference.key] = numbers
        result = self._storages[reference.key]
        if result.dtype != self._dtype(reference) or len(result) < reference.size:
            raise FormatError(f"two tensors state different types or sizes of the record data/{reference.key}")
        return result

    def _dtype(self, reference: StorageReference) -> torch.dtype:
        """Return the dtype of a record; FormatError if it is not supported."""
        if reference.kind not in _DTYPES:
            raise FormatError(f"the file contains numbers of the type {reference.kind}, which are not supported")
        return _DTYPES[reference.kind]

    def record(self, name: str, max_size: int | None, min_size: int = 0) -> bytes:
        """Return the bytes of a record; FormatError if it is missing, compressed, damaged or of a wrong size."""
        try:
            info = self._zip.getinfo(name)
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise FormatError(f"the record {name} is compressed or encrypted, which torch.save never does")
            if info.file_size < min_size or (max_size is not None and info.file_size > max_size):
                raise FormatError(f"the record {name} has {info.file_size} bytes, {min_size or max_size} were expected")
            return self._zip.read(info)
        except KeyError:
            shown = name if name.isprintable() else ascii(name)
            raise FormatError(f"the record {shown} is missing; copy or download it again") from None
        except _DAMAGED as error:
            raise FormatError(f"the record {name} is damaged ({error}); copy or download it again") from None


def has_record(path: Path, ending: str) -> bool:
    """Return whether a zip archive has a record whose name has this ending; False for a damaged archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(ending) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ZIP_START)) == ZIP_START


def _numbers(value: Any) -> tuple[Any, ...]:
    """Return a tuple of the items of a list or tuple; (None,) for other values."""
    return tuple(value) if isinstance(value, tuple | list) else (None,)


def _first_names(names: list[str]) -> str:
    """Return the first three names as text."""
    listed = ", ".join(repr(name[:60]) for name in names[:3])
    return listed + (" and more" if len(names) > 3 else "") if names else "nothing"
