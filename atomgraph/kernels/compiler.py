"""The local C++ compiler, if there is one: which, and how it is called."""

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
    # Not -ffast-math: NaN must come out where NaN goes in, and a library linked with it switches off subnormal numbers
    # for the whole process. Sums are not reordered; code that wants that writes its accumulators out.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
)
NATIVE = ("-march=native",)
CANDIDATES = ("c++", "g++", "clang++")
_CPU_TIME = 600  # s that a compiler may compute; one that takes longer hangs
_TIMEOUT = 36_000  # s of waiting, for one that does not even compute; a busy machine takes its time
_LIMITED = ("/bin/sh", "-c", f'ulimit -t {_CPU_TIME} 2>/dev/null; exec "$@"', "sh")


class CompilerError(Exception):
    """What a compiler said, in one line; caught where a plain twin can stand in."""


@dataclass(frozen=True)
class Compiler:
    """A command, its own flags included, and what it says of its version."""

    command: tuple[str, ...]
    version: str

    def build(self, source: str, target: Path, flags: Sequence[str]) -> None:
        """Compile a source text to a shared library at ``target``; CompilerError with the compiler's first complaint."""
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
            raise CompilerError(f"{shlex.join(self.command)} failed: {_complaint(done.stderr or done.stdout)}")


def local_compiler() -> Compiler:
    """What ``CXX`` names, or else the first of c++, g++ and clang++ that is there; CompilerError without one."""
    chosen = os.environ.get("CXX")
    return _found(chosen) if chosen else _first()


@cache
def _first() -> Compiler:
    for name in CANDIDATES:
        if shutil.which(name):
            return _found(name)
    raise CompilerError(f"no C++ compiler ({', '.join(CANDIDATES)}; the variable CXX may name another)")


@cache
def _found(words: str) -> Compiler:
    command = tuple(shlex.split(words))
    try:
        asked = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"no C++ compiler: {words} does not run ({error})") from None
    if asked.returncode != 0:
        raise CompilerError(f"no C++ compiler: {words} --version ends with code {asked.returncode}")
    return Compiler(command, asked.stdout.partition("\n")[0].strip())


def _complaint(output: str) -> str:
    """The first line that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return (wrong or lines or ["it said nothing"])[0][:300]
