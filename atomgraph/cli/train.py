"""atomgraph train CONFIG.yaml [key.sub=value ...], atomgraph train --resume RUN"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atomgraph.cli.import_option import import_modules
from atomgraph.errors import ConfigError
from atomgraph.old_names import old_names_of

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG.yaml [key.sub=value]...", help="The configuration, and values that replace its own."
    ),
]
Resume = Annotated[Path | None, typer.Option("--resume", metavar="RUN", help="Resume the run in this folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in the same folder.")]
Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        help="Import this module with your own parts first. With --resume, other modules are not imported.",
    ),
]


def train(
    arguments: Words = None, resume: Resume = None, overwrite: Overwrite = False, imports: Imports = None
) -> None:
    """Train a potential on your data; model, metrics and report are written to a run folder.

    After Ctrl-C all finished epochs are saved, and --resume continues after the last one. Exit code 1, with a warning,
    if errors are not smaller than those of predicting E0 and zero forces, or if the data determine few of the weights.
    """
    from atomgraph import runs
    from atomgraph.config import read_config

    import_modules(imports)
    file, overrides = split_arguments("train", arguments, resume, overwrite)
    if resume is not None:
        _, metrics = runs.resume(resume, overrides)
    else:
        _, metrics = runs.train(read_config(file, overrides), overwrite=overwrite)
    if metrics.get("warnings"):
        raise typer.Exit(1)


def split_arguments(
    command: str, arguments: list[str] | None, resume: Path | None, overwrite: bool
) -> tuple[str, list[str]]:
    """Split command-line words into the configuration file and the overrides ``key=value``.

    Args:
        command: Name of the command, for error messages.
        arguments: The words.
        resume: Run folder of ``--resume``; None: a new run.
        overwrite: Whether ``--overwrite`` is given.

    Returns:
        Path of the configuration, empty with ``--resume``, and the overrides.

    Raises:
        ConfigError: If there is not exactly one configuration, or if options contradict each other.
    """
    files = [word for word in arguments or [] if "=" not in word]
    overrides = [word for word in arguments or [] if "=" in word]
    if resume is not None:
        if files or overwrite:
            raise ConfigError("--resume RUN takes its configuration from the run folder; remove CONFIG and --overwrite")
        return "", overrides
    if len(files) != 1:
        raise ConfigError(
            f"atomgraph {command} needs one CONFIG.yaml or --resume RUN, but was given {', '.join(files) or 'none'}"
        )
    return files[0], overrides


__getattr__ = old_names_of(__name__)
