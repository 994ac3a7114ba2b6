"""Reads YAML and ``key.sub=value`` options into plain values, without the surprises of YAML 1.1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from atomgraph import safe_yaml
from atomgraph.errors import ConfigError
from atomgraph.safe_yaml import YamlBoundError

LARGEST = 10_000_000  # bytes of a configuration


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


def _mapping(loader: Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise ConfigError(
                f"line {key_node.start_mark.line + 1}: mappings cannot be merged (<<); write the keys out"
            )
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise ConfigError(f"line {key_node.start_mark.line + 1}: a key should be a word")
        if key in seen:
            raise ConfigError(f"line {key_node.start_mark.line + 1}: the key {key!r} is given twice")
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ConfigError: If there is no such file, or it is no text.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no regular file; a configuration is read from one")
        if path.exists() and path.stat().st_size > LARGEST:
            raise ConfigError(f"{path} has {path.stat().st_size / 1e6:.0f} MB, and no configuration has more than 10")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        listed = f"; its folder has {', '.join(beside[:8])}" if beside else ""
        raise ConfigError(f"no file {path}{listed}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; ConfigError names file and line of what cannot be read."""
    text = read_text(path)
    try:
        content = parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} should hold a mapping with the keys seed, data, model, baseline, fit, output")
    return content


def parse(text: str) -> Any:
    """YAML text to plain values; ConfigError names the line."""
    try:
        return safe_yaml.load(text.encode("utf-8", "surrogatepass"), Loader)
    except YamlBoundError as error:
        raise ConfigError(f"not a configuration: it {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{where}not YAML: {what}") from None
    except RecursionError:
        raise ConfigError("not a configuration: it is nested too deeply") from None


def overridden(content: dict[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """A copy of the mapping with ``key.sub=value`` options applied; numbers are indices of lists (``fit.terms.0.weight=2``).

    Raises:
        ConfigError: For an option without ``=``, or a path through a value that is no mapping.
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
        _put(result, keys, parsed, option)
    return result


def _put(content: Any, keys: list[str], value: Any, option: str) -> None:
    *way, last = keys
    for depth, key in enumerate(way):
        if isinstance(content, dict):
            if content.get(key) is None:
                content[key] = {}
            content = content[key]
        elif isinstance(content, list) and _in_list(key, content):
            content = content[int(key)]
        else:
            raise ConfigError(f"{option}: {'.'.join(way[:depth]) or 'the configuration'} has no {key!r} to go into")
    if isinstance(content, dict):
        content[last] = value
    elif isinstance(content, list) and _in_list(last, content):
        content[int(last)] = value
    else:
        raise ConfigError(f"{option}: {'.'.join(way)} has no {last!r} to set")


def _in_list(key: str, content: list[Any]) -> bool:
    return key.isdigit() and int(key) < len(content)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
