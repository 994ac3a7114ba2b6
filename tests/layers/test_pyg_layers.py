"""torch-geometric's ChebConv, GCNConv and SAGEConv, reproduced by the reference settings of our layers."""

import pytest
import torch
from helpers.references import reference

from atomgraph.layers import GraphConvolution, PolynomialFilter
from atomgraph.layers.adjacency import Adjacency
from atomgraph.nn.edges import Edges

pytestmark = pytest.mark.refs
STRUCTURES = pytest.mark.parametrize("structure", ["ethanol", "water3"])


class Given(Adjacency):
    """Weights of the edges that come with the reference; without weights, every edge weighs one."""

    def __init__(self, weight=None):
        super().__init__()
        self.cutoff, self.channels, self.weight = 9.0, None, weight

    def forward(self, edges):
        return torch.ones_like(edges.length) if self.weight is None else self.weight


def load(structure):
    """Features, edges, and what the program gave, with its weights, by name of the case."""
    arrays, _ = reference("pyg_layers")
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if name.startswith(structure)}
    neighbour, centre = tensors[f"{structure}/edge_index"]
    pos = tensors[f"{structure}/positions"]
    vector = pos[centre] - pos[neighbour]
    element = torch.zeros(len(pos), dtype=torch.int64)
    edges = Edges(vector, vector.norm(dim=1), centre, neighbour, element, n_atoms=len(pos), n_elements=1)
    return tensors, tensors[f"{structure}/x"], edges, tensors[f"{structure}/edge_weight"]


@STRUCTURES
@pytest.mark.parametrize(
    ("case", "laplacian", "lambda_max"),
    [("cheb_sym", "symmetric", 2.0), ("cheb_none", "plain", 2.0), ("cheb_rw", "diffusion", 1.7)],
)
def test_chebyshev_filter_is_chebconv(structure, case, laplacian, lambda_max):
    """Its ``rw`` divides by the degree of the sender, which is our diffusion; its λ_max is given, not computed."""
    tensors, x, edges, weight = load(structure)
    prefix = f"{structure}@{case}/W__"
    matrices = [v.T for k, v in sorted(tensors.items()) if k.startswith(prefix + "lins.")]
    layer = PolynomialFilter(
        irreps_in=5,
        irreps_out=4,
        cutoff=9.0,
        degree=len(matrices) - 1,
        basis="chebyshev",
        laplacian=laplacian,
        normalisation="bare",
        activation="identity",
        lambda_max=lambda_max,
        adjacency=Given(weight),
    ).double()
    layer.load_state_dict({"weight": torch.stack(matrices), "bias": tensors[prefix + "bias"]})
    torch.testing.assert_close(layer(x, None, edges), tensors[f"{structure}@{case}/out"], rtol=1e-12, atol=1e-12)


@STRUCTURES
def test_filter_of_degree_one_with_self_loops_is_gcnconv(structure):
    """Kipf and Welling's D̂^(−½) (A + I) D̂^(−½) h W is (I − L) h W: the weights W and −W."""
    tensors, x, edges, weight = load(structure)
    matrix = tensors[f"{structure}@gcn/W__lin.weight"].T
    layer = PolynomialFilter(
        5, 4, 9.0, degree=1, normalisation="self_loop", activation="identity", adjacency=Given(weight)
    ).double()
    layer.load_state_dict({"weight": torch.stack([matrix, -matrix]), "bias": tensors[f"{structure}@gcn/W__bias"]})
    torch.testing.assert_close(layer(x, None, edges), tensors[f"{structure}@gcn/out"], rtol=1e-12, atol=1e-12)


@STRUCTURES
def test_graph_convolution_with_the_bare_mean_is_sageconv(structure):
    tensors, x, edges, _ = load(structure)
    prefix = f"{structure}@sage/W__"
    layer = GraphConvolution(5, 4, 9.0, normalisation="bare", activation="identity", adjacency=Given()).double()
    layer.load_state_dict(
        {
            "mean": tensors[prefix + "lin_l.weight"].T,
            "own": tensors[prefix + "lin_r.weight"].T,
            "bias": tensors[prefix + "lin_l.bias"],
        }
    )
    torch.testing.assert_close(layer(x, None, edges), tensors[f"{structure}@sage/out"], rtol=1e-12, atol=1e-12)
