"""The cache of compiled kernels: a folder that only this user can write, with entries named by their content.

An entry is ``NAME-KEY-COMPILER-CHECKSUM.so``: the key of its source, that of its compiler, and the checksum of its bytes.
One rename puts an entry in place, and an entry that was damaged or replaced does not fit its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "ATOMGRAPH_CACHE"
_BUILD_PREFIX = ".building-"  # followed by the machine and the process
_ENTRY = re.compile(r".+-[0-9a-f]{20}-[0-9a-f]{20}-[0-9a-f]{20}\.so")
_DAY = 86400.0  # s


class UnsafeFolder(Exception):
    """Another user could replace files in the folder; the message says how, in one line."""


def cache_folder() -> Path:
    """``kernels`` in ATOMGRAPH_CACHE, or atomgraph/kernels in the user's cache."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser() / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atomgraph" / "kernels"


def safe_folder() -> Path:
    """The folder of the cache, created if necessary; leftovers of builds are removed.

    Entries of a folder that other users could write are removed, because they may not be ours.

    Raises:
        UnsafeFolder: If other users can write the folder.
        OSError: If it cannot be created.
    """
    folder = checked(cache_folder())
    for path in folder.glob(f"{_BUILD_PREFIX}*"):
        if _is_left_over(path):
            shutil.rmtree(path, ignore_errors=True)
    return folder


def checked(folder: Path, *, emptied: bool = True) -> Path:
    """The resolved path of a folder that only this user can write or replace, created if necessary.

    Args:
        folder: Links on the way to it are followed and checked, too.
        emptied: Remove compiled kernels from a folder of this user that is not safe.

    Raises:
        UnsafeFolder: If another user could replace files, with the reason in one line.
        OSError: If it cannot be created.
    """
    if os.name != "posix":
        raise UnsafeFolder("this system does not tell who can write a folder")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    true = folder.resolve()
    try:
        for path in _visited(folder):
            _check_owner(path, is_own=path == true)
    except UnsafeFolder:
        if emptied:
            _empty(true)
        raise
    return true


def _visited(folder: Path) -> list[Path]:
    """All folders and links on the way to a folder, and the folder itself."""
    remaining, current, visited = list(folder.parts[1:]), Path(folder.anchor), [Path(folder.anchor)]
    for _ in range(1000):
        if not remaining:
            return visited
        name = remaining.pop(0)
        current = current.parent if name == ".." else current / name
        visited.append(current)
        if current.is_symlink():
            target = current.readlink()
            current = Path(target.anchor) if target.is_absolute() else current.parent
            visited.append(current)
            remaining = [*target.parts[1 if target.is_absolute() else 0 :], *remaining]
    raise UnsafeFolder(f"{folder} is reached by links in a circle")


def _check_owner(path: Path, *, is_own: bool) -> None:
    """UnsafeFolder if other users can replace a folder or link."""
    status, user = path.lstat(), os.geteuid()
    if status.st_uid not in ({user} if is_own else {user, 0}):
        raise UnsafeFolder(f"{path} belongs to another user")
    if stat.S_ISLNK(status.st_mode):  # permissions of a link have no effect
        return
    others = stat.S_IWGRP | stat.S_IWOTH if is_own else stat.S_IWOTH
    if status.st_mode & others and not (not is_own and status.st_mode & stat.S_ISVTX):
        raise UnsafeFolder(f"others can write {path}; chmod go-w mends that")


def _empty(folder: Path) -> None:
    """Remove all entries from a folder of this user."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            for name in os.listdir(descriptor):  # noqa: PTH208 (of a descriptor)
                if _ENTRY.fullmatch(name):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def is_own_file(path: Path) -> bool:
    """Whether a path is a regular file with one name, of this user, that others cannot write; links are not followed."""
    facts = path.lstat()
    mode = facts.st_mode
    is_ours = facts.st_uid == os.geteuid() and not mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(mode) and facts.st_nlink == 1 and is_ours


def lookup(folder: Path, name: str, key: str, compiler: str | None) -> Iterator[Path]:
    """Valid entries of a key and a compiler (None: any); entries that do not fit their names are removed.

    A valid entry is a regular file of this user with one link, which others cannot write.
    """
    for path in sorted(folder.glob(f"{name}-{key}-{compiler or '*'}-*.so")):
        try:
            is_whole = is_own_file(path) and path.stem.rpartition("-")[2] == checksum(path.read_bytes())
            if not is_whole:
                path.unlink(missing_ok=True)
        except OSError:  # removed by another process, or not readable
            continue
        if is_whole:
            yield path


def store(folder: Path, library: Path, name: str, key: str, compiler: str) -> Path:
    """Move a library on the same file system into the cache, in one step."""
    entry = folder / f"{name}-{key}-{compiler}-{checksum(library.read_bytes())}.so"
    with library.open("rb+") as file:
        os.fsync(file.fileno())
    return library.rename(entry)


@contextmanager
def build_dir(folder: Path | None) -> Iterator[Path]:
    """A temporary private folder to build in, inside the cache if there is one."""
    path = Path(tempfile.mkdtemp(prefix=f"{_BUILD_PREFIX}{_machine()}-{os.getpid()}-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _is_left_over(path: Path) -> bool:
    """Whether the process of a build folder has ended; for other machines, whether the folder is older than a day."""
    try:
        machine, pid, _ = path.name.removeprefix(_BUILD_PREFIX).split("-", 2)
        if machine == _machine():
            os.kill(int(pid), 0)
            return False
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, OSError):  # a different name, or a process of another user
        pass
    try:
        return time.time() - path.lstat().st_mtime > _DAY
    except OSError:
        return False


def _machine() -> str:
    return checksum(socket.gethostname())[:8]


def checksum(content: bytes | str) -> str:
    """20 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:20]
