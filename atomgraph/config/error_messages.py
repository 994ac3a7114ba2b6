"""One-line messages for errors of pydantic: the key, the expected value, the given value and the nearest valid key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from atomgraph.config.foreign_keys import possible_kinds, single_kind, unknown_key_hint
from atomgraph.errors import ConfigError, a_kind, nearest, spelling_suggestion

MAX_CHARACTERS = 200  # largest number of characters of a value in a message
EXPECTED_VALUES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "bool_type": "true or false",
    "none_required": "null",
    "finite_number": "a finite number",
    "too_short": "a list that is not empty",
}


def config_error(error: ValidationError, schema: type[BaseModel], content: Any) -> ConfigError:
    """Return the error to correct first. Unknown keys precede missing keys, because a misspelt key often causes both errors.

    Args:
        error: The error of pydantic.
        schema: Schema of the whole configuration.
        content: The whole configuration, as plain values.
    """
    details_by_location: dict[tuple[Any, ...], list[ErrorDetails]] = {}
    for detail in error.errors():
        details_by_location.setdefault(_location(detail["loc"], content, detail["type"]), []).append(detail)
    locations = sorted(
        details_by_location,
        key=lambda location: (details_by_location[location][0]["type"] != "extra_forbidden", -len(location)),
    )
    location = locations[0]
    # Errors at locations that contain this location are not counted, because they have the same cause.
    remaining = [outer for outer in locations[1:] if outer != location[: len(outer)]]
    return ConfigError(
        _message(location, details_by_location[location], schema, content)
        + (f" (and {len(remaining)} more to correct)" if remaining else "")
    )


def _message(location: tuple[Any, ...], details: list[ErrorDetails], schema: type[BaseModel], content: Any) -> str:
    """Return the message for all errors at a location; other arguments as in ``config_error``."""
    key_path = ".".join(str(key) for key in location) or "the configuration"
    kinds = {detail["type"] for detail in details}
    detail = details[0]
    if "extra_forbidden" in kinds:
        word = str(location[-1])
        valid_keys = list(dict.fromkeys(_keys(schema, location[:-1], content)))
        hint = unknown_key_hint(word, schema, location, content, valid_keys) or nearest(word, valid_keys)
        return f"{key_path}: unknown key{hint}"
    if kinds == {"missing"}:
        return f"{key_path} is missing"
    if kinds & {"union_tag_invalid", "union_tag_not_found"}:
        return _unknown_kind(key_path, detail["input"], possible_kinds(schema, location))
    value = detail["input"]
    expectations = [words for words in dict.fromkeys(_expected(detail) for detail in details) if words]
    choices = [choice for detail in details if detail["type"] == "literal_error" for choice in _choices(detail)]
    hint = nearest(value, choices) if isinstance(value, str) and choices else ""
    suggestion = hint if hint.startswith("; did") else ""
    return f"{key_path} should be {' or '.join(expectations)}, but is {_value_text(value)}{suggestion}"


def _unknown_kind(key_path: str, value: Any, kinds: list[str]) -> str:
    """Return the message for an unknown or missing ``kind`` of a section."""
    kind = value.get("kind") if isinstance(value, dict) else value
    if kind is None:
        return f"{key_path}.kind is missing; known are {', '.join(kinds)}"
    hint = spelling_suggestion(str(kind), kinds)
    return f"{key_path}.kind should be {', '.join(kinds)}, but is {_value_text(kind)}{hint}"


def _value_text(value: Any) -> str:
    """Return the text of a plain value, shortened to ``MAX_CHARACTERS``; for other objects the name of their type."""
    if not isinstance(value, str | int | float | list | tuple | dict | None):
        hint = "; give the path of its file (potential.save)" if type(value).__name__ == "Potential" else ""
        return f"{a_kind(value)}{hint}"
    text = repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} ..."


def _expected(detail: ErrorDetails) -> str:
    """Return the description of the values that an error of pydantic expects."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error":
            return ", ".join(_choices(detail))
        case "greater_than":
            return f"more than {context['gt']:g}"
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "less_than":
            return f"less than {context['lt']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "missing" | "extra_forbidden":
            return ""
        case kind:
            return EXPECTED_VALUES.get(
                kind, detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            )


def _choices(detail: ErrorDetails) -> list[str]:
    """Return the values of a ``Literal`` that an error of pydantic expects."""
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip(" '") for word in expected.replace(" or ", ",").split(",") if word.strip(" '")]


def _location(pydantic_location: tuple[Any, ...], content: Any, error_type: str) -> tuple[Any, ...]:
    """Return the keys and indices of a location of pydantic, without the names of union members."""
    location: list[Any] = []
    for key in pydantic_location:
        if (isinstance(content, dict) and key in content) or (
            isinstance(content, list) and isinstance(key, int) and key < len(content)
        ):
            location.append(key)
            content = content[key]
        elif error_type == "missing" and key == pydantic_location[-1]:
            location.append(key)
    return tuple(location)


def _keys(annotation: Any, location: tuple[Any, ...], content: Any) -> Iterator[str]:
    """Yield the keys that a schema allows at a location; in a section with a ``kind``, only the keys of this kind."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind and single_kind(annotation) not in ("", kind):
            return
        if not location:
            yield from annotation.model_fields
        elif location[0] in annotation.model_fields:
            value = content.get(location[0]) if isinstance(content, dict) else None
            yield from _keys(annotation.model_fields[location[0]].annotation, location[1:], value)
        return
    if getattr(annotation, "__origin__", None) is list:
        has_item = (
            isinstance(content, list) and location and isinstance(location[0], int) and location[0] < len(content)
        )
        location, content = location[1:], content[location[0]] if has_item else None
    for argument in get_args(annotation):
        yield from _keys(argument, location, content)
