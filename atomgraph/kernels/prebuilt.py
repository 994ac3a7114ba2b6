"""Libraries of kernels that are the same for all models: compiled when the package is built, or on first use."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from atomgraph.kernels.cache import build_dir
from atomgraph.kernels.compiler import CompilerError, local_compiler
from atomgraph.kernels.processor import LEVELS, architecture, usable_levels
from atomgraph.kernels.toolchain import compile_library, extra_flags, load_library, source_key, switched_off

FOLDER = Path(__file__).parent
#: Name of the source file: additional compiler flags.
KERNELS: dict[str, tuple[str, ...]] = {
    "neighbours": ("-ffp-contract=off",),
    "coupled_sums_float32": (),
    "coupled_sums_float64": (),
}


def library(name: str) -> ctypes.CDLL | None:
    """Return the library of ``kernels/NAME.cpp``: a prebuilt one for this processor, or one compiled on this machine.

    Args:
        name: Name of the source file without its suffix, a key of ``KERNELS``.

    Returns:
        The library. None with one warning if there is neither a prebuilt library nor a compiler. None without a warning
        if ATOMGRAPH_KERNELS=off.
    """
    return None if switched_off() else _load_or_compile(name, extra_flags())


def build(folder: Path) -> list[Path]:
    """Compile every kernel for every instruction set of this architecture.

    Args:
        folder: Folder of the libraries, created if necessary.

    Returns:
        Paths of the libraries.

    Raises:
        CompilerError: If there is no compiler, or if it fails.
    """
    compiler, paths = local_compiler(), []
    with build_dir(None) as temporary_folder:
        for name, flags in KERNELS.items():
            for level, compiler_architecture, _ in LEVELS.get(architecture(), ()):
                temporary_path, path = temporary_folder / f"{name}-{level}.so", folder / _file_name(name, level)
                compiler.build(_read_source(name), temporary_path, [f"-march={compiler_architecture}", *flags])
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(temporary_path.read_bytes())
                paths.append(path)
    return paths


@cache
def _load_or_compile(name: str, extra: tuple[str, ...]) -> ctypes.CDLL | None:
    """Return the prebuilt library, or compile it if ``extra`` flags are set or the processor lacks its instruction set."""
    for level in () if extra else usable_levels():
        path = FOLDER / "built" / _file_name(name, level)
        if path.is_file() and (prebuilt := load_library(path)) is not None:
            return prebuilt
    return compile_library(_read_source(name), name, flags=KERNELS[name])


def _file_name(name: str, level: str) -> str:
    """Return the file name of a prebuilt library; it contains the key of the source, so that older libraries do not match."""
    return f"{name}-{level}-{source_key(_read_source(name), KERNELS[name])}.so"


def _read_source(name: str) -> str:
    return (FOLDER / f"{name}.cpp").read_text(encoding="utf-8")


__all__ = ["CompilerError", "build", "library"]
