"""Hints for unknown keys of a configuration: words of other programs, keys of other sections, spelling errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from atomgraph import models
from atomgraph.config.foreign_words import FINETUNE_KEYS_BY_FOREIGN_WORD, KEYS_BY_FOREIGN_WORD, REASONS_FOR_NO_KEY
from atomgraph.errors import spelling_suggestion
from atomgraph.old_names import old_names_of

MODEL_ARGUMENTS = ("cutoff", "elements")  # arguments that all models have


def unknown_key_hint(
    word: str,
    schema: type[BaseModel] | None = None,
    location: tuple[Any, ...] = (),
    content: Any = None,
    valid_keys: Iterable[str] = (),
) -> str:
    """Return a hint for an unknown key, such as ``'; here that is fit.max_epochs'``; empty if there is no hint.

    Words of other programs are looked up first, then spelling errors, then the same key in other sections, where it can have
    another meaning.

    Args:
        word: The unknown key.
        schema: Schema of the whole configuration, for the same key in other sections; None: use words of other programs only.
        location: Keys and indices that lead to the unknown key, with the unknown key as last entry.
        content: The whole configuration, as plain values.
        valid_keys: Valid keys of the section.
    """
    sections = {} if schema is None else schema.model_fields
    foreign = word.lower()
    if "start" in sections and foreign in FINETUNE_KEYS_BY_FOREIGN_WORD:
        return f"; here that is {FINETUNE_KEYS_BY_FOREIGN_WORD[foreign]}"
    if foreign in REASONS_FOR_NO_KEY:
        return f"; {REASONS_FOR_NO_KEY[foreign]}"
    if foreign in KEYS_BY_FOREIGN_WORD:
        return f"; here that is {KEYS_BY_FOREIGN_WORD[foreign]}"
    if schema is None:
        return ""
    paths = [(path, kind) for path, kind in _paths(schema) if path[-1] == word]
    kinds = dict.fromkeys(kind for path, kind in paths if path == location and kind)
    if kinds:
        return f"; it is a key of {'.'.join((*location[:-1], 'kind'))}: {' or '.join(kinds)}"
    if correction := spelling_suggestion(word, valid_keys):
        return correction
    key_paths = sorted(
        dict.fromkeys(".".join(path) for path, _ in paths if path != location), key=lambda path: path.count(".")
    )
    if "model" in sections and word in _arguments(content) and location[:-1] != ("model",):
        key_paths.insert(0, f"model.{word}")
    return f"; it is {' or '.join(key_paths[:3])} here" if key_paths else ""


def _paths(annotation: Any, prefix: tuple[str, ...] = (), kind: str = "") -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each key of a schema, and the ``kind`` of its section, which can be empty.

    Paths do not contain indices of lists and members of unions.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        section_kind = single_kind(annotation)
        for name, field in annotation.model_fields.items():
            yield (*prefix, name), section_kind
            yield from _paths(field.annotation, (*prefix, name), section_kind)
        return
    for argument in get_args(annotation):
        yield from _paths(argument, prefix, kind)


def possible_kinds(schema: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the values that ``kind`` can have in the section at a location."""
    key_path = (*(key for key in location if not isinstance(key, int)), "kind")
    return list(dict.fromkeys(kind for path, kind in _paths(schema) if path == key_path and kind))


def single_kind(section: type[BaseModel]) -> str:
    """Return the only value of ``kind`` in a section; empty if the section has no key ``kind``, or several values for it."""
    field = section.model_fields.get("kind")
    choices = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(choices[0]) if len(choices) == 1 else ""


def _arguments(content: Any) -> set[str]:
    """Return the argument names of the model of a configuration; ``MODEL_ARGUMENTS`` for models of other packages."""
    model = content.get("model") if isinstance(content, Mapping) else None
    kind = model.get("kind") if isinstance(model, Mapping) else None
    cls = getattr(models, kind, None) if isinstance(kind, str) else None
    parameters = inspect.signature(cls).parameters if isinstance(cls, type) else {}
    return {*MODEL_ARGUMENTS, *(set(parameters) - {"baseline"})}


__getattr__ = old_names_of(__name__)
