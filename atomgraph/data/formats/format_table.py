"""The table of formats; finds the format and the units of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ase.io.formats import ioformats

from atomgraph.data.conversion import Conversion, check_entries, unit_names
from atomgraph.data.formats.ani import ANI
from atomgraph.data.formats.ase_formats import DATABASE, EXTXYZ, TRAJ, find_ase_format
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
from atomgraph.data.formats.text import check_encoding, is_packed, read_beginning
from atomgraph.data.formats.vasp import OUTCAR, VASPRUN
from atomgraph.errors import DataError, nearest
from atomgraph.old_names import old_names_of

# In the order of recognition: formats recognised by the content of a file come before those recognised by its name.
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
FORMATS_BY_NAME = {file_format.name: file_format for file_format in FORMATS} | {
    "xyz": EXTXYZ,
    "rmd17": MD17,
    "runnerdata": N2P2,
    "json": DATABASE,
}

NAMES_WITH_OTHER_MEANING_IN_ASE = {"gpumd"}  # ASE uses these names of atomgraph for other formats


def find_format(path: Path, name: str | None = None) -> Format:
    """Return the format of a file.

    Args:
        path: The file.
        name: Name of the format; None to recognise it from the content or the name of the file.

    Raises:
        DataError: If the name is unknown, or the file has no known format.
    """
    if name is not None:
        if name in FORMATS_BY_NAME:
            return _check_packed(FORMATS_BY_NAME[name], path)
        if name in ioformats and ioformats[name].can_read:
            return find_ase_format(path, name)
        raise DataError(
            f"unknown format {name!r}{nearest(name, {*FORMATS_BY_NAME, *ioformats})}; formats of atomgraph are "
            f"{', '.join(FORMATS_BY_NAME)}"
        )
    head = b"" if path.is_dir() else read_beginning(path)
    check_encoding(path, head)
    for file_format in FORMATS:
        if file_format.recognise(path, head):
            return _check_packed(file_format, path)
    try:
        ase_format = find_ase_format(path, None)
        if ase_format.name in NAMES_WITH_OTHER_MEANING_IN_ASE:
            return _check_packed(ase_format, path)
        return _check_packed(FORMATS_BY_NAME.get(ase_format.name, ase_format), path)
    except DataError as error:
        endings = ", ".join(
            dict.fromkeys(ending for file_format in FORMATS for ending in file_format.endings if ending != "a folder")
        )
        raise DataError(
            f"{error}; known endings are {endings} and those that ASE reads; or name the format: --format extxyz in a command, "
            f"data.format: extxyz in a configuration"
        ) from error


def _check_packed(file_format: Format, path: Path) -> Format:
    """Return the format; DataError if the file is compressed and the format cannot be read from compressed files."""
    if not file_format.reads_compressed and is_packed(path):
        raise DataError(f"{path} ({file_format.title}) is compressed; decompress it first (gunzip, bunzip2, unxz)")
    return file_format


def find_conversion(file_format: Format, path: Path, stated_units: Mapping[str, str] | None) -> Conversion:
    """Return the conversion of a file to eV and Å; stated units replace default units of the format.

    Args:
        file_format: Format of the file.
        path: The file.
        stated_units: Units that the user states, see ``data.read``; None if not stated.

    Raises:
        DataError: If a stated unit differs from a unit that the format or the file fixes.
    """
    stated_units = check_entries(stated_units, unit_names(), "units")
    file_units = file_format.units_in(path) if file_format.units_in is not None else {}
    default_units = {**file_format.units, **file_units}
    conversion = Conversion.from_units({**default_units, **stated_units})
    # the order of stress components is not a unit of the file, so users may state it for every format
    fixed_conversion = Conversion.from_units(
        {**default_units, **{name: word for name, word in stated_units.items() if name == "stress_order"}}
    )
    if (file_format.has_fixed_units or file_units) and conversion != fixed_conversion:
        stated_text = ", ".join(f"{name}: {word}" for name, word in stated_units.items() if name != "stress_order")
        units = ", ".join(f"{name} {word}" for name, word in default_units.items()) or "eV and Å"
        raise DataError(
            f"{path} ({file_format.title}) has the fixed units {units}, which are converted automatically; remove the "
            f"stated units ({stated_text}). If other files of the same command need these units, convert this file first "
            f"(atomgraph convert-data)"
        )
    return conversion


__getattr__ = old_names_of(__name__)
