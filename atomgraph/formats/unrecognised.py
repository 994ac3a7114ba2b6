"""Describes a file that no reader recognises."""

from __future__ import annotations

from pathlib import Path

LOOKS = (  # (first bytes, description)
    (b"PK\x03\x04", "is a zip archive, but not one that torch.save wrote"),
    (b"\x80\x02", "looks like a Python pickle"),
    (b"\x89HDF", "looks like HDF5"),
    (b"GIF8", "is an image"),
    (b"\x89PNG", "is an image"),
    (b"\x1f\x8b", "is compressed with gzip"),
)
PHRASES = (
    (b"gap_fit", "looks like a part of a GAP potential (.xml)"),
    (b"Lattice=", "looks like structures (extended XYZ), not a potential"),
    (b"MTP", "looks like an MTP potential (.mtp)"),
    (b"symfunction_short", "looks like an n2p2 input.nn"),
    (b"deltaSplineBins", "looks like an ACE potential in LAMMPS's form (.yace; the .yaml that it was made of is read)"),
)
OWN = (
    "atomgraph reads the .safetensors files that potential.save and `atomgraph train` write, their run folders, MACE's "
    ".model files, GAP's .xml, LAMMPS's SNAP (.snapcoeff with .snapparam), and python-ace's .yaml"
)


def description(path: Path, start: bytes) -> str:
    """The end of a sentence ``<path> ...``: what the file seems to be, and which formats are read."""
    if path.is_dir():
        if (path / "checkpoints").is_dir() or (path / "config.yaml").is_file():
            return "is a run folder without model.safetensors: its training has not ended; go on with --resume"
        if (path / "input.nn").is_file():
            return f"looks like an n2p2 folder, which is not read yet; {OWN}"
        return f"is a folder without model.safetensors; {OWN}"
    if not start:
        return "is empty; copy or download it again"
    for magic, words in LOOKS:
        if start.startswith(magic):
            return f"{words}, which is not read here; {OWN}"
    for phrase, words in PHRASES:
        if phrase in start:
            return f"{words}, which is not read here; {OWN}"
    return f"is no potential that atomgraph knows; {OWN}"
