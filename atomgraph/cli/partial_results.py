"""Results of a long prediction, kept on disk as they come, so that a run that is killed loses a second of work at most."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np

from atomgraph.errors import FormatError

INTERVAL = 1.0  # seconds between writes to disk


class PartialResults:
    """A file ``OUT.partial`` beside the output: one line of JSON that identifies the run, then an array for each structure.

    Args:
        target: The output.
        identity: JSON values that must be equal for results to be kept: fingerprints of model and structures, options.
        frames: The structures, in order.
    """

    def __init__(self, target: Path, identity: dict[str, Any], frames: Sequence[ase.Atoms]):
        self.path = target.with_name(f"{target.name}.partial")
        self._first_line = json.dumps(identity, sort_keys=True).encode() + b"\n"
        self._frames = frames
        self._waiting: list[np.ndarray] = []
        self._written = time.monotonic()
        self.done: list[dict[str, Any]] = []

    def resume(self) -> int:
        """Read the results of an earlier run on the same input; how many there are. Anything else at this path is removed."""
        self.done, end = list(self._read()), 0
        if self.done:
            end = len(self._first_line) + sum(len(_bytes_of(_row_of(result))) for result in self.done)
        try:
            with self.path.open("r+b" if end else "wb") as file:
                file.truncate(end)
                file.seek(end)
                if not end:
                    file.write(self._first_line)
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror or error}") from error
        return len(self.done)

    def add(self, result: dict[str, Any]) -> None:
        """Keep the result of the next structure; on disk a second later at most. FormatError where that is impossible."""
        self.done.append(result)
        self._waiting.append(_row_of(result))
        if time.monotonic() - self._written > INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        try:
            with self.path.open("ab") as file:
                file.write(b"".join(map(_bytes_of, self._waiting)))
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._waiting, self._written = [], time.monotonic()

    def remove(self) -> None:
        """The output is written: the file is not needed any longer."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> Iterator[dict[str, Any]]:
        """Whole results of the same run, up to the first that is cut short."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            if file.readline() != self._first_line:
                return
            for atoms in self._frames:
                try:
                    row = np.load(file, allow_pickle=False)
                except (ValueError, EOFError, OSError):
                    return
                result = _result_of(row, len(atoms))
                if result is None:
                    return
                yield result


def _row_of(result: dict[str, Any]) -> np.ndarray:
    """Energy, stress (9), energies of atoms (n), forces (3n) and, where there is one, the uncertainty, in one row."""
    parts = [[result["energy"]], result["stress"].ravel(), result["node_energy"], result["forces"].ravel()]
    if "uncertainty" in result:
        parts.append([result["uncertainty"]])
    return np.concatenate(parts).astype(np.float64)


def _result_of(row: np.ndarray, n_atoms: int) -> dict[str, Any] | None:
    """The inverse of ``_row_of``; None for a row that is not of so many atoms."""
    if row.dtype != np.float64 or row.ndim != 1 or len(row) - 10 - 4 * n_atoms not in (0, 1):
        return None
    energy, stress, node_energy, forces, rest = np.split(row, np.cumsum([1, 9, n_atoms, 3 * n_atoms]))
    result = {"energy": float(energy[0]), "stress": stress.reshape(3, 3), "node_energy": node_energy}
    uncertainty = {"uncertainty": float(rest[0])} if len(rest) else {}
    return result | {"forces": forces.reshape(-1, 3)} | uncertainty


def _bytes_of(row: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, row, allow_pickle=False)
    return file.getvalue()
