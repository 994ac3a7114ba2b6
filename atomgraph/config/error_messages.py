"""Messages for errors that pydantic reports: the key, the expected and the given value, the nearest key, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from atomgraph.config.foreign_keys import elsewhere, kinds_at, only_kind
from atomgraph.errors import ConfigError, a_kind, nearest, spelling_suggestion

LONGEST = 200  # characters of a value that a message shows
EXPECTED = {
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
    """The first error to correct. Unknown keys come before missing ones, which are often the same key misspelt."""
    by_location: dict[tuple[Any, ...], list[ErrorDetails]] = {}
    for detail in error.errors():
        by_location.setdefault(_location(detail["loc"], content, detail["type"]), []).append(detail)
    order = sorted(
        by_location, key=lambda location: (by_location[location][0]["type"] != "extra_forbidden", -len(location))
    )
    location = order[0]
    rest = [outer for outer in order[1:] if outer != location[: len(outer)]]  # without the unions around it
    return ConfigError(
        _message(location, by_location[location], schema, content)
        + (f" (and {len(rest)} more to mend)" if rest else "")
    )


def _message(location: tuple[Any, ...], details: list[ErrorDetails], schema: type[BaseModel], content: Any) -> str:
    where = ".".join(str(key) for key in location) or "the configuration"
    kinds = {detail["type"] for detail in details}
    first = details[0]
    if "extra_forbidden" in kinds:
        word = str(location[-1])
        known = list(dict.fromkeys(_keys(schema, location[:-1], content)))
        return f"{where}: unknown key{elsewhere(word, schema, location, content, known) or nearest(word, known)}"
    if kinds == {"missing"}:
        return f"{where} is missing"
    if kinds & {"union_tag_invalid", "union_tag_not_found"}:
        return _unknown_kind(where, first["input"], kinds_at(schema, location))
    value = first["input"]
    expectations = [word for word in dict.fromkeys(_expected(detail) for detail in details) if word]
    choices = [c for d in details if d["type"] == "literal_error" for c in _choices(d)]
    hint = nearest(value, choices) if isinstance(value, str) and choices else ""
    return f"{where} should be {' or '.join(expectations)}, but is {_shown(value)}{hint if hint.startswith('; did') else ''}"


def _unknown_kind(where: str, value: Any, kinds: list[str]) -> str:
    """The message for an unknown or missing kind of a section."""
    kind = value.get("kind") if isinstance(value, dict) else value
    if kind is None:
        return f"{where}.kind is missing; known are {', '.join(kinds)}"
    hint = spelling_suggestion(str(kind), kinds)
    return f"{where}.kind should be {', '.join(kinds)}, but is {_shown(kind)}{hint}"


def _shown(value: Any) -> str:
    """The text of a plain value, shortened; the type of any other object."""
    if not isinstance(value, str | int | float | list | tuple | dict | None):
        way_out = "; give the path of its file (potential.save)" if type(value).__name__ == "Potential" else ""
        return f"{a_kind(value)}{way_out}"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _expected(detail: ErrorDetails) -> str:
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
            return EXPECTED.get(kind, detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "))


def _choices(detail: ErrorDetails) -> list[str]:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip(" '") for word in expected.replace(" or ", ",").split(",") if word.strip(" '")]


def _location(loc: tuple[Any, ...], content: Any, kind: str) -> tuple[Any, ...]:
    """The keys of pydantic's location that are in the file, without the branches of unions."""
    location: list[Any] = []
    for key in loc:
        if (isinstance(content, dict) and key in content) or (
            isinstance(content, list) and isinstance(key, int) and key < len(content)
        ):
            location.append(key)
            content = content[key]
        elif kind == "missing" and key == loc[-1]:
            location.append(key)
    return tuple(location)


def _keys(annotation: Any, location: tuple[Any, ...], content: Any) -> Iterator[str]:
    """The keys of a schema at a location, for the kind that the content gives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        said = content.get("kind") if isinstance(content, dict) else None
        if said and only_kind(annotation) not in ("", said):
            return
        if not location:
            yield from annotation.model_fields
        elif location[0] in annotation.model_fields:
            inside = content.get(location[0]) if isinstance(content, dict) else None
            yield from _keys(annotation.model_fields[location[0]].annotation, location[1:], inside)
        return
    if getattr(annotation, "__origin__", None) is list:
        has_item = (
            isinstance(content, list) and location and isinstance(location[0], int) and location[0] < len(content)
        )
        location, content = location[1:], content[location[0]] if has_item else None
    for argument in get_args(annotation):
        yield from _keys(argument, location, content)
