"""The option ``--import MODULE``: import modules that define the user's own featurizers, layers, readouts or models."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from atomgraph.errors import ConfigError


def import_modules(names: Sequence[str] | None) -> None:
    """Import modules, also from the working folder.

    Args:
        names: Names of the modules; None: no module is imported.

    Raises:
        ConfigError: If a module cannot be imported.
    """
    for name in names or ():
        if str(Path.cwd()) not in sys.path:  # the working folder is not on the path of a console script
            sys.path.insert(0, str(Path.cwd()))
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(f"--import {name}: {error}") from error
