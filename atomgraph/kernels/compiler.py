"""The local C++ compiler: how it is found and called."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEADERS = Path(__file__).parent  # `#include "parallel.h"`
FLAGS = (
    "-std=c++17",
    "-O3",
    "-shared",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
    # Not -ffast-math: it breaks NaN, and a library linked with it disables subnormal numbers for the whole process.
    # Sums are not reordered; code for which this is too slow has several accumulators.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
)
NATIVE = ("-march=native",)
CANDIDATES = ("c++", "g++", "clang++")
_CPU_TIME = 600  # s of CPU time that a compiler may take
_TIMEOUT = 36_000  # s of waiting; long, because the machine may be busy
_LIMITED = ("/bin/sh", "-c", f'ulimit -t {_CPU_TIME} 2>/dev/null; exec "$@"', "sh")


class CompilerError(Exception):
    """An error message of the compiler, in one line. Callers then use the reference implementation."""


@dataclass(frozen=True)
class Compiler:
    """The command of a compiler, with its own flags, and its version."""

    command: tuple[str, ...]
    version: str

    def build(self, source: str, target: Path, flags: Sequence[str]) -> None:
        """Compile C++ text to a shared library at ``target``.

        Raises:
            CompilerError: With the first error message of the compiler.
        """
        text = target.with_suffix(".cpp")
        text.write_text(source, encoding="utf-8")
        command = [*self.command, *FLAGS, *flags, f"-I{HEADERS}", str(text), "-o", str(target)]
        if os.name == "posix":
            command = [*_LIMITED, *command]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, cwd=target.parent
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompilerError(f"{self.command[0]}: {error}") from None
        if done.returncode != 0 or not target.is_file():
            raise CompilerError(f"{shlex.join(self.command)} failed: {_first_error(done.stderr or done.stdout)}")


def local_compiler() -> Compiler:
    """The compiler in the variable ``CXX``, or the first of c++, g++ and clang++; CompilerError if there is none."""
    chosen = os.environ.get("CXX")
    return _compiler(chosen) if chosen else _first()


@cache
def _first() -> Compiler:
    for name in CANDIDATES:
        if shutil.which(name):
            return _compiler(name)
    raise CompilerError(f"no C++ compiler ({', '.join(CANDIDATES)}; the variable CXX may name another)")


@cache
def _compiler(words: str) -> Compiler:
    command = tuple(shlex.split(words))
    try:
        asked = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"no C++ compiler: {words} does not run ({error})") from None
    if asked.returncode != 0:
        raise CompilerError(f"no C++ compiler: {words} --version ends with code {asked.returncode}")
    return Compiler(command, asked.stdout.partition("\n")[0].strip())


def _first_error(output: str) -> str:
    """The first line of an output with an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[0][:300]
