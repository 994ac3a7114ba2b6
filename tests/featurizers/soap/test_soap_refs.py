"""SOAP equal to QUIP's vectors, to the last digits, and to dscribe's."""

import re

import ase
import numpy as np
import pytest
import torch
from ase.data import atomic_numbers, chemical_symbols
from helpers.references import agree, reference

from atomgraph.featurizers import SOAP
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import make_graph

pytestmark = pytest.mark.refs


def described(featurizer, arrays, case):
    atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
    graph = make_graph(atoms, featurizer.cutoff)
    graph.pos.requires_grad_(True)
    return featurizer(graph, Edges.of(graph, ElementTable(featurizer.elements), torch.float64)), graph.pos


def test_equal_to_quip():
    """All its SOAP vectors, of one to three elements; the last component is QUIP's covariance_sigma0, zero here."""
    arrays, conventions = reference("quip_descriptors")
    lines = {case: line for case, line in conventions["descriptor_lines"].items() if line.startswith("soap")}
    assert len(lines) == 51
    for case, line in lines.items():
        said = dict(re.findall(r"(\w+)=(\{[^}]*\}|\S+)", line))
        featurizer = SOAP(
            [chemical_symbols[int(z)] for z in said["species_Z"].strip("{}").split()],
            float(said["cutoff"]),
            int(said["n_max"]),
            int(said["l_max"]),
            float(said["atom_sigma"]),
            envelope_width=float(said["cutoff_transition_width"]),
            central_weight=float(said["central_weight"]),
            normalise=said["normalise"] == "T",
        )
        h = described(featurizer, arrays, case)[0].detach().numpy()[arrays[f"{case}/centre_index"]]
        theirs = arrays[f"{case}/descriptor"]
        agree("quip_descriptors", "SOAP", h, theirs[:, :-1], atol=1e-12 * max(1.0, np.abs(theirs).max()), case=case)
        assert np.abs(theirs[:, -1]).max() == 0


@pytest.mark.parametrize(("file", "basis"), [("dscribe_soap_gto", "gto"), ("dscribe_soap_poly", "polynomials")])
def test_equal_to_dscribe(file, basis):
    """dscribe counts neighbours beyond its radial functions, as far as their Gaussian is not below 10⁻³."""
    arrays, conventions = reference(file)
    for case, said in conventions["params"].items():
        reach = said["r_cut"] + said["sigma"] * np.sqrt(-2.0 * np.log(1e-3))
        featurizer = SOAP(
            sorted(said["species"], key=atomic_numbers.__getitem__),
            reach,
            said["n_max"],
            said["l_max"],
            said["sigma"],
            basis,
            envelope_width=0.0,
            normalise=False,
            radial_cutoff=said["r_cut"],
            convention="dscribe",
        )
        h, pos = described(featurizer, arrays, case)
        agree(file, "descriptor", h.detach(), arrays[f"{case}/descriptor"], atol=1e-9, case=case)
        gradients = arrays.get(f"{case}/derivatives")  # (atom described, atom moved, xyz, feature)
        if gradients is not None and h.requires_grad:
            for i, f in ((0, 0), (len(h) - 1, h.shape[1] - 1), (0, h.shape[1] // 2)):
                ours = torch.autograd.grad(h[i, f], pos, retain_graph=True)[0]
                np.testing.assert_allclose(ours, gradients[i, :, :, f], rtol=1e-6, atol=1e-6)
