"""A potential on labelled structures: what ``atomgraph evaluate`` does, callable."""

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
    """Errors of a potential on labelled structures.

    Args:
        potential: A potential, or the path of its file.
        data: Files, patterns, or ASE atoms in any iterable; see ``data.read``.
        keys: Names of the labels.
        units: Units of the labels.
        types: Elements of types, for files that name none.
        format: Of the files, where their names do not tell it.

    Returns:
        What ``metrics.json`` holds: units, errors of all structures (``all``) and by configuration type (``config_types``).

    Raises:
        DataError: For data that cannot be read, and without any label, with the keys that are there.
    """
    potential = potential if isinstance(potential, Potential) else load(potential)
    notes = ReadingNotes()
    frames = read(data, keys=keys, units=units, types=types, format=format, notes=notes)
    comparison = compare(for_inference(potential, n_atoms=sum(map(len, frames))), frames)
    require_samples(comparison, notes)
    return error_json(comparison)


def require_samples(comparison: Comparison, notes: ReadingNotes) -> None:
    """DataError where no structure had a label, with the keys that are there."""
    if not comparison.samples:
        there = ", ".join(sorted(map(str, notes.keys))) or "none"
        raise DataError(
            f"no structure carries an energy, forces or a stress; name them with --key energy=... --key forces=... "
            f"(in Python keys={{...}}); keys there: {there}"
        )
