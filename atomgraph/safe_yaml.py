"""Read YAML of unknown origin with limits on depth and aliases, so that a small file cannot fill memory or the stack."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import yaml

MAX_DEPTH = 50  # levels of nesting
_MAX_EXTRA_VALUES = 1_000_000  # a text may contain one value per byte, and this number of values from aliases
_LEADING = re.compile(rb"^[ \t]*[-?][-? \t]+", re.MULTILINE)  # indicators of nested sequences at the start of a line


class YamlBoundError(Exception):
    """A text exceeds a limit. The message has no subject ("is nested too deeply"); callers put the file name before it."""


def load(content: bytes, loader: Any) -> Any:
    """Read the values of a YAML text.

    Args:
        content: The text, UTF-8.
        loader: A safe loader class of PyYAML. If it merges mappings (``<<``), the text must not contain merges, because this
            function does not limit them.

    Raises:
        YamlBoundError: If the text is nested too deeply, or if its aliases expand to too many values.
        yaml.YAMLError: If the text is not YAML. PyYAML may raise other errors for invalid numbers and dates.
    """
    if _max_depth(content) > MAX_DEPTH:  # libyaml would overflow the stack and end the process
        raise YamlBoundError(f"is nested too deeply, beyond {MAX_DEPTH} levels")
    data = yaml.load(content, Loader=loader)
    if b"*" in content and _count_values(data, {}, 0) > len(content) + _MAX_EXTRA_VALUES:
        raise YamlBoundError(
            "has aliases (*) that stand for more than a million values; write the values in place of the aliases"
        )
    return data


def _max_depth(content: bytes) -> int:
    """Upper bound on the depth of a text, from the number of open brackets and of dashes at the start of a line."""
    codes = np.frombuffer(content, dtype=np.uint8)
    steps = np.isin(codes, list(b"[{")).astype(np.int64) - np.isin(codes, list(b"]}"))
    dashes = max((line.count(b"-") + line.count(b"?") for line in _LEADING.findall(content)), default=0)
    return max(int(np.cumsum(steps).max(initial=0)), dashes)


def _count_values(value: Any, counts: dict[int, int], depth: int) -> int:
    """Number of values after the expansion of all aliases. ``counts`` stores the numbers by object identity."""
    if not isinstance(value, dict | list):
        return 1
    if depth > MAX_DEPTH:
        raise YamlBoundError(f"is nested too deeply, beyond {MAX_DEPTH} levels, or refers to itself")
    if id(value) not in counts:
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        counts[id(value)] = 1 + sum(_count_values(item, counts, depth + 1) for item in items)
    return counts[id(value)]
