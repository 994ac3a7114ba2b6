"""Evaluation of a potential on labelled structures: the Python function behind ``atomgraph evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.error_tables import error_json
from atomgraph.compiled import for_inference
from atomgraph.data import read
from atomgraph.data.reading import Files
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.loading import load
from atomgraph.potential import Potential


def evaluate(
    potential: Potential | str | Path,
    data: Files,
    *,
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    types: Sequence[str] | str | None = None,
    format: str | None = None,
) -> dict[str, Any]:
    """Compute the errors of a potential on labelled structures.

    Args:
        potential: A potential, or the path of its file.
        data: Paths of files, patterns of paths, or ASE atoms in any iterable; see ``data.read``.
        keys: Key of each label in the files, by quantity.
        units: Units of the labels, by quantity.
        types: Chemical symbols of numbered atom types, for files without symbols.
        format: Format of the files; None if their names determine the format.

    Returns:
        The content of ``metrics.json``: units, errors of all structures (``all``) and by configuration type
        (``config_types``).

    Raises:
        DataError: If the data cannot be read, or no structure has a label. The message lists the keys in the data.
    """
    potential = potential if isinstance(potential, Potential) else load(potential)
    notes = ReadingNotes()
    frames = read(data, keys=keys, units=units, types=types, format=format, notes=notes)
    comparison = compare(for_inference(potential, n_atoms=sum(map(len, frames))), frames)
    require_samples(comparison, notes)
    return error_json(comparison)


def require_samples(comparison: Comparison, notes: ReadingNotes) -> None:
    """Check that at least one structure has a label.

    Args:
        comparison: Labels and predictions.
        notes: Notes of reading, with the keys in the files.

    Raises:
        DataError: If no structure has a label. The message lists the keys in the data.
    """
    if not comparison.samples:
        keys = ", ".join(sorted(map(str, notes.keys))) or "none"
        raise DataError(
            f"no structure has an energy, forces or a stress; name the keys of the labels with --key energy=... "
            f"--key forces=... (in Python keys={{...}}); keys found: {keys}"
        )
