"""Structures in a configuration in place of files: removed before validation, kept beside the validated sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ase
from pydantic import BaseModel

from atomgraph.config.section import Section
from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

FOLDER = "structures"
PLACES = {"data": ("train", "valid", "test"), "replay": ("data",), "card": ("probe",)}
Held = dict[str, dict[str, list[ase.Atoms]]]


def taken_out(content: Mapping[str, Any]) -> tuple[dict[str, Any], Held]:
    """The configuration with file paths in place of structures, and the structures.

    Args:
        content: Plain values; data may be ASE atoms, or a list, tuple or generator of them.

    Returns:
        The content with file names only, and the structures by section and key.

    Raises:
        DataError: For a mixture of structures and files.
    """
    result, held = dict(content), {}  # type: tuple[dict[str, Any], Held]
    output = content.get("output")
    folder = Path(str(output.get("folder", "."))) if isinstance(output, Mapping) else Path()
    for section, keys in PLACES.items():
        if not isinstance(content.get(section), Mapping):
            continue
        result[section] = dict(content[section])
        for key in keys:
            items = _items(result[section].get(key))
            if items is None:
                continue
            n_structures = sum(isinstance(item, ase.Atoms) for item in items)
            if n_structures and n_structures < len(items):
                raise DataError(f"{section}.{key} should be files, or ASE atoms throughout, but is a mixture of both")
            if n_structures:
                held.setdefault(section, {})[key] = items
                result[section][key] = str(folder / FOLDER / f"{key if section == 'data' else section}.xyz")
            else:
                result[section][key] = [str(item) if isinstance(item, Path) else item for item in items]
    return result, held


def put_back(config: BaseModel, plain: dict[str, Any]) -> dict[str, Any]:
    """The plain values of a configuration, with its structures in place of their files."""
    result = dict(plain)
    for section in PLACES:
        part = getattr(config, section, None)
        if isinstance(part, Section) and part._structures and isinstance(result.get(section), Mapping):
            result[section] = {**result[section], **part._structures}
    return result


def hold(config: BaseModel, held: Held) -> None:
    """Attach the removed structures to the sections of a validated configuration."""
    for section, structures in held.items():
        getattr(config, section)._structures = structures


def files_or_structures(section: Section, key: str) -> Any:
    """The given structures of a key, or the names of its files."""
    return section._structures.get(key, getattr(section, key))


def _items(value: Any) -> list[Any] | None:
    """The items of a collection of files or structures; None for any other value."""
    if isinstance(value, ase.Atoms):
        return [value]
    if isinstance(value, str | bytes | Mapping | BaseModel) or not isinstance(value, Iterable):
        return [value] if isinstance(value, Path) else None
    return list(value)


__getattr__ = old_names_of(__name__)
