"""A configuration is read from a regular file of bounded size, and what it may stand for is bounded, too."""

import os

import pytest

from atomgraph.config.reading import parse, read_yaml
from atomgraph.errors import ConfigError


def nested_aliases(first, next_):
    lines = [f"a0: &a0 {first}", *(f"a{i}: &a{i} {next_.format(before=f'*a{i - 1}')}" for i in range(1, 40))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (nested_aliases("[x, x]", "[{before}, {before}]"), "more than a million values"),
        (nested_aliases("{x: 1}", "{{<<: [{before}, {before}]}}"), "mappings cannot be merged"),
        ("a: &a [*a]", "unconstructable recursive"),
        ("a: " + "[" * 10_000 + "]" * 10_000, "nested too deeply"),
    ],
)
def test_yaml_bombs_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_aliases_of_a_usual_configuration_are_read():
    assert parse("a: &a {x: 1}\nb: *a") == {"a": {"x": 1}, "b": {"x": 1}}
    assert parse("a: é😀") == {"a": "é😀"}


def test_pipes_devices_and_large_files_are_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(20_000_000)
    for path, message in ((tmp_path / "pipe.yaml", "not a regular file"), (tmp_path / "large.yaml", "has 20 MB")):
        with pytest.raises(ConfigError, match=message):
            read_yaml(path)
