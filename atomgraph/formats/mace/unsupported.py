"""Describes files that resemble MACE models but cannot be read, with the way out."""

from __future__ import annotations

from typing import Any

from atomgraph.errors import FormatError
from atomgraph.formats.mace.archive import Archive
from atomgraph.formats.mace.decode import items_of
from atomgraph.formats.mace.module_tree import Tree, is_module
from atomgraph.formats.mace.safe_pickle import PickledObject

READ = ("ScaleShiftMACE", "MACE")
OTHER_CLASSES = {
    "PolarMACE": "its energy has long-range electrostatics",
    "MACELES": "its energy has a latent Ewald sum",
    "AtomicDipolesMACE": "it predicts dipoles and no energy",
    "AtomicDielectricMACE": "it predicts dielectric properties",
    "EnergyDipolesMACE": "it predicts dipoles beside energies",
    "BOTNet": "it is of BOTNet, before MACE",
    "ScaleShiftBOTNet": "it is of BOTNet, before MACE",
}
ACCELERATED = ("cuequivariance", "openequivariance")


def check_root(archive: Archive) -> None:
    """Refuse archives whose root is no MACE module."""
    if archive.is_script:
        raise FormatError(
            "it is compiled TorchScript (such as *_compiled.model or an export for LAMMPS), which holds a program and not "
            "the model; give the original .model file it was made from"
        )
    root = archive.root
    keys = {_name(key) for key, _ in items_of(root)} | {_name(key) for key, _ in items_of(getattr(root, "state", None))}
    if {"model", "optimizer"} & keys and not is_module(root):
        raise FormatError(
            "it is a checkpoint of mace-torch's training (weights, optimiser, schedule) without the architecture; give the "
            ".model file that the run wrote at its end, or train again with a configuration"
        )
    if not is_module(root):
        what = f"a {root.path}" if isinstance(root, PickledObject) else f"a {type(root).__name__}"
        if items_of(root):
            what = f"a dictionary ({', '.join(_name(key) for key, _ in items_of(root)[:3])}, …), perhaps a state dict"
        raise FormatError(
            f"it was saved by torch, but holds {what}, and no MACE model; give the .model file that holds the whole model"
        )
    if not root.module.startswith("mace.") or root.name not in READ:
        reason = OTHER_CLASSES.get(root.name)
        if root.module.startswith("mace.") and reason is not None:
            raise FormatError(
                f"it holds a {root.name}, which is not read: {reason}; atomgraph reads {' and '.join(READ)}"
            )
        if root.module.startswith("mace.") and "BOTNet" in root.name:
            raise FormatError(f"it holds a {root.name}, which is not read: it is of BOTNet, before MACE")
        raise FormatError(
            f"it holds a {root.path} of another program, which is not read; atomgraph reads {' and '.join(READ)} of mace-torch"
        )


def _name(key: Any) -> str:
    """A key that is a text, cut short; its type in brackets for any other."""
    return key[:60] if isinstance(key, str) else f"<{type(key).__name__}>"


def check_classes(tree: Tree) -> None:
    """Refuse a MACE model with parts in it that are computed otherwise."""
    for name, part in tree.walk():
        if part.module.startswith(ACCELERATED):
            raise FormatError(
                f"its part {name} is of {part.module.split('.')[0]}: it was converted for that library, and its product "
                "basis is not in the file; convert it back where it was made (mace_cueq_to_e3nn, or mace_oeq_to_e3nn) and "
                "load the result"
            )
        if part.kind == "SoftTransform" and "alpha" not in {*part.buffers, *part.parameters}:
            raise FormatError(
                f"its part {name} is the Soft transform of mace-torch before 0.3.11, which was another function; it is not "
                "read. Train it again with a later mace-torch, or with Agnesi"
            )
