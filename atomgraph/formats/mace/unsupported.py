"""Errors for files that resemble MACE models but cannot be read, with advice."""

from __future__ import annotations

from typing import Any

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.decode import dict_items
from atomgraph.formats.pickled.module_tree import Tree, is_module
from atomgraph.formats.pickled.safe_pickle import PickledObject

READABLE_CLASSES = ("ScaleShiftMACE", "MACE")
OTHER_CLASSES = {
    "PolarMACE": "its energy has long-range electrostatics",
    "MACELES": "its energy has a latent Ewald sum",
    "AtomicDipolesMACE": "it predicts dipoles and no energy",
    "AtomicDielectricMACE": "it predicts dielectric properties",
    "EnergyDipolesMACE": "it predicts dipoles and energies",
    "BOTNet": "it is a BOTNet, an earlier architecture",
    "ScaleShiftBOTNet": "it is a BOTNet, an earlier architecture",
}
ACCELERATION_LIBRARIES = ("cuequivariance", "openequivariance")


def check_root(archive: Archive) -> None:
    """Raise FormatError if the root of an archive is not a MACE module, with advice for known other files."""
    if archive.is_script:
        raise FormatError(
            "the file is compiled TorchScript (such as *_compiled.model or an export for LAMMPS), which contains a "
            "program and not the model; give the file from which it was made: the .model of MACE, the checkpoint or package "
            "of nequip, the checkpoint of SevenNet, or best_model of schnetpack"
        )
    root = archive.root
    keys = {_name(key) for key, _ in dict_items(root)} | {
        _name(key) for key, _ in dict_items(getattr(root, "state", None))
    }
    if {"model", "optimizer"} & keys and not is_module(root):
        raise FormatError(
            "the file is a checkpoint of mace-torch's training (weights, optimiser, schedule) without the architecture; "
            "give the .model file that the run wrote at its end, or train again with a configuration"
        )
    if not is_module(root):
        content = f"a {root.path}" if isinstance(root, PickledObject) else f"a {type(root).__name__}"
        if dict_items(root):
            content = (
                f"a dictionary ({', '.join(_name(key) for key, _ in dict_items(root)[:3])}, …), perhaps a state dict"
            )
        raise FormatError(
            f"the file was saved by torch, but contains {content}, and no MACE model; give the .model file that holds the "
            "whole model"
        )
    if not root.module.startswith("mace.") or root.name not in READABLE_CLASSES:
        reason = OTHER_CLASSES.get(root.name)
        if root.module.startswith("mace.") and reason is not None:
            raise FormatError(
                f"the file holds a {root.name}, which is not read: {reason}; atomgraph reads {' and '.join(READABLE_CLASSES)}"
            )
        if root.module.startswith("mace.") and "BOTNet" in root.name:
            raise FormatError(
                f"the file holds a {root.name}, which is not read: it is a BOTNet, an earlier architecture"
            )
        raise FormatError(
            f"the file holds a {root.path} of another program, which is not read; atomgraph reads "
            f"{' and '.join(READABLE_CLASSES)} of mace-torch"
        )


def _name(key: Any) -> str:
    """Return the first 60 characters of a key; the type in brackets if it is not text."""
    return key[:60] if isinstance(key, str) else f"<{type(key).__name__}>"


def check_classes(tree: Tree) -> None:
    """Raise FormatError for parts of a MACE model whose mathematics differs from that of atomgraph."""
    for name, part in tree.walk():
        if part.module.startswith(ACCELERATION_LIBRARIES):
            raise FormatError(
                f"the module {name} is of {part.module.split('.')[0]}: the model was converted for that library, and the "
                "product basis is not in the file; convert the model back on the machine that made it "
                "(mace_cueq_to_e3nn or mace_oeq_to_e3nn) and load the result"
            )
        if part.kind == "SoftTransform" and "alpha" not in {*part.buffers, *part.parameters}:
            raise FormatError(
                f"the module {name} is the Soft transform of mace-torch before 0.3.11, which is a different function "
                f"and not supported. "
                "Train the model again with a later mace-torch, or with Agnesi"
            )
