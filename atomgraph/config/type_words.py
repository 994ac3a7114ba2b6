"""Descriptions of annotations of constructor arguments, for users of YAML."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

PLAIN: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    Any: "anything",
}


def in_words(hint: Any) -> str:
    """The description of an annotation: ``a number or null`` for ``float | None``.

    Args:
        hint: A resolved annotation.
    """
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = [argument for argument in arguments if not (argument is int and float in arguments)]
        return " or ".join(dict.fromkeys(in_words(argument) for argument in kinds))
    if origin is Literal:
        return " or ".join(str(value) for value in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping of names to {_many(arguments[1])}" if len(arguments) == 2 else "a mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        items = [argument for argument in arguments if argument is not ...]
        return f"a list of {' or '.join(_many(item) for item in items)}" if items else "a list"
    name = getattr(hint, "__name__", "")
    if name == "Irreps":
        return "irreps such as 16x0e+16x1o"
    return "a part, {kind: ...}" if name else "something else"


def _many(hint: Any) -> str:
    """The description of an annotation, in plural."""
    plural = {float: "numbers", int: "whole numbers", str: "texts", Any: "values"}
    if hint in plural:
        return plural[hint]
    text = in_words(hint)
    for start, replacement in (("a list of ", "lists of "), ("a mapping of ", "mappings of "), ("a part, ", "parts, ")):
        if text.startswith(start):
            return replacement + text.removeprefix(start)
    return text
