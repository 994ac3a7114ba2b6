"""Warnings of atomgraph in one line, each once, without the line of code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atomgraph.old_names import OldNameWarning

PACKAGE = str(Path(__file__).parent.parent)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Within this context, warnings of atomgraph are printed as ``warning: ...`` on stderr, others as Python does."""
    said: set[str] = set()
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Any, category: type[Warning], filename: str, *where: Any, **more: Any) -> None:
            is_ours = issubclass(category, UserWarning) and filename.startswith(PACKAGE)
            if not (is_ours or issubclass(category, OldNameWarning)):
                others(message, category, filename, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

        warnings.showwarning = show
        yield
