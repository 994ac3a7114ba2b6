"""atomgraph convert IN OUT"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from atomgraph.cli.model_argument import load_model, symbols_in
from atomgraph.cli.options import Device, Dtype, Elements, Head, Imports, Model, Overwrite, Units
from atomgraph.cli.output_paths import check_file
from atomgraph.editing import keep_elements, keep_heads
from atomgraph.errors import ConfigError, FormatError
from atomgraph.formats.mace.writing import SCRIPT, write_for_mace
from atomgraph.models.mace import MACE
from atomgraph.potential import Potential

RUN_MODEL = "model.safetensors"  # file of the potential in a run folder
SUFFIXES = (".safetensors", ".npz", ".model")


def convert(
    model: Model,
    target: Annotated[Path, typer.Argument(metavar="OUT", help=".safetensors; .npz or .model for mace-torch.")],
    only_elements: Annotated[str | None, typer.Option(help="Keep these elements only, comma separated.")] = None,
    only_heads: Annotated[str | None, typer.Option(help="Keep these heads only, comma separated.")] = None,
    mace_python: Annotated[str, typer.Option(help="For .model: the Python of an environment with mace-torch.")] = "",
    overwrite: Overwrite = False,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    imports: Imports = None,
) -> None:
    """Convert a potential of any readable format to atomgraph's file, or a MACE to mace-torch's."""
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"{target} should end in {', '.join(SUFFIXES)}")
    check_file(target, overwrite=overwrite, inputs=[model, Path(model) / RUN_MODEL])
    if target.suffix == ".model" and not mace_python:
        raise ConfigError(
            "a .model file is written by mace-torch; give --mace-python PYTHON, the Python of an environment with mace-torch, "
            "or write an .npz and convert this file there with atomgraph/formats/mace/to_mace_torch.py"
        )
    potential = load_model(
        model, head=head, elements=elements, units=units, device=device, dtype=dtype, imports=imports
    )
    if only_elements is not None:
        potential = keep_elements(potential, symbols_in(only_elements))
    if only_heads is not None:
        potential = keep_heads(potential, _split_at_commas(only_heads))
    _write(potential, target, mace_python)
    print(f"{target}: {', '.join(potential.elements)}; heads {', '.join(potential.heads)}")


def _write(potential: Potential, target: Path, mace_python: str) -> None:
    """Write a potential in the format of the suffix; mace-torch itself writes ``.model``, in a separate process."""
    if target.suffix == ".safetensors":
        potential.save(target)
        return
    if not isinstance(potential.model, MACE):
        kind = type(potential.model).__name__
        raise ConfigError(f"mace-torch reads MACE models, but this is a {kind}; write a .safetensors")
    if target.suffix == ".npz":
        write_for_mace(target, potential.model)
        return
    with tempfile.TemporaryDirectory() as folder:
        source, converted = Path(folder) / "model.npz", target.with_name(f".{target.name}.part")
        write_for_mace(source, potential.model)
        command = [mace_python, str(SCRIPT), str(source), str(converted)]
        try:
            process = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ConfigError(f"--mace-python {mace_python} cannot be run: {error.strerror or error}") from None
        if process.returncode != 0 or not converted.exists():
            converted.unlink(missing_ok=True)
            last_line = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FormatError(f"mace-torch did not write {target}: {last_line}")
        converted.replace(target)


def _split_at_commas(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
