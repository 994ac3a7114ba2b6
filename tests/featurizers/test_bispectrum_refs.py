"""Bispectra equal to LAMMPS's, with their gradients and virials."""

import ase
import numpy as np
import pytest
import torch
from helpers.references import agree, reference

from atomgraph.featurizers import Bispectrum
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import make_graph

pytestmark = pytest.mark.refs

SMALL = ["ethanol", "lioh6", "mo15_vac", "mo1_tri", "one_O", "si2_tri", "si8", "two_HO", "water3", "water8_tri"]
CASES = [f"{name}@{option}" for name in SMALL for option in ("b0off", "chem", "noswitch", "plain")]
CASES += ["si8@quad", "water3@quad"]
MLEARN = [f"Mo@{name}" for name in ("mo15_vac", "mo1_tri", "mo54", "one_Mo", "two_Mo")]
MLEARN += [f"Si@{name}" for name in ("one_Si", "si2_tri", "si64", "si8", "two_Si", "two_far_Si")]
VOIGT = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]  # of the gradient, of the place


def atoms_of(arrays, case):
    return ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})


def described(featurizer, atoms):
    """Features, and the edges with gradients asked for."""
    graph = make_graph(atoms, featurizer.cutoff)
    edges = Edges.of(graph, ElementTable(featurizer.elements), torch.float64)
    edges.vector.requires_grad_(True)
    object.__setattr__(edges, "length", torch.linalg.vector_norm(edges.vector, dim=1))
    return featurizer(graph, edges), edges


def assert_same(ours, theirs, digits=1e-11, file="lammps_sna_atom_tj6", quantity="gradients"):
    scale = max(1.0, float(np.abs(theirs).max()))
    agree(file, quantity, ours, theirs, rtol=digits, atol=digits * scale)


@pytest.mark.parametrize("case", CASES)
def test_equal_to_compute_sna_atom(case):
    arrays, conventions = reference("lammps_sna_atom_tj6")
    settings = conventions["params"][case]
    species, options = settings["species_order"], settings["options"]
    chem = options.get("chem")
    featurizer = Bispectrum(
        species,
        settings["rcutfac"],
        settings["twojmax"],
        radii=dict(zip(species, settings["R"], strict=True)),
        weights=dict(zip(species, settings["w"], strict=True)),
        rfac0=settings["rfac0"],
        switch=options.get("switchflag", 1) == 1,
        bzero=options.get("bzeroflag", 1) == 1,
        chem=None if chem is None else dict(zip(species, chem[1:], strict=True)),
        quadratic=options.get("quadraticflag", 0) == 1,
    )
    atoms = atoms_of(arrays, case)
    h, edges = described(featurizer, atoms)
    assert_same(h.detach().numpy(), arrays[f"{case}/bispectrum"], quantity="bispectrum")
    if f"{case}/dbispectrum_lammps_frame" in arrays:
        some = slice(None, None, 1 if h.shape[1] < 100 else 11)  # hundreds of components of channels take half a minute
        ours = gradients(h[:, some], edges, atoms, species, arrays[f"{case}/rotation_to_lammps"])
        for name, mine in zip("dv", ours, strict=True):
            theirs = arrays[f"{case}/{name}bispectrum_lammps_frame"].reshape(*mine.shape[:-1], h.shape[1])
            assert_same(mine, theirs[..., some])


def gradients(h, edges, atoms, species, turn):
    """LAMMPS's snad and snav of every atom: for each species of described atoms, x, y, z (or Voigt) blocks of features.

    Both are negative gradients; snav multiplies each with the position of the atom that moves, or of its image.
    """
    kind = np.array([species.index(symbol) for symbol in atoms.symbols])
    n_atoms, n_features = h.shape
    snad = np.zeros((n_atoms, len(species), 3, n_features))
    snav = np.zeros((n_atoms, len(species), 6, n_features))
    centre, neighbour = edges.centre.numpy(), edges.neighbour.numpy()
    atoms = atoms.copy()
    atoms.wrap(eps=0.0)
    of_centre = atoms.positions[centre]
    of_neighbour = of_centre - edges.vector.detach().numpy()
    for s, f in np.ndindex(len(species), n_features if edges.n_edges else 0):
        (gradient,) = torch.autograd.grad(h[torch.from_numpy(kind == s), f].sum(), edges.vector, retain_graph=True)
        for atom, place, sign in ((centre, of_centre, -1.0), (neighbour, of_neighbour, 1.0)):
            force, at = sign * gradient.numpy() @ turn, place @ turn
            np.add.at(snad[:, s, :, f], atom, force)
            np.add.at(snav[:, s, :, f], atom, np.stack([force[:, a] * at[:, b] for a, b in VOIGT], axis=1))
    return snad, snav


@pytest.mark.parametrize(
    "file, case", [(f"lammps_mlearn_{kind}", case) for kind in ("snap", "qsnap") for case in MLEARN]
)
def test_equal_to_the_bispectra_of_mlearns_models(file, case):
    arrays, conventions = reference(file)
    element = case.split("@")[0]
    settings = conventions["params"][element]
    featurizer = Bispectrum(
        [element], float(settings["rcutfac"]), int(settings["twojmax"]), rfac0=float(settings["rfac0"])
    )
    h, _ = described(featurizer, atoms_of(arrays, case))
    assert_same(h.detach().numpy(), arrays[f"{case}/bispectrum"], file=file, quantity="bispectrum")
