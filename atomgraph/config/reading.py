"""Reads YAML and ``key.sub=value`` options into plain values, without the ambiguous numbers and booleans of YAML 1.1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from atomgraph import safe_yaml
from atomgraph.errors import ConfigError
from atomgraph.old_names import old_names_of
from atomgraph.safe_yaml import YamlBoundError

MAX_BYTES = 10_000_000  # largest size of a configuration file


class Loader(yaml.SafeLoader):
    """A YAML loader for which 1e-3 is a number and No is text; a repeated key is an error."""


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _construct_mapping(loader: Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    """Return the mapping of a YAML node; ConfigError for repeated keys, keys that are collections, and merges (``<<``)."""
    keys = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise ConfigError(f"line {key_node.start_mark.line + 1}: mappings cannot be merged with <<; write all keys")
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise ConfigError(f"line {key_node.start_mark.line + 1}: a key should be text, a number or a boolean")
        if key in keys:
            raise ConfigError(f"line {key_node.start_mark.line + 1}: the key {key!r} is given twice")
        keys.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def read_text(path: Path) -> str:
    """Return the text of a YAML file.

    Raises:
        ConfigError: If the file does not exist, is too large, or is not text.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is not a regular file; give the path of a YAML file")
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} has {path.stat().st_size / 1e6:.0f} MB; a configuration has at most 10 MB")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        yaml_files = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = f"; the folder contains {', '.join(yaml_files[:8])}" if yaml_files else ""
        raise ConfigError(f"no file {path}{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: If the file cannot be read; the message has the file and the line of the error.
    """
    text = read_text(path)
    try:
        content = parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} should contain a mapping with the keys seed, data, model, baseline, fit, output")
    return content


def parse(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        ConfigError: If the text is not YAML; the message has the line of the error.
    """
    try:
        return safe_yaml.load(text.encode("utf-8", "surrogatepass"), Loader)
    except YamlBoundError as error:
        raise ConfigError(f"not a configuration: the text {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{line}not YAML: {problem}") from None
    except RecursionError:
        raise ConfigError("not a configuration: the text is nested too deeply") from None


def apply_options(content: dict[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """Return a copy of the mapping with ``key.sub=value`` options applied; numbers are indices of lists, as in
    ``fit.terms.0.weight=2``.

    Raises:
        ConfigError: If an option has no ``=``, or its path leads through a value that is not a mapping or list.
    """
    result = _copy(content)
    for option in options:
        path, equals, value = option.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise ConfigError(f"{option!r} should look like key.sub=value")
        try:
            parsed = parse(value)
        except ConfigError as error:
            raise ConfigError(f"{option}: {error}") from error
        _set_value(result, keys, parsed, option)
    return result


def _set_value(content: Any, keys: list[str], value: Any, option: str) -> None:
    """Set the value at a path of keys and indices, in place; missing mappings are created."""
    *parents, last_key = keys
    for depth, key in enumerate(parents):
        if isinstance(content, dict):
            if content.get(key) is None:
                content[key] = {}
            content = content[key]
        elif isinstance(content, list) and _is_index(key, content):
            content = content[int(key)]
        else:
            raise ConfigError(f"{option}: {'.'.join(parents[:depth]) or 'the configuration'} has no section {key!r}")
    if isinstance(content, dict):
        content[last_key] = value
    elif isinstance(content, list) and _is_index(last_key, content):
        content[int(last_key)] = value
    else:
        raise ConfigError(f"{option}: {'.'.join(parents)} has no key {last_key!r}")


def _is_index(key: str, content: list[Any]) -> bool:
    """Whether a key is an index of a list."""
    return key.isdigit() and int(key) < len(content)


def _copy(value: Any) -> Any:
    """Return a copy of nested mappings and lists."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value


__getattr__ = old_names_of(__name__)
