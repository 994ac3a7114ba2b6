"""Symmetry functions equal to dscribe's and n2p2's, to the last digits."""

import ase
import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from helpers.references import folder, reference

from atomgraph.featurizers import SymmetryFunctions
from atomgraph.featurizers.symmetry_functions.neighbour_sums import CUTOFF_FUNCTIONS
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import make_graph

pytestmark = pytest.mark.refs

DSCRIBE = ["ethanol", "lioh6", "mo15_vac", "mo1_tri", "one_O", "si2_tri", "si8"]
DSCRIBE += ["two_HO", "water3", "water8_slab", "water8_tri"]
MLEARN = [f"Mo@{name}" for name in ("mo15_vac", "mo1_tri", "mo54", "one_Mo", "two_Mo")]
MLEARN += [f"Si@{name}" for name in ("one_Si", "si2_tri", "si64", "si8", "two_Si")]
WATER = ["set0", "set1", "set2", "water3", "water8_box", "water8_tri"]


def features(featurizer, atoms, cutoff):
    """(n_atoms, n_functions) and the edges, whose vectors carry the derivatives."""
    graph = make_graph(atoms, cutoff)
    graph.pos.requires_grad_(True)
    return featurizer(graph, Edges.of(graph, ElementTable(featurizer.elements), torch.float64)), graph.pos


def assert_same_to_twelve_digits(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15 * max(1.0, np.abs(theirs).max()))


def by_number(symbols):
    return sorted(symbols, key=atomic_numbers.__getitem__)


@pytest.mark.parametrize("case", DSCRIBE)
def test_equal_to_dscribe(case):
    """Per element f_c and its G2, then per pair its G4: dscribe's order; G4 is the narrow form."""
    arrays, conventions = reference("dscribe_acsf")
    settings = conventions["params"][case]
    elements = by_number(settings["species"])
    gaussians = [(0.0, 0.0), *settings["g2_params"]]
    radial = [{"eta": eta, "shift": shift, "neighbour": a} for a in elements for eta, shift in gaussians]
    angular = [
        {"eta": eta, "zeta": zeta, "lambda": sign, "form": "narrow", "neighbours": [a, b]}
        for i, a in enumerate(elements)
        for b in elements[: i + 1]
        for eta, zeta, sign in settings["g4_params"]
    ]
    featurizer = SymmetryFunctions(elements, settings["r_cut"], radial, angular, "cosine")
    atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
    h, pos = features(featurizer, atoms, settings["r_cut"])
    assert_same_to_twelve_digits(h.detach().numpy(), arrays[f"{case}/descriptor"])
    gradients = arrays.get(f"{case}/derivatives")  # (atom described, atom moved, xyz, feature), by differences
    if gradients is not None:
        ours = np.zeros_like(gradients)
        for i, f in np.ndindex(*h.shape):
            if h.requires_grad:
                ours[i, :, :, f] = torch.autograd.grad(h[i, f], pos, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(ours, gradients, rtol=1e-6, atol=1e-6)


def n2p2_functions(path):
    """Elements, cutoff function and n2p2's own sorted list of an ``input.nn``; lengths in the units of the file."""
    words = [line.split("#")[0].split() for line in path.read_text().splitlines()]
    keywords = {line[0]: line[1:] for line in words if line}
    functions = []
    for centre, kind, *rest in (line[1:] for line in words if line and line[0] == "symfunction_short"):
        n_neighbours = 1 if kind == "2" else 2
        neighbours, numbers = by_number(rest[:n_neighbours]), [float(word) for word in rest[n_neighbours:]]
        if kind == "2":
            eta, shift, cutoff = numbers
            entry = {"neighbour": neighbours[0]}
            tail = ()
        else:
            eta, sign, zeta, cutoff, shift = (*numbers, 0.0)[:5]
            entry = {"neighbours": neighbours, "zeta": zeta, "lambda": sign}
            entry["form"] = {"3": "narrow", "9": "wide"}[kind]
            tail = (zeta, sign)
        entry |= {"centre": centre, "eta": eta, "shift": shift, "cutoff": cutoff}
        place = (atomic_numbers[centre], int(kind), cutoff, eta, shift, *tail, *(atomic_numbers[a] for a in neighbours))
        functions.append((place, entry))
    entries = [entry for _, entry in sorted(functions, key=lambda pair: pair[0])]
    elements = by_number(keywords["elements"])
    return elements, CUTOFF_FUNCTIONS[int(keywords["cutoff_type"][0])], entries


@pytest.mark.parametrize("file, case", [("n2p2_mlearn", c) for c in MLEARN] + [("n2p2_H2O_RPBE-D3", c) for c in WATER])
def test_equal_to_n2p2(file, case):
    """Types 2 and 3 with cosine (mlearn) and tanh³ (water); the files' Bohr are taken as they are."""
    arrays, _ = reference(file)
    model = f"mlearn_{case.split('@')[0]}" if "@" in case else "H2O_RPBE-D3"
    elements, cutoff_function, entries = n2p2_functions(folder() / "n2p2_models" / model / "input.nn")
    cutoff = max(entry["cutoff"] for entry in entries)
    radial, angular = ([e for e in entries if ("zeta" in e) == bent] for bent in (False, True))
    featurizer = SymmetryFunctions(elements, cutoff, radial, angular, cutoff_function)
    atoms = ase.Atoms(arrays[f"{case}/numbers"], arrays[f"{case}/positions"])
    if arrays[f"{case}/periodic"]:
        atoms.cell, atoms.pbc = arrays[f"{case}/cell"], True
    h = features(featurizer, atoms, cutoff)[0].detach().numpy()
    theirs = arrays[f"{case}/G_raw"]
    assert_same_to_twelve_digits(h[~np.isnan(theirs)], theirs[~np.isnan(theirs)])
    assert (h[np.isnan(theirs)] == 0).all()
