"""From C++ text to a loaded library, taken from the cache or compiled and stored there."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from atomgraph.kernels.cache import UnsafeFolder, build_dir, checksum, lookup, safe_folder, store
from atomgraph.kernels.compiler import FLAGS, HEADERS, NATIVE, Compiler, CompilerError, local_compiler
from atomgraph.kernels.processor import features, machine
from atomgraph.kernels.warnings import warn_once

SWITCH = "ATOMGRAPH_KERNELS"  # "off": no kernels
EXTRA_FLAGS = "ATOMGRAPH_KERNEL_FLAGS"  # for sanitizers and debuggers
_INCLUDED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_loaded: dict[tuple[str, str], ctypes.CDLL | None] = {}


def compiled(source: str, name: str, *, flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """The library of a C++17 source, compiled for this processor.

    Returns None, after one warning, if it cannot be compiled; without a warning if ATOMGRAPH_KERNELS=off.

    Args:
        source: Functions marked ``extern "C" __attribute__((visibility("default")))``, over pointers and numbers; it
            may include the headers of this package (``parallel.h``). Equal sources are compiled once for a user.
        name: Letters, digits and underscores, a prefix of files in the cache.
        flags: For the compiler, in addition to ``compiler.FLAGS`` and ``-march=native``.
    """
    if switched_off():
        return None
    flags, key = _flags_and_key(source, flags)
    if (name, key) not in _loaded:
        _loaded[name, key] = _from_cache_or_compiler(source, name, key, flags)
    return _loaded[name, key]


def is_kept(source: str, name: str) -> bool:
    """Whether the library is loaded or in the cache. Nothing is loaded and no warning is given."""
    _, key = _flags_and_key(source, ())
    if switched_off():
        return False
    if (name, key) in _loaded:
        return _loaded[name, key] is not None
    try:
        folder = safe_folder()
    except (UnsafeFolder, OSError):
        return False
    compiler, _ = _compiler()
    return any(lookup(folder, name, key, checksum(compiler.version) if compiler else None))


def can_compile() -> bool:
    """Whether kernels are switched on and there is a compiler."""
    return not switched_off() and _compiler()[0] is not None


def switched_off() -> bool:
    """Whether the user has switched kernels off."""
    return os.environ.get(SWITCH, "").lower() in {"off", "0", "no"}


def extra_flags() -> tuple[str, ...]:
    """Additional compiler flags of the user."""
    return tuple(shlex.split(os.environ.get(EXTRA_FLAGS, "")))


def key_of(source: str, target: Sequence[str]) -> str:
    """A checksum of all inputs of a library but the compiler: source, included headers, flags, processor."""
    texts = [source]
    names = _INCLUDED.findall(source)
    for name in names:  # grows during the loop
        if (HEADERS / name).is_file():
            texts.append((HEADERS / name).read_text(encoding="utf-8"))
            names += [header for header in _INCLUDED.findall(texts[-1]) if header not in names]
    return checksum("\0".join([*texts, *FLAGS, *target]))


def loaded(path: Path) -> ctypes.CDLL | None:
    """The library of a file; None if the system cannot load it."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _flags_and_key(source: str, flags: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """All flags, and the key of a library compiled with them on this machine."""
    flags = (*NATIVE, *flags, *extra_flags())
    return flags, key_of(source, (*flags, machine(), *sorted(features())))


def _from_cache_or_compiler(source: str, name: str, key: str, flags: Sequence[str]) -> ctypes.CDLL | None:
    compiler, reason = _compiler()
    folder = _folder()
    for path in lookup(folder, name, key, checksum(compiler.version) if compiler else None) if folder else ():
        if (library := loaded(path)) is not None:
            return library
    if compiler is None:
        warn_once(f"compiled kernels are not used, slower code gives the same numbers: {reason}")
        return None
    try:
        return _built(compiler, folder, source, name, key, flags)
    except (CompilerError, OSError) as error:
        warn_once(f"the kernel {name} is not used, slower code gives the same numbers: {error}")
        return None


def _built(
    compiler: Compiler, folder: Path | None, source: str, name: str, key: str, flags: Sequence[str]
) -> ctypes.CDLL | None:
    with build_dir(folder) as scratch:
        path = scratch / f"{name}.so"
        compiler.build(source, path, flags)
        if folder is not None:
            path = store(folder, path, name, key, checksum(compiler.version))
        return ctypes.CDLL(str(path))  # a library stays loaded after its file is deleted


def _compiler() -> tuple[Compiler | None, str]:
    try:
        return local_compiler(), ""
    except CompilerError as error:
        return None, str(error)


def _folder() -> Path | None:
    """The folder of the cache; None, after one warning, if no safe folder is possible."""
    try:
        return safe_folder()
    except (UnsafeFolder, OSError) as error:
        warn_once(f"compiled kernels are not kept for the next run: {error}")
        return None
