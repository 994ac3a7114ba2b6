"""Every step inside MACE-MP-0's shape is mace-torch's own: embeddings, harmonics, convolution, products, readouts."""

import json
from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from helpers.references import folder

import atomgraph
from atomgraph.graph import AtomicGraph
from atomgraph.nn.equivariant.irrep_blocks import from_blocks
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.spherical import spherical_harmonics

pytestmark = pytest.mark.refs


@pytest.fixture(scope="module")
def seen():
    """What each part of ours gave on the molecule, beside the reference's arrays by name."""
    place = folder() / "mace"
    with np.load(place / "mp0-medium.npz") as arrays:
        expected = {k.removeprefix("inner/molecule/"): arrays[k] for k in arrays.files if k.startswith("inner/")}
        pairs = arrays["graph/molecule/edge_index"]
    told = json.loads((place / "structures-mp0-medium.json").read_text())["molecule"]
    potential = atomgraph.load(place / "mp0-medium.model")
    graph = AtomicGraph.from_ase(ase.Atoms(told["numbers"], positions=told["positions"]), potential.cutoff)
    branch, result = potential.model.branches[0], {}
    for name, part in branch.named_modules():
        part.register_forward_hook(lambda part, inputs, output, name=name: result.update({name: (inputs, output)}))
    potential.model(graph)
    ours = {pair: e for e, pair in enumerate(zip(*graph.edge_index.tolist(), strict=True))}
    order = torch.tensor([ours[pair] for pair in zip(*pairs.tolist(), strict=True)])  # our edge for each of theirs
    return branch, result, expected, order, potential.model.edges(graph)


def same(ours, expected):
    np.testing.assert_allclose(
        ours.detach().reshape(expected.shape), expected, rtol=0, atol=1e-12 * max(1.0, abs(expected).max())
    )


def rows_of_edges(weights, edges):
    """Weights of edges, (n_edges, n_weights), from those that a layer computes: with or without the padding of blocks."""
    return weights if weights.ndim == 2 else weights.flatten(0, 1)[PaddedEdges.of(edges).slot]


def test_node_embedding(seen):
    same(seen[1]["featurizer"][1], seen[2]["node_embedding"])


def test_harmonics_and_radial_functions(seen):
    _, result, expected, order, edges = seen
    same(spherical_harmonics(2, edges.vector)[order], expected["spherical_harmonics"])
    same(result["layers.0.radial"][1][0][order], expected["radial_embedding"])


@pytest.mark.parametrize("t", [0, 1])
class TestLayer:
    def test_linear_maps(self, seen, t):
        branch, result, expected, _, _ = seen
        part = branch.layers[t].interaction
        for ours, theirs, irreps in (
            ("up", "linear_up", part.irreps_up),
            ("mix", "linear", part.irreps_message),
            ("skip", "skip_tp", part.irreps_residual),
        ):
            blocks = result[f"layers.{t}.interaction.{ours}"][1]
            same(from_blocks(blocks, irreps), expected[f"interactions.{t}.{theirs}"])

    def test_weights_of_edges(self, seen, t):
        _, result, expected, order, edges = seen
        weights = rows_of_edges(result[f"layers.{t}.interaction.network"][1], edges)
        same(weights[order], expected[f"interactions.{t}.conv_tp_weights"])

    def test_tensor_product_of_each_edge(self, seen, t):
        """Each edge as a centre of its own: what the sum over neighbours is made of."""
        branch, result, expected, order, edges = seen
        part = branch.layers[t].interaction
        alone = replace(edges, centre=torch.arange(edges.n_edges), n_atoms=edges.n_edges, _cache={})
        blocks = PaddedEdges.of(alone)
        weights = rows_of_edges(result[f"layers.{t}.interaction.network"][1], edges)
        harmonics = blocks.pad(spherical_harmonics(2, edges.vector))
        up = result[f"layers.{t}.interaction.up"][1]
        messages = part.convolution(up, blocks.pad(weights), harmonics, blocks)
        theirs = torch.cat(
            [
                path.transpose(1, 2).flatten(1)
                for message in messages.values()
                for path in message.split(part.convolution.channels, dim=2)
            ],
            dim=1,
        )
        same(theirs[order], expected[f"interactions.{t}.conv_tp"])

    def test_message(self, seen, t):
        branch, result, expected, _, _ = seen
        message, _ = result[f"layers.{t}.interaction"][1]
        irreps = branch.layers[t].irreps_message
        together = torch.cat([message[irrep] for _, irrep in irreps], dim=1).transpose(1, 2)
        same(together, expected[f"interactions.{t}"])

    def test_products(self, seen, t):
        branch, result, expected, _, _ = seen
        layer = branch.layers[t]
        parts = result[f"layers.{t}.product"][1].split([irrep.dim for _, irrep in layer.irreps_out], dim=1)
        blocks = {irrep: part for (_, irrep), part in zip(layer.irreps_out, parts, strict=True)}
        same(from_blocks(blocks, layer.irreps_out), expected[f"products.{t}.symmetric_contractions"])
        same(result[f"layers.{t}"][1], expected[f"products.{t}"])

    def test_readout(self, seen, t):
        same(seen[1][f"readouts.{t}"][1], seen[2][f"readouts.{t}"])


def test_every_stored_activation_was_compared(seen):
    compared = {"node_embedding", "spherical_harmonics", "radial_embedding"}
    for t in (0, 1):
        inside = ("skip_tp", "linear_up", "conv_tp_weights", "conv_tp", "linear")
        compared |= {f"interactions.{t}", *(f"interactions.{t}.{name}" for name in inside)}
        compared |= {f"products.{t}", f"products.{t}.symmetric_contractions", f"readouts.{t}"}
    assert compared == seen[2].keys()
