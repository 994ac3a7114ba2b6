"""Which label the name and the size of a value look like."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words of names, in lower case; those of one letter count where nothing else in the name speaks against it.
WORDS = {
    "stress": _set("stress stresses sigma pressure ptensor"),
    "virial": _set("virial virials vir"),
    "forces": _set("force forces f frc frcs fxyz grad grads gradient gradients dedx dedr"),
    "energy": _set("energy energies e eng ene u enthalpy toten etot etotal epot poteng toteng edft eref utot"),
}
SIZES = {"stress": (6, 9), "virial": (6, 9), "energy": (1,)}  # numbers in a frame; forces have three an atom
# Words of what is no label of these, whatever else the name says.
OTHER = _set("""
    weight weights uncertainty uncertainties std stdev error errors err mae rmse var variance mask key keys unit units index
    indices id idx count number n natoms position positions pos coordinate coordinates coord coords scaled fractional
    displacement displacements velocity velocities vel momentum momenta magmom magmoms magnetic moment moments spin
    multiplicity charge charges dipole dipoles quadrupole polarizability bec born dielectric field efield hessian strain
    rotation temperature temp time timestep step steps iteration volume density mass masses tag tags type types seed cell
    lattice box supercell kinetic kin ekin fermi efermi gap hull homo lumo cutoff ecut encut smearing hubbard constant
    constants initial pressures
    """)
PER_ATOM = re.compile(r"per_?atom|/atom|(^|_)(epa|pa)(_|$)", re.IGNORECASE)
AXES = re.compile(r"(.*?)f_?([xyz])$", re.IGNORECASE)


@lru_cache(maxsize=10_000)
def words_of(name: str) -> frozenset[str]:
    """The words of a name, in lower case: parts between underscores and the like, and parts that begin with a capital."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    whole = re.findall(r"[A-Za-z]+", name)
    return frozenset(word.lower() for word in [*parts, *whole])


def looks_like(name: str, value: Any, n_atoms: int) -> str | None:
    """The label that a key looks like, by its name and its size; None for none.

    Args:
        name: The key.
        value: The value of the key.
        n_atoms: Of the frame.
    """
    numbers = numbers_of(value)
    if numbers is None:
        return None
    words = words_of(name)
    for label, known in WORDS.items():
        if words & known and not words & OTHER and _fits(label, numbers, n_atoms):
            return label
    return None


def may_be(name: str, value: Any, n_atoms: int) -> str | None:
    """The label that a key might be by its size alone; None for names of something else."""
    numbers = numbers_of(value)
    if numbers is None or numbers.dtype.kind != "f" or words_of(name) & {*OTHER, "pressure"}:
        return None
    if numbers.ndim == 2 and numbers.shape == (n_atoms, 3):
        return "forces"
    return next((label for label in ("energy", "stress") if _fits(label, numbers, n_atoms)), None)


def is_per_atom(name: str) -> bool:
    """Whether the name of an energy says that it was divided by the number of atoms."""
    return PER_ATOM.search(name) is not None


def axis_of(name: str) -> tuple[str, str] | None:
    """The prefix before ``fx``, ``fy`` or ``fz``, and which of x, y, z; None for other names."""
    match = AXES.fullmatch(name)
    return (match[1], match[2].lower()) if match and (not match[1] or match[1].endswith("_")) else None


def numbers_of(value: Any) -> np.ndarray | None:
    """The value as an array of numbers; None for words, flags, mappings and what is empty."""
    if isinstance(value, str | bool | np.bool_ | bytes | dict):
        return None
    try:
        array = np.asarray(value)
        array = array if array.dtype.kind in "fiu" else array.astype(float) if array.dtype.kind == "O" else np.empty(0)
    except (TypeError, ValueError):
        return None
    return array if array.size else None


def _fits(label: str, numbers: np.ndarray, n_atoms: int) -> bool:
    if label == "forces":
        return numbers.size == 3 * n_atoms
    if label == "energy":
        return numbers.size == 1 and (numbers.ndim == 0 or n_atoms > 1)
    return numbers.size in SIZES[label] and numbers.shape in ((6,), (9,), (3, 3))
