"""Old names in a configuration: keys, values, arguments and kinds of the last release, replaced by those of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from atomgraph.config.part_modules import PART_MODULES, part_by_name
from atomgraph.errors import ConfigError, WiringError
from atomgraph.nn.part import Part, resolve_class
from atomgraph.old_name_table import ARGUMENTS, KEYS, VALUES
from atomgraph.old_names import current_arguments, current_path, reading_old_file, warn_old_name

PART_SECTIONS = ("model", "baseline")  # sections that hold parts, with constructor arguments as keys
METHODS = ("compare", "methods")  # each entry is a piece of a configuration


@dataclass(frozen=True)
class Replacement:
    """A name that was replaced.

    Attributes:
        location: Keys and indices that lead to the entry, by their names before.
        old: The key or value before.
        new: The key or value now.
        is_value: Whether a value was replaced, not a key.
    """

    location: tuple[Any, ...]
    old: str
    new: str
    is_value: bool = False

    def __str__(self) -> str:
        *sections, key = (str(name) for name in self.location)
        return f"{'.'.join((*sections, key))}: {self.old}" if self.is_value else ".".join((*sections, key))

    @property
    def current(self) -> str:
        """The entry by its name of today."""
        *sections, key = (str(name) for name in self.location)
        return f"{'.'.join((*sections, key))}: {self.new}" if self.is_value else ".".join((*sections, self.new))


def with_current_names(content: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which nothing has a name of the last release, with a warning for each such name.

    Raises:
        ConfigError: If a key is given under both names.
    """
    result, replacements = replace_old_names(content)
    for replacement in replacements:
        warn_old_name(str(replacement), replacement.current)
    return result


def replace_old_names(content: dict[str, Any]) -> tuple[dict[str, Any], list[Replacement]]:
    """A copy of a configuration by names of today, and what was replaced in it.

    Raises:
        ConfigError: If a key is given under both names.
    """
    replacements: list[Replacement] = []
    with reading_old_file():
        return _mapping(content, (), (), replacements, {}), replacements


def current_option(option: str, content: Mapping[str, Any] | None = None) -> str:
    """A ``key.sub=value`` option by names of today, with a warning for an old one.

    Args:
        option: As it is given on the command line.
        content: The configuration that it changes, by names of today: its kinds tell which arguments there are.
    """
    path, equals, value = option.partition("=")
    sections: tuple[str, ...] = ()
    parent: Any = content or {}
    keys = []
    for key in path.split("."):
        keys.append(key if key.isdigit() else _current_key(sections, parent, key))
        sections = _inside(sections, keys[-1])
        parent = _entry(parent, keys[-1])
    value = VALUES.get(".".join(sections), {}).get(value, value)
    current = ".".join(keys) + equals + value
    if current != option:
        with_value = value if path == ".".join(keys) else ""
        warn_old_name(option if with_value else path, current if with_value else ".".join(keys))
    return current


def _entry(parent: Any, key: str) -> Any:
    if isinstance(parent, Mapping):
        return parent.get(key)
    if isinstance(parent, Sequence) and key.isdigit() and int(key) < len(parent):
        return parent[int(key)]
    return None


def _inside(sections: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The sections around an entry; those of a method in ``compare.methods`` start at the method."""
    if sections == METHODS:
        return ()
    return sections if key.isdigit() else (*sections, key)


def _mapping(
    content: Mapping[Any, Any],
    sections: tuple[str, ...],
    location: tuple[Any, ...],
    replacements: list[Replacement],
    nested: Mapping[str, str],
) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in content.items():
        current, entry = key, (*location, key)
        if isinstance(key, str) and sections != METHODS:
            current = nested.get(key) or _current_key(sections, content, key)
        if current != key:
            if current in content:
                old, new = (".".join(map(str, (*location, name))) for name in (key, current))
                raise ConfigError(f"{new} and {old}, its name of the last release, are both given; give {new} only")
            replacements.append(Replacement(entry, key, current))
        inner = _inside(sections, str(current))
        result[current] = _value(value, inner, entry, replacements, _nested_keys(sections, content, str(current)))
    return result


def _value(
    value: Any,
    sections: tuple[str, ...],
    location: tuple[Any, ...],
    replacements: list[Replacement],
    nested: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value, sections, location, replacements, nested)
    if isinstance(value, list | tuple):
        return [_value(item, sections, (*location, i), replacements, nested) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    current = VALUES.get(".".join(sections), {}).get(value, value)
    if sections and sections[0] in PART_SECTIONS and sections[-1] == "kind":
        current = _current_kind(value)
    if current != value:
        replacements.append(Replacement(location, value, current, is_value=True))
    return current


def _current_key(sections: tuple[str, ...], parent: Any, key: str) -> str:
    """The name of today of a key, from the table of keys or the arguments of the part around it."""
    if not (sections and sections[0] in PART_SECTIONS):
        return KEYS.get(".".join((*sections, key)), key)
    kind = parent.get("kind") if isinstance(parent, Mapping) else None
    cls = _known_class(kind) if isinstance(kind, str) else None
    if cls is None or key == "kind":
        return key
    with reading_old_file():
        return next(iter(current_arguments(cls, {key: None})))


def _nested_keys(sections: tuple[str, ...], parent: Any, argument: str) -> dict[str, str]:
    """Old and new keys inside an argument of the part around it, such as ``hidden`` in ``layer`` of MACE."""
    kind = parent.get("kind") if isinstance(parent, Mapping) else None
    cls = _known_class(kind) if isinstance(kind, str) and sections and sections[0] in PART_SECTIONS else None
    table = {} if cls is None else ARGUMENTS.get(cls.__name__, {})
    return {old.rpartition(".")[2]: new for old, new in table.items() if old.startswith(f"{argument}.")}


def _current_kind(kind: str) -> str:
    """The kind of today: a dotted path, or the short name of a class of atomgraph."""
    if "." in kind:
        return current_path(kind)
    for module in PART_MODULES:
        path = f"{module.__name__}.{kind}"
        if (current := current_path(path)) != path:
            return current.rpartition(".")[2]
    return kind


def _known_class(kind: str) -> type[Part] | None:
    """The class of a kind of atomgraph; None for others, whose modules are not imported for this."""
    kind = _current_kind(kind)
    if "." not in kind:
        return part_by_name(kind)
    try:
        return resolve_class(kind) if kind.startswith("atomgraph.") else None
    except WiringError:
        return None
