"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
