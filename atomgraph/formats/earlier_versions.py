"""Converts specifications in files of earlier versions to those of today."""

from __future__ import annotations

from typing import Any

COMPLETE_TABLES = 2  # since this version, tables by element are complete
USUAL = {"radii": 0.5, "weights": 1.0}  # values for elements that the table of a bispectrum lacked
KINDS = ("SNAP", "Bispectrum")


def as_of_today(architecture: Any, version: int) -> Any:
    """The specification with tables of SNAP completed by the numbers that the potential was made with.

    Args:
        architecture: As ``nn.part.to_spec`` gives it; stays as it is.
        version: Of the file.
    """
    return _completed(architecture) if version < COMPLETE_TABLES else architecture


def _completed(value: Any) -> Any:
    if isinstance(value, list):
        return [_completed(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _completed(item) for key, item in value.items()}
    elements, kind = result.get("elements"), result.get("kind")
    if isinstance(elements, list) and isinstance(kind, str) and kind.rpartition(".")[2] in KINDS:
        for name, usual in USUAL.items():
            if isinstance(table := result.get(name), dict):
                result[name] = {symbol: usual for symbol in elements if isinstance(symbol, str)} | table
    return result
