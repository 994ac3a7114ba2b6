"""Safe reading of numpy's ``.npy`` and ``.npz`` files: without pickle, and with a check of sizes."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from atomgraph.data.formats.text import MAX_UNPACKED_RATIO, MIN_UNPACKED_LIMIT, check_regular
from atomgraph.errors import DataError


def load_npy(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file.

    Raises:
        DataError: If the file is not an ``.npy`` file, contains objects, or is shorter than the size in its header.
    """
    check_regular(path)
    try:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # numpy and the parser of the header raise many types of errors
        raise DataError(f"{path} cannot be read as an array: {str(error) or type(error).__name__}") from error


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file by name; arrays of objects are left out.

    Raises:
        DataError: If the file is not an ``.npz`` file, or decompresses to far more than its size.
    """
    check_regular(path)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            max_bytes = max(MIN_UNPACKED_LIMIT, MAX_UNPACKED_RATIO * path.stat().st_size)
            if sum(member.file_size for member in members) > max_bytes:
                raise DataError(f"{path} unpacks to more than {MAX_UNPACKED_RATIO} times its size")
            for member in members:
                with archive.open(member) as file:
                    shape, _, dtype = _header(file)
                    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > member.file_size:
                        raise DataError(f"{path}: {member.filename} is shorter than its header says")
                if not dtype.hasobject:
                    with archive.open(member) as file:
                        arrays[member.filename.removesuffix(".npy")] = np.lib.format.read_array(
                            file, allow_pickle=False
                        )
    except DataError:
        raise
    except Exception as error:  # zipfile, the decompression and numpy raise many types of errors
        raise DataError(f"{path} cannot be read as arrays: {str(error) or type(error).__name__}") from error
    return arrays


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, Fortran order and dtype from the header of an array."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def numeric(array: np.ndarray, name: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Return an array as float64 in a given shape.

    Args:
        array: The array.
        name: Name of the array, for messages.
        shape: Shape of the result.
        path: The file, for messages.

    Raises:
        DataError: If the array does not contain numbers, or the shape does not fit.
    """
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: {name} should hold numbers, but holds {array.dtype}")
    try:
        return array.astype(np.float64).reshape(shape)
    except ValueError as error:
        raise DataError(f"{path}: {name} should have shape {shape}, but has {array.shape}") from error


def require_atoms(n_atoms: int, where: object) -> None:
    """Raise DataError for structures without atoms. They need no bytes, so a small file could declare billions of them."""
    if not n_atoms:
        raise DataError(f"{where} holds structures without atoms")
