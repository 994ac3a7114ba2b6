"""Replaces names of the last release in the text of a YAML configuration by current names; keeps comments and order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from atomgraph.config.old_keys import Replacement, replace_old_names
from atomgraph.config.reading import Loader, parse
from atomgraph.errors import ConfigError

Span = tuple[int, int]  # start and end of an entry, in characters of the text


def migrate_text(text: str, *, plain: bool = False) -> tuple[str, list[Replacement]]:
    """Return the text of a configuration with current names, and the replacements.

    Old keys and values are replaced at their positions in the text; comments, order and quotes do not change.

    Args:
        text: The configuration, as YAML.
        plain: Return YAML in standard format, without comments.

    Raises:
        ConfigError: If the text is not a configuration, if a key is given under both names, or if the new text would have
            other content.
    """
    content = parse(text)
    if not isinstance(content, dict):
        raise ConfigError("a configuration is a mapping with keys such as data, model and output")
    current, replacements = replace_old_names(content)
    if not replacements:
        return text, []
    if plain:
        return yaml.safe_dump(current, sort_keys=False, allow_unicode=True, width=110), replacements
    result = _replace_in_text(text, replacements)
    if not _has_content(result, current):
        raise ConfigError(
            "the text cannot be edited in place, because of anchors or unusual quotes; --plain writes plain YAML, "
            "without comments"
        )
    return result, replacements


def _has_content(text: str, content: Mapping[str, Any]) -> bool:
    """Whether a YAML text has the given content."""
    try:
        return bool(parse(text) == content)
    except ConfigError:
        return False


def _replace_in_text(text: str, replacements: Sequence[Replacement]) -> str:
    """Return the text with new names at the positions of old names; replaces from the end, so that positions stay valid."""
    keys, values = {}, {}
    for location, key, value in _spans(yaml.compose(text, Loader), ()):
        keys[location], values[location] = key, value
    spans = {(values if r.is_value else keys).get(r.location): r.new for r in replacements}
    for span, name in sorted(((span, name) for span, name in spans.items() if span is not None), reverse=True):
        text = text[: span[0]] + name + text[span[1] :]
    return text


def _spans(node: yaml.Node | None, location: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Span | None, Span]]:
    """Yield the location, the span of the key (None in a list) and the span of the value of each entry."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*location, key.value), _span(key), _span(value)
            yield from _spans(value, (*location, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield (*location, i), None, _span(item)
            yield from _spans(item, (*location, i))


def _span(node: yaml.Node) -> Span:
    """Return the start and end of a node in the text."""
    return node.start_mark.index, node.end_mark.index
