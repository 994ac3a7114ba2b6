"""Readers of extended XYZ, of ASE trajectories and data bases, and of all other formats that ASE reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import ase
import ase.db
import ase.io
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from atomgraph.data.formats.extxyz import iread_xyz, is_xyz
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.named_atoms import check_names_elements
from atomgraph.data.formats.text import check_unpacked
from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

DATABASE_ENDINGS = {".db", ".json"}
# Formats without fixed units, for which stated units are used. ASE converts the units of all other formats.
FORMATS_WITHOUT_UNITS = {"traj", "bundletrajectory", "db", "json", "extxyz", "xyz", "netcdftrajectory"}
DATABASE_SERVERS = {"mysql", "postgresql"}  # ASE formats that are not files


def _read_xyz(path: Path, options: Options) -> Iterable[Callable[[], ase.Atoms]]:
    return iread_xyz(path, options.types)


def _read_traj(path: Path, options: Options) -> Iterator[ase.Atoms]:
    yield from ase.io.iread(path, index=":", format="traj")


def _read_database(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of a data base with their key-value pairs and data, which ``ase.io.read`` drops."""
    with ase.db.connect(path, type="json" if path.suffix.lower() == ".json" else "db") as database:
        for row in database.select():
            yield row.toatoms(add_additional_information=True)


def find_ase_format(path: Path, name: str | None) -> Format:
    """Return the format of a file that ASE reads.

    Args:
        path: The file.
        name: ASE's name of the format; None to find the format from the name of the file.

    Raises:
        DataError: If ASE does not know the ending, or has no reader of this name.
    """
    try:
        name = filetype(str(path)) if name is None else name
    except (UnknownFileTypeError, OSError) as error:
        raise DataError(f"cannot find the format of {path}: {error}") from error
    if name not in ioformats or not ioformats[name].can_read or name in DATABASE_SERVERS:
        raise DataError(f"cannot find the format of {path} by its ending")

    def read(path: Path, options: Options) -> Iterable[ase.Atoms]:
        check_names_elements(path, name)
        check_unpacked(path)
        structures = ase.io.read(path, index=slice(None), format=name)
        return structures if isinstance(structures, list) else [structures]

    return Format(
        name=name,
        title=str(ioformats[name].description),
        endings=(),
        read=read,
        recognise=lambda path, head: False,
        has_fixed_units=name not in FORMATS_WITHOUT_UNITS,
        compared_with="read through ASE",
    )


EXTXYZ = Format(
    name="extxyz",
    title="Extended and plain XYZ",
    endings=(".xyz", ".extxyz"),
    read=_read_xyz,
    recognise=lambda path, head: is_xyz(path),
    may_lack_elements=True,
    compared_with="ASE",
)
TRAJ = Format(
    name="traj",
    title="ASE trajectory",
    endings=(".traj",),
    read=_read_traj,
    recognise=lambda path, head: path.suffix.lower() == ".traj" or b"- of UlmASE-Trajectory" in head[:40],
    reads_compressed=False,
    compared_with="read through ASE",
)
DATABASE = Format(
    name="db",
    title="ASE data base",
    endings=(".db", ".json"),
    read=_read_database,
    recognise=lambda path, head: path.suffix.lower() in DATABASE_ENDINGS or head.startswith(b"SQLite format 3"),
    reads_compressed=False,
    compared_with="read through ASE",
)


__getattr__ = old_names_of(__name__)
