"""Errors of the user end in one line on stderr and an exit code, without a traceback."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from atomgraph.errors import AtomgraphError, TrainingError


class Interrupted(Exception):
    """Ctrl-C with a message; typer would drop the message of a KeyboardInterrupt."""


def with_interrupt_message(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, whose KeyboardInterrupt reaches ``exit_code_of`` with its message."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt as stop:
            raise Interrupted(str(stop)) from stop

    return run


def exit_code_of(error: BaseException, *, debug: bool = False) -> int:
    """Print an error in one line, with the traceback under ``--debug``, and return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if type(error).__name__ == "Exit":  # typer ends a command so
        return int(getattr(error, "exit_code", 0))
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | Interrupted) or type(error).__name__ == "Abort":
        print(f"interrupted{': ' + str(error) if str(error) else ''}", file=sys.stderr)
        return 130
    if hasattr(error, "format_message"):  # usage errors of typer
        return _say(error.format_message().replace("Value error, ", ""))  # pydantic adds it
    if isinstance(error, AtomgraphError):
        _say(str(error))
        return 1 if isinstance(error, TrainingError) else 2
    if isinstance(error, OSError) and error.strerror:
        return _say(f"{error.strerror}{f': {error.filename}' if error.filename else ''}")
    if not debug:
        traceback.print_exception(error)
    print("this is a defect of atomgraph, not of your input; please report it with the lines above", file=sys.stderr)
    return 3


def _say(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
