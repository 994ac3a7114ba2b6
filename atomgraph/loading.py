"""load: read a potential from a file of any supported format, or download a public model by name."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from atomgraph import formats
from atomgraph.catalogue import PublicModel, fetch, public_models, public_name
from atomgraph.errors import ConfigError, FormatError, nearest
from atomgraph.formats.hints import FILE_DTYPE, FileHints
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

_shown_notices: set[str] = set()  # names of public models whose licence was shown
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
    """Load a potential from a file or a run folder. The format is recognised by content; no code in the file is executed.

    A potential with your own parts can be loaded after their module was imported.

    Args:
        path: Path of a file or a run folder, or the name of a public model such as ``mace-mp-0-small``, which is downloaded
            once (``atomgraph models`` lists the names).
        device: Device of the potential.
        dtype: Dtype of the weights; None: the dtype of the file.
        head: Name of the head to use, for potentials with several heads. None: all heads are kept, and each structure needs a
            head.
        elements: Chemical symbols of the elements, for files that do not contain them; None: the elements of the file.
        units: Units of the file, such as ``"eV/Å"``, for files that do not contain them; None: the units of the file.

    Raises:
        FormatError: If the file cannot be read, or contradicts ``elements`` or ``units``.
        ConfigError: For a device, dtype or head that does not exist, and for float32 if the potential is for float64 only.
    """
    path, public = resolve_path(path)
    model, metadata = formats.read(path, FileHints.from_user(elements, units))
    if public is not None:
        metadata |= {"public_model": public.name, "licence": public.notice, "cite": public.cite}
        if public.elements is not None and set(public.elements) != set(model.elements):
            warnings.warn(
                f"{public.name} has the elements {', '.join(model.elements)}, which differ from the table of public models",
                stacklevel=2,
            )
    potential = Potential(model, metadata).eval()
    file_dtype = metadata.pop(FILE_DTYPE, None)
    dtype = file_dtype if dtype is None else dtype
    if dtype is not None:
        potential.require_dtype(as_dtype(dtype))
        potential.to(as_dtype(dtype))
    move(potential, device)
    if head is not None and head not in potential.heads:
        raise FormatError(f"{path} has no head {head!r}; it has {', '.join(potential.heads)}")
    potential.head = head
    return potential


def resolve_path(path: str | Path) -> tuple[Path, PublicModel | None]:
    """Return a path unchanged, or download the public model of this name and show its licence once.

    Returns:
        The path of the file, and the public model or None.
    """
    if not isinstance(path, str) or Path(path).expanduser().exists() or (name := public_name(path)) is None:
        return Path(path), None
    public = public_models()[name]
    if name not in _shown_notices:
        print(public.notice, file=sys.stderr)
        _shown_notices.add(name)
    return fetch(public), public


def move(potential: Potential, device: str | torch.device) -> Potential:
    """Move a potential to a device, and return it.

    Raises:
        ConfigError: If this machine does not have the device.
    """
    try:
        return potential.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}") from error


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the dtype ``float32`` or ``float64`` by its name; a ``torch.dtype`` is returned unchanged.

    Raises:
        ConfigError: For another name.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "mixed":
        raise ConfigError(
            "mixed is a precision of compiled kernels (Calculator, compile, md, relax, predict, evaluate, benchmark); "
            "the dtype of a model should be float32 or float64"
        )
    if dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {dtype!r}{nearest(dtype, DTYPES)}")
    return DTYPES[dtype]


__getattr__ = old_names_of(__name__)
