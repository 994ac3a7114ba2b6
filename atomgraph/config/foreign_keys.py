"""Hints for unknown keys: words of other programs, keys of other sections, spelling errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from atomgraph import models
from atomgraph.config.foreign_words import ELSEWHERE, IN_FINETUNING, NOWHERE
from atomgraph.errors import spelling_suggestion

OF_MODELS = ("cutoff", "elements")  # arguments of all models


def elsewhere(
    word: str,
    schema: type[BaseModel] | None = None,
    location: tuple[Any, ...] = (),
    content: Any = None,
    known: Iterable[str] = (),
) -> str:
    """A hint such as ``'; it is X here'`` for a key of another section or program; empty if there is none.

    Words of other programs come first. Spelling errors come before equal keys of other sections, which can have another
    meaning.

    Args:
        word: The unknown key.
        schema: Schema of the whole configuration, to look for equal keys in other sections.
        location: Location of the unknown key, with the key at the end.
        content: The whole configuration.
        known: The keys of this section.
    """
    sections = {} if schema is None else schema.model_fields
    foreign = word.lower()
    if "start" in sections and foreign in IN_FINETUNING:
        return f"; here that is {IN_FINETUNING[foreign]}"
    if foreign in NOWHERE:
        return f"; {NOWHERE[foreign]}"
    if foreign in ELSEWHERE:
        return f"; here that is {ELSEWHERE[foreign]}"
    if schema is None:
        return ""
    paths = [(path, kind) for path, kind in _paths(schema) if path[-1] == word]
    kinds = dict.fromkeys(kind for path, kind in paths if path == location and kind)
    if kinds:
        return f"; it is a key of {'.'.join((*location[:-1], 'kind'))}: {' or '.join(kinds)}"
    if correction := spelling_suggestion(word, known):
        return correction
    homes = sorted(
        dict.fromkeys(".".join(path) for path, _ in paths if path != location), key=lambda home: home.count(".")
    )
    if "model" in sections and word in _arguments(content) and location[:-1] != ("model",):
        homes.insert(0, f"model.{word}")
    return f"; it is {' or '.join(homes[:3])} here" if homes else ""


def _paths(annotation: Any, before: tuple[str, ...] = (), kind: str = "") -> Iterator[tuple[tuple[str, ...], str]]:
    """The path of each key of a schema, and the ``kind`` of its section, if any.

    Lists and unions do not appear in paths.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        section_kind = only_kind(annotation)
        for name, field in annotation.model_fields.items():
            yield (*before, name), section_kind
            yield from _paths(field.annotation, (*before, name), section_kind)
        return
    for argument in get_args(annotation):
        yield from _paths(argument, before, kind)


def kinds_at(schema: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The possible kinds of a section at a location."""
    key_path = (*(key for key in location if not isinstance(key, int)), "kind")
    return list(dict.fromkeys(kind for path, kind in _paths(schema) if path == key_path and kind))


def only_kind(section: type[BaseModel]) -> str:
    """The only value of ``kind`` in a section; empty if it has no such key, or several values."""
    field = section.model_fields.get("kind")
    choices = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(choices[0]) if len(choices) == 1 else ""


def _arguments(content: Any) -> set[str]:
    """Arguments of the model of a configuration, if its kind is one of atomgraph."""
    model = content.get("model") if isinstance(content, Mapping) else None
    kind = model.get("kind") if isinstance(model, Mapping) else None
    cls = getattr(models, kind, None) if isinstance(kind, str) else None
    named = inspect.signature(cls).parameters if isinstance(cls, type) else {}
    return {*OF_MODELS, *(set(named) - {"baseline"})}
