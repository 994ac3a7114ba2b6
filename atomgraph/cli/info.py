"""atomgraph info MODEL"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from atomgraph.analysis.report.model_summary import describe_errors, e0_table, flatten, model_facts, potential_json
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import Device, Dtype, Elements, Head, Imports, Model, Units
from atomgraph.formats import find, first_bytes, native
from atomgraph.loading import resolve_path
from atomgraph.nn.part import to_spec
from atomgraph.progress import output_console

HIDDEN_KEYS = {"e0_origin", "baseline", "config"}  # shown in the table of E0, or too long; --json prints them


def info(
    model: Model,
    as_json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    imports: Imports = None,
) -> None:
    """Print elements, architecture, origin and metadata of a potential."""
    potential = load_model(
        model, head=head, elements=elements, units=units, device=device, dtype=dtype, imports=imports
    )
    path = find(resolve_path(model)[0])
    checksum = {"checksum": description} if (description := _describe_checksum(path)) else {}
    if as_json_:
        print(json.dumps(potential_json(potential) | checksum, indent=2, ensure_ascii=False))
        return
    console = output_console(soft_wrap=True)
    size = sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size
    size_text = f"{size / 1024:,.1f} KiB".replace(",", " ")
    _print_list(console, str(path), {"size": size_text} | checksum | model_facts(potential))
    console.print(e0_table(potential).rich())
    metadata = {name: value for name, value in potential.metadata.items() if name not in HIDDEN_KEYS}
    metadata["metrics"] = describe_errors(metadata.get("metrics")) or metadata.get("metrics", {})
    for name, value in metadata.items():
        if value:
            values = flatten(value) if isinstance(value, dict) else {"": str(value)}
            _print_list(console, name.replace("_", " "), values)
    console.print("[bold]built from[/bold]")
    text = yaml.safe_dump(to_spec(potential.model), sort_keys=False, allow_unicode=True, width=100)
    console.print("\n".join(f"  {line}" for line in text.splitlines()), markup=False)


def _describe_checksum(path: Path) -> str:
    """Return a description of the checksum of a file of atomgraph; an empty text for files of other programs."""
    return native.describe_checksum(path) if native.recognises(path, first_bytes(path)) else ""


def _print_list(console: Console, title: str, values: dict[str, str]) -> None:
    """Print a title and a line for each value that is not empty."""
    values = {name: value for name, value in values.items() if value}
    width = max((len(name) for name in values), default=0)
    console.print(title, style="bold", markup=False)
    for name, value in values.items():
        console.print(f"  {name:<{width}}  {value}" if name else f"  {value}", markup=False)
    console.print()
