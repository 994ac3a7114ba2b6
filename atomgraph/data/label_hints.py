"""Guesses of the label that a key may hold, from its name and the size of its value."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from atomgraph.old_names import old_names_of


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words in the names of labels, in lower case.
LABEL_WORDS = {
    "stress": _word_set("stress stresses sigma pressure ptensor"),
    "virial": _word_set("virial virials vir"),
    "forces": _word_set("force forces f frc frcs fxyz grad grads gradient gradients dedx dedr"),
    "energy": _word_set("energy energies e eng ene u enthalpy toten etot etotal epot poteng toteng edft eref utot"),
}
LABEL_SIZES = {"stress": (6, 9), "virial": (6, 9), "energy": (1,)}  # numbers per frame; forces have three per atom
# A name with one of these words is the name of another quantity.
NON_LABEL_WORDS = _word_set("""
    weight weights uncertainty uncertainties std stdev error errors err mae rmse var variance mask key keys unit units index
    indices id idx count number n natoms position positions pos coordinate coordinates coord coords scaled fractional
    displacement displacements velocity velocities vel momentum momenta magmom magmoms magnetic moment moments spin
    multiplicity charge charges dipole dipoles quadrupole polarizability bec born dielectric field efield hessian strain
    rotation temperature temp time timestep step steps iteration volume density mass masses tag tags type types seed cell
    lattice box supercell kinetic kin ekin fermi efermi gap hull homo lumo cutoff ecut encut smearing hubbard constant
    constants initial pressures
    """)
PER_ATOM = re.compile(r"per_?atom|/atom|(^|_)(epa|pa)(_|$)", re.IGNORECASE)
FORCE_AXIS = re.compile(r"(.*?)f_?([xyz])$", re.IGNORECASE)


@lru_cache(maxsize=10_000)
def split_name(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case; underscores and capital letters separate words."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    letters = re.findall(r"[A-Za-z]+", name)
    return frozenset(word.lower() for word in [*parts, *letters])


def guess_by_name(name: str, value: Any, n_atoms: int) -> str | None:
    """Return the label that the name and the size of a value suggest; None if they suggest none.

    Args:
        name: The key.
        value: The value of the key.
        n_atoms: Number of atoms of the frame.
    """
    numbers = as_numbers(value)
    if numbers is None:
        return None
    words = split_name(name)
    for label, label_words in LABEL_WORDS.items():
        if words & label_words and not words & NON_LABEL_WORDS and _fits(label, numbers, n_atoms):
            return label
    return None


def guess_by_size(name: str, value: Any, n_atoms: int) -> str | None:
    """Return the label that the size of a value suggests; None for names of other quantities.

    Args:
        name: The key.
        value: The value of the key.
        n_atoms: Number of atoms of the frame.
    """
    numbers = as_numbers(value)
    if numbers is None or numbers.dtype.kind != "f" or split_name(name) & {*NON_LABEL_WORDS, "pressure"}:
        return None
    if numbers.ndim == 2 and numbers.shape == (n_atoms, 3):
        return "forces"
    return next((label for label in ("energy", "stress") if _fits(label, numbers, n_atoms)), None)


def is_per_atom(name: str) -> bool:
    """Return whether the name is that of an energy per atom."""
    return PER_ATOM.search(name) is not None


def split_force_axis(name: str) -> tuple[str, str] | None:
    """Return the prefix before ``fx``, ``fy`` or ``fz``, and the axis x, y or z; None for other names."""
    match = FORCE_AXIS.fullmatch(name)
    return (match[1], match[2].lower()) if match and (not match[1] or match[1].endswith("_")) else None


def as_numbers(value: Any) -> np.ndarray | None:
    """Return the value as an array of numbers; None for text, flags, mappings and empty values."""
    if isinstance(value, str | bool | np.bool_ | bytes | dict):
        return None
    try:
        array = np.asarray(value)
        array = array if array.dtype.kind in "fiu" else array.astype(float) if array.dtype.kind == "O" else np.empty(0)
    except (TypeError, ValueError):
        return None
    return array if array.size else None


def _fits(label: str, numbers: np.ndarray, n_atoms: int) -> bool:
    """Return whether an array has the size of a label."""
    if label == "forces":
        return numbers.size == 3 * n_atoms
    if label == "energy":
        return numbers.size == 1 and (numbers.ndim == 0 or n_atoms > 1)
    return numbers.size in LABEL_SIZES[label] and numbers.shape in ((6,), (9,), (3, 3))


__getattr__ = old_names_of(__name__)
