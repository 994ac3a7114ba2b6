"""Converts elements in a configuration (atomic numbers, symbols in any case, a text of symbols) to chemical symbols."""

from __future__ import annotations

import re
from typing import Any

from ase.data import chemical_symbols

from atomgraph.errors import ConfigError
from atomgraph.old_name_table import ARGUMENTS
from atomgraph.old_names import old_names_of

_NAMES = ("radii", "weights", "chem", "inner", "channels", "per_element")  # some are names of the last release
#: Arguments of parts that can be mappings by element: ``_NAMES``, and the current names of renamed arguments.
BY_ELEMENT = {*_NAMES, *(table[name] for table in ARGUMENTS.values() for name in _NAMES if name in table)}


def convert_elements(content: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a configuration in which all elements are chemical symbols.

    Converts ``elements`` of the model and its parts, ``start.elements``, ``start.keep_elements``, ``types`` of data, and
    the keys of E0, of ``start.new_elements`` and of the arguments ``BY_ELEMENT`` of parts.

    Raises:
        ConfigError: If a number is not an atomic number, an element is given twice, or a text is not a list of symbols.
    """
    result = dict(content)
    if isinstance(content.get("model"), dict):
        result["model"] = _convert_parts(content["model"], "model")
    baseline = content.get("baseline")
    if isinstance(baseline, dict):
        result["baseline"] = _convert_parts(baseline, "baseline")
        if "e0" in baseline:
            result["baseline"]["e0"] = _convert_keys(baseline["e0"], "baseline.e0")
    if "e0" in content:
        result["e0"] = _convert_keys(content["e0"], "e0")
    if isinstance(content.get("start"), dict):
        result["start"] = _convert_start_section(content["start"])
    for section in ("data", "replay", "card"):
        types = content[section].get("types") if isinstance(content.get(section), dict) else None
        if isinstance(types, int | list | tuple):
            result[section] = content[section] | {"types": _convert_symbols(types, f"{section}.types")}
    return result


def _convert_start_section(start: dict[str, Any]) -> dict[str, Any]:
    """Return the section ``start`` with chemical symbols."""
    result = dict(start)
    if start.get("keep_elements") not in ("all", "data", None):
        result["keep_elements"] = _convert_symbols(start["keep_elements"], "start.keep_elements")
    if start.get("elements") is not None:
        result["elements"] = _convert_symbols(start["elements"], "start.elements")
    if isinstance(start.get("new_elements"), dict):
        new_elements = _convert_keys(start["new_elements"], "start.new_elements")
        result["new_elements"] = {key: to_symbol(value, "start.new_elements") for key, value in new_elements.items()}
    return result


def _convert_parts(value: Any, location: str) -> Any:
    """Return a value in which the elements of every part inside are chemical symbols."""
    if isinstance(value, dict):
        return {key: _convert_argument(key, item, f"{location}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_convert_parts(item, f"{location}.{i}") for i, item in enumerate(value)]
    return value


def _convert_argument(name: Any, value: Any, location: str) -> Any:
    """Return the value of a named argument with chemical symbols."""
    if name == "elements":
        return _convert_symbols(value, location)
    if name in BY_ELEMENT and isinstance(value, dict) and "kind" not in value:
        return _convert_keys(value, location)
    return _convert_parts(value, location)


def _convert_symbols(value: Any, location: str) -> Any:
    """Return a list of chemical symbols for a text, a number or a list; ``auto`` and other values unchanged."""
    if value == "auto":
        return value
    if isinstance(value, str):
        symbols = [word for word in re.split(r"[\s,;]+", value.strip("[] ")) if word]
        # CO can mean cobalt, or carbon and oxygen.
        is_ambiguous = len(symbols) == 1 and len(symbols[0]) == 2 and set(symbols[0]) <= set(chemical_symbols)
        symbols = [to_symbol(word, location) for word in symbols]
        if is_ambiguous or not symbols or any(word not in chemical_symbols for word in symbols):
            raise ConfigError(
                f"{location} should be a list of chemical symbols such as [Si, O], or auto, but is {value!r}"
            )
        value = symbols
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [to_symbol(item, location) for item in value] if isinstance(value, list | tuple) else value


def _convert_keys(value: Any, location: str) -> Any:
    """Return a mapping with chemical symbols as keys; in a mapping by head and element, names of heads do not change."""
    if not isinstance(value, dict):
        return value
    result: dict[Any, Any] = {}
    for key, item in value.items():
        is_head = isinstance(item, dict) and location.endswith("e0")
        symbol = key if is_head else to_symbol(key, location)
        if symbol in result:
            raise ConfigError(f"{location}: {symbol} is given twice, once as {key}")
        result[symbol] = _convert_keys(item, f"{location}.{key}") if is_head else item
    return result


def to_symbol(value: Any, location: str) -> Any:
    """Return the chemical symbol for an atomic number, or for a symbol in any case; other values are returned unchanged.

    Raises:
        ConfigError: If a number is not an atomic number.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, str):
        return value.capitalize() if value.capitalize() in chemical_symbols[1:] else value
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 0 < value < len(chemical_symbols):
        raise ConfigError(f"{location}: no element has the atomic number {value}")
    return chemical_symbols[value]


__getattr__ = old_names_of(__name__)
