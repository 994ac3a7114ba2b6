"""Kernels that are the same for every model: built when the package is built, or else when they are first needed."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from atomgraph.kernels.cache import workshop
from atomgraph.kernels.compiler import CompilerError, local_compiler
from atomgraph.kernels.processor import LEVELS, machine, usable_levels
from atomgraph.kernels.toolchain import compiled, extra_flags, key_of, loaded, switched_off

ROOM = Path(__file__).parent
KERNELS = {"neighbours": ("-ffp-contract=off",)}  # name of the source, flags of its own


def library(name: str) -> ctypes.CDLL | None:
    """The library of ``kernels/NAME.cpp``: as shipped for the best instruction set of this processor, or else compiled here.

    None, explained once, where there is neither; with ATOMGRAPH_KERNELS=off without a word.
    """
    return None if switched_off() else _found(name, extra_flags())


def build(folder: Path) -> list[Path]:
    """Compile every kernel for every instruction set of this machine's kind into a folder; CompilerError without a compiler."""
    compiler, paths = local_compiler(), []
    with workshop(None) as place:
        for name, flags in KERNELS.items():
            for level, architecture, _ in LEVELS.get(machine(), ()):
                scratch, target = place / f"{name}-{level}.so", folder / _file(name, level)
                compiler.build(_source(name), scratch, [f"-march={architecture}", *flags])
                folder.mkdir(parents=True, exist_ok=True)
                target.write_bytes(scratch.read_bytes())
                paths.append(target)
    return paths


@cache
def _found(name: str, extra: tuple[str, ...]) -> ctypes.CDLL | None:
    for level in () if extra else usable_levels():
        path = ROOM / "built" / _file(name, level)
        if path.is_file() and (shipped := loaded(path)) is not None:
            return shipped
    return compiled(_source(name), name, flags=KERNELS[name])


def _file(name: str, level: str) -> str:
    """A library's name tells of which source it was made: one of an older source is not taken for it."""
    return f"{name}-{level}-{key_of(_source(name), KERNELS[name])}.so"


def _source(name: str) -> str:
    return (ROOM / f"{name}.cpp").read_text(encoding="utf-8")


__all__ = ["CompilerError", "build", "library"]
