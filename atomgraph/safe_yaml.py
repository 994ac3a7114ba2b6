"""YAML of unknown origin: bounds on its size, depth and aliases, so that a small file cannot fill memory or the stack."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import yaml

DEEPEST = 50  # levels of nesting
_MOST_VALUES = 1_000_000  # beside one for each byte of the text
_LEADING = re.compile(rb"^[ \t]*[-?][-? \t]+", re.MULTILINE)


class YamlBoundError(Exception):
    """A text that is larger than it looks; the message has no subject ("is nested too deeply")."""


def load(content: bytes, loader: Any) -> Any:
    """The values of a text.

    Args:
        content: UTF-8.
        loader: A safe loader of PyYAML; one that merges mappings (``<<``) must be given texts without merges, which are bounded
            by nothing here.

    Raises:
        YamlBoundError: For a text that nests deeper, or whose aliases stand for more values, than bounds allow.
        yaml.YAMLError: For what is no YAML, and whatever else PyYAML's readers of numbers and dates raise.
    """
    if _depth(content) > DEEPEST:  # libyaml would overflow the stack and end the process
        raise YamlBoundError(f"is nested too deeply, beyond {DEEPEST} levels")
    data = yaml.load(content, Loader=loader)
    if b"*" in content and _written_out(data, {}, 0) > len(content) + _MOST_VALUES:
        raise YamlBoundError("has aliases (*) that stand for more than a million values; write them out")
    return data


def _depth(content: bytes) -> int:
    """A bound on how deep a text nests: brackets that are open at once, and dashes at the beginning of a line."""
    codes = np.frombuffer(content, dtype=np.uint8)
    steps = np.isin(codes, list(b"[{")).astype(np.int64) - np.isin(codes, list(b"]}"))
    dashes = max((line.count(b"-") + line.count(b"?") for line in _LEADING.findall(content)), default=0)
    return max(int(np.cumsum(steps).max(initial=0)), dashes)


def _written_out(value: Any, known: dict[int, int], depth: int) -> int:
    """How many values there are if every alias is written out."""
    if not isinstance(value, dict | list):
        return 1
    if depth > DEEPEST:
        raise YamlBoundError(f"is nested too deeply, beyond {DEEPEST} levels, or refers to itself")
    if id(value) not in known:
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_written_out(part, known, depth + 1) for part in parts)
    return known[id(value)]
