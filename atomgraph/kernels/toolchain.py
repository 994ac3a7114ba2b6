"""Source text to a loaded library: found in the cache, or compiled by the local compiler and kept there."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from atomgraph.kernels.cache import UnsafeFolder, checksum, keep, kept, safe_folder, workshop
from atomgraph.kernels.compiler import FLAGS, HEADERS, NATIVE, Compiler, CompilerError, local_compiler
from atomgraph.kernels.processor import features, machine
from atomgraph.kernels.warnings import warn_once

SWITCH = "ATOMGRAPH_KERNELS"  # "off": none is used
EXTRA_FLAGS = "ATOMGRAPH_KERNEL_FLAGS"  # for sanitizers and debuggers
_INCLUDED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_loaded: dict[tuple[str, str], ctypes.CDLL | None] = {}


def compiled(source: str, name: str, *, flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """The library of a C++17 source, for this very processor; None, explained once, where there can be none.

    With ATOMGRAPH_KERNELS=off nothing is loaded and nothing is said.

    Args:
        source: Functions marked ``extern "C" __attribute__((visibility("default")))``, over pointers and numbers; it
            may include the headers of this room (``parallel.h``). Equal sources are compiled once, for all processes of
            this user.
        name: Letters, digits and underscores, to tell files in the cache apart.
        flags: For the compiler, beside ``compiler.FLAGS`` and ``-march=native``.
    """
    if switched_off():
        return None
    flags, key = _circumstances(source, flags)
    if (name, key) not in _loaded:
        _loaded[name, key] = _from_cache_or_compiler(source, name, key, flags)
    return _loaded[name, key]


def is_kept(source: str, name: str) -> bool:
    """Whether ``compiled`` would give this library without the compiler's work; nothing is loaded and nothing is said."""
    _, key = _circumstances(source, ())
    if switched_off():
        return False
    if (name, key) in _loaded:
        return _loaded[name, key] is not None
    try:
        folder = safe_folder()
    except (UnsafeFolder, OSError):
        return False
    compiler, _ = _compiler()
    return any(kept(folder, name, key, checksum(compiler.version) if compiler else None))


def can_compile() -> bool:
    """Whether there is a compiler, and the user wants kernels."""
    return not switched_off() and _compiler()[0] is not None


def switched_off() -> bool:
    """Whether the user wants no kernels."""
    return os.environ.get(SWITCH, "").lower() in {"off", "0", "no"}


def extra_flags() -> tuple[str, ...]:
    """The compiler flags that the user adds."""
    return tuple(shlex.split(os.environ.get(EXTRA_FLAGS, "")))


def key_of(source: str, circumstances: Sequence[str]) -> str:
    """What a library's content depends on besides its compiler: source, the headers that it includes, flags, processor."""
    texts = [source]
    names = _INCLUDED.findall(source)
    for name in names:  # grows while it is gone through
        if (HEADERS / name).is_file():
            texts.append((HEADERS / name).read_text(encoding="utf-8"))
            names += [other for other in _INCLUDED.findall(texts[-1]) if other not in names]
    return checksum("\0".join([*texts, *FLAGS, *circumstances]))


def loaded(path: Path) -> ctypes.CDLL | None:
    """The library of a file, or None where the system refuses it."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _circumstances(source: str, flags: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """All flags, and the key of a library that is compiled with them here."""
    flags = (*NATIVE, *flags, *extra_flags())
    return flags, key_of(source, (*flags, machine(), *sorted(features())))


def _from_cache_or_compiler(source: str, name: str, key: str, flags: Sequence[str]) -> ctypes.CDLL | None:
    compiler, lack = _compiler()
    folder = _folder()
    for path in kept(folder, name, key, checksum(compiler.version) if compiler else None) if folder else ():
        if (library := loaded(path)) is not None:
            return library
    if compiler is None:
        warn_once(f"compiled kernels are not used, slower code gives the same numbers: {lack}")
        return None
    try:
        return _built(compiler, folder, source, name, key, flags)
    except (CompilerError, OSError) as error:
        warn_once(f"the kernel {name} is not used, slower code gives the same numbers: {error}")
        return None


def _built(
    compiler: Compiler, folder: Path | None, source: str, name: str, key: str, flags: Sequence[str]
) -> ctypes.CDLL | None:
    with workshop(folder) as place:
        path = place / f"{name}.so"
        compiler.build(source, path, flags)
        if folder is not None:
            path = keep(folder, path, name, key, checksum(compiler.version))
        return ctypes.CDLL(str(path))  # a library stays loaded when its file is gone


def _compiler() -> tuple[Compiler | None, str]:
    try:
        return local_compiler(), ""
    except CompilerError as error:
        return None, str(error)


def _folder() -> Path | None:
    """The cache, or None, explained once, where there is none that is safe."""
    try:
        return safe_folder()
    except (UnsafeFolder, OSError) as error:
        warn_once(f"compiled kernels are not kept for the next run: {error}")
        return None
