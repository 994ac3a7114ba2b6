"""HTML pages with sections of text, tables and figures. A page is one file and loads no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any, Protocol

from matplotlib.figure import Figure

from atomgraph.analysis.report.style import svg_element
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments


class Block(Protocol):
    """Content of a page: an object with a method ``html``, such as the classes below and ``tables.Table``."""

    def html(self) -> str:
        """Return an HTML element with escaped text."""


@with_old_arguments
@dataclass(frozen=True)
class Text:
    """Paragraphs of text.

    Attributes:
        text: Paragraphs, separated by empty lines.
        kind: CSS class of the paragraphs (``note`` or ``lead``); empty for no class.
    """

    text: str
    kind: str = ""

    words = OldAttribute("text")

    def html(self) -> str:
        """Return one ``<p>`` element per paragraph."""
        attribute = f' class="{escape(self.kind)}"' if self.kind else ""
        return "".join(f"<p{attribute}>{escape(part)}</p>" for part in self.text.split("\n\n") if part.strip())


@with_old_arguments
@dataclass(frozen=True)
class Code:
    """Preformatted text, such as a configuration.

    Attributes:
        text: The text.
        summary: Title. If it is not empty, the page shows only the title until the reader opens the text.
    """

    text: str
    summary: str = ""

    words = OldAttribute("text")

    def html(self) -> str:
        """Return a ``<pre>`` element, inside a ``<details>`` element if there is a summary."""
        block = f'<pre tabindex="0"><code>{escape(self.text)}</code></pre>'
        return f"<details><summary>{escape(self.summary)}</summary>{block}</details>" if self.summary else block


@dataclass(frozen=True)
class Facts:
    """Names and values in two columns.

    Attributes:
        pairs: Values by name; empty values and None are omitted.
    """

    pairs: Mapping[str, Any]

    def html(self) -> str:
        """Return a ``<dl>`` element; empty text if there is no value."""
        rows = [
            f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>"
            for name, value in self.pairs.items()
            if value not in (None, "", [], {})
        ]
        return f'<dl class="facts">{"".join(rows)}</dl>' if rows else ""


@with_old_arguments
@dataclass(frozen=True)
class Highlights:
    """The most important numbers of a page, in large type.

    Attributes:
        numbers: Pairs of a number with its unit, and its description.
    """

    numbers: Sequence[tuple[str, str]]

    marks = OldAttribute("numbers")

    def html(self) -> str:
        """Return a ``<dl>`` element."""
        cells = (f"<div><dd>{escape(number)}</dd><dt>{escape(text)}</dt></div>" for number, text in self.numbers)
        return f'<dl class="highlights">{"".join(cells)}</dl>'


@dataclass(frozen=True)
class Picture:
    """A figure with a caption.

    Attributes:
        figure: The figure.
        name: Identifier made of letters, digits and dashes, unique on the page.
        caption: Text below the figure; empty for no caption.
    """

    figure: Figure
    name: str
    caption: str = ""

    def html(self) -> str:
        """Return a ``<figure>`` element with the figure as SVG."""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        label = escape(self.caption or self.name, quote=True)
        image = svg_element(self.figure, self.name)
        return f'<figure class="picture" role="img" aria-label="{label}">{image}{caption}</figure>'


@dataclass(frozen=True)
class Gallery:
    """Pictures beside each other on wide screens, below each other on narrow screens.

    Attributes:
        pictures: The pictures, in order.
    """

    pictures: Sequence[Picture]

    def html(self) -> str:
        """Return a ``<div>`` element with the pictures."""
        return f'<div class="gallery">{"".join(picture.html() for picture in self.pictures)}</div>'


@dataclass(frozen=True)
class Section:
    """A part of a page with a title.

    Attributes:
        title: Title of the section.
        blocks: Content, in order.
        lead: One sentence below the title; empty for no sentence.
    """

    title: str
    blocks: Sequence[Block] = field(default_factory=list)
    lead: str = ""

    def html(self) -> str:
        """Return a ``<section>`` element."""
        lead = f'<p class="lead">{escape(self.lead)}</p>' if self.lead else ""
        return f"<section><h2>{escape(self.title)}</h2>{lead}{''.join(b.html() for b in self.blocks)}</section>"


def html_page(title: str, sections: Sequence[Section], *, subtitle: str = "", footer: str = "") -> str:
    """Return a page as HTML text. A content security policy in the page blocks the loading of other files.

    Args:
        title: Title of the page.
        sections: Sections, in order.
        subtitle: Text below the title; empty for no subtitle.
        footer: Text at the end of the page.
    """
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


__getattr__ = old_names_of(__name__)
