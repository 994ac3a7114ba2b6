"""A page: sections of text, facts, tables and figures as one HTML file that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any, Protocol

from matplotlib.figure import Figure

from atomgraph.analysis.report.style import svg


class Block(Protocol):
    """Anything that can show itself on a page; what it shows is escaped. ``tables.Table`` is one."""

    def html(self) -> str: ...


@dataclass(frozen=True)
class Text:
    """Paragraphs, divided by empty lines; ``kind`` is a class of the style sheet (``note``, ``lead``)."""

    words: str
    kind: str = ""

    def html(self) -> str:
        name = f' class="{escape(self.kind)}"' if self.kind else ""
        return "".join(f"<p{name}>{escape(part)}</p>" for part in self.words.split("\n\n") if part.strip())


@dataclass(frozen=True)
class Code:
    """Text as it is typed, folded away behind a summary where one is given."""

    words: str
    summary: str = ""

    def html(self) -> str:
        block = f'<pre tabindex="0"><code>{escape(self.words)}</code></pre>'
        return f"<details><summary>{escape(self.summary)}</summary>{block}</details>" if self.summary else block


@dataclass(frozen=True)
class Facts:
    """Names and what they are, in two columns; empty values are left out."""

    pairs: Mapping[str, Any]

    def html(self) -> str:
        rows = [
            f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>"
            for name, value in self.pairs.items()
            if value not in (None, "", [], {})
        ]
        return f'<dl class="facts">{"".join(rows)}</dl>' if rows else ""


@dataclass(frozen=True)
class Highlights:
    """The few numbers that matter, large: (number with unit, what it is)."""

    marks: Sequence[tuple[str, str]]

    def html(self) -> str:
        cells = (f"<div><dd>{escape(number)}</dd><dt>{escape(what)}</dt></div>" for number, what in self.marks)
        return f'<dl class="highlights">{"".join(cells)}</dl>'


@dataclass(frozen=True)
class Picture:
    """A figure with a caption; ``name`` must be unique on the page (letters, digits, dashes)."""

    figure: Figure
    name: str
    caption: str = ""

    def html(self) -> str:
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        label = escape(self.caption or self.name, quote=True)
        return (
            f'<figure class="picture" role="img" aria-label="{label}">{svg(self.figure, self.name)}{caption}</figure>'
        )


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side where the page is wide, below one another where it is narrow."""

    pictures: Sequence[Picture]

    def html(self) -> str:
        return f'<div class="gallery">{"".join(picture.html() for picture in self.pictures)}</div>'


@dataclass(frozen=True)
class Section:
    """A titled part of a page; ``lead`` is one sentence under the title."""

    title: str
    blocks: Sequence[Block] = field(default_factory=list)
    lead: str = ""

    def html(self) -> str:
        lead = f'<p class="lead">{escape(self.lead)}</p>' if self.lead else ""
        return f"<section><h2>{escape(self.title)}</h2>{lead}{''.join(b.html() for b in self.blocks)}</section>"


def page(title: str, sections: Sequence[Section], *, subtitle: str = "", footer: str = "") -> str:
    """The whole page as text. A policy in its head forbids it to load anything."""
    style = files("atomgraph.analysis.report").joinpath("page.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    body = "\n".join(section.html() for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>{f"<p>{escape(subtitle)}</p>" if subtitle else ""}</header>
<main>
{body}
</main>
<footer>{escape(footer)}</footer>
</body>
</html>
"""
