"""Reader of GPUMD's ``train.xyz``: extended XYZ with keys in any case, forces as ``force``, and a virial of −V σ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import ase

from atomgraph.data.formats.extxyz import iread_xyz, is_xyz
from atomgraph.data.formats.format import Format, Options

LABEL_KEYS = ("energy", "stress", "virial", "weight")


def _read(path: Path, options: Options) -> Iterator[Callable[[], ase.Atoms]]:
    for parse in iread_xyz(path, options.types):
        yield lambda parse=parse: _rename_keys(parse())  # type: ignore[misc]


def _rename_keys(atoms: ase.Atoms) -> ase.Atoms:
    """Write keys of labels in lower case, and ``force`` as ``forces``, in place."""
    for key in [key for key in atoms.info if isinstance(key, str)]:
        if key.lower() in LABEL_KEYS and key != key.lower():
            atoms.info[key.lower()] = atoms.info.pop(key)
    for key in [key for key in atoms.arrays if key.lower() in ("force", "forces")]:
        atoms.arrays["forces"] = atoms.arrays.pop(key)
    return atoms


def _recognise(path: Path, head: bytes) -> bool:
    """Return whether the file has ``force:R:3``, energy and virial; no other program uses these three names together."""
    if not is_xyz(path):
        return False
    comment = head.split(b"\n")[1].lower() if head.count(b"\n") else b""
    return all(
        re.search(pattern, comment) for pattern in (rb"[:\"=]force:r:3", rb"(^|\s)energy\s*=", rb"(^|\s)virial\s*=")
    )


GPUMD = Format(
    name="gpumd",
    title="GPUMD `train.xyz`",
    endings=("train.xyz",),
    read=_read,
    recognise=_recognise,
    units={"virial": "eV", "virial_sign": "compression"},
    has_fixed_units=True,
    compared_with="calorine, gpumd-wizard",
)
