"""--import MODULE: modules with parts of the user."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from atomgraph.errors import ConfigError


def import_modules(names: Sequence[str] | None) -> None:
    """Import the modules of ``--import``, also from the working folder; ConfigError if one does not exist."""
    for name in names or ():
        if str(Path.cwd()) not in sys.path:  # the working folder is not on the path of a console script
            sys.path.insert(0, str(Path.cwd()))
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(f"--import {name}: {error}") from error
