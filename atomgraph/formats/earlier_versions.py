"""Conversion of model specifications in files of earlier versions to the present form."""

from __future__ import annotations

from typing import Any

from atomgraph.old_names import old_names_of

COMPLETE_SINCE = 2  # first version of the format in which ``radii`` and ``weights`` contain all elements
DEFAULTS = {"radii": 0.5, "weights": 1.0}  # values of elements that an argument of this name does not contain
KINDS = ("SNAP", "Bispectrum")  # classes with these arguments


def update_spec(architecture: Any, version: int) -> Any:
    """Return the specification with default radii and weights for elements that SNAP or ``Bispectrum`` does not list.

    Args:
        architecture: Specification from ``nn.part.to_spec``; it is not changed.
        version: Version of the file.
    """
    return _add_defaults(architecture) if version < COMPLETE_SINCE else architecture


def _add_defaults(value: Any) -> Any:
    """Return a part of a specification, with all nested parts, after the defaults were added."""
    if isinstance(value, list):
        return [_add_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _add_defaults(item) for key, item in value.items()}
    elements, kind = result.get("elements"), result.get("kind")
    if isinstance(elements, list) and isinstance(kind, str) and kind.rpartition(".")[2] in KINDS:
        for name, default in DEFAULTS.items():
            if isinstance(table := result.get(name), dict):
                result[name] = {symbol: default for symbol in elements if isinstance(symbol, str)} | table
    return result


__getattr__ = old_names_of(__name__)
