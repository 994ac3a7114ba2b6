"""Files that are complete or absent: written to a second file, flushed to disk, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from atomgraph.errors import FormatError


def write_atomic(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file in the same folder, then put it in the place of ``path`` in one step.

    Whatever goes wrong, an older file at ``path`` stays as it was and no temporary file is left.

    Raises:
        FormatError: In one line, where the folder is absent or unwritable or the disk is full.
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
    """``write_atomic`` for content that is at hand."""
    return write_atomic(path, lambda scratch: scratch.write_bytes(content))


def write_text(path: str | Path, content: str) -> Path:
    """``write_atomic`` for text, in UTF-8."""
    return write_bytes(path, content.encode())
