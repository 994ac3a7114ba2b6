"""A YAML file with names of the last release, rewritten by names of today; comments and order stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from atomgraph.config.old_keys import Replacement, replace_old_names
from atomgraph.config.reading import Loader, parse
from atomgraph.errors import ConfigError

Span = tuple[int, int]


def migrate_text(text: str, *, plain: bool = False) -> tuple[str, list[Replacement]]:
    """The text of a configuration by names of today, and what was replaced in it.

    Keys and values are replaced where they stand in the text, so that comments, order and quotes of the rest stay.

    Args:
        text: YAML.
        plain: Whether the file is written as plain YAML, without comments.

    Raises:
        ConfigError: If the text is no configuration, if a key is given under both names, or if the rewritten text would not
            mean the same.
    """
    content = parse(text)
    if not isinstance(content, dict):
        raise ConfigError("a configuration is a mapping with keys such as data, model and output")
    current, replacements = replace_old_names(content)
    if not replacements:
        return text, []
    if plain:
        return yaml.safe_dump(current, sort_keys=False, allow_unicode=True, width=110), replacements
    result = _replaced(text, replacements)
    if not _means(result, current):
        raise ConfigError(
            "the text cannot be edited in place, because of anchors or unusual quotes; --plain writes it as plain YAML, "
            "without comments"
        )
    return result, replacements


def _means(text: str, content: Mapping[str, Any]) -> bool:
    try:
        return bool(parse(text) == content)
    except ConfigError:
        return False


def _replaced(text: str, replacements: Sequence[Replacement]) -> str:
    """The text with the new names in the places of the old ones, from the last place to the first."""
    keys, values = {}, {}
    for location, key, value in _spans(yaml.compose(text, Loader), ()):
        keys[location], values[location] = key, value
    spans = {(values if r.is_value else keys).get(r.location): r.new for r in replacements}
    for span, new in sorted(((span, new) for span, new in spans.items() if span is not None), reverse=True):
        text = text[: span[0]] + new + text[span[1] :]
    return text


def _spans(node: yaml.Node | None, location: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Span | None, Span]]:
    """Place, span of the key (None in a list) and span of the value of every entry."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*location, key.value), _span(key), _span(value)
            yield from _spans(value, (*location, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield (*location, i), None, _span(item)
            yield from _spans(item, (*location, i))


def _span(node: yaml.Node) -> Span:
    return node.start_mark.index, node.end_mark.index
