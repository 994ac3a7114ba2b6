"""The command line: one short file a command, imported when it is asked for, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import sys

import typer

from atomgraph.cli.exit_codes import exit_code_of, with_interrupt_message
from atomgraph.cli.warning_lines import plain_warnings
from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import old_names_of

COMMANDS = {  # name: one line of help; the function of the same name lives in the file of the same name
    "train": "Data to trained potential: a run folder with the model, its metrics and a report.",
    "finetune": "A potential that is there already to one for your data, with a run folder like that of train.",
    "evaluate": "Error table per configuration type, parity plots, metrics.json.",
    "predict": "Write energies, forces and stress into a copy of the structures.",
    "convert": "Any readable potential to atomgraph's file; a MACE to mace-torch's.",
    "convert-data": "Structure files of other programs to extended XYZ, .traj or .db, in eV and Å.",
    "models": "Public models that can be given by name.",
    "info": "What a potential file says of itself.",
    "verify": "The laws of nature on a model: pass or fail, with figures.",
    "check": "The data doctor: census, duplicates, short contacts, force sums, outliers.",
    "relax": "Relax positions, or positions and cell.",
    "md": "Molecular dynamics: NVE or NVT.",
    "migrate": "Rewrite a configuration of the last release with the keys and names of today.",
    "benchmark": "Speed and memory of a potential on a structure, with the hardware named.",
}
USAGE = """usage: atomgraph COMMAND [ARGUMENTS] [--debug]

Graph neural networks for atomistic graphs: train, judge and use interatomic potentials.

{commands}

`atomgraph COMMAND --help` says more. Exit code 0: done; 1: done, and a check failed; 2: something to mend in the input.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 a check failed, 2 a user's error, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        if not words or words[0] in {"--help", "-h", "help"}:
            print(USAGE.format(commands="\n".join(f"  {name:<14}{line}" for name, line in COMMANDS.items())))
            return 0 if words else 2
        with plain_warnings():
            return _run(words[0], words[1:])
    except BaseException as error:
        return exit_code_of(error, debug=debug)


def _run(name: str, arguments: list[str]) -> int:
    if name not in COMMANDS:
        raise ConfigError(f"no command {name!r}{nearest(name, COMMANDS)}")
    module = name.replace("-", "_")
    function = with_interrupt_message(getattr(importlib.import_module(f"atomgraph.cli.{module}"), module))
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(function)
    result = app(arguments, prog_name=f"atomgraph {name}", standalone_mode=False)
    return result if isinstance(result, int) else 0


def entry() -> None:
    """The console script."""
    sys.exit(main())


__getattr__ = old_names_of(__name__)
