"""A starting model that knows its structures well but not perfectly, labelled targets for it, and faults to plant in them."""

import ase
import numpy as np
import torch
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.graph.structure import VOIGT, get_labels
from atomgraph.units import ENERGY, PRESSURE
from helpers import tiny_structures as tiny


def starting(like, *, off=0.03, seed=3):
    """A copy of a potential with each weight off by some per cent."""
    model = tiny.potential(like.elements, cutoff=like.cutoff, heads=like.heads)
    model.load_state_dict(like.state_dict())
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 1 + off * torch.randn(weight.shape, generator=random, dtype=weight.dtype)
    return model


def crystals(n=16, *, seed=0):
    """Strained and rattled silicon, and silicon with oxygen."""
    random = np.random.default_rng(seed)
    frames = []
    for i in range(n):
        atoms = bulk("SiO", "zincblende", a=4.6, cubic=True) if i % 2 else bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell @ (np.eye(3) * (1 + 0.03 * random.standard_normal())), scale_atoms=True)
        atoms.positions += 0.15 * random.standard_normal(atoms.positions.shape)
        atoms.info["config_type"] = "oxide" if i % 2 else "silicon"
        frames.append(atoms)
    return frames


def waters(n=12, *, seed=0):
    """One molecule, rattled."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = molecule("H2O")
        atoms.positions += 0.08 * random.standard_normal((3, 3))
        frames.append(atoms)
    return frames


def labelled(frames, truth):
    """Frames with the numbers of a potential as labels, stress where there is a volume."""
    result = []
    for atoms, given in zip(frames, truth.predict(frames), strict=True):
        result.append(with_labels(atoms, given["energy"], given["forces"], given["stress"]))
    return result


def with_labels(atoms, energy, forces, stress=None):
    atoms = atoms.copy()
    labels = {"energy": float(energy), "forces": forces}
    if stress is not None and np.isfinite(stress).all():
        labels["stress"] = np.asarray(stress).ravel()[list(VOIGT)]
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def changed(frames, *, energy=lambda e, atoms: e, forces=lambda f: f, stress=lambda s: s):
    """The frames with labels that went through functions."""
    result = []
    for atoms in frames:
        label = get_labels(atoms)
        s = stress(label["stress"]) if "stress" in label else None
        result.append(with_labels(atoms, energy(float(label["energy"]), atoms), forces(label["forces"]), s))
    return result


def sums(atoms: ase.Atoms, by_element):
    return sum(by_element[symbol] for symbol in atoms.symbols)


FAULTS = {
    "forces sign": {"forces": lambda f: -f},
    "energy unit": {"energy": lambda e, atoms: e / ENERGY["kcal/mol"]},
    "stress unit": {"stress": lambda s: s / PRESSURE["kbar"]},
    "stress sign": {"stress": lambda s: -s},
}


WRONG_E0 = {
    "one element": (
        lambda e0: {s: 1.0 if s == "O" else 0.0 for s in e0},
        "for O by +0.9",
    ),  # the starting model is itself 0.04 off
    "doubled": (lambda e0: e0, "twice as large in the labels"),
    "another code": (lambda e0: {s: {"O": -2041.0, "Si": -7880.0}.get(s, -13.6) for s in e0}, "E0 is wrong: O -2041."),
}
"""By name what is added to labels, from E0 of the model, and the words in which the audit should say so."""
