"""The cache of compiled kernels: libraries in a folder that only the current user can write.

A file is called ``NAME-KEY-COMPILER-CHECKSUM.so``. NAME is the name of the kernel. KEY is
``toolchain.source_key``, a checksum of source code, compiler flags and processor. COMPILER is a checksum of the compiler's
version. CHECKSUM is the checksum of the file's content. If the content has another checksum, the file was damaged or replaced.
A file is written under another name and then renamed.
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

from atomgraph.old_names import old_names_of

VARIABLE = "ATOMGRAPH_CACHE"  # environment variable: the folder that contains the cache
_BUILD_PREFIX = ".building-"  # followed by a checksum of the host name and by the process id
#: File name of a library.
_ENTRY = re.compile(r".+-[0-9a-f]{20}-[0-9a-f]{20}-[0-9a-f]{20}\.so")
_DAY = 86400.0  # s


class UnsafeFolder(Exception):
    """Error of a folder in which another user could replace files, with the reason in one line."""


def cache_folder() -> Path:
    """Return ``kernels`` in the folder ATOMGRAPH_CACHE, or ``atomgraph/kernels`` in the user's cache folder."""
    folder = os.environ.get(VARIABLE)
    if folder:
        return Path(folder).expanduser() / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atomgraph" / "kernels"


def safe_folder() -> Path:
    """Return the folder of the cache, created if necessary, and delete the files of interrupted builds.

    If other users can write the folder, its libraries are deleted, because another user may have replaced them.

    Raises:
        UnsafeFolder: If other users can write the folder.
        OSError: If the folder cannot be created.
    """
    folder = ensure_safe_folder(cache_folder())
    for path in folder.glob(f"{_BUILD_PREFIX}*"):
        if _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)
    return folder


def ensure_safe_folder(folder: Path, *, empty_if_unsafe: bool = True) -> Path:
    """Create a folder if necessary, and check that only this user can write or replace it.

    Args:
        folder: Path of the folder. Symbolic links in the path are followed and checked.
        empty_if_unsafe: Delete compiled kernels from the folder if other users can write it.

    Returns:
        The path without symbolic links.

    Raises:
        UnsafeFolder: If another user could replace files, with the reason in one line.
        OSError: If the folder cannot be created.
    """
    if os.name != "posix":
        raise UnsafeFolder("this operating system does not show who can write a folder")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    resolved = folder.resolve()
    try:
        for path in _folders_and_links(folder):
            _check_owner(path, is_cache=path == resolved)
    except UnsafeFolder:
        if empty_if_unsafe:
            _remove_entries(resolved)
        raise
    return resolved


def _folders_and_links(folder: Path) -> list[Path]:
    """Return the folder, its parents, and the symbolic links in its path with their parents."""
    remaining, current_path, visited = list(folder.parts[1:]), Path(folder.anchor), [Path(folder.anchor)]
    for _ in range(1000):
        if not remaining:
            return visited
        name = remaining.pop(0)
        current_path = current_path.parent if name == ".." else current_path / name
        visited.append(current_path)
        if current_path.is_symlink():
            target = current_path.readlink()
            current_path = Path(target.anchor) if target.is_absolute() else current_path.parent
            visited.append(current_path)
            remaining = [*target.parts[1 if target.is_absolute() else 0 :], *remaining]
    raise UnsafeFolder(f"{folder} contains symbolic links in a circle")


def _check_owner(path: Path, *, is_cache: bool) -> None:
    """Raise UnsafeFolder if other users can replace a folder or link.

    Args:
        path: The folder or link.
        is_cache: Whether the path is the folder of the cache. Other folders may also belong to root, and other users may write
            to them if the sticky bit is set.
    """
    status, user = path.lstat(), os.geteuid()
    if status.st_uid not in ({user} if is_cache else {user, 0}):
        raise UnsafeFolder(f"{path} belongs to another user")
    if stat.S_ISLNK(status.st_mode):  # permissions of a link have no effect
        return
    forbidden = stat.S_IWGRP | stat.S_IWOTH if is_cache else stat.S_IWOTH
    if status.st_mode & forbidden and (is_cache or not status.st_mode & stat.S_ISVTX):
        raise UnsafeFolder(f"others can write {path}; forbid this with: chmod go-w {path}")


def _remove_entries(folder: Path) -> None:
    """Delete all libraries from a folder of this user."""
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
    """Return whether a path is a regular file that belongs to this user, has one hard link and is not writable by others.

    Symbolic links are not followed.
    """
    status = path.lstat()
    mode = status.st_mode
    is_own = status.st_uid == os.geteuid() and not mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(mode) and status.st_nlink == 1 and is_own


def lookup(folder: Path, name: str, key: str, compiler: str | None) -> Iterator[Path]:
    """Yield valid libraries in the cache, and delete invalid ones.

    A library is valid if ``is_own_file`` is true and its content has the checksum in its name.

    Args:
        folder: The folder of the cache.
        name: Name of the kernel.
        key: KEY of the file name, see ``toolchain.source_key``.
        compiler: Checksum of the compiler's version; None: any compiler.
    """
    for path in sorted(folder.glob(f"{name}-{key}-{compiler or '*'}-*.so")):
        try:
            is_valid = is_own_file(path) and path.stem.rpartition("-")[2] == checksum(path.read_bytes())
            if not is_valid:
                path.unlink(missing_ok=True)
        except OSError:  # removed by another process, or not readable
            continue
        if is_valid:
            yield path


def store(folder: Path, library: Path, name: str, key: str, compiler: str) -> Path:
    """Move a library into the cache, by one rename in the same file system, and return the new path.

    Args:
        folder: The folder of the cache.
        library: Path of the library.
        name, key, compiler: NAME, KEY and COMPILER of the new file name.
    """
    entry = folder / f"{name}-{key}-{compiler}-{checksum(library.read_bytes())}.so"
    with library.open("rb+") as file:
        os.fsync(file.fileno())
    return library.rename(entry)


@contextmanager
def build_dir(folder: Path | None) -> Iterator[Path]:
    """Create a temporary private folder for a build, and delete it afterwards.

    Args:
        folder: Parent of the temporary folder; None: the folder of the system for temporary files.
    """
    path = Path(tempfile.mkdtemp(prefix=f"{_BUILD_PREFIX}{_machine()}-{os.getpid()}-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    """Return whether the process of a build folder has ended; on another machine, whether the folder is a day old."""
    try:
        machine, pid, _ = path.name.removeprefix(_BUILD_PREFIX).split("-", 2)
        if machine == _machine():
            os.kill(int(pid), 0)
            return False
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, OSError):  # an unexpected name, or a process of another user
        pass
    try:
        return time.time() - path.lstat().st_mtime > _DAY
    except OSError:
        return False


def _machine() -> str:
    """Return a checksum of the host name, 8 digits."""
    return checksum(socket.gethostname())[:8]


def checksum(content: bytes | str) -> str:
    """Return the first 20 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:20]


__getattr__ = old_names_of(__name__)
