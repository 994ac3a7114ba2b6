"""Description of a file that no reader recognises, for the error message."""

from __future__ import annotations

from pathlib import Path

from atomgraph.old_names import old_names_of

SIGNATURES = (  # (first bytes, description)
    (b"PK\x03\x04", "is a zip archive, but not one that torch.save wrote"),
    (b"\x80\x02", "looks like a Python pickle"),
    (b"\x89HDF", "looks like HDF5"),
    (b"GIF8", "is an image"),
    (b"\x89PNG", "is an image"),
    (b"\x1f\x8b", "is compressed with gzip"),
)
CONTENTS = (  # (bytes near the beginning, description)
    (b"gap_fit", "looks like a part of a GAP potential (.xml)"),
    (b"Lattice=", "looks like structures (extended XYZ), not a potential"),
    (b"MTP", "looks like an MTP potential (.mtp)"),
    (b"symfunction_short", "looks like an n2p2 input.nn"),
    (
        b"deltaSplineBins",
        "looks like an ACE potential in LAMMPS's form (.yace; use the .yaml file from which it was made)",
    ),
)
READABLE_FORMATS = (
    "atomgraph reads the .safetensors files that potential.save and `atomgraph train` write, their run folders, MACE's "
    ".model files, checkpoints and packages of nequip and SevenNet, SchNet and PaiNN of schnetpack 2 (best_model), "
    "deepmd-kit's .dp, .yaml, .pt, .pth and .pb, GAP's .xml, LAMMPS's SNAP (.snapcoeff with .snapparam), and python-ace's .yaml"
)


def describe_file(path: Path, start: bytes) -> str:
    """Return the end of a sentence that begins with the path: the probable format, and the formats that are read.

    Args:
        path: The file.
        start: First bytes of the file.
    """
    if path.is_dir():
        if (path / "checkpoints").is_dir() or (path / "config.yaml").is_file():
            return "is a run folder without model.safetensors: its training has not ended; continue it with --resume"
        if (path / "input.nn").is_file():
            return f"looks like an n2p2 folder, which is not read yet; {READABLE_FORMATS}"
        return f"is a folder without model.safetensors; {READABLE_FORMATS}"
    if not start:
        return "is empty; copy or download it again"
    if path.suffix == ".pt2":
        return f"is a compiled program of torch (AOTInductor); give the file from which it was compiled; {READABLE_FORMATS}"
    for signature, text in SIGNATURES:
        if start.startswith(signature):
            return f"{text}, which atomgraph does not read; {READABLE_FORMATS}"
    for content, text in CONTENTS:
        if content in start:
            return f"{text}, which atomgraph does not read; {READABLE_FORMATS}"
    return f"is not a potential of a known format; {READABLE_FORMATS}"


__getattr__ = old_names_of(__name__)
