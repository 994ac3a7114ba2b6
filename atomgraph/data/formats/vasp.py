"""VASP's OUTCAR and vasprun.xml, through ASE, without ionic steps whose electrons did not converge."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import ase
import ase.io

from atomgraph.data.formats.format import Format, Frame, Options
from atomgraph.data.formats.text import lines_of, open_unpacked
from atomgraph.errors import DataError


def _read_outcar(path: Path, options: Options) -> Iterator[Frame]:
    with open_unpacked(path) as file:
        frames = ase.io.read(io.TextIOWrapper(file, encoding="utf-8"), index=":", format="vasp-out")
    yield from _converged(frames, outcar_steps(path), path, options)


def _read_xml(path: Path, options: Options) -> Iterator[Frame]:
    with open_unpacked(path) as file:
        frames = ase.io.read(file, index=":", format="vasp-xml")
    yield from _converged(frames, xml_steps(path), path, options)


def _converged(frames: list[ase.Atoms], steps: list[bool], path: Path, options: Options) -> Iterator[Frame]:
    for place, atoms in enumerate(frames):
        if options.labels and place < len(steps) and not steps[place]:
            options.notes.unconverged[str(path)] += 1
            yield None
        else:
            yield atoms


def outcar_steps(path: Path) -> list[bool]:
    """Whether the electronic loop of each ionic step converged.

    VASP says so at the end of a loop; where it says nothing, a loop of NELM steps is one that did not converge.
    """
    steps, said, n_loops, most = [], None, 0, 60
    for line in lines_of(path):
        if "NELM " in line and (match := re.search(r"NELM\s*=\s*(\d+)", line)):
            most = int(match[1])
        elif "Iteration" in line and (match := re.search(r"Iteration\s+\d+\(\s*(\d+)\s*\)", line)):
            n_loops = int(match[1])
        elif "aborting loop" in line:
            said = "not reached" not in line and "unconverged" not in line
        elif "TOTAL-FORCE (eV/Angst)" in line:
            steps.append(n_loops < most if said is None else said)
            said, n_loops = None, 0
    return steps


def xml_steps(path: Path) -> list[bool]:
    """Whether the electronic loop of each ionic step has fewer steps than NELM."""
    steps, n_loops, most = [], 0, None
    try:
        with open_unpacked(path) as file:
            for _, node in ElementTree.iterparse(file, events=("end",)):
                if node.tag == "i" and node.get("name") == "NELM" and most is None:
                    most = int(node.text or 60)
                elif node.tag == "scstep":
                    n_loops += 1
                    node.clear()
                elif node.tag == "calculation":
                    steps.append(most is None or n_loops < most)
                    n_loops = 0
                    node.clear()
    except ElementTree.ParseError:  # a run that was stopped; ASE has read what is whole
        pass
    except ValueError as error:
        raise DataError(f"{path}: NELM is no number: {error}") from error
    return steps


OUTCAR = Format(
    name="vasp-out",
    title="VASP OUTCAR",
    endings=("OUTCAR",),
    read=_read_outcar,
    recognise=lambda path, head: head.lstrip().startswith(b"vasp.") or "OUTCAR" in path.name.upper(),
    fixed=True,
    compared="dpdata; read through ASE",
)
VASPRUN = Format(
    name="vasp-xml",
    title="VASP vasprun.xml",
    endings=("vasprun.xml",),
    read=_read_xml,
    recognise=lambda path, head: b"<modeling>" in head,
    fixed=True,
    compared="read through ASE",
)
