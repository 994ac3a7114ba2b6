"""Atomic writing of files: content goes to a temporary file, which is flushed to disk and renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from atomgraph.errors import FormatError


def write_atomic(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a file atomically: ``write`` fills a temporary file in the same folder, which then replaces ``path``.

    After an error, an older file at ``path`` is unchanged and the temporary file is removed.

    Args:
        path: Path of the file.
        write: Function that writes to the path that it is given.

    Returns:
        The path of the file.

    Raises:
        FormatError: If the folder does not exist or cannot be written, or if the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise FormatError(f"cannot write {path}: a folder of this name exists")
    scratch = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # with the permissions of a new file
        write(scratch)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        raise FormatError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return path


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write bytes atomically, see ``write_atomic``."""
    return write_atomic(path, lambda scratch: scratch.write_bytes(content))


def write_text(path: str | Path, content: str) -> Path:
    """Write text atomically in UTF-8, see ``write_atomic``."""
    return write_bytes(path, content.encode())
