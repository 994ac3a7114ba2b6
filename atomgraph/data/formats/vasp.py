"""Readers of VASP's OUTCAR and vasprun.xml, with ASE; ionic steps without electronic convergence are left out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import ase
import ase.io

from atomgraph.data.formats.format import Format, Frame, Options
from atomgraph.data.formats.text import open_unpacked, read_lines
from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of


def _read_outcar(path: Path, options: Options) -> Iterator[Frame]:
    with open_unpacked(path) as file:
        frames = ase.io.read(io.TextIOWrapper(file, encoding="utf-8"), index=":", format="vasp-out")
    yield from _drop_unconverged(frames, outcar_convergence(path), path, options)


def _read_xml(path: Path, options: Options) -> Iterator[Frame]:
    with open_unpacked(path) as file:
        frames = ase.io.read(file, index=":", format="vasp-xml")
    yield from _drop_unconverged(frames, xml_convergence(path), path, options)


def _drop_unconverged(
    frames: list[ase.Atoms], is_converged: list[bool], path: Path, options: Options
) -> Iterator[Frame]:
    """Yield the frames, with None in place of a frame that did not converge."""
    for step, atoms in enumerate(frames):
        if options.labels and step < len(is_converged) and not is_converged[step]:
            options.notes.unconverged[str(path)] += 1
            yield None
        else:
            yield atoms


def outcar_convergence(path: Path) -> list[bool]:
    """Return whether the electronic loop of each ionic step converged.

    VASP writes this at the end of a loop. If the line is missing, a loop with NELM steps did not converge.
    """
    is_converged, stated_convergence, n_steps, nelm = [], None, 0, 60  # 60 is VASP's default of NELM
    for line in read_lines(path):
        if "NELM " in line and (match := re.search(r"NELM\s*=\s*(\d+)", line)):
            nelm = int(match[1])
        elif "Iteration" in line and (match := re.search(r"Iteration\s+\d+\(\s*(\d+)\s*\)", line)):
            n_steps = int(match[1])
        elif "aborting loop" in line:
            stated_convergence = "not reached" not in line and "unconverged" not in line
        elif "TOTAL-FORCE (eV/Angst)" in line:
            is_converged.append(n_steps < nelm if stated_convergence is None else stated_convergence)
            stated_convergence, n_steps = None, 0
    return is_converged


def xml_convergence(path: Path) -> list[bool]:
    """Return whether the electronic loop of each ionic step has fewer steps than NELM."""
    is_converged, n_steps, nelm = [], 0, None
    try:
        with open_unpacked(path) as file:
            for _, node in ElementTree.iterparse(file, events=("end",)):
                if node.tag == "i" and node.get("name") == "NELM" and nelm is None:
                    nelm = int(node.text or 60)
                elif node.tag == "scstep":
                    n_steps += 1
                    node.clear()
                elif node.tag == "calculation":
                    is_converged.append(nelm is None or n_steps < nelm)
                    n_steps = 0
                    node.clear()
    except ElementTree.ParseError:  # the file of a stopped run ends early; ASE has read the complete steps
        pass
    except ValueError as error:
        raise DataError(f"{path}: NELM is not a number: {error}") from error
    return is_converged


OUTCAR = Format(
    name="vasp-out",
    title="VASP OUTCAR",
    endings=("OUTCAR",),
    read=_read_outcar,
    recognise=lambda path, head: head.lstrip().startswith(b"vasp.") or "OUTCAR" in path.name.upper(),
    has_fixed_units=True,
    compared_with="dpdata; read through ASE",
)
VASPRUN = Format(
    name="vasp-xml",
    title="VASP vasprun.xml",
    endings=("vasprun.xml",),
    read=_read_xml,
    recognise=lambda path, head: b"<modeling>" in head,
    has_fixed_units=True,
    compared_with="read through ASE",
)


__getattr__ = old_names_of(__name__)
