"""Compiled kernels, kept for the next process: in a folder that only this user can write, each named by what is in it.

An entry is ``NAME-KEY-COMPILER-CHECKSUM.so``: the key of its source, the compiler's, and the checksum of its own bytes. So one
rename puts it in its place, and whatever was damaged or exchanged no longer fits its name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "ATOMGRAPH_CACHE"


class UnsafeFolder(Exception):
    """Somebody else could exchange what is in the folder; says how, in one line."""


def cache_folder() -> Path:
    """``kernels`` in ATOMGRAPH_CACHE, or atomgraph/kernels in the user's cache."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser() / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atomgraph" / "kernels"


def safe_folder() -> Path:
    """The cache's folder, made if need be; UnsafeFolder where others can write it, OSError where it cannot be made."""
    if os.name != "posix":
        raise UnsafeFolder("this system does not tell who can write a folder")
    folder = cache_folder().absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = folder.resolve()
    mine = os.geteuid()
    for place in (folder, *folder.parents):
        facts = place.stat()
        if facts.st_uid not in ({mine} if place == folder else {mine, 0}):
            raise UnsafeFolder(f"{place} belongs to another user")
        others = stat.S_IWGRP | stat.S_IWOTH if place == folder else stat.S_IWOTH
        if facts.st_mode & others and not (place != folder and facts.st_mode & stat.S_ISVTX):
            raise UnsafeFolder(f"others can write {place}; chmod go-w mends that")
    return folder


def kept(folder: Path, name: str, key: str, compiler: str | None) -> Iterator[Path]:
    """Whole entries of this key, by this compiler (by any, if None); what does not fit its name is removed."""
    for path in sorted(folder.glob(f"{name}-{key}-{compiler or '*'}-*.so")):
        try:
            is_whole = (
                path.stem.rpartition("-")[2] == checksum(path.read_bytes()) and path.stat().st_uid == os.geteuid()
            )
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
    place = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def checksum(content: bytes | str) -> str:
    """20 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:20]
