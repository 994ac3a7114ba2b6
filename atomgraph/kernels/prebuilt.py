"""Kernels that do not depend on a model: compiled with the package, or on first use."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from atomgraph.kernels.cache import build_dir
from atomgraph.kernels.compiler import CompilerError, local_compiler
from atomgraph.kernels.processor import LEVELS, machine, usable_levels
from atomgraph.kernels.toolchain import compiled, extra_flags, key_of, loaded, switched_off

FOLDER = Path(__file__).parent
KERNELS = {"neighbours": ("-ffp-contract=off",)}  # name of the source: additional flags


def library(name: str) -> ctypes.CDLL | None:
    """The library of ``kernels/NAME.cpp``: prebuilt for the best instruction set of this processor, or compiled here.

    Returns:
        None, after one warning, if neither is possible; without a warning if ATOMGRAPH_KERNELS=off.
    """
    return None if switched_off() else _library(name, extra_flags())


def build(folder: Path) -> list[Path]:
    """Compile every kernel for every instruction set of this architecture into a folder; CompilerError without a compiler."""
    compiler, paths = local_compiler(), []
    with build_dir(None) as scratch_folder:
        for name, flags in KERNELS.items():
            for level, architecture, _ in LEVELS.get(machine(), ()):
                scratch, target = scratch_folder / f"{name}-{level}.so", folder / _file(name, level)
                compiler.build(_source(name), scratch, [f"-march={architecture}", *flags])
                folder.mkdir(parents=True, exist_ok=True)
                target.write_bytes(scratch.read_bytes())
                paths.append(target)
    return paths


@cache
def _library(name: str, extra: tuple[str, ...]) -> ctypes.CDLL | None:
    for level in () if extra else usable_levels():
        path = FOLDER / "built" / _file(name, level)
        if path.is_file() and (prebuilt := loaded(path)) is not None:
            return prebuilt
    return compiled(_source(name), name, flags=KERNELS[name])


def _file(name: str, level: str) -> str:
    """A library's name tells of which source it was made: one of an older source is not taken for it."""
    return f"{name}-{level}-{key_of(_source(name), KERNELS[name])}.so"


def _source(name: str) -> str:
    return (FOLDER / f"{name}.cpp").read_text(encoding="utf-8")


__all__ = ["CompilerError", "build", "library"]
