"""A lock on a run folder for the length of a run, so that no two runs write into one folder."""

from __future__ import annotations

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atomgraph.config.torchrun import is_first_process
from atomgraph.errors import ConfigError

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_CANNOT = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EIO}


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold the folder's lock (``flock`` on a file in it, which is taken away at the end); the folder is made if need be.

    The lock ends with the process, however it ends. Of several processes of one run the first one holds it. Where the file
    system cannot lock (some network file systems), a warning says so and the run goes on.

    Raises:
        ConfigError: If another process holds it, naming that process, or if the folder cannot be made.
    """
    folder = Path(folder)
    if not is_first_process() or (folder.exists() and not folder.is_dir()):  # a file is refused by who reads the folder
        yield
        return
    made = _made(folder)
    file = None
    try:
        file = _taken(folder)
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                (folder / LOCK).unlink()
            os.close(file)
        for path in made:
            with suppress(OSError):  # it is not empty: the run is in it
                path.rmdir()


def is_free(folder: Path) -> bool:
    """Whether there is nothing in a folder but its lock."""
    return all(path.name == LOCK for path in folder.iterdir())


def _made(folder: Path) -> list[Path]:
    """Make a folder; those that were not there, the innermost first."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output.folder: {folder} cannot be made: {error.strerror}") from error
    return absent


def _taken(folder: Path) -> int | None:
    """The open lock file, locked; None, with a warning, where that is not possible."""
    path = folder / LOCK
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            _warn(folder, error)
            return None
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "this system has no flock")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip() if error.errno not in _CANNOT else ""
            os.close(file)
            if error.errno in _CANNOT:
                _warn(folder, error)
                return None
            raise ConfigError(
                f"the run folder {folder} is in use by {holder or 'another process'}; wait for its end, or choose another "
                "output.folder"
            ) from None
        if _is_still_there(file, path):
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return file
        os.close(file)  # whoever held it took the file away between opening and locking


def _is_still_there(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _warn(folder: Path, error: OSError) -> None:
    warnings.warn(
        f"{folder} cannot be locked ({error.strerror}); take care that no other run uses this folder at the same time",
        stacklevel=4,
    )
