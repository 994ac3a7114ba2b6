"""The table of formats, and which of them a file has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ase.io.formats import ioformats

from atomgraph.data.conversion import Conversion, known_entries, unit_names
from atomgraph.data.formats.ani import ANI
from atomgraph.data.formats.ase_formats import DATABASE, EXTXYZ, TRAJ, format_of_ase
from atomgraph.data.formats.deepmd import DEEPMD
from atomgraph.data.formats.format import Format
from atomgraph.data.formats.gpumd import GPUMD
from atomgraph.data.formats.lammps_data import LAMMPS_DATA
from atomgraph.data.formats.lammps_dump import LAMMPS_DUMP
from atomgraph.data.formats.md17 import MD17
from atomgraph.data.formats.ml_ab import ML_AB
from atomgraph.data.formats.mlip_cfg import MLIP_CFG
from atomgraph.data.formats.n2p2 import N2P2
from atomgraph.data.formats.poscar import POSCAR
from atomgraph.data.formats.qm9 import QM9
from atomgraph.data.formats.text import beginning_of, check_encoding, is_packed
from atomgraph.data.formats.vasp import OUTCAR, VASPRUN
from atomgraph.errors import DataError, nearest

# In the order in which they are asked: those that look into the file before those that go by its name.
FORMATS = (
    DEEPMD,
    ANI,
    MLIP_CFG,
    ML_AB,
    N2P2,
    LAMMPS_DUMP,
    LAMMPS_DATA,
    QM9,
    GPUMD,
    EXTXYZ,
    TRAJ,
    DATABASE,
    MD17,
    VASPRUN,
    OUTCAR,
    POSCAR,
)
BY_NAME = {file_format.name: file_format for file_format in FORMATS} | {
    "xyz": EXTXYZ,
    "rmd17": MD17,
    "runnerdata": N2P2,
    "json": DATABASE,
}

OF_ASE_ONLY = {"gpumd"}  # names that ASE has for another format


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of a file: the one that is named, or the one that recognises it, or what ASE makes of its name.

    Raises:
        DataError: For an unknown name, and for a file of no known format, with the endings that are known.
    """
    if name is not None:
        if name in BY_NAME:
            return _readable(BY_NAME[name], path)
        if name in ioformats and ioformats[name].can_read:
            return format_of_ase(path, name)
        raise DataError(
            f"unknown format {name!r}{nearest(name, {*BY_NAME, *ioformats})}; ours are {', '.join(BY_NAME)}"
        )
    head = b"" if path.is_dir() else beginning_of(path)
    check_encoding(path, head)
    for file_format in FORMATS:
        if file_format.recognise(path, head):
            return _readable(file_format, path)
    try:
        of_ase = format_of_ase(path, None)
        return _readable(BY_NAME.get(of_ase.name, of_ase) if of_ase.name not in OF_ASE_ONLY else of_ase, path)
    except DataError as error:
        endings = ", ".join(
            dict.fromkeys(ending for file_format in FORMATS for ending in file_format.endings if ending != "a folder")
        )
        raise DataError(
            f"{error}; known are {endings} and what else ASE reads; or say the format: --format extxyz in a command, "
            f"data.format: extxyz in a configuration"
        ) from error


def _readable(file_format: Format, path: Path) -> Format:
    """The format; DataError for a packed file of a format that is read from the file itself."""
    if not file_format.packed and is_packed(path):
        raise DataError(
            f"{path} ({file_format.title}) is packed; unpack it (gunzip, bunzip2, unxz) and read the file itself"
        )
    return file_format


def conversion_of(file_format: Format, path: Path, stated: Mapping[str, str] | None) -> Conversion:
    """From the units of a file to eV and Å: stated units win over those that a reader assumes.

    Raises:
        DataError: For a stated unit that differs from one which the format, or the file itself, fixes.
    """
    stated = known_entries(stated, unit_names(), "units")
    own = file_format.units_in(path) if file_format.units_in is not None else {}
    assumed = {**file_format.units, **own}
    together = Conversion.of({**assumed, **stated})
    fixed = Conversion.of({**assumed, **{name: word for name, word in stated.items() if name == "stress_order"}})
    if (file_format.fixed or own) and together != fixed:
        said = ", ".join(f"{name}: {word}" for name, word in stated.items() if name != "stress_order")
        units = ", ".join(f"{name} {word}" for name, word in assumed.items()) or "eV and Å"
        raise DataError(
            f"{path} ({file_format.title}) has units of its own ({units}), which are converted; take the units ({said}) out, "
            f"or convert the file first (atomgraph convert-data) where other files need them"
        )
    return together
