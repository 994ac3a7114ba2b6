"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atomgraph.errors import ConfigError

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A potential file of any readable format, a run folder or a public model.",
    ),
]
Structures = Annotated[list[Path], typer.Argument(metavar="DATA...", help="Structure files.")]
Head = Annotated[str | None, typer.Option("--head", help="Head to use, if the potential has several.")]
Elements = Annotated[
    str | None, typer.Option("--elements", help="Chemical symbols, comma separated, if the file does not contain them.")
]
Units = Annotated[str | None, typer.Option("--units", help="Units of the file, if the file does not contain them.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32 or float64; the dtype of the file if not given.")]
KernelDtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="float32, float64, or mixed (kernels in float32, sums in float64); the dtype of the file if not given.",
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the potential now, or never. Default: use kernels of the cache, compile others if it saves time.",
        show_default=False,
    ),
]
Imports = Annotated[
    list[str] | None, typer.Option("--import", metavar="MODULE", help="Import a module with your parts first.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
LabelKeys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="LABEL=KEY", help="Key of a label in the files, energy=REF_energy; can be repeated."),
]
LabelUnits = Annotated[
    list[str] | None,
    typer.Option("--unit", metavar="LABEL=UNIT", help="Unit of a label in the files, energy=Hartree; can be repeated."),
]
Types = Annotated[
    str | None,
    typer.Option(
        "--types",
        metavar="SYMBOLS",
        help='Elements of atom types, in order, for files without element names: --types "Cu Au".',
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="Format of the structure files, if the file names do not determine it."
    ),
]


def entries(pairs: list[str] | None) -> dict[str, str]:
    """Return pairs LABEL=VALUE of ``--key`` or ``--unit``, such as ``["energy=REF_energy"]``, as a dict.

    Raises:
        ConfigError: If a pair is not LABEL=VALUE.
    """
    result = {}
    for pair in pairs or []:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise ConfigError(
                f"--key and --unit should have the form LABEL=VALUE, for example energy=REF_energy, but the value is {pair!r}"
            )
        result[name] = value
    return result
