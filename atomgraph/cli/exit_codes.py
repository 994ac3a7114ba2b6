"""Exit codes of commands. Errors in the input are printed in one line on stderr, without a traceback."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from atomgraph.errors import AtomgraphError, TrainingError


class Interrupted(Exception):
    """Ctrl-C with a message. It replaces KeyboardInterrupt, whose message typer would discard."""


def with_interrupt_message(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command so that the message of a KeyboardInterrupt is kept."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt as interrupt:
            raise Interrupted(str(interrupt)) from interrupt

    return run


def exit_code_of(error: BaseException, *, debug: bool = False) -> int:
    """Print an error in one line and return the exit code.

    Args:
        error: The exception that ended the command.
        debug: Whether the traceback is printed, too.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if type(error).__name__ == "Exit":  # raised by typer to end a command
        return int(getattr(error, "exit_code", 0))
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | Interrupted) or type(error).__name__ == "Abort":
        print(f"interrupted{': ' + str(error) if str(error) else ''}", file=sys.stderr)
        return 130
    if hasattr(error, "format_message"):  # usage errors of typer
        return _print_error(error.format_message().replace("Value error, ", ""))  # a prefix of pydantic
    if isinstance(error, AtomgraphError):
        _print_error(str(error))
        return 1 if isinstance(error, TrainingError) else 2
    if isinstance(error, OSError) and error.strerror:
        return _print_error(f"{error.strerror}{f': {error.filename}' if error.filename else ''}")
    if not debug:
        traceback.print_exception(error)
    print("this is a defect of atomgraph, not of your input; please report it with the lines above", file=sys.stderr)
    return 3


def _print_error(message: str) -> int:
    """Print a message in one line and return exit code 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
