"""The local C++ compiler: search and call."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEADERS = Path(__file__).parent  # folder of the headers, for `#include "parallel.h"`
FLAGS = (
    "-std=c++17",
    "-O3",
    "-shared",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
    # Not -ffast-math: it breaks NaN, and a library linked with it disables subnormal numbers for the whole process.
    # Therefore sums are not reordered; code that needs faster sums has several accumulators.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
)
NATIVE = ("-march=native",)  # all instruction sets of the local processor
CANDIDATES = ("c++", "g++", "clang++")  # commands that are tried if CXX is not set
_CPU_TIME = 600  # s, limit of the CPU time of a compiler
_TIMEOUT = 36_000  # s, limit of the elapsed time; long, because the machine may be busy
_WITH_TIME_LIMIT = ("/bin/sh", "-c", f'ulimit -t {_CPU_TIME} 2>/dev/null; exec "$@"', "sh")


class CompilerError(Exception):
    """Error of the compiler, with a message of one line. Callers then use the reference implementation."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        command: The command with its flags, one string for each word.
        version: First line of the compiler's ``--version``.
    """

    command: tuple[str, ...]
    version: str

    def build(self, source: str, target: Path, flags: Sequence[str]) -> None:
        """Compile C++ text to a shared library.

        Args:
            source: The C++ text.
            target: Path of the library. The text is written to the same folder.
            flags: Additional flags.

        Raises:
            CompilerError: If the compiler fails, with its first error message.
        """
        text = target.with_suffix(".cpp")
        text.write_text(source, encoding="utf-8")
        command = [*self.command, *FLAGS, *flags, f"-I{HEADERS}", str(text), "-o", str(target)]
        if os.name == "posix":
            command = [*_WITH_TIME_LIMIT, *command]
        try:
            process = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, cwd=target.parent
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompilerError(f"{self.command[0]}: {error}") from None
        if process.returncode != 0 or not target.is_file():
            raise CompilerError(f"{shlex.join(self.command)} failed: {_first_error(process.stderr or process.stdout)}")


def local_compiler() -> Compiler:
    """Return the compiler in the variable ``CXX``, or the first of c++, g++ and clang++ that is installed.

    Raises:
        CompilerError: If there is no compiler.
    """
    command = os.environ.get("CXX")
    return _check_compiler(command) if command else _find_compiler()


@cache
def _find_compiler() -> Compiler:
    for name in CANDIDATES:
        if shutil.which(name):
            return _check_compiler(name)
    raise CompilerError(
        f"no C++ compiler: none of {', '.join(CANDIDATES)} is installed; the variable CXX may name another one"
    )


@cache
def _check_compiler(command_line: str) -> Compiler:
    """Return the compiler of a command line; CompilerError if its ``--version`` fails."""
    command = tuple(shlex.split(command_line))
    try:
        process = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"no C++ compiler: {command_line} does not run ({error})") from None
    if process.returncode != 0:
        raise CompilerError(f"no C++ compiler: {command_line} --version ends with code {process.returncode}")
    return Compiler(command, process.stdout.partition("\n")[0].strip())


def _first_error(output: str) -> str:
    """Return the first line of an output that contains the word error, else its first line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it printed no message"])[0][:300]
