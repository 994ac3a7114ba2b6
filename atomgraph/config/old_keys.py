"""Replaces names of the last release in a configuration (keys, values, arguments, kinds) by current names."""

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

PART_SECTIONS = ("model", "baseline")  # sections with parts; their keys are constructor arguments
METHODS = ("compare", "methods")  # path of the section; each entry (a method) contains changes of a whole configuration


@dataclass(frozen=True)
class Replacement:
    """A replaced name.

    Attributes:
        location: Keys and indices that lead to the entry, by their old names.
        old: The old key or value.
        new: The new key or value.
        is_value: Whether a value was replaced; otherwise a key.
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
        """Location of the entry with its new name."""
        *sections, key = (str(name) for name in self.location)
        return f"{'.'.join((*sections, key))}: {self.new}" if self.is_value else ".".join((*sections, self.new))


def replace_old_names_with_warning(content: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a configuration with current names; warn for each name of the last release.

    Raises:
        ConfigError: If a key is given under both names.
    """
    result, replacements = replace_old_names(content)
    for replacement in replacements:
        warn_old_name(str(replacement), replacement.current)
    return result


def replace_old_names(content: dict[str, Any]) -> tuple[dict[str, Any], list[Replacement]]:
    """Return a copy of a configuration with current names, and the replacements.

    Raises:
        ConfigError: If a key is given under both names.
    """
    replacements: list[Replacement] = []
    with reading_old_file():
        return _replace_in_mapping(content, (), (), replacements, {}), replacements


def current_option(option: str, content: Mapping[str, Any] | None = None) -> str:
    """Return a ``key.sub=value`` option with current names; warn for an old name.

    Args:
        option: The option, as on the command line.
        content: The configuration that the option changes, with current names. Its kinds determine the arguments of parts.
    """
    path, equals, value = option.partition("=")
    sections: tuple[str, ...] = ()
    parent: Any = content or {}
    keys = []
    for key in path.split("."):
        keys.append(key if key.isdigit() else _current_key(sections, parent, key))
        sections = _append_section(sections, keys[-1])
        parent = _get_entry(parent, keys[-1])
    value = VALUES.get(".".join(sections), {}).get(value, value)
    current = ".".join(keys) + equals + value
    if current != option:
        only_value_is_old = bool(value) and path == ".".join(keys)
        warn_old_name(option if only_value_is_old else path, current if only_value_is_old else ".".join(keys))
    return current


def _get_entry(parent: Any, key: str) -> Any:
    """Return an entry of a mapping or list; None if the key or index does not exist."""
    if isinstance(parent, Mapping):
        return parent.get(key)
    if isinstance(parent, Sequence) and key.isdigit() and int(key) < len(parent):
        return parent[int(key)]
    return None


def _append_section(sections: tuple[str, ...], key: str) -> tuple[str, ...]:
    """Return the sections around the entries of a key; inside a method of ``compare.methods``, counted from the method."""
    if sections == METHODS:
        return ()
    return sections if key.isdigit() else (*sections, key)


def _replace_in_mapping(
    content: Mapping[Any, Any],
    sections: tuple[str, ...],
    location: tuple[Any, ...],
    replacements: list[Replacement],
    nested_names: Mapping[str, str],
) -> dict[Any, Any]:
    """Return a copy of a mapping with current names.

    Args:
        content: The mapping.
        sections: Keys that lead to the mapping, with current names and without indices of lists.
        location: Keys and indices that lead to the mapping, with the names in the configuration.
        replacements: List to which each replacement is appended.
        nested_names: Current names by old names, for keys inside an argument of a part.
    """
    result: dict[Any, Any] = {}
    for key, value in content.items():
        current_name, entry = key, (*location, key)
        if isinstance(key, str) and sections != METHODS:
            current_name = nested_names.get(key) or _current_key(sections, content, key)
        if current_name != key:
            if current_name in content:
                old, new = (".".join(map(str, (*location, name))) for name in (key, current_name))
                raise ConfigError(f"{new} and {old}, its name of the last release, are both given; give {new} only")
            replacements.append(Replacement(entry, key, current_name))
        inner_sections = _append_section(sections, str(current_name))
        result[current_name] = _replace_in_value(
            value, inner_sections, entry, replacements, _nested_keys(sections, content, str(current_name))
        )
    return result


def _replace_in_value(
    value: Any,
    sections: tuple[str, ...],
    location: tuple[Any, ...],
    replacements: list[Replacement],
    nested_names: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Return a copy of a value with current names; arguments as in ``_replace_in_mapping``."""
    if isinstance(value, Mapping):
        return _replace_in_mapping(value, sections, location, replacements, nested_names)
    if isinstance(value, list | tuple):
        return [
            _replace_in_value(item, sections, (*location, i), replacements, nested_names)
            for i, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    current_value = VALUES.get(".".join(sections), {}).get(value, value)
    if sections and sections[0] in PART_SECTIONS and sections[-1] == "kind":
        current_value = _current_kind(value)
    if current_value != value:
        replacements.append(Replacement(location, value, current_value, is_value=True))
    return current_value


def _current_key(sections: tuple[str, ...], parent: Any, key: str) -> str:
    """Return the current name of a key, from the table of keys or from the arguments of the part around the key."""
    if not (sections and sections[0] in PART_SECTIONS):
        return KEYS.get(".".join((*sections, key)), key)
    kind = parent.get("kind") if isinstance(parent, Mapping) else None
    cls = _atomgraph_class(kind) if isinstance(kind, str) else None
    if cls is None or key == "kind":
        return key
    with reading_old_file():
        return next(iter(current_arguments(cls, {key: None})))


def _nested_keys(sections: tuple[str, ...], parent: Any, argument: str) -> dict[str, str]:
    """Return current names by old names of the keys inside an argument of a part, such as ``hidden`` in ``layer`` of MACE."""
    kind = parent.get("kind") if isinstance(parent, Mapping) else None
    cls = _atomgraph_class(kind) if isinstance(kind, str) and sections and sections[0] in PART_SECTIONS else None
    table = {} if cls is None else ARGUMENTS.get(cls.__name__, {})
    return {old.rpartition(".")[2]: new for old, new in table.items() if old.startswith(f"{argument}.")}


def _current_kind(kind: str) -> str:
    """Return the current name of a kind, which is a dotted path or the short name of a class of atomgraph."""
    if "." in kind:
        return current_path(kind)
    for module in PART_MODULES:
        path = f"{module.__name__}.{kind}"
        if (current := current_path(path)) != path:
            return current.rpartition(".")[2]
    return kind


def _atomgraph_class(kind: str) -> type[Part] | None:
    """Return the class of a kind of atomgraph; None for kinds of other packages, which are not imported."""
    kind = _current_kind(kind)
    if "." not in kind:
        return part_by_name(kind)
    try:
        return resolve_class(kind) if kind.startswith("atomgraph.") else None
    except WiringError:
        return None
