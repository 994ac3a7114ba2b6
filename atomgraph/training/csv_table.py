"""Atomic writing and checked reading of ``metrics.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atomgraph.atomic_write import write_text
from atomgraph.errors import FormatError


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to a file, atomically.

    Args:
        path: Path of the file.
        rows: Values by column. The columns of the file are those of the last row; missing values become empty cells.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[-1]), extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table as texts, by column; an empty list if there is no file.

    Raises:
        FormatError: If the file is not a table of numbers.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
        if len(set(columns)) != len(columns):
            raise ValueError("a column occurs twice")
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
            f"{path} is damaged ({' '.join(str(error).split())[:120]}); move it away to continue without its rows"
        ) from None
    return rows
