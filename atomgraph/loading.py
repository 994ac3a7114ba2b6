"""load: any potential's file to a Potential that is ready to be used."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from atomgraph import formats
from atomgraph.catalogue import PublicModel, fetched, public_models, public_name
from atomgraph.errors import ConfigError, FormatError, nearest
from atomgraph.formats.hints import FILE_DTYPE, FileHints
from atomgraph.potential import Potential

_TOLD: set[str] = set()  # public models whose licence was shown
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def load(
    path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    head: str | None = None,
    elements: Sequence[str] | None = None,
    units: Mapping[str, str] | str | None = None,
) -> Potential:
    """The potential in a file or a run folder, recognised by content; nothing in it is executed.

    Parts of your own are found once their module is imported.

    Args:
        path: Also the name of a public model, ``mace-mp-0-small`` (``atomgraph models`` lists them), which is fetched
            once.
        dtype: Of the model's numbers; the file's own if None.
        head: Which one to use where there are several; with None all are kept and evaluating a structure that does
            not choose one is an error.
        elements, units: Chemical symbols, and ``"eV/Å"``; needed where the file does not say, refused where they
            contradict it.

    Raises:
        FormatError: For a file that cannot be read.
        ConfigError: For a device, dtype or head that does not exist, and for float32 where the potential's fit found
            that it is for float64 only.
    """
    path, public = file_of(path)
    model, metadata = formats.read(path, FileHints.of(elements, units))
    if public is not None:
        metadata |= {"public_model": public.name, "licence": public.notice, "cite": public.cite}
        if public.elements is not None and set(public.elements) != set(model.elements):
            warnings.warn(
                f"{public.name} knows {', '.join(model.elements)}, other elements than its table says", stacklevel=2
            )
    potential = Potential(model, metadata).eval()
    own = metadata.pop(FILE_DTYPE, None)
    dtype = own if dtype is None else dtype
    if dtype is not None:
        potential.require_dtype(as_dtype(dtype))
        potential.to(as_dtype(dtype))
    move(potential, device)
    if head is not None and head not in potential.heads:
        raise FormatError(f"{path} has no head {head!r}; it has {', '.join(potential.heads)}")
    potential.head = head
    return potential


def file_of(path: str | Path) -> tuple[Path, PublicModel | None]:
    """The file that a path means; or a public model by its name, downloaded if need be; its licence is shown once."""
    if not isinstance(path, str) or Path(path).expanduser().exists() or (name := public_name(path)) is None:
        return Path(path), None
    public = public_models()[name]
    if name not in _TOLD:
        print(public.notice, file=sys.stderr)
        _TOLD.add(name)
    return fetched(public), public


def move(potential: Potential, device: str | torch.device) -> Potential:
    """The potential itself, on the device; ConfigError where this machine has none such."""
    try:
        return potential.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}") from error


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """float32 or float64 from its name; ConfigError for anything else."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "mixed":
        raise ConfigError(
            "mixed is what compiled kernels compute in (Calculator, compile, md, relax, predict, evaluate, benchmark); "
            "a model's numbers are float32 or float64"
        )
    if dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {dtype!r}{nearest(dtype, DTYPES)}")
    return DTYPES[dtype]
