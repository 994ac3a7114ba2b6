"""PartialResults: results of a long prediction are stored while it runs, so that a killed run can be resumed."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import ase
import numpy as np

from atomgraph.errors import ConfigError, FormatError
from atomgraph.file_lock import FileInUse, lock

INTERVAL = 1.0  # seconds between writes to disk
#: Header of a record: index of the structure, size of the numbers in bytes, checksum of index and numbers.
_HEADER = struct.Struct("<QQI")


class PartialResults:
    """The file ``OUT.partial``: one line of JSON that identifies the run, and one record with a checksum per structure.

    The file is locked until ``close`` or ``remove``, so that only one process writes to it. Results are written to disk at
    least once per second.

    Args:
        target: Path of the output OUT.
        identity: JSON values of the run (fingerprints of model and structures, options). Results are reused only if the values
            in the file are equal.
        frames: All structures, in order.

    Attributes:
        path: Path of the file.
        done: Results of the finished structures, in order; these are the first structures of ``frames``.
    """

    def __init__(self, target: Path, identity: dict[str, Any], frames: Sequence[ase.Atoms]):
        self.path = target.with_name(f"{target.name}.partial")
        self._first_line = json.dumps(identity, sort_keys=True).encode() + b"\n"
        self._frames = frames
        self._file: BinaryIO | None = None
        self._buffer: list[bytes] = []  # records that are not on disk yet
        self._last_write = time.monotonic()
        self.done: list[dict[str, Any]] = []

    def resume(self) -> int:
        """Lock the file and read the results of an earlier run with the same identity.

        Bytes after the last complete record are removed.

        Returns:
            Number of results.

        Raises:
            ConfigError: If another process writes to the same output, or if the path is a link or not a regular file.
            FormatError: If the file cannot be written.
        """
        try:
            self._file = self._open()
            self.done, end = self._read(self._file)
            self._file.truncate(end)
            self._file.seek(end)
            if not end:
                self._file.write(self._first_line)
                self._file.flush()
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror or error}") from error
        return len(self.done)

    def add(self, result: dict[str, Any]) -> None:
        """Add the result of the next structure.

        Raises:
            FormatError: If the file cannot be written.
        """
        self._buffer.append(_pack_record(len(self.done), result))
        self.done.append(result)
        if time.monotonic() - self._last_write > INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Write buffered results."""
        if self._file is None:
            raise RuntimeError(f"{self.path} is not open; call resume() first")
        try:
            self._file.write(b"".join(self._buffer))
            self._file.flush()
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._buffer, self._last_write = [], time.monotonic()

    def close(self) -> None:
        """Release the lock. The file is kept."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file after the output is written."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _open(self) -> BinaryIO:
        """Open and lock the file."""
        try:
            descriptor = lock(self.path, ConfigError, "make sure that no other process writes to this file")
        except FileInUse:
            raise ConfigError(f"{self.path} is in use: another process writes predictions to the same output") from None
        return os.fdopen(descriptor, "r+b") if descriptor is not None else self.path.open("r+b")

    def _read(self, file: BinaryIO) -> tuple[list[dict[str, Any]], int]:
        """Read complete records up to the first incomplete or damaged one; return results and the position of their end."""
        if file.readline(len(self._first_line)) != self._first_line:
            file.seek(0)
            return [], 0
        results, end = [], file.tell()
        for index, atoms in enumerate(self._frames):
            result = _unpack_record(index, file.read(_HEADER.size + 8 * _n_numbers(atoms)), file, len(atoms))
            if result is None:
                break
            results.append(result)
            end = file.tell()
        return results, end


def _n_numbers(atoms: ase.Atoms) -> int:
    """Number of values in a record: energy, stress, energies of atoms and forces."""
    return 10 + 4 * len(atoms)


def _pack_record(index: int, result: dict[str, Any]) -> bytes:
    """Pack energy, stress (9), energies of atoms (n), forces (3n) and, if there is one, the uncertainty."""
    parts = [[result["energy"]], result["stress"].ravel(), result["node_energy"], result["forces"].ravel()]
    if "uncertainty" in result:
        parts.append([result["uncertainty"]])
    numbers = np.concatenate(parts).astype("<f8").tobytes()
    return _HEADER.pack(index, len(numbers), _checksum(index, numbers)) + numbers


def _unpack_record(index: int, record: bytes, file: BinaryIO, n_atoms: int) -> dict[str, Any] | None:
    """Unpack a record.

    Args:
        index: Expected index of the structure.
        record: Bytes of the record, without the uncertainty.
        file: File at the position after these bytes; the uncertainty is read from it if the record has one.
        n_atoms: Number of atoms of the structure.

    Returns:
        The result; None for an incomplete or damaged record, or another structure.
    """
    if len(record) < _HEADER.size:
        return None
    stored_index, n_bytes, checksum = _HEADER.unpack_from(record)
    n_missing = n_bytes - (len(record) - _HEADER.size)
    if stored_index != index or n_missing not in (0, 8):  # 8 bytes: the uncertainty
        return None
    numbers = record[_HEADER.size :] + file.read(n_missing)
    if _checksum(index, numbers) != checksum:
        return None
    values = np.frombuffer(numbers, "<f8").astype(np.float64)
    energy, stress, node_energy, forces, uncertainty = np.split(values, np.cumsum([1, 9, n_atoms, 3 * n_atoms]))
    result = {"energy": float(energy[0]), "stress": stress.reshape(3, 3), "node_energy": node_energy}
    result["forces"] = forces.reshape(-1, 3)
    return result | ({"uncertainty": float(uncertainty[0])} if len(uncertainty) else {})


def _checksum(index: int, numbers: bytes) -> int:
    return zlib.crc32(numbers, zlib.crc32(index.to_bytes(8, "little")))
