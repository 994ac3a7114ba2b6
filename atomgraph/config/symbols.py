"""Elements as people write them (symbols, atomic numbers, one text) to chemical symbols, before a configuration is checked."""

from __future__ import annotations

import re
from typing import Any

from ase.data import chemical_symbols

from atomgraph.errors import ConfigError


def with_symbols(content: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which elements, and keys of E0, are chemical symbols.

    ``elements`` of the model and of its parts and ``start.keep_elements`` may be a list of symbols or
    atomic numbers, or one text, ``"Si, O"``; keys of ``baseline.e0``, ``e0`` and ``start.new_elements`` symbols or atomic
    numbers.

    Raises:
        ConfigError: For a number that is no element's, and for text that is not made of symbols.
    """
    result = dict(content)
    if isinstance(content.get("model"), dict):
        result["model"] = _in_parts(content["model"], "model")
    for section, key in (("baseline", "e0"), ("start", "new_elements")):
        if isinstance(content.get(section), dict) and key in content[section]:
            result[section] = dict(result[section]) | {key: _of_keys(content[section][key], f"{section}.{key}")}
    if "e0" in content:
        result["e0"] = _of_keys(content["e0"], "e0")
    start = result.get("start")
    if isinstance(start, dict):
        if start.get("keep_elements") not in ("all", "data", None):
            result["start"] = start | {"keep_elements": _symbols(start["keep_elements"], "start.keep_elements")}
        if isinstance(start.get("new_elements"), dict):
            by_symbol = {key: _symbol(value, "start.new_elements") for key, value in start["new_elements"].items()}
            result["start"] = result["start"] | {"new_elements": by_symbol}
    return result


def _in_parts(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return {
            key: _symbols(item, f"{place}.{key}") if key == "elements" else _in_parts(item, f"{place}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_in_parts(item, f"{place}.{i}") for i, item in enumerate(value)]
    return value


def _symbols(value: Any, place: str) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str):
        words = [word for word in re.split(r"[\s,;]+", value.strip("[] ")) if word]
        if not words or any(word not in chemical_symbols and not word.isdigit() for word in words):
            raise ConfigError(
                f"{place} should be a list of chemical symbols such as [Si, O], or auto, but is {value!r}"
            )
        value = [int(word) if word.isdigit() else word for word in words]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [_symbol(item, place) for item in value] if isinstance(value, list | tuple) else value


def _of_keys(value: Any, place: str) -> Any:
    """A mapping by element, or by head and element."""
    if not isinstance(value, dict):
        return value
    return {_symbol(key, place): _of_keys(item, f"{place}.{key}") for key, item in value.items()}


def _symbol(value: Any, place: str) -> Any:
    """The symbol of an atomic number; anything else as it is."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 0 < value < len(chemical_symbols):
        raise ConfigError(f"{place}: no element has the atomic number {value}")
    return chemical_symbols[value]
