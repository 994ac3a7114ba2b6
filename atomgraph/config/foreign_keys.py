"""Where an unknown key leads: another program's word, a key that stands elsewhere, or a slip of the pen."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from atomgraph import models
from atomgraph.config.foreign_words import ELSEWHERE, IN_FINETUNING, NOWHERE
from atomgraph.errors import slip

OF_MODELS = ("cutoff", "elements")  # arguments that all models take


def elsewhere(
    word: str,
    schema: type[BaseModel] | None = None,
    place: tuple[Any, ...] = (),
    content: Any = None,
    known: Iterable[str] = (),
) -> str:
    """``'; it is X here'`` for a key that stands elsewhere or is another program's word; empty for an unknown one.

    Another program's word comes first; a slip of the pen in one of the keys around it comes before keys of the same name in
    other sections, which may mean something else.

    Args:
        word: The unknown key.
        schema: Of the whole configuration: keys of the same name elsewhere in it count, too.
        place: Where the unknown key was given, the key last.
        content: The whole configuration.
        known: The keys that there are at this place.
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
    kinds = dict.fromkeys(kind for path, kind in paths if path == place and kind)
    if kinds:
        return f"; it is a key of {'.'.join((*place[:-1], 'kind'))}: {' or '.join(kinds)}"
    if correction := slip(word, known):
        return correction
    homes = sorted(
        dict.fromkeys(".".join(path) for path, _ in paths if path != place), key=lambda home: home.count(".")
    )
    if "model" in sections and word in _arguments(content) and place[:-1] != ("model",):
        homes.insert(0, f"model.{word}")
    return f"; it is {' or '.join(homes[:3])} here" if homes else ""


def _paths(annotation: Any, before: tuple[str, ...] = (), kind: str = "") -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys of a schema with the way to each, and the ``kind`` of the section that has it, if it has one.

    Lists and choices are gone through, not counted.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        own = only_kind(annotation)
        for name, field in annotation.model_fields.items():
            yield (*before, name), own
            yield from _paths(field.annotation, (*before, name), own)
        return
    for argument in get_args(annotation):
        yield from _paths(argument, before, kind)


def kinds_at(schema: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """The kinds that a section can be of, by its place; list items count for their list."""
    wanted = (*(key for key in place if not isinstance(key, int)), "kind")
    return list(dict.fromkeys(kind for path, kind in _paths(schema) if path == wanted and kind))


def only_kind(section: type[BaseModel]) -> str:
    """The one value that ``kind`` can have in a section; empty where there is no such key, or a choice."""
    field = section.model_fields.get("kind")
    choices = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(choices[0]) if len(choices) == 1 else ""


def _arguments(content: Any) -> set[str]:
    """What the model of a configuration takes, as far as its kind is one of atomgraph's."""
    model = content.get("model") if isinstance(content, Mapping) else None
    kind = model.get("kind") if isinstance(model, Mapping) else None
    cls = getattr(models, kind, None) if isinstance(kind, str) else None
    named = inspect.signature(cls).parameters if isinstance(cls, type) else {}
    return {*OF_MODELS, *(set(named) - {"baseline"})}
