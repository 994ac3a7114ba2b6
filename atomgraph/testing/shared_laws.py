"""The laws that featurizers, layers and readouts have in common."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from atomgraph.analysis.laws.locality import jump
from atomgraph.analysis.laws.structures import rotate, rotation_matrix, single_atom
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.nn.protocols import Calibrated
from atomgraph.testing.graphs import (
    ELEMENTS,
    batch_of,
    crossing,
    crystal,
    generator,
    graph_of,
    molecule,
    sample_structures,
)
from atomgraph.testing.measures import (
    BY_STRUCTURE,
    constructed,
    default_dtype,
    generic,
    irreps,
    reach_of,
    relative,
    turned,
)


class PartLaws:
    """What featurizers, layers and readouts have in common: from (graph, edges, features) to numbers per atom."""

    smooth = True

    def part(self):
        raise NotImplementedError

    def call(self, part, graph, edges, h):
        raise NotImplementedError

    def irreps_read(self, part):
        """Irreps of the features that the part is given; None for a featurizer."""
        return irreps(part.irreps_in)

    def irreps_given(self, part):
        return irreps(part.irreps_out)

    # the part, its graphs, its features

    @pytest.fixture
    def subject(self):
        return self.ready()

    def ready(self):
        """The part in float64, away from where it starts, calibrated where it wants to be."""
        part = generic(constructed(self.part)).double()
        if isinstance(part, Calibrated):
            graph = self.graph(crystal(), part)
            with torch.no_grad():
                part.update_statistics(self.features(part, graph.n_atoms), graph, self.edges(part, graph))
            part.finalize()
        return part

    def graph(self, atoms, part):
        return graph_of(atoms, reach_of(part))

    def edges(self, part, graph, dtype=torch.float64):
        return Edges.of(graph, ElementTable(ELEMENTS), dtype)

    def features(self, part, n_atoms, seed=5, dtype=torch.float64):
        """Random features for the part to read, or None."""
        read = self.irreps_read(part)
        if read is None:
            return None
        return torch.randn(n_atoms, read.dim, generator=generator(seed), dtype=torch.float64).to(dtype)

    def values(self, part, graph, h=None, dtype=torch.float64):
        h = self.features(part, graph.n_atoms) if h is None else h
        return self.call(part, graph, self.edges(part, graph, dtype), h)

    def moved(self, part, graph, pos, h=None):
        """Values with the atoms at other positions, the edges staying the same."""
        moved = graph.shallow_copy()
        moved.pos = pos
        return self.values(part, moved, h)

    def values_and_gradients(self, part, graph, h=None):
        """(n_atoms, dim) values, and (n_atoms, 3) gradients of a fixed random combination of them."""
        pos = graph.pos.clone().requires_grad_(True)
        values = self.moved(part, graph, pos, h)
        weights = torch.randn(values.shape, generator=generator(7), dtype=values.dtype)
        (gradients,) = torch.autograd.grad((weights * values).sum() + 0.0 * pos.sum(), pos)
        return values.detach(), gradients

    # the laws

    def test_result_has_the_declared_width_and_dtype(self, subject):
        graph = self.graph(crystal(), subject)
        values = self.values(subject, graph)
        assert values.shape == (graph.n_atoms, self.irreps_given(subject).dim)
        assert values.dtype == torch.float64
        assert torch.isfinite(values).all()

    @BY_STRUCTURE
    @pytest.mark.parametrize("improper", [False, True], ids=["rotation", "reflection"])
    def test_turning_the_frame_turns_the_features(self, subject, name, improper):
        atoms, matrix = sample_structures()[name], rotation_matrix(3, improper=improper)
        h = self.features(subject, len(atoms))
        h_turned = None if h is None else turned(h, self.irreps_read(subject), matrix)
        before = self.values(subject, self.graph(atoms, subject), h)
        after = self.values(subject, self.graph(rotate(atoms, matrix), subject), h_turned)
        assert relative(after, turned(before, self.irreps_given(subject), matrix)) < 1e-10

    @BY_STRUCTURE
    def test_moving_everything_changes_nothing(self, subject, name):
        atoms = sample_structures()[name]
        before = self.values(subject, self.graph(atoms, subject))
        atoms.positions += [1.3, -0.7, 2.1]
        assert relative(self.values(subject, self.graph(atoms, subject)), before) < 1e-11

    @BY_STRUCTURE
    def test_order_of_atoms_is_only_an_order(self, subject, name):
        atoms = sample_structures()[name]
        order = np.random.default_rng(2).permutation(len(atoms))
        h = self.features(subject, len(atoms))
        before = self.values(subject, self.graph(atoms, subject), h)
        after = self.values(subject, self.graph(atoms[order], subject), None if h is None else h[order])
        assert relative(after, before[order]) < 1e-12

    def test_order_of_edges_within_a_centre_is_only_an_order(self, subject):
        graph = self.graph(crystal(), subject)
        centre = graph.edge_index[1].numpy()
        order = np.lexsort((np.random.default_rng(0).random(len(centre)), centre))
        shuffled = graph.shallow_copy()
        shuffled.edge_index, shuffled.cell_shift = graph.edge_index[:, order], graph.cell_shift[order]
        assert (np.diff(order) != 1).any()
        assert relative(self.values(subject, shuffled), self.values(subject, graph)) < 1e-12

    def test_a_batch_is_its_structures_one_by_one(self, subject):
        graphs = [
            self.graph(atoms, subject) for atoms in [*sample_structures().values(), single_atom("C"), molecule(seed=9)]
        ]
        rows = [self.features(subject, graph.n_atoms, seed) for seed, graph in enumerate(graphs)]
        alone = torch.cat([self.values(subject, graph, h) for graph, h in zip(graphs, rows, strict=True)])
        h = None if rows[0] is None else torch.cat(rows)
        assert relative(self.values(subject, batch_of(graphs), h), alone) < 1e-12

    @pytest.mark.parametrize("derivative", [0, 1], ids=["values", "gradients"])
    @pytest.mark.parametrize("outward", [False, True], ids=["beside others", "last neighbour"])
    def test_an_atom_crosses_the_cutoff_unnoticed(self, subject, outward, derivative):
        if not self.smooth:
            pytest.skip("not meant to be smooth")
        reach, step = reach_of(subject), 1e-6
        seen, edges = [], []
        for k in (-3, -1, 1, 3):
            graph = self.graph(crossing(reach + k * step, outward=outward), subject)
            edges.append(graph.n_edges)
            seen.append(self.values_and_gradients(subject, graph)[derivative])
        assert edges[1] == edges[2] + 2, "the structure should lose one pair"
        assert jump(seen).abs().max() <= 1e-6 * max(1.0, float(seen[0].abs().max()))

    def test_longer_edges_are_not_felt(self, subject):
        if not self.smooth or not any(hasattr(module, "cutoff") for module in subject.modules()):
            pytest.skip("not meant to be smooth, or reads every edge that it is given")
        reach = reach_of(subject)
        near, far = graph_of(crystal(), reach), graph_of(crystal(), reach + 0.7)
        assert far.n_edges > near.n_edges
        assert relative(self.values(subject, far), self.values(subject, near)) < 1e-12

    def test_atoms_without_neighbours_are_finite_and_flat(self, subject):
        far_apart = single_atom("O") + single_atom("C")
        far_apart.positions[1] += 2.0 * reach_of(subject)
        for atoms in (single_atom("Si"), far_apart):
            values, gradients = self.values_and_gradients(subject, self.graph(atoms, subject))
            assert torch.isfinite(values).all()
            assert (gradients == 0).all()

    def test_derivatives_are_derivatives_twice_over(self, subject):
        graph = self.graph(molecule(n_atoms=3, seed=6), subject)
        step = {
            name: torch.randn(p.shape, generator=generator(8), dtype=torch.float64)
            for name, p in subject.named_parameters()
        }
        h = self.features(subject, graph.n_atoms)
        mix = torch.randn(self.irreps_given(subject).dim, 2, generator=generator(9), dtype=torch.float64)

        def two_numbers(pos, along, *read):
            parameters = {name: p + along * step[name] for name, p in subject.named_parameters()}
            moved = graph.shallow_copy()
            moved.pos = pos
            edges = self.edges(subject, moved)
            values = torch.func.functional_call(
                _Called(subject, self.call), _prefixed(parameters), (moved, edges, *read)
            )
            return ((values @ mix) ** 2).sum(dim=0) + 0.0 * (pos.sum() + along) ** 2

        inputs = [graph.pos.clone(), torch.zeros((), dtype=torch.float64), *([] if h is None else [h])]
        inputs = [value.requires_grad_(True) for value in inputs]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            assert torch.autograd.gradcheck(two_numbers, inputs, atol=1e-5, rtol=1e-4)
            assert torch.autograd.gradgradcheck(two_numbers, inputs, atol=1e-5, rtol=1e-4)

    def test_nothing_leaks_into_the_callers_tensors(self, subject):
        graph = self.graph(crystal(), subject)
        h = self.features(subject, graph.n_atoms)
        kept, h_kept = {key: value.clone() for key, value in graph.to_dict().items()}, deepcopy(h)
        values = self.values(subject, graph, h)
        if values.requires_grad:
            values.sum().backward()
        assert set(graph.keys()) == set(kept)
        for key, value in kept.items():
            assert graph[key].dtype == value.dtype and torch.equal(graph[key], value), key
            assert not graph[key].requires_grad and graph[key].grad is None, key
        assert h is None or (torch.equal(h, h_kept) and h.grad is None)

    @pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=["default float32", "default float64"])
    def test_float32_stays_float32(self, subject, default):
        graph = self.graph(crystal(), subject)
        h = self.features(subject, graph.n_atoms)
        exact = self.values(subject, graph, h)
        with default_dtype(default):
            values = self.values(deepcopy(subject).float(), graph, None if h is None else h.float(), torch.float32)
        assert values.dtype == torch.float32
        assert relative(values.double(), exact) < 1e-3
        assert graph.pos.dtype == torch.float64

    def test_the_default_dtype_changes_nothing(self, subject):
        graph = self.graph(crystal(), subject)
        seen = []
        for default in (torch.float32, torch.float64):
            with default_dtype(default):
                seen.append(self.values(subject, graph))
        assert torch.equal(seen[0], seen[1])
        constants = [
            {
                name: value.double()
                for name, value in constructed(self.part, default).named_buffers()
                if value.is_floating_point()
            }
            for default in (torch.float32, torch.float64)
        ]
        for name, value in constants[0].items():
            torch.testing.assert_close(value, constants[1][name], rtol=1e-14, atol=1e-14, msg=f"constant {name}")

    def test_written_and_built_again_gives_the_same_numbers(self, subject):
        again = constructed(lambda: build(to_spec(subject))).double()
        again.load_state_dict(subject.state_dict())
        graph = self.graph(crystal(), subject)
        assert torch.equal(self.values(again, graph), self.values(subject, graph))
        assert to_spec(again) == to_spec(subject)


class _Called(torch.nn.Module):
    """A part under its law's way to call it, as a module (``functional_call`` wants one)."""

    def __init__(self, part, call):
        super().__init__()
        self.part, self.call = part, call

    def forward(self, graph, edges, h=None):
        return self.call(self.part, graph, edges, h)


def _prefixed(parameters):
    return {f"part.{name}": value for name, value in parameters.items()}
