"""You will learn what an atomistic graph contains: edges to periodic images and labels with masks; forces are gradients."""

from ase import Atoms
from ase.build import bulk, molecule
from torch_geometric.data import Batch

from atomgraph import AtomicGraph, Potential
from atomgraph.graph.geometry import edge_vectors
from atomgraph.models import GCN


def main() -> None:
    # A crystal with two atoms per cell: most neighbours of an atom are periodic images.
    silicon = bulk("Si")
    graph = AtomicGraph.from_ase(silicon, cutoff=4.0)
    print(f"{silicon.get_chemical_formula()}: {graph.n_atoms} atoms, {graph.n_edges} edges within 4 Å")
    neighbour, centre = graph.edge_index
    vector = edge_vectors(graph)  # from neighbour to centre
    for edge in range(5):
        shift = graph.cell_shift[edge].tolist()
        print(f"  {neighbour[edge]} -> {centre[edge]}, cell shift {shift}, {vector[edge].norm():.3f} Å")

    # Cell shifts are integers and do not change under strain. Stress is therefore a derivative with respect to strain.
    graph.cell = graph.cell * 1.01
    graph.pos = graph.pos * 1.01
    print(f"  first edge after expanding the crystal by 1 %: {edge_vectors(graph)[0].norm():.3f} Å")

    # Labels are fields of the graph. Each label has a mask, which is False if the label is missing.
    water = molecule("H2O")
    water.info["energy"] = -14.2
    graph = AtomicGraph.from_ase(water, cutoff=4.0)
    print(
        f"water: energy {graph.energy.item()} eV, a label: {graph.energy_mask.item()}; forces: {graph.forces_mask.tolist()}"
    )

    # Structures with different labels and periodicity can be in one batch.
    structures = [water, molecule("CH3CH2OH"), Atoms("H")]
    batch = Batch.from_data_list([AtomicGraph.from_ase(atoms, cutoff=4.0) for atoms in structures])
    print(f"a batch: {batch.n_graphs} structures, {batch.n_atoms} atoms, {batch.n_edges} edges")
    print(f"  structure of each atom: {batch.graph_of_atom.tolist()}")

    # A potential is a function of a graph. The weights are random here; forces are gradients for any weights.
    potential = Potential(GCN(["H", "C", "O"], cutoff=4.0)).double().eval()
    result = potential(batch)
    for name, value in result.items():
        print(f"  {name:<12}{tuple(value.shape)}")
    print(f"  sum of all forces: {result['forces'].sum(dim=0).abs().max():.1e} eV/Å")
    print(f"  stress of a molecule, which has no volume: {result['stress'][0, 0, 0]}")

    step = 1e-4
    energies = []
    for sign in (1, -1):
        displaced = water.copy()
        displaced.positions[0, 2] += sign * step
        energies.append(potential(AtomicGraph.from_ase(displaced, cutoff=4.0))["energy"].item())
    difference = -(energies[0] - energies[1]) / (2 * step)
    print(f"  force on the oxygen: {result['forces'][0, 2]:+.9f} eV/Å; by finite differences: {difference:+.9f} eV/Å")


if __name__ == "__main__":
    main()
