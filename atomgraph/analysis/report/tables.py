"""Tables of text and numbers, as text for the terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

ROUNDING = 1e-12  # smaller numbers are rounding errors of zero


@with_old_arguments
@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Name in the header.
        group: Header above several columns, with a unit in parentheses; empty for no group.
        is_text: Whether the cells are text, which is aligned left; numbers are aligned right.
    """

    name: str
    group: str = ""
    is_text: bool = False

    words = OldAttribute("is_text")


@dataclass(frozen=True)
class Table:
    """A table whose cells are text.

    Attributes:
        columns: The columns.
        rows: Cells of each row, one per column.
        title: Title above the table; empty for no title.
        note: Text below the table; empty for no note.
        totals: Indices of the rows with totals; these rows are bold.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""
    totals: frozenset[int] = field(default_factory=frozenset)

    def rich(self) -> RichTable:
        """Return a table for the terminal; rows of totals are below a line."""
        table = RichTable(
            title=Text(self.title) if self.title else None,
            title_justify="left",
            title_style="bold",
            caption=Text(self.note) if self.note else None,
            caption_justify="left",
            caption_style="dim",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        n_header_lines = 1 + max((1 + ("(" in column.group) for column in self.columns if column.group), default=0)
        previous_group = ""
        for column in self.columns:
            group = column.group.removesuffix(")").split(" (") if column.group != previous_group else []
            previous_group = column.group
            header = "\n".join(["", "", *group, column.name][-n_header_lines:])  # for example: energy, meV/atom, MAE
            table.add_column(Text(header), justify="left" if column.is_text else "right", no_wrap=True)
        for i, row in enumerate(self.rows):
            table.add_row(
                *map(Text, row),
                style="bold" if i in self.totals else None,
                end_section=i not in self.totals and (i + 1) in self.totals,
            )
        return table

    def markdown(self) -> str:
        """Return a Markdown table with its title and note. Column names include the name of the group."""
        headers = [f"{c.group} {c.name}".strip() for c in self.columns]
        lines = [f"**{self.title}**\n"] if self.title else []
        lines.append("| " + " | ".join(_escape_pipe(header) for header in headers) + " |")
        lines.append("|" + "|".join(" --- " if c.is_text else " ---: " for c in self.columns) + "|")
        for i, row in enumerate(self.rows):
            cells = [f"**{_escape_pipe(cell)}**" if i in self.totals and cell else _escape_pipe(cell) for cell in row]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines + ([f"\n{self.note}"] if self.note else [])) + "\n"

    def html(self) -> str:
        """Return a ``<figure>`` element with the table, which can be scrolled on narrow screens. All text is escaped."""
        groups = [(name, len(list(members))) for name, members in groupby(self.columns, key=lambda c: c.group)]
        parts = ['<figure class="table">']
        parts.append(f"<figcaption>{escape(self.title)}</figcaption>" if self.title else "")
        parts.append('<div class="scroll" tabindex="0"><table><thead>')
        if any(name for name, _ in groups):
            cells = (f'<th colspan="{n}" scope="colgroup">{escape(name)}</th>' for name, n in groups)
            parts.append(f'<tr class="groups">{"".join(cells)}</tr>')
        parts.append(f"<tr>{''.join(self._html_cells([c.name for c in self.columns], 'th'))}</tr></thead><tbody>")
        for i, row in enumerate(self.rows):
            css_class = ' class="total"' if i in self.totals else ""
            parts.append(f"<tr{css_class}>{''.join(self._html_cells(row, 'td'))}</tr>")
        parts.append("</tbody></table></div>")
        parts.append(f'<p class="note">{escape(self.note)}</p>' if self.note else "")
        return "".join([*parts, "</figure>"])

    def _html_cells(self, row: Sequence[str], tag: str) -> Iterator[str]:
        """Yield the cells of a row as HTML elements; ``tag`` is ``th`` or ``td``."""
        previous_group = ""
        for column, cell in zip(self.columns, row, strict=True):
            css_classes = ["words"] * column.is_text + ["first"] * (column.group != previous_group)
            previous_group = column.group
            attribute = ' class="' + " ".join(css_classes) + '"' if css_classes else ""
            yield f"<{tag}{attribute}>{escape(cell)}</{tag}>"


def format_number(value: float | None, digits: int = 3) -> str:
    """Return a number as text with some significant digits: 0.0123, 1.23, 123, 12 300 for three digits.

    Absolute values below 1e-4 or from 1e6 are written with an exponent. None becomes an empty text. Absolute values below
    1e-12 become 0, because they are rounding errors.

    Args:
        value: The number.
        digits: Number of significant digits.
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    value = 0.0 if abs(value) < ROUNDING else value
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".replace(",", " ")


def _escape_pipe(text: str) -> str:
    """Return a text for a Markdown cell, without bare pipes and line breaks."""
    return text.replace("|", "\\|").replace("\n", " ")


__getattr__ = old_names_of(__name__)
