"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atomgraph.errors import ConfigError

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A potential file, a run folder, or a foreign potential.")]
Structures = Annotated[list[Path], typer.Argument(metavar="DATA...", help="Structure files that ASE reads.")]
Head = Annotated[str | None, typer.Option("--head", help="Which head to use, where the potential has several.")]
Elements = Annotated[
    str | None, typer.Option("--elements", help="Chemical symbols, comma separated, where the file does not say.")
]
Units = Annotated[str | None, typer.Option("--units", help="Units of the file, where it does not say.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32 or float64; the file's own if not given.")]
Imports = Annotated[
    list[str] | None, typer.Option("--import", metavar="MODULE", help="Import a module with parts of your own first.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over what is there.")]
Keys = Annotated[
    str | None,
    typer.Option("--keys", metavar="NAME=KEY,...", help="Names of the labels in the files: energy=REF_energy,..."),
]


def pairs(words: str | None, option: str) -> dict[str, str] | None:
    """``a=b,c=d`` as a mapping; ConfigError where it is none."""
    if words is None:
        return None
    found = [word.partition("=") for word in words.split(",") if word.strip()]
    if not all(name.strip() and sign and value.strip() for name, sign, value in found):
        raise ConfigError(f"{option} should look like energy=REF_energy,forces=REF_forces, but is {words!r}")
    return {name.strip(): value.strip() for name, _, value in found}
