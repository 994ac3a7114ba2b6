"""Lock a file (``flock``). The lock is released when the process ends, also after a crash."""

from __future__ import annotations

import errno
import os
import socket
import stat
import warnings
from pathlib import Path

from atomgraph.errors import AtomgraphError
from atomgraph.old_names import old_names_of

try:
    import fcntl
except ImportError:  # only on Unix
    fcntl = None  # type: ignore[assignment]

_NOT_SUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EIO}
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class FileInUse(Exception):
    """Another process holds the lock. The text is the name of that process, if it has written its name into the file."""


def lock(path: Path, error: type[AtomgraphError], advice: str) -> int | None:
    """Open a file, create it if it is absent, and lock the file until it is closed.

    Args:
        path: Path of the file. It may be a file for the lock only, or a file that is written while it is locked.
        error: Class of the error for links and files that are not regular.
        advice: Advice for the warning if the file system does not support locks.

    Returns:
        A file descriptor. None, after a warning, if the file system does not support locks, as some network file systems.

    Raises:
        FileInUse: If another process holds the lock.
        error: If the path is a link, or the file is not regular or has several names.
    """
    while True:
        try:
            file = os.open(path, _FLAGS, 0o644)
        except OSError as problem:
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise _not_regular(path, error) from None
            _warn(path, problem, advice)
            return None
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(file)
            raise _not_regular(path, error)
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "this system has no flock")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            is_supported = problem.errno not in _NOT_SUPPORTED
            holder = os.pread(file, 200, 0).decode(errors="replace").strip() if is_supported else ""
            os.close(file)
            if not is_supported:
                _warn(path, problem, advice)
                return None
            raise FileInUse(holder or "another process") from None
        if _is_same_file(file, path):
            return file
        os.close(file)  # the previous holder removed the file between opening and locking


def write_holder(file: int) -> None:
    """Write number and host of this process into a locked file."""
    os.ftruncate(file, 0)
    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _not_regular(path: Path, error: type[AtomgraphError]) -> AtomgraphError:
    return error(f"{path} is a link or not a regular file, and nothing is written to it; remove it")


def _is_same_file(file: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _warn(path: Path, problem: OSError, advice: str) -> None:
    warnings.warn(f"{path} cannot be locked ({problem.strerror}); {advice}", stacklevel=5)


__getattr__ = old_names_of(__name__)
