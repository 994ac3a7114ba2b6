"""numpy's files read as arrays: no pickle, and no size believed that the file does not hold."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from atomgraph.data.formats.text import MOST_UNPACKED, UNPACKED_FREELY, check_regular
from atomgraph.errors import DataError


def load_npy(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        DataError: For what is no such file, holds objects, or is shorter than its header says.
    """
    check_regular(path)
    try:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # numpy's reader raises whatever Python's own parser of its header does
        raise DataError(f"{path} cannot be read as an array: {str(error) or type(error).__name__}") from error


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name; arrays of objects are left out.

    Raises:
        DataError: For what is no such file, or unpacks to far more than its size.
    """
    check_regular(path)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            most = max(UNPACKED_FREELY, MOST_UNPACKED * path.stat().st_size)
            if sum(member.file_size for member in members) > most:
                raise DataError(f"{path} unpacks to more than {MOST_UNPACKED} times its size")
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
    except Exception as error:  # of zipfile, of what unpacks, and of numpy's headers
        raise DataError(f"{path} cannot be read as arrays: {str(error) or type(error).__name__}") from error
    return arrays


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def numeric(array: np.ndarray, name: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """The array as float64 in a shape; DataError where it holds no numbers or not so many."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: {name} should hold numbers, but holds {array.dtype}")
    try:
        return array.astype(np.float64).reshape(shape)
    except ValueError as error:
        raise DataError(f"{path}: {name} should have shape {shape}, but has {array.shape}") from error


def require_atoms(n_atoms: int, where: object) -> None:
    """DataError for structures without atoms: their number is bounded by nothing in a file."""
    if not n_atoms:
        raise DataError(f"{where} holds structures without atoms")
