"""You will learn to write a message layer of your own, to test physical laws on it, and to train with it.

A new layer needs one file and one test (`tests/examples/test_a_layer_of_your_own.py`). There is no registry.
In a configuration, `kind` is the dotted path of the class: `kind: my_module.GatedConvolution`.
"""

import sys

import torch

from atomgraph import Potential
from atomgraph.analysis.laws import laws
from atomgraph.data import budget_batches, build_graphs, read
from atomgraph.featurizers import RadialDensity
from atomgraph.layers import AtomWise, MessageLayer, Standardize
from atomgraph.models import Branch, EnergyModel
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.linear_map import matrices
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import PerElementMLP


class GatedConvolution(MessageLayer):
    r"""Convolution with a gate, :math:`h'_i = h_i + (h_i U) \odot \tfrac14 \sum_j f(r_{ij})\, h_j V`.

    Args:
        irreps_in: Number of scalar features per atom, in the input and in the output.
        cutoff: Cutoff radius of the envelope f, Å.
    """

    def __init__(self, irreps_in: int, cutoff: float):
        super().__init__()
        self.irreps_in = self.irreps_out = as_irreps(irreps_in)
        channels = self.irreps_in.dim
        self.cutoff = float(cutoff)
        self.gate = torch.nn.Parameter(torch.randn(channels, channels) / channels**0.5)
        self.message = torch.nn.Parameter(torch.randn(channels, channels) / channels**0.5)

    def linear_maps(self):
        return matrices(self, "gate", "message")

    def forward(self, h, graph, edges):
        f = polynomial_cutoff(edges.length, self.cutoff)[:, None]
        messages = sum_to(f * (h @ self.message)[edges.neighbour], edges.centre, edges.n_atoms)
        return h + (h @ self.gate) * messages / 4.0


def gated_model(elements: list[str], cutoff: float, channels: int = 16) -> EnergyModel:
    """Return a model with a radial density, two gated convolutions and a perceptron per element.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        channels: Number of features per atom.
    """
    density = RadialDensity(elements, cutoff, n_radial=8)
    n_features = density.irreps_out.dim
    layers = [
        Standardize(elements, n_features, min_width=0.01),
        AtomWise(elements, n_features, channels, activation="tanh"),
        GatedConvolution(channels, cutoff),
        GatedConvolution(channels, cutoff),
    ]
    return EnergyModel(elements, Branch(cutoff, density, layers, [PerElementMLP(elements, channels)]))


def main(n_epochs: int = 20) -> None:
    torch.manual_seed(0)
    frames = read(["examples/data/mlearn_Si/train.xyz.gz"])[::4]
    potential = Potential(gated_model(["Si"], cutoff=4.5))

    print("Physical laws, in float64:")
    for law in laws(potential.double()):
        verdict = "pass" if law.passed else "FAIL"
        print(f"  {verdict}  {law.name}: {law.value:.1e} {law.relation} {law.tolerance:.0e} {law.unit}")

    graphs = build_graphs(frames, potential.cutoff)
    energies = [float(graph.energy) / graph.n_atoms for graph in graphs]  # eV/atom
    force_rms = torch.cat([graph.forces for graph in graphs]).square().mean().sqrt().item()
    potential.model.calibrate(graphs)
    potential.model.baseline.set_e0({"Si": sum(energies) / len(energies)})
    potential.model.baseline.set_scale(force_rms)
    potential.float().train()

    print("Errors of forces on the training structures (examples/demo.py also has a test set):")
    optimizer = torch.optim.Adam(potential.parameters(), lr=5e-3)
    for epoch in range(n_epochs):
        error_sum = force_sum = 0.0
        for batch in budget_batches(graphs, edge_budget=6000):
            residuals = potential(batch, stress=False)["forces"] - batch.forces
            optimizer.zero_grad()
            (residuals / force_rms).square().mean().backward()
            optimizer.step()
            error_sum += residuals.detach().abs().sum().item()
            force_sum += batch.forces.abs().sum().item()
        print(f"  epoch {epoch + 1:2d}  mean absolute error / mean absolute force: {error_sum / force_sum:.2f}")


if __name__ == "__main__":
    sys.exit(main())
