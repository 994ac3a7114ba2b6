"""Compile C++ text to a library, or load the library from the cache."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from atomgraph.kernels.cache import UnsafeFolder, build_dir, checksum, lookup, safe_folder, store
from atomgraph.kernels.compiler import FLAGS, HEADERS, NATIVE, Compiler, CompilerError, local_compiler
from atomgraph.kernels.processor import architecture, instruction_sets
from atomgraph.kernels.warnings import warn_once
from atomgraph.old_names import old_names_of

SWITCH = "ATOMGRAPH_KERNELS"  # environment variable; "off", "0" or "no": kernels are not used
EXTRA_FLAGS = "ATOMGRAPH_KERNEL_FLAGS"  # environment variable: additional compiler flags, for sanitizers and debuggers
_INCLUDED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_loaded: dict[tuple[str, str], ctypes.CDLL | None] = {}  # by name and key; None if the library cannot be used


def compile_library(source: str, name: str, *, flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """Compile a C++17 source for this processor, or load its library from the cache.

    Args:
        source: C++ text with functions that are marked ``extern "C" __attribute__((visibility("default")))``. Their arguments
            are pointers and numbers. The text may include the headers of this package, for example ``parallel.h``.
        name: Name of the kernel and prefix of its files in the cache: letters, digits and underscores.
        flags: Flags of the compiler, in addition to ``compiler.FLAGS`` and ``-march=native``.

    Returns:
        The loaded library. None with one warning if it cannot be compiled. None without a warning if
        ATOMGRAPH_KERNELS=off.
    """
    if switched_off():
        return None
    flags, key = _read_flags_and_key(source, flags)
    if (name, key) not in _loaded:
        _loaded[name, key] = _load_or_compile(source, name, key, flags)
    return _loaded[name, key]


def is_cached(source: str, name: str) -> bool:
    """Return whether the library of a source is loaded or in the cache, without loading it and without a warning."""
    _, key = _read_flags_and_key(source, ())
    if switched_off():
        return False
    if (name, key) in _loaded:
        return _loaded[name, key] is not None
    try:
        folder = safe_folder()
    except (UnsafeFolder, OSError):
        return False
    compiler, _ = _find_compiler()
    return any(lookup(folder, name, key, checksum(compiler.version) if compiler else None))


def can_compile() -> bool:
    """Return whether kernels are switched on and there is a compiler."""
    return not switched_off() and _find_compiler()[0] is not None


def switched_off() -> bool:
    """Return whether ATOMGRAPH_KERNELS switches kernels off."""
    return os.environ.get(SWITCH, "").lower() in {"off", "0", "no"}


def extra_flags() -> tuple[str, ...]:
    """Return the compiler flags in ATOMGRAPH_KERNEL_FLAGS."""
    return tuple(shlex.split(os.environ.get(EXTRA_FLAGS, "")))


def source_key(source: str, settings: Sequence[str]) -> str:
    """Return a checksum of everything that determines a library except the compiler.

    Args:
        source: C++ text. The included headers of this package are part of the checksum.
        settings: Additional flags, and the properties of the processor.
    """
    texts = [source]
    names = _INCLUDED.findall(source)
    for name in names:  # headers that a header includes are appended during the loop
        if (HEADERS / name).is_file():
            texts.append((HEADERS / name).read_text(encoding="utf-8"))
            names += [header for header in _INCLUDED.findall(texts[-1]) if header not in names]
    return checksum("\0".join([*texts, *FLAGS, *settings]))


def load_library(path: Path) -> ctypes.CDLL | None:
    """Load the library in a file; return None if the system cannot load it."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _read_flags_and_key(source: str, flags: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return all flags in addition to ``compiler.FLAGS``, and the key of a library for these flags and this machine."""
    flags = (*NATIVE, *flags, *extra_flags())
    return flags, source_key(source, (*flags, architecture(), *sorted(instruction_sets())))


def _load_or_compile(source: str, name: str, key: str, flags: Sequence[str]) -> ctypes.CDLL | None:
    """Load a library from the cache, or compile it; return None, with one warning, if this fails."""
    compiler, reason = _find_compiler()
    folder = _find_cache_folder()
    for path in lookup(folder, name, key, checksum(compiler.version) if compiler else None) if folder else ():
        if (library := load_library(path)) is not None:
            return library
    if compiler is None:
        warn_once(f"compiled kernels are not used ({reason}); slower code gives the same numbers")
        return None
    try:
        return _build_library(compiler, folder, source, name, key, flags)
    except (CompilerError, OSError) as error:
        warn_once(f"the kernel {name} is not used ({error}); slower code gives the same numbers")
        return None


def _build_library(
    compiler: Compiler, folder: Path | None, source: str, name: str, key: str, flags: Sequence[str]
) -> ctypes.CDLL | None:
    """Compile a library, move it to the folder of the cache (None: no cache), and load it."""
    with build_dir(folder) as temporary_folder:
        path = temporary_folder / f"{name}.so"
        compiler.build(source, path, flags)
        if folder is not None:
            path = store(folder, path, name, key, checksum(compiler.version))
        return ctypes.CDLL(str(path))  # a library stays loaded after its file is deleted


def _find_compiler() -> tuple[Compiler | None, str]:
    """Return the local compiler and an empty string, or None and the reason why there is none."""
    try:
        return local_compiler(), ""
    except CompilerError as error:
        return None, str(error)


def _find_cache_folder() -> Path | None:
    """Return the folder of the cache, or None with one warning if the folder is unsafe or cannot be created."""
    try:
        return safe_folder()
    except (UnsafeFolder, OSError) as error:
        warn_once(f"compiled kernels are not kept for the next run: {error}")
        return None


__getattr__ = old_names_of(__name__)
