"""Errors of readers: every message begins with the path of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atomgraph.errors import FormatError, WiringError

_MISMATCH = (KeyError, TypeError, ValueError, RuntimeError, IndexError)


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


@contextmanager
def weight_errors(noun: str) -> Iterator[None]:
    """Context in which weights of a file are loaded into a model.

    Args:
        noun: Part of the file that describes the architecture, for the message.

    Raises:
        FormatError: If the weights do not fit the architecture.
        WiringError: If the model cannot be built.
    """
    try:
        yield
    except (FormatError, WiringError):
        raise
    except _MISMATCH as error:
        reason = " ".join(str(error).split())[:200]
        raise FormatError(f"the weights do not fit the {noun} ({type(error).__name__}: {reason})") from None
