"""The laws can fail: parts and potentials that are broken on purpose, each caught by the law that it breaks."""

import pytest
import torch
from e3nn import o3

from atomgraph.analysis.laws import LAWS
from atomgraph.analysis.laws.context import LawContext
from atomgraph.models import Baseline, Branch, EnergyModel
from atomgraph.nn.protocols import Featurizer, MessageLayer
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential
from atomgraph.readouts import Linear
from atomgraph.testing import FeaturizerLaws, LayerLaws, ModelLaws
from atomgraph.testing.graphs import ELEMENTS


class Sound(Featurizer):
    """Sums over neighbours of an envelope, a length and a direction; two parameters. Obeys every law."""

    def __init__(self, cutoff=3.5):
        super().__init__()
        self.cutoff, self.irreps_out = cutoff, o3.Irreps("2x0e+1o")
        self.weight = torch.nn.Parameter(torch.tensor([1.0, 0.5]))

    def envelope(self, edges):
        return (1.0 - edges.length / self.cutoff).clamp(min=0.0) ** 3

    def scalars(self, edges):
        element = (edges.element_of_neighbour + 1).to(edges.length.dtype)
        return torch.stack([self.weight[0] * element, self.weight[1] * torch.sin(edges.length)], dim=1)

    def forward(self, graph, edges):
        values = torch.cat([self.scalars(edges), edges.vector], dim=1) * self.envelope(edges)[:, None]
        return sum_to(values, edges.centre, edges.n_atoms)


def changed(change):
    """A sound featurizer whose result is changed by ``change(h, graph, edges)``."""

    class Broken(Sound):
        def forward(self, graph, edges):
            return change(super().forward(graph, edges), graph, edges)

    return Broken


class HardCutoff(Sound):
    def envelope(self, edges):
        return (edges.length < self.cutoff).to(edges.length.dtype)


class KinkedCutoff(Sound):
    def envelope(self, edges):
        return (1.0 - edges.length / self.cutoff).clamp(min=0.0)


class EndlessEnvelope(Sound):
    def envelope(self, edges):
        return torch.exp(-edges.length)


class FirstEdgeOnly(Sound):
    def envelope(self, edges):
        first = torch.ones_like(edges.centre, dtype=torch.bool)
        first[1:] = edges.centre[1:] != edges.centre[:-1]
        return super().envelope(edges) * first


class FloatConstants(Sound):
    def __init__(self, cutoff=3.5):
        super().__init__(cutoff)
        self.register_buffer("tenth", torch.tensor(0.1))

    def forward(self, graph, edges):
        return super().forward(graph, edges) * self.tenth


class Forgetful(Sound):
    def __init__(self, cutoff=3.5):
        super().__init__(cutoff)
        self.factor = torch.rand((), generator=Forgetful.chance).item()

    chance = torch.Generator().manual_seed(0)

    def forward(self, graph, edges):
        return super().forward(graph, edges) * self.factor


class OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, by_y):
        (x,) = ctx.saved_tensors
        return by_y * (3 * x**2).detach()


class MixesComponents(MessageLayer):
    """A matrix over the components of vectors: no rotation commutes with it."""

    def __init__(self):
        super().__init__()
        self.irreps_in = self.irreps_out = o3.Irreps("1x0e+1o")
        self.weight = torch.nn.Parameter(torch.ones(4, 4))

    def forward(self, h, graph, edges):
        return h @ self.weight


def plain_mean(h, graph, edges):
    return h / sum_to(torch.ones_like(edges.length), edges.centre, edges.n_atoms)[:, None]


def chirality(h, graph, edges):
    a, b = (sum_to(edges.vector * edges.length[:, None] ** -k, edges.centre, edges.n_atoms) for k in (3, 4))
    return torch.cat([(torch.linalg.cross(a, b) * h[:, 2:]).sum(dim=1, keepdim=True), h[:, 1:]], dim=1)


def moves_the_atoms(h, graph, edges):
    graph.pos.data += 0.1
    return h


BROKEN = {
    "absolute position": (
        changed(lambda h, graph, edges: h + graph.pos[:, :1].to(h.dtype)),
        ["translation_changes_nothing", "rotation_of_atoms_rotates_the_features"],
    ),
    "chirality as a scalar": (changed(chirality), ["rotation_of_atoms_rotates_the_features"]),
    "number of the atom": (
        changed(lambda h, graph, edges: h + torch.arange(len(h))[:, None]),
        ["values_are_permuted_with_the_atoms", "batch_equals_single_structures"],
    ),
    "mean over the batch": (
        changed(lambda h, graph, edges: h - h.mean(dim=0)),
        ["batch_equals_single_structures"],
    ),
    "first edge only": (FirstEdgeOnly, ["order_of_edges_of_an_atom_changes_nothing"]),
    "hard cutoff": (HardCutoff, ["values_are_continuous_at_the_cutoff"]),
    "kinked cutoff": (KinkedCutoff, ["values_are_continuous_at_the_cutoff"]),
    "endless envelope": (EndlessEnvelope, ["edges_beyond_the_cutoff_change_nothing"]),
    "mean without neighbours": (changed(plain_mean), ["isolated_atoms_have_finite_values_and_zero_gradients"]),
    "wrong width": (changed(lambda h, graph, edges: h[:, :2]), ["values_have_the_declared_shape_and_dtype"]),
    "always double": (changed(lambda h, graph, edges: h.double()), ["float32_input_gives_float32_values"]),
    "default dtype": (
        changed(lambda h, graph, edges: h * torch.linspace(0.1, 0.7, 5)),
        ["the_default_dtype_changes_nothing"],
    ),
    "float32 constants": (FloatConstants, ["the_default_dtype_changes_nothing"]),
    "moves the caller's atoms": (changed(moves_the_atoms), ["tensors_of_the_caller_are_unchanged"]),
    "asks for the caller's gradient": (
        changed(lambda h, graph, edges: (graph.pos.requires_grad_(True), h)[1]),
        ["tensors_of_the_caller_are_unchanged"],
    ),
    "second derivative forgotten": (
        changed(lambda h, graph, edges: OnceOnly.apply(h)),
        ["first_and_second_derivatives_match_finite_differences"],
    ),
    "first derivative forgotten": (
        changed(lambda h, graph, edges: h * h.detach()),
        ["first_and_second_derivatives_match_finite_differences"],
    ),
    "remembers nothing of its chance": (Forgetful, ["part_from_its_spec_gives_equal_values"]),
}
CASES = [(name, law) for name, (_, laws) in BROKEN.items() for law in laws]


class TestSoundFeaturizer(FeaturizerLaws):
    def featurizer(self):
        return Sound()


def verdicts(laws, name):
    """Every way that a law is tried on a part: None where it passes, the error where it fails."""
    test = getattr(laws, f"test_{name}")
    marks = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    ways = [{}]
    for argument, values in marks:
        ways = [way | {argument: value} for way in ways for value in values]
    for way in ways:
        try:
            test(laws.prepare(), **way)
            yield None
        except Exception as error:
            yield error


@pytest.mark.parametrize(("name", "law"), CASES, ids=[f"{name}-{law}" for name, law in CASES])
def test_a_broken_featurizer_breaks_its_law(name, law):
    laws = FeaturizerLaws()
    laws.featurizer = BROKEN[name][0]
    assert any(isinstance(error, AssertionError | RuntimeError) for error in verdicts(laws, law))


def test_a_kink_is_seen_in_the_gradients_and_not_in_the_values():
    laws = FeaturizerLaws()
    laws.featurizer = KinkedCutoff
    for outward in (False, True):
        laws.test_values_are_continuous_at_the_cutoff(laws.prepare(), outward, derivative=0)
        with pytest.raises(AssertionError):
            laws.test_values_are_continuous_at_the_cutoff(laws.prepare(), outward, derivative=1)


def test_chirality_is_seen_by_reflection_only():
    laws = FeaturizerLaws()
    laws.featurizer = BROKEN["chirality as a scalar"][0]
    laws.test_rotation_of_atoms_rotates_the_features(laws.prepare(), "molecule", improper=False)
    with pytest.raises(AssertionError):
        laws.test_rotation_of_atoms_rotates_the_features(laws.prepare(), "molecule", improper=True)


def test_a_layer_that_mixes_components_breaks_rotation():
    laws = LayerLaws()
    laws.layer = MixesComponents
    assert all(verdicts(laws, "rotation_of_atoms_rotates_the_features"))


def model(featurizer=Sound):
    branch = Branch(3.5, featurizer(), readouts=[Linear("2x0e+1o")])
    return EnergyModel(ELEMENTS, branch, Baseline(ELEMENTS, exact_isolated=True))


class TestSoundModel(ModelLaws):
    def model(self):
        return model()


class Twisted(Potential):
    """A potential whose results are spoilt."""

    def __init__(self, model, spoil):
        super().__init__(model)
        self.spoil = spoil

    def forward(self, graph, **options):
        result = super().forward(graph, **options)
        self.spoil(result, graph)
        return result


def spoils(name, change):
    def spoil(result, graph):
        if name in result:
            result[name] = change(result[name], graph)

    return spoil


SPOILT = {
    "forces turned round": ("forces", lambda f, graph: -f, "forces_are_gradients"),
    "stress turned round": ("stress", lambda s, graph: -s, "stress_is_gradient"),
    "virial for stress": ("stress", lambda s, graph: s * 40, "stress_is_gradient"),
    "sheared stress": ("stress", lambda s, graph: s + torch.tensor([0.0, 1, 0]), "stress_is_symmetric"),
    "a push": ("forces", lambda f, graph: f + 1e-6, "net_force"),
    "a spin": ("forces", lambda f, graph: f + 1e-6 * torch.linalg.cross(graph.pos, torch.ones_like(f)), "net_torque"),
    "an axis": ("energy", lambda e, graph: e + graph.pos[0, 0], "rotation_and_reflection"),
    "a place": ("energy", lambda e, graph: e + graph.pos[0].norm(), "translation"),
    "a first atom": ("node_energy", lambda e, graph: e + torch.arange(len(e)), "order_of_atoms"),
    "a company": ("energy", lambda e, graph: e + graph.n_graphs, "batching"),
    "a fixed charge": ("energy", lambda e, graph: e + 1.0, "extensivity"),
    "a lost part": ("energy", lambda e, graph: 0.999 * e, "local_energies_add_up"),
    "no forces": ("forces", lambda f, graph: 0.0 * f, "one_element_crystals_have_forces"),
    "an ion": ("energy", lambda e, graph: e + 1e-9, "isolated_atoms_have_e0"),
    "a wind": ("forces", lambda f, graph: f + 1e-12, "isolated_atoms_have_no_force"),
    "a label left behind": (
        "energy",
        lambda e, graph: (graph.energy.add_(1.0), e)[1],
        "graph_is_unchanged",
    ),
    "a graph kept": ("energy", lambda e, graph: e.clone().requires_grad_(True), "graph_is_unchanged"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_potential_breaks_its_law(name):
    spoilt, change, broken = SPOILT[name]
    law = {first.__name__: first for first in LAWS}[broken]
    assert law(LawContext(Potential(model().double()))).passed
    assert not law(LawContext(Twisted(model().double(), spoils(spoilt, change)))).passed


@pytest.mark.parametrize("featurizer", [HardCutoff, KinkedCutoff])
def test_a_rough_cutoff_is_seen_in_energy_or_forces(featurizer):
    law = {first.__name__: first for first in LAWS}["smooth_at_the_cutoff"]
    assert not law(LawContext(Potential(model(featurizer).double()))).passed


def test_nan_is_never_a_pass():
    for first in LAWS:
        if first.__name__ != "graph_is_unchanged":
            assert not first(LawContext(Twisted(model().double(), all_nan))).passed, first.__name__


def all_nan(result, graph):
    for name in result:
        result[name] = result[name] * torch.nan
