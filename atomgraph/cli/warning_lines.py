"""Print warnings of atomgraph in one line, each once, without the source line."""

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
    """Within this context, print warnings of atomgraph as ``warning: ...`` on stderr. Other warnings are not changed."""
    printed: set[str] = set()
    with warnings.catch_warnings():
        default_show = warnings.showwarning

        def show(message: Any, category: type[Warning], filename: str, *position: Any, **options: Any) -> None:
            is_from_atomgraph = issubclass(category, UserWarning) and filename.startswith(PACKAGE)
            if not (is_from_atomgraph or issubclass(category, OldNameWarning)):
                default_show(message, category, filename, *position, **options)
            elif str(message) not in printed:
                printed.add(str(message))
                print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

        warnings.showwarning = show
        yield
