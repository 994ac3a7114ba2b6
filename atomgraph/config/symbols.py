"""Converts elements (symbols in any case, atomic numbers, one text) to chemical symbols, before validation."""

from __future__ import annotations

import re
from typing import Any

from ase.data import chemical_symbols

from atomgraph.errors import ConfigError
from atomgraph.old_name_table import ARGUMENTS

#: Arguments of parts that are numbers, lists or mappings by element, where they are mappings.
_BY_ELEMENT = ("radii", "weights", "chem", "inner", "channels", "per_element")
BY_ELEMENT = {*_BY_ELEMENT, *(table[name] for table in ARGUMENTS.values() for name in _BY_ELEMENT if name in table)}


def with_symbols(content: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which all elements are chemical symbols.

    Converted are ``elements`` of the model and its parts, ``start.elements``, ``start.keep_elements``, ``types`` of data, and
    the keys of E0, of ``start.new_elements`` and of the arguments ``BY_ELEMENT`` of parts.

    Raises:
        ConfigError: For a number without an element, an element given twice, or text that is no list of symbols.
    """
    result = dict(content)
    if isinstance(content.get("model"), dict):
        result["model"] = _in_parts(content["model"], "model")
    baseline = content.get("baseline")
    if isinstance(baseline, dict):
        result["baseline"] = _in_parts(baseline, "baseline")
        if "e0" in baseline:
            result["baseline"]["e0"] = _with_symbol_keys(baseline["e0"], "baseline.e0")
    if "e0" in content:
        result["e0"] = _with_symbol_keys(content["e0"], "e0")
    if isinstance(content.get("start"), dict):
        result["start"] = _start_section(content["start"])
    for section in ("data", "replay", "card"):
        types = content[section].get("types") if isinstance(content.get(section), dict) else None
        if isinstance(types, int | list | tuple):
            result[section] = content[section] | {"types": _symbols(types, f"{section}.types")}
    return result


def _start_section(start: dict[str, Any]) -> dict[str, Any]:
    result = dict(start)
    if start.get("keep_elements") not in ("all", "data", None):
        result["keep_elements"] = _symbols(start["keep_elements"], "start.keep_elements")
    if start.get("elements") is not None:
        result["elements"] = _symbols(start["elements"], "start.elements")
    if isinstance(start.get("new_elements"), dict):
        new = _with_symbol_keys(start["new_elements"], "start.new_elements")
        result["new_elements"] = {key: symbol_of(value, "start.new_elements") for key, value in new.items()}
    return result


def _in_parts(value: Any, location: str) -> Any:
    if isinstance(value, dict):
        return {key: _argument(key, item, f"{location}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_in_parts(item, f"{location}.{i}") for i, item in enumerate(value)]
    return value


def _argument(name: Any, value: Any, location: str) -> Any:
    if name == "elements":
        return _symbols(value, location)
    if name in BY_ELEMENT and isinstance(value, dict) and "kind" not in value:
        return _with_symbol_keys(value, location)
    return _in_parts(value, location)


def _symbols(value: Any, location: str) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str):
        symbols = [word for word in re.split(r"[\s,;]+", value.strip("[] ")) if word]
        is_open = (
            len(symbols) == 1 and len(symbols[0]) == 2 and set(symbols[0]) <= set(chemical_symbols)
        )  # CO: cobalt, or two
        symbols = [symbol_of(word, location) for word in symbols]
        if is_open or not symbols or any(word not in chemical_symbols for word in symbols):
            raise ConfigError(
                f"{location} should be a list of chemical symbols such as [Si, O], or auto, but is {value!r}"
            )
        value = symbols
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [symbol_of(item, location) for item in value] if isinstance(value, list | tuple) else value


def _with_symbol_keys(value: Any, location: str) -> Any:
    """A mapping by element; or by head, whose names stay, and element."""
    if not isinstance(value, dict):
        return value
    result: dict[Any, Any] = {}
    for key, item in value.items():
        is_head = isinstance(item, dict) and location.endswith("e0")
        symbol = key if is_head else symbol_of(key, location)
        if symbol in result:
            raise ConfigError(f"{location}: {symbol} is given twice, once as {key}")
        result[symbol] = _with_symbol_keys(item, f"{location}.{key}") if is_head else item
    return result


def symbol_of(value: Any, location: str) -> Any:
    """The symbol of an atomic number, or of a symbol in another case; other values are unchanged.

    Raises:
        ConfigError: For a number without an element.
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
