"""A lock on a run folder during a run, so that no two runs write into one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atomgraph.config.distributed import is_first_process
from atomgraph.errors import ConfigError
from atomgraph.file_lock import FileInUse, lock, write_holder

LOCK = ".lock"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder (``flock`` on a file in it, removed at the end); the folder is created if necessary.

    The lock ends with the process. Of several processes of one run the first one holds it. On file systems without locks
    (some network file systems) there is a warning, and the run goes on.

    Raises:
        ConfigError: If another process holds the lock, if the folder cannot be created, or if the lock file is a link.
    """
    folder = Path(folder)
    if not is_first_process() or (folder.exists() and not folder.is_dir()):  # a file is refused later
        yield
        return
    created = _make(folder)
    file = None
    try:
        file = _taken(folder)
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                (folder / LOCK).unlink()
            os.close(file)
        for path in created:
            with suppress(OSError):  # it is not empty: it has the run
                path.rmdir()


def is_free(folder: Path) -> bool:
    """Whether a folder is empty except for its lock."""
    return all(path.name == LOCK for path in folder.iterdir())


def _make(folder: Path) -> list[Path]:
    """Create a folder; returns all created folders, the innermost first."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output.folder: {folder} cannot be made: {error.strerror}") from error
    return absent


def _taken(folder: Path) -> int | None:
    try:
        file = lock(folder / LOCK, ConfigError, "take care that no other run uses this folder at the same time")
    except FileInUse as holder:
        raise ConfigError(
            f"the run folder {folder} is in use by {holder}; wait for its end, or choose another output.folder"
        ) from None
    if file is not None:
        write_holder(file)
    return file
