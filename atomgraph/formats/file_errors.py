"""Errors of readers: every message begins with the path of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atomgraph.errors import FormatError, WiringError


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Context in which a file is read and its model is built.

    Args:
        path: The file.

    Raises:
        FormatError: If reading raises a FormatError, if values are nested too deeply, or if the model cannot be built.
    """
    try:
        yield
    except RecursionError:
        raise FormatError(f"{path}: the values in the file are nested deeper than in any model") from None
    except FormatError as error:
        text = str(error)
        raise FormatError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except WiringError as error:
        raise FormatError(f"{path} describes a model that cannot be built: {error}") from None
