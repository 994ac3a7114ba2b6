"""Rows of a metrics.csv on disk: whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atomgraph.writing import write_text


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows under the last one's columns, there whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[-1]), extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.csv, as text; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
