"""A lock on the run folder during a run, so that two runs cannot write into the same folder."""

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
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Lock a folder within this context, by ``flock`` on a file in the folder; create the folder if necessary.

    The lock file is removed at the end, and the lock ends with the process. If a run has several processes, the first process
    has the lock. File systems without locks (some network file systems) give a warning only.

    Raises:
        ConfigError: If another process has the lock, the folder cannot be created, or the lock file is a link.
    """
    folder = Path(folder)
    if not is_first_process() or (folder.exists() and not folder.is_dir()):  # RunFolder.new raises the error for a file
        yield
        return
    created = _create_folder(folder)
    file = None
    try:
        file = _lock(folder)
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                (folder / LOCK).unlink()
            os.close(file)
        for path in created:
            with suppress(OSError):  # folders with files of the run remain
                path.rmdir()


def is_empty_except_lock(folder: Path) -> bool:
    """Whether a folder is empty except for its lock."""
    return all(path.name == LOCK for path in folder.iterdir())


def _create_folder(folder: Path) -> list[Path]:
    """Create a folder and its parents; return the created folders, the innermost first."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output.folder: {folder} cannot be created: {error.strerror}") from error
    return absent


def _lock(folder: Path) -> int | None:
    """Lock a folder; return the descriptor of the lock file, or None if the file system has no locks."""
    try:
        file = lock(folder / LOCK, ConfigError, "make sure that no other run uses this folder at the same time")
    except FileInUse as holder:
        raise ConfigError(
            f"the run folder {folder} is in use by {holder}; wait until that run ends, or choose another output.folder"
        ) from None
    if file is not None:
        write_holder(file)
    return file
