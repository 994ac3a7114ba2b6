"""GPUMD's ``train.xyz``: extended XYZ whose keys may be in any case, whose forces are ``force``, and whose virial is −V σ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import ase

from atomgraph.data.formats.extxyz import iread_xyz, is_xyz
from atomgraph.data.formats.format import Format, Options

NAMES = ("energy", "stress", "virial", "weight")


def _read(path: Path, options: Options) -> Iterator[Callable[[], ase.Atoms]]:
    for make in iread_xyz(path, options.types):
        yield lambda make=make: _plain(make())  # type: ignore[misc]


def _plain(atoms: ase.Atoms) -> ase.Atoms:
    for key in [key for key in atoms.info if isinstance(key, str)]:
        if key.lower() in NAMES and key != key.lower():
            atoms.info[key.lower()] = atoms.info.pop(key)
    for key in [key for key in atoms.arrays if key.lower() in ("force", "forces")]:
        atoms.arrays["forces"] = atoms.arrays.pop(key)
    return atoms


def _recognise(path: Path, head: bytes) -> bool:
    """``force:R:3`` beside an energy and a virial: no other program writes all three under these names."""
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
    fixed=True,
    compared="calorine, gpumd-wizard",
)
