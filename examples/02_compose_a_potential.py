"""You will learn to compose a potential from parts, to sum branches, and what happens when parts do not fit."""

import torch
from ase.build import bulk

from atomgraph import AtomicGraph, Potential, featurizers, layers, readouts
from atomgraph.errors import WiringError
from atomgraph.models import Baseline, Branch, EnergyModel
from atomgraph.nn import ZBL
from atomgraph.nn.part import to_spec

ELEMENTS = ["Si", "O"]


def symmetry_branch() -> Branch:
    """Behler and Parrinello's road: symmetry functions into one perceptron an element, 5 Å far."""
    described = featurizers.SymmetryFunctions(ELEMENTS, cutoff=5.0)
    return Branch(
        5.0, described, readouts=[readouts.PerElementMLP(ELEMENTS, described.irreps_out.dim, readout_hidden=[16])]
    )


def convolution_branch() -> Branch:
    """Graph convolutions on a radial density, 3.5 Å a hop; one readout on what each of the last two layers gives."""
    density = featurizers.RadialDensity(ELEMENTS, cutoff=3.5, n_radial=6)
    width = density.irreps_out.dim
    hops = [
        layers.LaplacianConvolution(width, 16, cutoff=3.5),
        layers.Residual(layers.PolynomialFilter(16, 16, cutoff=3.5, degree=2, basis="chebyshev")),
    ]
    return Branch(3.5, density, hops, [readouts.Linear(16), readouts.MLP(16)])


def main() -> None:
    torch.manual_seed(0)

    # A model is a sum of branches over a baseline: energies of free atoms, and nuclei that repel.
    baseline = Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))
    baseline.set_e0({"Si": -100.0, "O": -430.0})
    model = EnergyModel(ELEMENTS, [symmetry_branch(), convolution_branch()], baseline)
    potential = Potential(model).double().eval()
    print(
        f"two branches: they see {[branch.cutoff for branch in model.branches]} Å, a graph needs {potential.cutoff} Å"
    )

    crystal = bulk("SiO", "zincblende", a=3.9, cubic=True)
    crystal.rattle(0.1, seed=0)
    graph = AtomicGraph.from_ase(crystal, potential.cutoff)
    result = potential(graph)
    print(f"untrained, {crystal.get_chemical_formula()}: {result['energy'].item():.3f} eV")

    # The sum is exact: energies of the branches alone add up.
    alone = []
    for branch in (model.branches[0], model.branches[1]):
        alone.append(Potential(EnergyModel(ELEMENTS, branch))(graph, forces=False, stress=False)["energy"].item())
    free = 4 * (-100.0) + 4 * (-430.0)
    repelled = model.baseline.repulsion(graph, model.edges(graph).within(model.baseline.cutoff)).sum().item()
    print(f"  = free atoms {free:.0f} + branches {alone[0]:.3f} {alone[1]:+.3f} + repulsion {repelled:+.3f}")

    # Joints are checked when a model is built, not when it is trained.
    density = featurizers.RadialDensity(ELEMENTS, cutoff=3.5, n_radial=6)
    mistakes = {
        "a wrong width": lambda: Branch(3.5, density, readouts=[readouts.Linear(16)]),
        "vectors where scalars are": lambda: Branch(3.5, density, readouts=[readouts.Linear("4x0e+2x1o")]),
        "a reach beyond the branch": lambda: Branch(3.0, density, readouts=[readouts.Linear(14)]),
        "other elements": lambda: EnergyModel(["Si"], symmetry_branch()),
        "a layer where a readout should be": lambda: Branch(3.5, density, readouts=[layers.LayerNorm(14)]),
    }
    for what, build in mistakes.items():
        try:
            build()
        except WiringError as error:
            print(f"{what}:\n  WiringError: {error}")

    # What was composed can be written down, and built again from what is written.
    print("the second branch, as its file would say it:")
    for key, value in to_spec(model.branches[1]).items():
        print(f"  {key}: {value if not isinstance(value, list) else [part['kind'] for part in value]}")


if __name__ == "__main__":
    main()
