"""The commands: one file per command, imported when the command runs, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import sys

import typer

from atomgraph.cli.exit_codes import exit_code_of, with_interrupt_message
from atomgraph.cli.warning_lines import plain_warnings
from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import old_names_of

COMMANDS = {  # name: one line of help; function and file have the name of the command
    "train": "Train a potential on your data; model, metrics and report are written to a run folder.",
    "finetune": "Fine-tune an existing potential on your data.",
    "evaluate": "Errors of a potential on labelled structures: tables, parity plots, metrics.json.",
    "predict": "Write energies, forces and stresses into a copy of the structures.",
    "convert": "Convert a potential of any readable format to atomgraph's file, or a MACE to mace-torch's.",
    "convert-data": "Convert structure files of other programs to extended XYZ, .traj or .db, in eV and Å.",
    "models": "List the public models that can be given by name.",
    "info": "Print architecture, origin and metadata of a potential.",
    "verify": "Test physical laws on a potential: pass or fail, with numbers.",
    "check": "Check data: duplicates, short contacts, force sums, outliers, signs and units.",
    "relax": "Relax atomic positions, or positions and cell.",
    "md": "Run molecular dynamics, NVE or NVT.",
    "migrate": "Rewrite a configuration of the last release with the current keys and names.",
    "benchmark": "Measure speed and memory of a potential on a structure.",
}
USAGE = """usage: atomgraph COMMAND [ARGUMENTS] [--debug]

Graph neural networks for atomistic graphs: train, evaluate and use interatomic potentials.

{commands}

`atomgraph COMMAND --help` shows the options. Exit code 0: done; 1: done, but a check failed; 2: an error in the input.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words of the command line after ``atomgraph``; None: the words of ``sys.argv``.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 an error in the input, 3 a defect of atomgraph, 130 interrupted.
    """
    command_line = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in command_line
    command_line = [word for word in command_line if word != "--debug"]
    try:
        if not command_line or command_line[0] in {"--help", "-h", "help"}:
            print(USAGE.format(commands="\n".join(f"  {name:<14}{line}" for name, line in COMMANDS.items())))
            return 0 if command_line else 2
        with plain_warnings():
            return _run(command_line[0], command_line[1:])
    except BaseException as error:
        return exit_code_of(error, debug=debug)


def _run(name: str, arguments: list[str]) -> int:
    """Run a command with the words that follow its name, and return the exit code."""
    if name not in COMMANDS:
        raise ConfigError(f"no command {name!r}{nearest(name, COMMANDS)}")
    module = name.replace("-", "_")
    function = with_interrupt_message(getattr(importlib.import_module(f"atomgraph.cli.{module}"), module))
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(function)
    result = app(arguments, prog_name=f"atomgraph {name}", standalone_mode=False)
    return result if isinstance(result, int) else 0


def entry() -> None:
    """Run the command line of the process and exit; called by the console script."""
    sys.exit(main())


__getattr__ = old_names_of(__name__)
