"""You will learn to compose a potential from parts, to sum branches, and to read the errors for parts that do not fit."""

import torch
from ase.build import bulk

from atomgraph import AtomicGraph, Potential, featurizers, layers, readouts
from atomgraph.errors import WiringError
from atomgraph.models import Baseline, Branch, EnergyModel
from atomgraph.nn import ZBL
from atomgraph.nn.part import to_spec

ELEMENTS = ["Si", "O"]


def symmetry_branch() -> Branch:
    """Return the branch of Behler and Parrinello: symmetry functions up to 5 Å and a perceptron per element."""
    functions = featurizers.SymmetryFunctions(ELEMENTS, cutoff=5.0)
    return Branch(
        5.0, functions, readouts=[readouts.PerElementMLP(ELEMENTS, functions.irreps_out.dim, readout_hidden=[16])]
    )


def convolution_branch() -> Branch:
    """Return a branch with graph convolutions of a radial density, 3.5 Å per layer, and two readouts.

    Each readout uses the features of one of the last two layers.
    """
    density = featurizers.RadialDensity(ELEMENTS, cutoff=3.5, n_radial=6)
    n_features = density.irreps_out.dim
    convolutions = [
        layers.LaplacianConvolution(n_features, 16, cutoff=3.5),
        layers.Residual(layers.PolynomialFilter(16, 16, cutoff=3.5, degree=2, basis="chebyshev")),
    ]
    return Branch(3.5, density, convolutions, [readouts.Linear(16), readouts.MLP(16)])


def main() -> None:
    torch.manual_seed(0)

    # A model is a baseline plus a sum of branches. The baseline has energies of isolated atoms and the repulsion of nuclei.
    baseline = Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))
    baseline.set_e0({"Si": -100.0, "O": -430.0})
    model = EnergyModel(ELEMENTS, [symmetry_branch(), convolution_branch()], baseline)
    potential = Potential(model).double().eval()
    print(
        f"cutoffs of the branches: {[branch.cutoff for branch in model.branches]} Å; cutoff of the graph: {potential.cutoff} Å"
    )

    crystal = bulk("SiO", "zincblende", a=3.9, cubic=True)
    crystal.rattle(0.1, seed=0)
    graph = AtomicGraph.from_ase(crystal, potential.cutoff)
    result = potential(graph)
    print(f"untrained, {crystal.get_chemical_formula()}: {result['energy'].item():.3f} eV")

    # The energy of the model is exactly the sum of these energies.
    branch_energies = []
    for branch in (model.branches[0], model.branches[1]):
        branch_energies.append(
            Potential(EnergyModel(ELEMENTS, branch))(graph, forces=False, stress=False)["energy"].item()
        )
    isolated_energy = 4 * (-100.0) + 4 * (-430.0)
    repulsion = model.baseline.repulsion(graph, model.edges(graph).within(model.baseline.cutoff)).sum().item()
    print(
        f"  = free atoms {isolated_energy:.0f} + branches {branch_energies[0]:.3f} {branch_energies[1]:+.3f} "
        f"+ repulsion {repulsion:+.3f}"
    )

    # A model compares features, cutoffs and elements of its parts when it is built.
    density = featurizers.RadialDensity(ELEMENTS, cutoff=3.5, n_radial=6)
    mistakes = {
        "wrong number of features": lambda: Branch(3.5, density, readouts=[readouts.Linear(16)]),
        "vectors instead of scalars": lambda: Branch(3.5, density, readouts=[readouts.Linear("4x0e+2x1o")]),
        "cutoff larger than that of the branch": lambda: Branch(3.0, density, readouts=[readouts.Linear(14)]),
        "different elements": lambda: EnergyModel(["Si"], symmetry_branch()),
        "a layer instead of a readout": lambda: Branch(3.5, density, readouts=[layers.LayerNorm(14)]),
    }
    for description, build in mistakes.items():
        try:
            build()
        except WiringError as error:
            print(f"{description}:\n  WiringError: {error}")

    # A composition can be written as JSON, as in potential files, and built again from this JSON.
    print("the second branch as JSON:")
    for key, value in to_spec(model.branches[1]).items():
        print(f"  {key}: {value if not isinstance(value, list) else [part['kind'] for part in value]}")


if __name__ == "__main__":
    main()
