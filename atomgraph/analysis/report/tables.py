"""Table: rows of words and numbers that can be shown in a terminal, in Markdown and in HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

ROUNDING = 1e-12


@dataclass(frozen=True)
class Column:
    """A head of a table: its name, the group that it stands under (with its unit), and whether it holds words."""

    name: str
    group: str = ""
    words: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text under columns; ``totals`` are rows that sum others up, ``note`` a sentence below."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""
    totals: frozenset[int] = field(default_factory=frozenset)

    def rich(self) -> RichTable:
        """For the terminal: quantity, unit and measure as the heads, totals below a line."""
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
        depth = 1 + max((1 + ("(" in column.group) for column in self.columns if column.group), default=0)
        before = ""
        for column in self.columns:
            group = column.group.removesuffix(")").split(" (") if column.group != before else []
            before = column.group
            head = "\n".join(["", "", *group, column.name][-depth:])  # energy, meV/atom, MAE
            table.add_column(Text(head), justify="left" if column.words else "right", no_wrap=True)
        for i, row in enumerate(self.rows):
            table.add_row(
                *map(Text, row),
                style="bold" if i in self.totals else None,
                end_section=i not in self.totals and (i + 1) in self.totals,
            )
        return table

    def markdown(self) -> str:
        """A pipe table, with the groups in the heads; title and note around it."""
        heads = [f"{c.group} {c.name}".strip() for c in self.columns]
        lines = [f"**{self.title}**\n"] if self.title else []
        lines.append("| " + " | ".join(_pipe(head) for head in heads) + " |")
        lines.append("|" + "|".join(" --- " if c.words else " ---: " for c in self.columns) + "|")
        for i, row in enumerate(self.rows):
            cells = [f"**{_pipe(cell)}**" if i in self.totals and cell else _pipe(cell) for cell in row]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines + ([f"\n{self.note}"] if self.note else [])) + "\n"

    def html(self) -> str:
        """A ``<figure>`` with a table that scrolls by itself where the page is narrow; everything is escaped."""
        groups = [(name, len(list(same))) for name, same in groupby(self.columns, key=lambda c: c.group)]
        parts = ['<figure class="table">']
        parts.append(f"<figcaption>{escape(self.title)}</figcaption>" if self.title else "")
        parts.append('<div class="scroll" tabindex="0"><table><thead>')
        if any(name for name, _ in groups):
            cells = (f'<th colspan="{width}" scope="colgroup">{escape(name)}</th>' for name, width in groups)
            parts.append(f'<tr class="groups">{"".join(cells)}</tr>')
        parts.append(f"<tr>{''.join(self._cells([c.name for c in self.columns], 'th'))}</tr></thead><tbody>")
        for i, row in enumerate(self.rows):
            kind = ' class="total"' if i in self.totals else ""
            parts.append(f"<tr{kind}>{''.join(self._cells(row, 'td'))}</tr>")
        parts.append("</tbody></table></div>")
        parts.append(f'<p class="note">{escape(self.note)}</p>' if self.note else "")
        return "".join([*parts, "</figure>"])

    def _cells(self, row: Sequence[str], tag: str) -> Iterator[str]:
        before = ""
        for column, cell in zip(self.columns, row, strict=True):
            kinds = ["words"] * column.words + ["first"] * (column.group != before)
            before = column.group
            name = ' class="' + " ".join(kinds) + '"' if kinds else ""
            yield f"<{tag}{name}>{escape(cell)}</{tag}>"


def short(value: float | None, digits: int = 3) -> str:
    """A number to three digits as people write it: 0.0123, 1.23, 123, 12 300; an empty cell for None.

    What is below 1e-12 is rounding of something that is zero, and is written so.
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


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
