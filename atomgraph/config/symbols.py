"""Elements as people write them (symbols, atomic numbers, one text) to chemical symbols, before a configuration is checked."""

from __future__ import annotations

import re
from typing import Any

from ase.data import chemical_symbols

from atomgraph.errors import ConfigError

#: Arguments of parts that are numbers, lists or mappings by element, where they are mappings.
BY_ELEMENT = ("radii", "weights", "chem", "inner", "channels", "per_element")


def with_symbols(content: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which elements, and keys of what is given by element, are chemical symbols.

    People write symbols in any case, atomic numbers, or one text, ``"Si, O"``: as ``elements`` of the model and its parts,
    ``start.elements``, ``start.keep_elements`` and ``types`` of data; and as keys of E0, ``start.new_elements`` and the
    arguments ``BY_ELEMENT`` of parts.

    Raises:
        ConfigError: For a number that is no element's, an element given twice, and text that is not made of symbols.
    """
    result = dict(content)
    if isinstance(content.get("model"), dict):
        result["model"] = _in_parts(content["model"], "model")
    baseline = content.get("baseline")
    if isinstance(baseline, dict):
        result["baseline"] = _in_parts(baseline, "baseline")
        if "e0" in baseline:
            result["baseline"]["e0"] = _of_keys(baseline["e0"], "baseline.e0")
    if "e0" in content:
        result["e0"] = _of_keys(content["e0"], "e0")
    if isinstance(content.get("start"), dict):
        result["start"] = _of_start(content["start"])
    for section in ("data", "replay", "card"):
        types = content[section].get("types") if isinstance(content.get(section), dict) else None
        if isinstance(types, int | list | tuple):
            result[section] = content[section] | {"types": _symbols(types, f"{section}.types")}
    return result


def _of_start(start: dict[str, Any]) -> dict[str, Any]:
    result = dict(start)
    if start.get("keep_elements") not in ("all", "data", None):
        result["keep_elements"] = _symbols(start["keep_elements"], "start.keep_elements")
    if start.get("elements") is not None:
        result["elements"] = _symbols(start["elements"], "start.elements")
    if isinstance(start.get("new_elements"), dict):
        new = _of_keys(start["new_elements"], "start.new_elements")
        result["new_elements"] = {key: symbol_of(value, "start.new_elements") for key, value in new.items()}
    return result


def _in_parts(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return {key: _argument(key, item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_in_parts(item, f"{place}.{i}") for i, item in enumerate(value)]
    return value


def _argument(name: Any, value: Any, place: str) -> Any:
    if name == "elements":
        return _symbols(value, place)
    if name in BY_ELEMENT and isinstance(value, dict) and "kind" not in value:
        return _of_keys(value, place)
    return _in_parts(value, place)


def _symbols(value: Any, place: str) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str):
        words = [word for word in re.split(r"[\s,;]+", value.strip("[] ")) if word]
        is_open = (
            len(words) == 1 and len(words[0]) == 2 and set(words[0]) <= set(chemical_symbols)
        )  # CO: cobalt, or two
        words = [symbol_of(word, place) for word in words]
        if is_open or not words or any(word not in chemical_symbols for word in words):
            raise ConfigError(
                f"{place} should be a list of chemical symbols such as [Si, O], or auto, but is {value!r}"
            )
        value = words
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [symbol_of(item, place) for item in value] if isinstance(value, list | tuple) else value


def _of_keys(value: Any, place: str) -> Any:
    """A mapping by element; or by head, whose names stay, and element."""
    if not isinstance(value, dict):
        return value
    result: dict[Any, Any] = {}
    for key, item in value.items():
        is_head = isinstance(item, dict) and place.endswith("e0")
        symbol = key if is_head else symbol_of(key, place)
        if symbol in result:
            raise ConfigError(f"{place}: {symbol} is given twice, once as {key}")
        result[symbol] = _of_keys(item, f"{place}.{key}") if is_head else item
    return result


def symbol_of(value: Any, place: str) -> Any:
    """The symbol of an atomic number, or of a symbol in another case; anything else as it is.

    Raises:
        ConfigError: For a number that is no element's.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, str):
        return value.capitalize() if value.capitalize() in chemical_symbols[1:] else value
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 0 < value < len(chemical_symbols):
        raise ConfigError(f"{place}: no element has the atomic number {value}")
    return chemical_symbols[value]
