"""The house's docstrings, taken apart: prose, what each argument is, what is returned, raised and cited."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

CLOSING = {"Returns": "returns", "Raises": "raises", "Source": "source", "Sources": "source"}


@dataclass
class Docstring:
    """``blocks``: prose and markup as it stands, in reStructuredText.  ``arguments``: their meaning, by name."""

    blocks: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    closing: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first paragraph."""
        return self.blocks[0] if self.blocks else ""

    def lines(self) -> list[str]:
        """reStructuredText for autodoc: prose, then a list of arguments, then what is returned, raised and cited."""
        lines = "\n\n".join(self.blocks).split("\n")
        fields = [f":param {name}: {text}" for name, text in self.arguments.items()]
        fields += [_closing(title, text) for title, text in self.closing.items()]
        return [*lines, "", *fields, ""] if fields else [*lines, ""]


def split_arguments(text: str | None, arguments: Iterable[str] = ()) -> Docstring:
    """A docstring and the names that may stand before a colon in it."""
    result = Docstring()
    known = "|".join(sorted(map(re.escape, arguments), key=len, reverse=True))
    for block in re.split(r"\n[ \t]*\n", inspect.cleandoc(text or "")):
        if not block.strip():
            continue
        if _is_markup(block):
            result.blocks.append(block)
        else:
            _read_paragraph(block, known, result)
    return result


def _is_markup(block: str) -> bool:
    """Directives, tables, lists and literal blocks stay as they are."""
    first = block.lstrip("\n")
    return first.startswith((" ", "..", "=", "- ", "* ", "+-", "#.")) or "\n- " in block or "\n===" in block


def _read_paragraph(block: str, known: str, result: Docstring) -> None:
    begins = rf"(?P<names>(?:{known})(?:, (?:{known}))*)(?: [^\s:]{{1,12}})?: " if known else r"(?P<names>(?!))"
    closes = r"(?P<closing>Returns|Raises|Sources?)\b:? ?"
    starts = re.compile(rf"(?:(?:^|\n|  )(?:{begins}))|(?:(?:^|\n|  |(?<=[.;] )){closes})|(?:(?<=\.)\n(?=[A-Z`]))")
    end, keep = 0, ""
    kind: tuple[str, str] = ("text", "")
    prose: list[str] = []

    def put(piece: str) -> None:
        piece = " ".join(piece.split())
        if not piece:
            return
        if kind[0] == "text":
            prose.append(piece)
        elif kind[0] == "names":
            for name in kind[1].split(", "):
                result.arguments[name] = piece
        else:
            before = result.closing.get(kind[1], "")
            result.closing[kind[1]] = f"{before} {piece}".strip()

    for match in starts.finditer(block):
        put(keep + block[end : match.start()])
        keep, end = "", match.end()
        if match["names"]:
            kind = ("names", match["names"])
        elif match["closing"]:
            kind = ("closing", CLOSING[match["closing"]])
        else:
            kind = ("text", "")
    put(keep + block[end:])
    if prose:
        result.blocks.append(" ".join(prose))


def _closing(title: str, text: str) -> str:
    error, _, rest = text.partition(" ")
    return f":raises {error}: {rest}" if _names_one_error(title, error, rest) else f":{title}: {text}"


def _names_one_error(title: str, error: str, rest: str) -> bool:
    return title == "raises" and error.endswith("Error") and not rest.startswith("and ")
