"""Descriptions of the types of constructor arguments in plain words, for messages about YAML values."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

SIMPLE_TYPES: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    Any: "anything",
}


def describe_type(hint: Any) -> str:
    """Return the description of a type: ``a number or null`` for ``float | None``.

    Args:
        hint: The type annotation, not as a string.
    """
    if hint in SIMPLE_TYPES:
        return SIMPLE_TYPES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        members = [argument for argument in arguments if not (argument is int and float in arguments)]
        return " or ".join(dict.fromkeys(describe_type(argument) for argument in members))
    if origin is Literal:
        return " or ".join(str(value) for value in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping of names to {_describe_plural(arguments[1])}" if len(arguments) == 2 else "a mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        items = [argument for argument in arguments if argument is not ...]
        return f"a list of {' or '.join(_describe_plural(item) for item in items)}" if items else "a list"
    name = getattr(hint, "__name__", "")
    if name == "Irreps":
        return "irreps such as 16x0e+16x1o"
    return "a part, {kind: ...}" if name else "something else"


def _describe_plural(hint: Any) -> str:
    """Return the description of a type in the plural."""
    plural = {float: "numbers", int: "whole numbers", str: "texts", Any: "values"}
    if hint in plural:
        return plural[hint]
    text = describe_type(hint)
    for singular, plural_text in (
        ("a list of ", "lists of "),
        ("a mapping of ", "mappings of "),
        ("a part, ", "parts, "),
    ):
        if text.startswith(singular):
            return plural_text + text.removeprefix(singular)
    return text
