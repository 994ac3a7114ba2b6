"""Partial results of a long prediction on disk, so that a killed run loses at most a second of work."""

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
_HEADER = struct.Struct(
    "<QQI"
)  # of a record: index of the structure, bytes of numbers, checksum of both and the numbers


class PartialResults:
    """A file ``OUT.partial`` beside the output: one line of JSON that identifies the run, then a record for each structure.

    Records have checksums. The file is locked until ``close`` or ``remove``, so that one process writes into it.

    Args:
        target: The output.
        identity: JSON values that must be equal for results to be reused: fingerprints of model and structures, options.
        frames: The structures, in order.
    """

    def __init__(self, target: Path, identity: dict[str, Any], frames: Sequence[ase.Atoms]):
        self.path = target.with_name(f"{target.name}.partial")
        self._first_line = json.dumps(identity, sort_keys=True).encode() + b"\n"
        self._frames = frames
        self._file: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._written = time.monotonic()
        self.done: list[dict[str, Any]] = []

    def resume(self) -> int:
        """Lock the file and read the results of an earlier run on the same input; how many there are.

        Whatever follows the last whole record is removed.

        Raises:
            ConfigError: If another process writes to the same output, or the path is a link or no regular file.
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
        """Add the result of the next structure; it is on disk within a second. FormatError if it cannot be written."""
        self._waiting.append(_record(len(self.done), result))
        self.done.append(result)
        if time.monotonic() - self._written > INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Write buffered results."""
        if self._file is None:
            raise RuntimeError("resume() opens the file")
        try:
            self._file.write(b"".join(self._waiting))
            self._file.flush()
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._waiting, self._written = [], time.monotonic()

    def close(self) -> None:
        """Release the lock; the results stay."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file after the output is written."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _open(self) -> BinaryIO:
        try:
            number = lock(self.path, ConfigError, "take care that no other process predicts into this file")
        except FileInUse:
            raise ConfigError(f"{self.path} is in use: another process predicts into the same output") from None
        return os.fdopen(number, "r+b") if number is not None else self.path.open("r+b")

    def _read(self, file: BinaryIO) -> tuple[list[dict[str, Any]], int]:
        """Whole results of the same run, up to the first that is cut short or damaged, and where they end."""
        if file.readline(len(self._first_line)) != self._first_line:
            file.seek(0)
            return [], 0
        results, end = [], file.tell()
        for index, atoms in enumerate(self._frames):
            result = _result(index, file.read(_HEADER.size + 8 * _n_numbers(atoms)), file, len(atoms))
            if result is None:
                break
            results.append(result)
            end = file.tell()
        return results, end


def _n_numbers(atoms: ase.Atoms) -> int:
    """Energy, stress, energies of atoms and forces of a structure."""
    return 10 + 4 * len(atoms)


def _record(index: int, result: dict[str, Any]) -> bytes:
    """Energy, stress (9), energies of atoms (n), forces (3n) and, where there is one, the uncertainty."""
    parts = [[result["energy"]], result["stress"].ravel(), result["node_energy"], result["forces"].ravel()]
    if "uncertainty" in result:
        parts.append([result["uncertainty"]])
    numbers = np.concatenate(parts).astype("<f8").tobytes()
    return _HEADER.pack(index, len(numbers), _checksum(index, numbers)) + numbers


def _result(index: int, start: bytes, file: BinaryIO, n_atoms: int) -> dict[str, Any] | None:
    """The inverse of ``_record``; None for one that is cut short, damaged, or of another structure.

    Args:
        index: Of the structure.
        start: Its record, without the uncertainty.
        file: From where the uncertainty follows, if the record has one.
        n_atoms: Of the structure.
    """
    if len(start) < _HEADER.size:
        return None
    number, size, checksum = _HEADER.unpack_from(start)
    rest = size - (len(start) - _HEADER.size)
    if number != index or rest not in (0, 8):
        return None
    numbers = start[_HEADER.size :] + file.read(rest)
    if _checksum(index, numbers) != checksum:
        return None
    row = np.frombuffer(numbers, "<f8").astype(np.float64)
    energy, stress, node_energy, forces, last = np.split(row, np.cumsum([1, 9, n_atoms, 3 * n_atoms]))
    result = {"energy": float(energy[0]), "stress": stress.reshape(3, 3), "node_energy": node_energy}
    uncertainty = {"uncertainty": float(last[0])} if len(last) else {}
    return result | {"forces": forces.reshape(-1, 3)} | uncertainty


def _checksum(index: int, numbers: bytes) -> int:
    return zlib.crc32(numbers, zlib.crc32(index.to_bytes(8, "little")))
