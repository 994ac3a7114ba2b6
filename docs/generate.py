"""The pages that are written by the code itself: every key of a configuration, every argument of a part, every command.

Sphinx runs ``write_pages`` before it reads anything; a key without a description ends the build. By hand:
``python docs/generate.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.ext.napoleon import Config as Napoleon
from sphinx.ext.napoleon import GoogleDocstring

from atomgraph import cli, featurizers, layers, models, nn, readouts
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.schema import Config
from atomgraph.data.formats.format_table import FORMATS
from atomgraph.errors import AtomgraphError
from atomgraph.nn.part import Part, public_name
from atomgraph.nn.part_lookup import public_parts

FOLDER = Path(__file__).parent / "generated"
PACKAGES = {"Models": models, "Featurizers": featurizers, "Layers": layers, "Readouts": readouts, "Shared parts": nn}
NOTE = "<!-- written by docs/generate.py; do not edit -->\n"


class Undescribed(AtomgraphError):
    """A key or an argument without a description."""


def write_pages(folder: Path = FOLDER) -> list[Path]:
    """Write all generated pages; Undescribed names every key and argument that lacks a description."""
    faults: list[str] = []
    pages = {
        "config-keys.md": "\n".join(config_keys(Config, "", faults)),
        "finetune-keys.md": "\n".join(finetune_keys(faults)),
        "parts.md": "\n".join(parts(faults)),
        "api-parts.md": "\n".join(api_parts()),
        "commands.md": "\n".join(commands()),
        "formats.md": "\n".join(formats()),
    }
    if faults:
        raise Undescribed(
            f"no description for {', '.join(faults)}; give one in Field(description=...) or the docstring"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(NOTE + text + "\n", encoding="utf-8")
    return [folder / name for name in pages]


# configuration


def config_keys(section: type[BaseModel], path: str, faults: list[str]) -> Iterator[str]:
    """One table a section of the schema, the sections inside it after it."""
    rows, inner = [], []
    for key, info in section.model_fields.items():
        place = f"{path}.{key}" if path else key
        sections = list(_sections(info.annotation))
        description = info.description or (_first_line(sections[0]) if sections and not path else "")
        if not description:
            faults.append(place)
        rows.append((f"``{key}``", type_text(info.annotation), _default_of(info), description))
        inner += [(place + ("[i]" if get_origin(info.annotation) is list else ""), first) for first in sections]
    yield f"### {f'`{path}`' if path else 'Top level'}\n\n{_first_line(section)}\n"
    yield from table(("key", "type", "default", "meaning"), rows, "18 24 18 40")
    for place, first in inner:
        yield from config_keys(first, place, faults)


def finetune_keys(faults: list[str]) -> Iterator[str]:
    """The tables of fine-tuning, but those of ``data`` and ``output``, which training has, too."""
    skipped = False
    for block in config_keys(FinetuneConfig, "", faults):
        if block.startswith("### "):
            skipped = re.match(r"### `(data|output)\b", block) is not None
        if not skipped:
            yield block


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "*required*"
    default = info.get_default(call_default_factory=True)
    return default_text(_plain(default))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return "its own defaults"
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return [item.model_dump(exclude_unset=True) for item in value]
    return value


# parts


def parts(faults: list[str]) -> Iterator[str]:
    """Every public part, package by package, with its constructor's arguments."""
    for title, package in PACKAGES.items():
        yield f"## {title}\n"
        for cls in public_parts(package):
            if not inspect.isabstract(cls):
                yield from _part(cls, faults)


def api_parts() -> Iterator[str]:
    """The docstring of every public part that api.md does not list itself, package by package."""
    listed = set(re.findall(r"auto(?:class|module):: (\S+)", (FOLDER.parent / "api.md").read_text(encoding="utf-8")))
    for title, package in PACKAGES.items():
        yield f"## {title}\n\n```{{eval-rst}}"
        for cls in public_parts(package):
            if not listed & {public_name(cls), cls.__module__}:
                yield f".. autoclass:: {public_name(cls)}\n"
        yield "```\n"


def _part(cls: type[Part], faults: list[str]) -> Iterator[str]:
    parameters = arguments_of(cls)
    if parameters is None:
        return
    summary, described = docstring_of(cls)
    hints = get_type_hints(cls.__init__)
    missing = [name for name in parameters if name not in described]
    faults += [f"{public_name(cls)}({name})" for name in missing] + ([] if summary else [public_name(cls)])
    yield f"### {cls.__name__}\n"
    yield from rst(summary.splitlines())
    yield from table(
        ("argument", "type", "default", "meaning"),
        [
            (f"``{name}``", type_text(hints.get(name, Any)), _parameter_default(first), described.get(name, ""))
            for name, first in parameters.items()
        ],
        "18 24 18 40",
    )


def docstring_of(cls: type) -> tuple[str, dict[str, str]]:
    """The first paragraph of a class's docstring, and the meaning of each argument in its section ``Args``."""
    text = inspect.cleandoc(cls.__doc__ or "")
    lines = GoogleDocstring(text, Napoleon(napoleon_use_param=True), what="class").lines()
    described: dict[str, str] = {}
    name = None
    for line in lines:
        if start := re.match(r":param ([^:]+): ?(.*)", line):
            name, meaning = start[1].replace("\\", ""), start[2]
            described[name] = meaning
        elif name is not None and line.startswith(" "):
            described[name] += f" {line.strip()}"
        else:
            name = None
    return text.split("\n\n")[0], described


def arguments_of(cls: type[Part]) -> dict[str, inspect.Parameter] | None:
    """The constructor's parameters by name; None for a base class that has no constructor of its own."""
    if cls.__init__ is Part.__init__:
        return None
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _parameter_default(parameter: inspect.Parameter) -> str:
    return "*required*" if parameter.default is parameter.empty else default_text(parameter.default)


# formats of structure files


def formats() -> Iterator[str]:
    """The table of formats: names, endings, units, and which program a reader was compared with."""
    rows = []
    for first in FORMATS:
        units = ", ".join(
            f"{name} {word}" for name, word in ({"energy": "eV", "length": "Å"} | dict(first.units)).items()
        )
        how = "fixed" if first.has_fixed_units else "assumed"
        how += "; the file's own where it states them" if first.units_in is not None else ""
        how += "; elements by ``--types``" if first.may_lack_elements and first.name != "extxyz" else ""
        endings = ", ".join(f"``{ending}``" if ending != "a folder" else ending for ending in first.endings)
        rows.append(
            (
                f"``{first.name}``",
                first.title.replace("`", "``"),
                endings,
                f"{units} ({how})",
                first.compared_with or "not yet",
            )
        )
    yield from table(("name", "format", "files", "units", "compared with"), rows, "14 22 18 28 18")


# commands


def commands() -> Iterator[str]:
    """What ``atomgraph COMMAND --help`` prints, command by command."""
    for name, line in cli.COMMANDS.items():
        yield f"## atomgraph {name}\n\n{line}\n\n```text\n{help_of(name)}\n```\n"


def help_of(name: str) -> str:
    """The help of a command, 100 columns wide and without colours."""
    importlib.import_module(f"atomgraph.cli.{name.replace('-', '_')}")
    before = {key: os.environ.get(key) for key in ("COLUMNS", "TERMINAL_WIDTH", "NO_COLOR")}
    os.environ |= {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            cli.main([name, "--help"])
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


# text


def type_text(hint: Any) -> str:
    """A type in the words of somebody who writes YAML."""
    if hint is None or hint is type(None):
        return "null"
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f"``{choice}``" for choice in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(first) for first in inner))
    name = getattr(origin or hint, "__name__", str(hint))
    if name in ("list", "Sequence", "tuple"):
        return f"list of {_plural(type_text(inner[0]))}" if inner else "list"
    if name in ("dict", "Mapping"):
        return f"{{{type_text(inner[0])}: {type_text(inner[1])}}}" if inner else "mapping"
    words = {"str": "text", "float": "number", "int": "whole number", "bool": "true | false", "Any": "anything"}
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"mapping ({name})"
    if isinstance(hint, type) and issubclass(hint, Part):
        return f"part ({name})"
    return words.get(name, name)


def _plural(words: str) -> str:
    """Of the words of ``type_text``: whole numbers, mappings (Term)."""
    return re.sub(r"^(whole number|number|mapping|part)\b", r"\1s", words)


def default_text(value: Any) -> str:
    """A default as YAML would have it."""
    if value is PydanticUndefined:
        return "*required*"
    if value is None:
        return "null"
    if value == "its own defaults":
        return value
    if isinstance(value, bool):
        return f"``{str(value).lower()}``"
    if isinstance(value, tuple):
        value = list(value)
    text = str(value).replace("'", "")
    return f"``{text}``"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]], widths: str) -> Iterator[str]:
    """A table whose cells are reStructuredText, as docstrings are."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [head, *rows]:
        for k, cell in enumerate(row):
            lines.append(f"   {'* -' if k == 0 else '  -'} {_cell(cell)}")
    yield from rst(lines)


def _cell(text: str) -> str:
    """One line, which does not begin a numbered list where it is ``T.``."""
    line = " ".join(text.split())
    return f"\\{line}" if re.match(r"\w\.($| )", line) else line


def rst(lines: list[str]) -> Iterator[str]:
    """reStructuredText inside Markdown."""
    yield "\n".join(["```{eval-rst}", *lines, "```", ""])


def _first_line(section: type[BaseModel]) -> str:
    """The first sentence of a docstring, as Markdown."""
    return inspect.cleandoc(section.__doc__ or "").split("\n\n")[0].replace("``", "`")


if __name__ == "__main__":
    try:
        print("\n".join(str(page) for page in write_pages()))
    except Undescribed as error:
        sys.exit(f"error: {error}")
