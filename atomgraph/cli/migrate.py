"""atomgraph migrate CONFIG.yaml [--out FILE]"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="A configuration of train or finetune.")]
Out = Annotated[Path | None, typer.Option("--out", help="The file to write; CONFIG.yaml itself if not given.")]
Plain = Annotated[bool, typer.Option("--plain", help="Write the file as plain YAML, without its comments.")]


def migrate(config: Config, out: Out = None, plain: Plain = False) -> None:
    """Rewrite a configuration of the last release with the current keys and names.

    Comments and the order of keys are kept. Each change is printed.
    """
    from atomgraph.atomic_write import write_text
    from atomgraph.config.migrate import migrate_text
    from atomgraph.config.reading import read_text
    from atomgraph.errors import ConfigError
    from atomgraph.progress import output_console

    try:
        text, replacements = migrate_text(read_text(config), plain=plain)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error
    console = output_console()
    for replacement in replacements:
        console.print(f"{replacement} -> {replacement.current}", markup=False, highlight=False, soft_wrap=True)
    if out is None and not replacements:
        console.print(f"{config} has no old names; nothing is written", markup=False, soft_wrap=True)
        return
    target = out or config
    write_text(target, text)
    n_names = (
        f"{len(replacements)} {'name' if len(replacements) == 1 else 'names'} changed"
        if replacements
        else "nothing changed"
    )
    console.print(f"{target} is written: {n_names}", markup=False, soft_wrap=True)
