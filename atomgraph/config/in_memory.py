"""Structures (ASE atoms) that a configuration has in place of files: removed before validation, then attached to sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ase
from pydantic import BaseModel

from atomgraph.config.section import Section
from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

FOLDER = "structures"  # subfolder of the run folder, for files of these structures
STRUCTURE_KEYS = {  # section: keys whose values can be structures
    "data": ("train", "valid", "test"),
    "replay": ("data",),
    "card": ("probe",),
}
StructuresBySection = dict[str, dict[str, list[ase.Atoms]]]  # by section, then by key


def extract_structures(content: Mapping[str, Any]) -> tuple[dict[str, Any], StructuresBySection]:
    """Return the configuration with file paths in place of structures, and the structures.

    Args:
        content: The configuration; structures are ASE atoms, or a list, tuple or generator of ASE atoms.

    Returns:
        The configuration without structures, and the structures by section and key.

    Raises:
        DataError: If a key has both structures and files.
    """
    result, structures = dict(content), {}  # type: tuple[dict[str, Any], StructuresBySection]
    output = content.get("output")
    folder = Path(str(output.get("folder", "."))) if isinstance(output, Mapping) else Path()
    for section, keys in STRUCTURE_KEYS.items():
        if not isinstance(content.get(section), Mapping):
            continue
        result[section] = dict(content[section])
        for key in keys:
            items = _items(result[section].get(key))
            if items is None:
                continue
            n_structures = sum(isinstance(item, ase.Atoms) for item in items)
            if n_structures and n_structures < len(items):
                raise DataError(f"{section}.{key} should be only files or only ASE atoms, but has both")
            if n_structures:
                structures.setdefault(section, {})[key] = items
                result[section][key] = str(folder / FOLDER / f"{key if section == 'data' else section}.xyz")
            else:
                result[section][key] = [str(item) if isinstance(item, Path) else item for item in items]
    return result, structures


def restore_structures(config: BaseModel, content: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of a configuration with structures in place of the paths of their files.

    Args:
        config: The validated configuration, with attached structures.
        content: The plain values of the same configuration.
    """
    result = dict(content)
    for section in STRUCTURE_KEYS:
        validated = getattr(config, section, None)
        if isinstance(validated, Section) and validated._structures and isinstance(result.get(section), Mapping):
            result[section] = {**result[section], **validated._structures}
    return result


def attach_structures(config: BaseModel, structures: StructuresBySection) -> None:
    """Attach the removed structures to the sections of a validated configuration."""
    for section, structures_by_key in structures.items():
        getattr(config, section)._structures = structures_by_key


def files_or_structures(section: Section, key: str) -> Any:
    """Return the structures attached to a key of a section, or the names of its files."""
    return section._structures.get(key, getattr(section, key))


def _items(value: Any) -> list[Any] | None:
    """Return the items of a collection of files or structures; None for any other value."""
    if isinstance(value, ase.Atoms):
        return [value]
    if isinstance(value, str | bytes | Mapping | BaseModel) or not isinstance(value, Iterable):
        return [value] if isinstance(value, Path) else None
    return list(value)


__getattr__ = old_names_of(__name__)
