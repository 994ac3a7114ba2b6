"""Tests that are common to featurizers, layers and readouts."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from e3nn import o3

from atomgraph.analysis.laws.locality import jump
from atomgraph.analysis.laws.structures import rotate, rotation_matrix, single_atom
from atomgraph.models.call_with_weights import call_with_weights
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.nn.protocols import Calibrated
from atomgraph.old_names import warn_old_name
from atomgraph.testing.graphs import (
    ELEMENTS,
    crystal,
    generator,
    make_batch,
    make_graph,
    molecule,
    molecule_with_atom_at,
    sample_structures,
)
from atomgraph.testing.measures import (
    BY_STRUCTURE,
    construct,
    default_dtype,
    largest_cutoff,
    randomise,
    relative_difference,
    rotate_features,
)


class PartLaws:
    """Tests of a part that computes values of each atom from a graph, its edges and features.

    Attributes:
        smooth: Whether values and gradients must be continuous at the cutoff.
    """

    smooth = True

    def part(self):
        """Return a new part."""
        raise NotImplementedError

    def call(self, part, graph, edges, h):
        """Call a part, and return its values, (n_atoms, n_values).

        Args:
            part: The part.
            graph: Graph of the structure.
            edges: Edges of the graph.
            h: Input features, (n_atoms, dim); None for a featurizer.
        """
        raise NotImplementedError

    def irreps_read(self, part):
        """Return the irreps of the input features; None for a featurizer."""
        return o3.Irreps(part.irreps_in)

    def irreps_given(self, part):
        """Return the irreps of the values."""
        return o3.Irreps(part.irreps_out)

    # preparation of the part, graphs, features

    @pytest.fixture
    def subject(self):
        return self.prepare()

    def prepare(self):
        """Return a part in float64 with random parameters; it is calibrated if it has constants from data."""
        part = randomise(construct(self.part)).double()
        if isinstance(part, Calibrated):
            graph = self.graph(crystal(), part)
            with torch.no_grad():
                part.update_statistics(self.features(part, graph.n_atoms), graph, self.edges(part, graph))
            part.finalize()
        return part

    def ready(self):
        """``prepare`` under its old name."""
        warn_old_name("ready", "prepare")
        return self.prepare()

    def graph(self, atoms, part):
        """Return the graph of a structure with the largest cutoff of the part."""
        return make_graph(atoms, largest_cutoff(part))

    def edges(self, part, graph, dtype=torch.float64):
        """Return the edges of a graph in a dtype."""
        return Edges.of(graph, ElementTable(ELEMENTS), dtype)

    def features(self, part, n_atoms, seed=5, dtype=torch.float64):
        """Return random input features, (n_atoms, dim); None for a featurizer."""
        irreps = self.irreps_read(part)
        if irreps is None:
            return None
        return torch.randn(n_atoms, irreps.dim, generator=generator(seed), dtype=torch.float64).to(dtype)

    def values(self, part, graph, h=None, dtype=torch.float64):
        """Return the values of a part, (n_atoms, n_values), for random features if ``h`` is None."""
        h = self.features(part, graph.n_atoms) if h is None else h
        return self.call(part, graph, self.edges(part, graph, dtype), h)

    def values_at(self, part, graph, pos, h=None):
        """Return the values for other positions, (n_atoms, 3), Å, with the same edges."""
        displaced = graph.shallow_copy()
        displaced.pos = pos
        return self.values(part, displaced, h)

    def moved(self, part, graph, pos, h=None):
        """``values_at`` under its old name."""
        warn_old_name("moved", "values_at")
        return self.values_at(part, graph, pos, h)

    def values_and_gradients(self, part, graph, h=None):
        """Return values, (n_atoms, n_values), and gradients of a random linear combination of them, (n_atoms, 3)."""
        pos = graph.pos.clone().requires_grad_(True)
        values = self.values_at(part, graph, pos, h)
        weights = torch.randn(values.shape, generator=generator(7), dtype=values.dtype)
        (gradients,) = torch.autograd.grad((weights * values).sum() + 0.0 * pos.sum(), pos)
        return values.detach(), gradients

    def values_and_slopes(self, part, graph, h=None):
        """``values_and_gradients`` under its old name."""
        warn_old_name("values_and_slopes", "values_and_gradients")
        return self.values_and_gradients(part, graph, h)

    # tests

    def test_values_have_the_declared_shape_and_dtype(self, subject):
        graph = self.graph(crystal(), subject)
        values = self.values(subject, graph)
        assert values.shape == (graph.n_atoms, self.irreps_given(subject).dim)
        assert values.dtype == torch.float64
        assert torch.isfinite(values).all()

    @BY_STRUCTURE
    @pytest.mark.parametrize("improper", [False, True], ids=["rotation", "reflection"])
    def test_rotation_of_atoms_rotates_the_features(self, subject, name, improper):
        atoms, matrix = sample_structures()[name], rotation_matrix(3, improper=improper)
        h = self.features(subject, len(atoms))
        h_rotated = None if h is None else rotate_features(h, self.irreps_read(subject), matrix)
        values = self.values(subject, self.graph(atoms, subject), h)
        rotated_values = self.values(subject, self.graph(rotate(atoms, matrix), subject), h_rotated)
        assert relative_difference(rotated_values, rotate_features(values, self.irreps_given(subject), matrix)) < 1e-10

    @BY_STRUCTURE
    def test_translation_changes_nothing(self, subject, name):
        atoms = sample_structures()[name]
        values = self.values(subject, self.graph(atoms, subject))
        atoms.positions += [1.3, -0.7, 2.1]
        assert relative_difference(self.values(subject, self.graph(atoms, subject)), values) < 1e-11

    @BY_STRUCTURE
    def test_values_are_permuted_with_the_atoms(self, subject, name):
        atoms = sample_structures()[name]
        permutation = np.random.default_rng(2).permutation(len(atoms))
        h = self.features(subject, len(atoms))
        values = self.values(subject, self.graph(atoms, subject), h)
        permuted_h = None if h is None else h[permutation]
        permuted_values = self.values(subject, self.graph(atoms[permutation], subject), permuted_h)
        assert relative_difference(permuted_values, values[permutation]) < 1e-12

    def test_order_of_edges_of_an_atom_changes_nothing(self, subject):
        graph = self.graph(crystal(), subject)
        centre = graph.edge_index[1].numpy()
        order = np.lexsort((np.random.default_rng(0).random(len(centre)), centre))
        shuffled = graph.shallow_copy()
        shuffled.edge_index, shuffled.cell_shift = graph.edge_index[:, order], graph.cell_shift[order]
        assert (np.diff(order) != 1).any()
        assert relative_difference(self.values(subject, shuffled), self.values(subject, graph)) < 1e-12

    def test_batch_equals_single_structures(self, subject):
        graphs = [
            self.graph(atoms, subject) for atoms in [*sample_structures().values(), single_atom("C"), molecule(seed=9)]
        ]
        features = [self.features(subject, graph.n_atoms, seed) for seed, graph in enumerate(graphs)]
        expected = torch.cat([self.values(subject, graph, h) for graph, h in zip(graphs, features, strict=True)])
        h = None if features[0] is None else torch.cat(features)
        assert relative_difference(self.values(subject, make_batch(graphs), h), expected) < 1e-12

    @pytest.mark.parametrize("derivative", [0, 1], ids=["values", "gradients"])
    @pytest.mark.parametrize("outward", [False, True], ids=["beside others", "last neighbour"])
    def test_values_are_continuous_at_the_cutoff(self, subject, outward, derivative):
        if not self.smooth:
            pytest.skip("smooth is False")
        cutoff, step = largest_cutoff(subject), 1e-6
        values, n_edges = [], []
        for k in (-3, -1, 1, 3):
            graph = self.graph(molecule_with_atom_at(cutoff + k * step, outward=outward), subject)
            n_edges.append(graph.n_edges)
            values.append(self.values_and_gradients(subject, graph)[derivative])
        assert n_edges[1] == n_edges[2] + 2, "one pair should leave the cutoff"
        assert jump(values).abs().max() <= 1e-6 * max(1.0, float(values[0].abs().max()))

    def test_edges_beyond_the_cutoff_change_nothing(self, subject):
        if not self.smooth or not any(hasattr(module, "cutoff") for module in subject.modules()):
            pytest.skip("smooth is False, or the part has no cutoff")
        cutoff = largest_cutoff(subject)
        graph, larger_graph = make_graph(crystal(), cutoff), make_graph(crystal(), cutoff + 0.7)
        assert larger_graph.n_edges > graph.n_edges
        assert relative_difference(self.values(subject, larger_graph), self.values(subject, graph)) < 1e-12

    def test_isolated_atoms_have_finite_values_and_zero_gradients(self, subject):
        far_apart = single_atom("O") + single_atom("C")
        far_apart.positions[1] += 2.0 * largest_cutoff(subject)
        for atoms in (single_atom("Si"), far_apart):
            values, gradients = self.values_and_gradients(subject, self.graph(atoms, subject))
            assert torch.isfinite(values).all()
            assert (gradients == 0).all()

    def test_first_and_second_derivatives_match_finite_differences(self, subject):
        graph = self.graph(molecule(n_atoms=3, seed=6), subject)
        direction = {  # in the space of the parameters
            name: torch.randn(p.shape, generator=generator(8), dtype=torch.float64)
            for name, p in subject.named_parameters()
        }
        h = self.features(subject, graph.n_atoms)
        weights = torch.randn(self.irreps_given(subject).dim, 2, generator=generator(9), dtype=torch.float64)

        def two_numbers(pos, scale, *features):
            parameters = {name: p + scale * direction[name] for name, p in subject.named_parameters()}
            displaced = graph.shallow_copy()
            displaced.pos = pos
            edges = self.edges(subject, displaced)
            module = _PartModule(subject, self.call)
            values = call_with_weights(module, _with_prefix(parameters), (displaced, edges, *features))
            return ((values @ weights) ** 2).sum(dim=0) + 0.0 * (pos.sum() + scale) ** 2

        inputs = [graph.pos.clone(), torch.zeros((), dtype=torch.float64), *([] if h is None else [h])]
        inputs = [value.requires_grad_(True) for value in inputs]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            assert torch.autograd.gradcheck(two_numbers, inputs, atol=1e-5, rtol=1e-4)
            assert torch.autograd.gradgradcheck(two_numbers, inputs, atol=1e-5, rtol=1e-4)

    def test_tensors_of_the_caller_are_unchanged(self, subject):
        graph = self.graph(crystal(), subject)
        h = self.features(subject, graph.n_atoms)
        graph_before, h_before = {key: value.clone() for key, value in graph.to_dict().items()}, deepcopy(h)
        values = self.values(subject, graph, h)
        if values.requires_grad:
            values.sum().backward()
        assert set(graph.keys()) == set(graph_before)
        for key, value in graph_before.items():
            assert graph[key].dtype == value.dtype and torch.equal(graph[key], value), key
            assert not graph[key].requires_grad and graph[key].grad is None, key
        assert h is None or (torch.equal(h, h_before) and h.grad is None)

    @pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=["default float32", "default float64"])
    def test_float32_input_gives_float32_values(self, subject, default):
        graph = self.graph(crystal(), subject)
        h = self.features(subject, graph.n_atoms)
        exact = self.values(subject, graph, h)
        with default_dtype(default):
            values = self.values(deepcopy(subject).float(), graph, None if h is None else h.float(), torch.float32)
        assert values.dtype == torch.float32
        assert relative_difference(values.double(), exact) < 1e-3
        assert graph.pos.dtype == torch.float64

    def test_the_default_dtype_changes_nothing(self, subject):
        graph = self.graph(crystal(), subject)
        values = []
        for default in (torch.float32, torch.float64):
            with default_dtype(default):
                values.append(self.values(subject, graph))
        assert torch.equal(values[0], values[1])
        constants = [
            {
                name: value.double()
                for name, value in construct(self.part, default).named_buffers()
                if value.is_floating_point()
            }
            for default in (torch.float32, torch.float64)
        ]
        for name, value in constants[0].items():
            torch.testing.assert_close(value, constants[1][name], rtol=1e-14, atol=1e-14, msg=f"constant {name}")

    def test_part_from_its_spec_gives_equal_values(self, subject):
        copy = construct(lambda: build(to_spec(subject))).double()
        copy.load_state_dict(subject.state_dict())
        graph = self.graph(crystal(), subject)
        assert torch.equal(self.values(copy, graph), self.values(subject, graph))
        assert to_spec(copy) == to_spec(subject)


class _PartModule(torch.nn.Module):
    """A module that calls a part with ``PartLaws.call``; ``functional_call`` needs a module."""

    def __init__(self, part, call):
        super().__init__()
        self.part, self.call = part, call

    def forward(self, graph, edges, h=None):
        return self.call(self.part, graph, edges, h)


def _with_prefix(parameters):
    """Return the parameters under their names in ``_PartModule``."""
    return {f"part.{name}": value for name, value in parameters.items()}
