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
ComputeIn = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="float32, float64, or mixed: compiled kernels in float32, sums in float64; the file's own if not given.",
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the model's kernels at once, or use none; by default they are used if kept, and compiled if that pays.",
        show_default=False,
    ),
]
Imports = Annotated[
    list[str] | None, typer.Option("--import", metavar="MODULE", help="Import a module with parts of your own first.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over what is there.")]
LabelKeys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="LABEL=KEY", help="A label's key in the files, energy=REF_energy; may be repeated."),
]
LabelUnits = Annotated[
    list[str] | None,
    typer.Option("--unit", metavar="LABEL=UNIT", help="A label's unit in the files, energy=Hartree; may be repeated."),
]
Types = Annotated[
    str | None,
    typer.Option(
        "--types", metavar="SYMBOLS", help='Elements of types, in order, for files that name none: --types "Cu Au".'
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Format of the structure files, where their names do not tell it."),
]


def entries(words: list[str] | None) -> dict[str, str]:
    """``["energy=REF_energy", ...]`` as a mapping; ConfigError where a word is no pair."""
    found = {}
    for word in words or []:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value):
            raise ConfigError(
                f"a key or unit is given as LABEL=VALUE, energy=REF_energy for example, but here is {word!r}"
            )
        found[name] = value
    return found
