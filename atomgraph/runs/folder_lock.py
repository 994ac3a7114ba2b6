"""A lock on a run folder for the length of a run, so that no two runs write into one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atomgraph.config.distributed import is_first_process
from atomgraph.errors import ConfigError
from atomgraph.file_lock import FileInUse, lock, sign

LOCK = ".lock"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold the folder's lock (``flock`` on a file in it, which is taken away at the end); the folder is made if need be.

    The lock ends with the process, however it ends. Of several processes of one run the first one holds it. Where the file
    system cannot lock (some network file systems), a warning says so and the run goes on.

    Raises:
        ConfigError: If another process holds it, naming that process, if the folder cannot be made, or if the file of the lock
            is a link.
    """
    folder = Path(folder)
    if not is_first_process() or (folder.exists() and not folder.is_dir()):  # a file is refused by who reads the folder
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
            with suppress(OSError):  # it is not empty: the run is in it
                path.rmdir()


def is_free(folder: Path) -> bool:
    """Whether there is nothing in a folder but its lock."""
    return all(path.name == LOCK for path in folder.iterdir())


def _make(folder: Path) -> list[Path]:
    """Make a folder; those that were not there, the innermost first."""
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
        sign(file)
    return file
