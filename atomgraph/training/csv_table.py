"""Rows of a metrics.csv on disk: whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atomgraph.atomic_write import write_text
from atomgraph.errors import FormatError


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows under the last one's columns, there whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[-1]), extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.csv, as text; none where there is no file.

    Raises:
        FormatError: For a file that is no table of numbers.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
        if len(set(columns)) != len(columns):
            raise ValueError("a column comes twice")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"a row does not have {len(columns)} cells")
            for cell in filter(None, row.values()):
                float(cell)
        if rows and {"epoch"} <= set(columns):
            for row in rows:
                int(row["epoch"]), float(row["seconds"])
    except (csv.Error, ValueError, KeyError, OSError) as error:
        raise FormatError(
            f"{path} is damaged ({' '.join(str(error).split())[:120]}); move it away to go on without its rows"
        ) from None
    return rows
