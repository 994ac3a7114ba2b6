"""A lock on a file (``flock``) that ends with the process that holds it, however it ends."""

from __future__ import annotations

import errno
import os
import socket
import stat
import warnings
from pathlib import Path

from atomgraph.errors import AtomgraphError

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]

_CANNOT = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EIO}
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class FileInUse(Exception):
    """Another process holds the lock; the text names it where it said who it is."""


def lock(path: Path, error: type[AtomgraphError], risk: str) -> int | None:
    """The open file, made if need be, and locked until it is closed.

    Args:
        path: A file that exists for the lock only, or is to be written while the lock is held.
        error: What to raise for a path that is a link, or no regular file of one name: nothing is written through it.
        risk: What to take care of, for the warning where the file system cannot lock.

    Returns:
        A file descriptor; None, after a warning, where the file system cannot lock (some network file systems).

    Raises:
        FileInUse: If another process holds it.
        error: For a path that is no regular file, or a link to one.
    """
    while True:
        try:
            file = os.open(path, _FLAGS, 0o644)
        except OSError as problem:
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise _not_regular(path, error) from None
            _warn(path, problem, risk)
            return None
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
            os.close(file)
            raise _not_regular(path, error)
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "this system has no flock")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip() if problem.errno not in _CANNOT else ""
            os.close(file)
            if problem.errno in _CANNOT:
                _warn(path, problem, risk)
                return None
            raise FileInUse(holder or "another process") from None
        if _is_still_there(file, path):
            return file
        os.close(file)  # its holder removed the file between opening and locking


def sign(file: int) -> None:
    """Write into a locked file which process holds it."""
    os.ftruncate(file, 0)
    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _not_regular(path: Path, error: type[AtomgraphError]) -> AtomgraphError:
    return error(f"{path} is a link, or no regular file, and nothing is written through it; remove it")


def _is_still_there(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _warn(path: Path, problem: OSError, risk: str) -> None:
    warnings.warn(f"{path} cannot be locked ({problem.strerror}); {risk}", stacklevel=5)
