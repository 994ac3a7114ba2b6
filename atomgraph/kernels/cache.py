"""Compiled kernels, kept for the next process: in a folder that only this user can write, each named by what is in it.

An entry is ``NAME-KEY-COMPILER-CHECKSUM.so``: the key of its source, the compiler's, and the checksum of its own bytes. So one
rename puts it in its place, and whatever was damaged or exchanged no longer fits its name.
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
_WORKSHOP = ".building-"  # and the machine and process that build in it
_ENTRY = re.compile(r".+-[0-9a-f]{20}-[0-9a-f]{20}-[0-9a-f]{20}\.so")
_DAY = 86400.0  # s


class UnsafeFolder(Exception):
    """Somebody else could exchange what is in the folder; says how, in one line."""


def cache_folder() -> Path:
    """``kernels`` in ATOMGRAPH_CACHE, or atomgraph/kernels in the user's cache."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser() / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atomgraph" / "kernels"


def safe_folder() -> Path:
    """The cache's folder, made if need be and tidied; UnsafeFolder where others can write it, OSError where it cannot be made.

    What stands in a folder of ours that others could write is removed: they may have put it there.
    """
    folder = checked(cache_folder())
    for path in folder.glob(f"{_WORKSHOP}*"):
        if _is_left_over(path):
            shutil.rmtree(path, ignore_errors=True)
    return folder


def checked(folder: Path, *, emptied: bool = True) -> Path:
    """A folder of the user's own, made if need be, that nobody else can write or exchange; its true path.

    Args:
        folder: Links on the way to it are followed, and checked as well.
        emptied: Remove compiled kernels from a folder of ours that is not safe.

    Raises:
        UnsafeFolder: Says who could write what, in one line.
        OSError: Where it cannot be made.
    """
    if os.name != "posix":
        raise UnsafeFolder("this system does not tell who can write a folder")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    true = folder.resolve()
    try:
        for place in _visited(folder):
            _check_place(place, is_own=place == true)
    except UnsafeFolder:
        if emptied:
            _empty(true)
        raise
    return true


def _visited(folder: Path) -> list[Path]:
    """Every folder and link that is passed through on the way to a folder, and the folder."""
    waiting, here, visited = list(folder.parts[1:]), Path(folder.anchor), [Path(folder.anchor)]
    for _ in range(1000):
        if not waiting:
            return visited
        name = waiting.pop(0)
        here = here.parent if name == ".." else here / name
        visited.append(here)
        if here.is_symlink():
            target = here.readlink()
            here = Path(target.anchor) if target.is_absolute() else here.parent
            visited.append(here)
            waiting = [*target.parts[1 if target.is_absolute() else 0 :], *waiting]
    raise UnsafeFolder(f"{folder} is reached by links in a circle")


def _check_place(place: Path, *, is_own: bool) -> None:
    facts, mine = place.lstat(), os.geteuid()
    if facts.st_uid not in ({mine} if is_own else {mine, 0}):
        raise UnsafeFolder(f"{place} belongs to another user")
    if stat.S_ISLNK(facts.st_mode):  # its own permissions mean nothing
        return
    others = stat.S_IWGRP | stat.S_IWOTH if is_own else stat.S_IWOTH
    if facts.st_mode & others and not (not is_own and facts.st_mode & stat.S_ISVTX):
        raise UnsafeFolder(f"others can write {place}; chmod go-w mends that")


def _empty(folder: Path) -> None:
    """Remove all entries from a folder, if it is ours."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(place).st_uid == os.geteuid():
            for name in os.listdir(place):  # noqa: PTH208 (of a descriptor)
                if _ENTRY.fullmatch(name):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=place)
    finally:
        os.close(place)


def is_own_file(path: Path) -> bool:
    """Whether a path is a regular file with one name, of this user, that others cannot write; links are not followed."""
    facts = path.lstat()
    mode = facts.st_mode
    is_ours = facts.st_uid == os.geteuid() and not mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(mode) and facts.st_nlink == 1 and is_ours


def kept(folder: Path, name: str, key: str, compiler: str | None) -> Iterator[Path]:
    """Whole entries of this key, by this compiler (by any, if None); what does not fit its name is removed.

    An entry is a regular file with one link, of this user, that others cannot write.
    """
    for path in sorted(folder.glob(f"{name}-{key}-{compiler or '*'}-*.so")):
        try:
            is_whole = is_own_file(path) and path.stem.rpartition("-")[2] == checksum(path.read_bytes())
            if not is_whole:
                path.unlink(missing_ok=True)
        except OSError:  # another process took it away first, or it cannot be read
            continue
        if is_whole:
            yield path


def keep(folder: Path, library: Path, name: str, key: str, compiler: str) -> Path:
    """Put a library, on the same file system, in its place in one step."""
    place = folder / f"{name}-{key}-{compiler}-{checksum(library.read_bytes())}.so"
    with library.open("rb+") as file:
        os.fsync(file.fileno())
    return library.rename(place)


@contextmanager
def workshop(folder: Path | None) -> Iterator[Path]:
    """A private folder to build in, inside the cache or, without one, among temporary files; gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=f"{_WORKSHOP}{_machine()}-{os.getpid()}-", dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_left_over(path: Path) -> bool:
    """Whether a workshop's process is gone; of other machines, whether it is older than a day."""
    try:
        machine, pid, _ = path.name.removeprefix(_WORKSHOP).split("-", 2)
        if machine == _machine():
            os.kill(int(pid), 0)
            return False
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, OSError):  # named otherwise, or of another user
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
