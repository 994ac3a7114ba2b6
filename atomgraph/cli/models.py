"""atomgraph models"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from atomgraph.catalogue import public_models
from atomgraph.catalogue.download import cache_folder, cached_path, fetch, fetch_with_pip
from atomgraph.errors import ConfigError, nearest
from atomgraph.progress import output_console


def models(
    get: Annotated[str | None, typer.Option(metavar="NAME", help="Download this model, and print its path.")] = None,
) -> None:
    """List the public models that can be given by name as MODEL, or download one."""
    if get is not None:
        print(_download(get))
        return
    table = Table("name", "licence", "trained on", "verified by", "downloaded", box=None, pad_edge=False)
    for model in public_models().values():
        table.add_row(
            model.name, model.licence, model.theory, model.verified_by, "yes" if cached_path(model).is_file() else ""
        )
    console = output_console(soft_wrap=True)
    console.print(table)
    console.print(
        "\nnot verified: the publishers give no checksum; later downloads must have the SHA-256 of the first download"
    )
    console.print(f"Models are downloaded once, to {cache_folder()}. ASL: licence for non-commercial use.")


def _download(name: str) -> str:
    """Download a model, from a wheel if it is part of a Python package, and return its path.

    Raises:
        ConfigError: If there is no public model of this name.
        FormatError: If the download fails.
    """
    table = public_models()
    if name.lower() not in table:
        raise ConfigError(f"no public model {name!r}{nearest(name.lower(), table)} (`atomgraph models` lists them)")
    model = table[name.lower()]
    print(model.notice, file=sys.stderr)
    return str(fetch(model) if model.package is None else fetch_with_pip(model))
