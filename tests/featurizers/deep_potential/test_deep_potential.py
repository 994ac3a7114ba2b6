"""Descriptors of Deep Potential: the laws of featurizers, statistics with explicit empty slots, limits of neighbours."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import Concatenation, DeepPotAngular, DeepPotRadial, DeepPotThreeBody
from atomgraph.featurizers.deep_potential.embedding import EmbeddingNetworks, TypeEmbedding
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.featurizers.deep_potential.nearest_neighbours import count_by_element, keep_nearest
from atomgraph.featurizers.deep_potential.pair_embedding import PairEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule

SLOTS = {"sel": [60] * len(ELEMENTS), "centred": True}


def matrix(cutoff=3.0, **options):
    return EnvironmentMatrix(ELEMENTS, cutoff, **options)


class TestDeepPotAngular(FeaturizerLaws):
    def featurizer(self):
        return DeepPotAngular(matrix(), EmbeddingNetworks(ELEMENTS, [3, 6]), axis_channels=2)


class TestDeepPotAngularTwoSided(FeaturizerLaws):
    """Networks of pairs, empty slots that count, excluded pairs without a jump at the cutoff."""

    def featurizer(self):
        environment = matrix(**SLOTS, removed_pairs=[["H", "O"]], protection=0.2, inner=1.0)
        embedding = EmbeddingNetworks(ELEMENTS, [1, 2, 4], two_sided=True, activation="softplus", timestep=True)
        return DeepPotAngular(environment, embedding, axis_channels=3)


class TestTypeEmbedding(FeaturizerLaws):
    def featurizer(self):
        embedding = TypeEmbedding(ELEMENTS, [3, 6], type_channels=2, two_sided=True)
        return DeepPotAngular(matrix(sel=300), embedding, axis_channels=2, append_types=True)


class TestDeepPotRadial(FeaturizerLaws):
    def featurizer(self):
        return DeepPotRadial(matrix(**SLOTS, excluded_pairs=[["H", "C"]]), EmbeddingNetworks(ELEMENTS, [3, 6]))

    smooth = False  # excluded pairs have the row 0, empty slots another one, so energies of deepmd-kit jump


class TestDeepPotRadialWithoutExcludedPairs(FeaturizerLaws):
    def featurizer(self):
        return DeepPotRadial(matrix(), EmbeddingNetworks(ELEMENTS, [3, 6], activation="silut:1.0"))


class TestDeepPotThreeBody(FeaturizerLaws):
    def featurizer(self):
        return DeepPotThreeBody(matrix(protection=2.0), PairEmbedding(ELEMENTS, [2, 4]))


class TestHybrid(FeaturizerLaws):
    def featurizer(self):
        angular = DeepPotAngular(matrix(2.6), EmbeddingNetworks(ELEMENTS, [2, 4]), axis_channels=2)
        return Concatenation([angular, DeepPotRadial(matrix(), EmbeddingNetworks(ELEMENTS, [3]))])


def edges_of(atoms, cutoff=3.0):
    return Edges.of(make_graph(atoms, cutoff), ElementTable(ELEMENTS), torch.float64)


def test_statistics_are_those_of_padded_matrices():
    """Means and widths over all slots, empty ones included, of arrays with explicit zeros."""
    environment = matrix(**SLOTS).double()
    batches = [edges_of(crystal()), edges_of(molecule())]
    for edges in batches:
        environment.update_statistics(edges)
    environment.finalize()
    rows: dict[int, list[torch.Tensor]] = {}
    for edges in batches:
        _, matrices = environment._rows(edges)
        for i in range(edges.n_atoms):
            neighbours = matrices[edges.centre == i]
            padded = torch.cat([neighbours, torch.zeros(60 * len(ELEMENTS) - len(neighbours), 4, dtype=torch.float64)])
            rows.setdefault(int(edges.element[i]), []).append(padded)
    for z in range(len(ELEMENTS)):
        if z not in rows:
            assert float(environment.radial_width[z]) == pytest.approx(0.1) and float(environment.mean[z]) == 0.0
            continue
        table = torch.cat(rows[z])
        expected = table[:, 0].mean(), table[:, 0].std(unbiased=False), table[:, 1:].std(unbiased=False)
        result = environment.mean[z], environment.radial_width[z], environment.angular_width[z]
        limited = torch.stack([expected[0], expected[1].clamp(min=0.01), expected[2].clamp(min=0.01)])
        torch.testing.assert_close(torch.stack(result), limited, rtol=1e-10, atol=1e-12)


def test_without_sel_the_slots_are_the_largest_numbers_of_neighbours():
    environment, edges = matrix(), edges_of(crystal())
    environment.update_statistics(edges)
    environment.finalize()
    assert environment.slots.tolist() == count_by_element(edges).amax(dim=0).clamp(min=1).tolist()
    assert float(environment.total_slots) == environment.slots.sum()


def test_the_nearest_of_all_elements_are_kept_before_the_nearest_of_each():
    """One oxygen and three hydrogen atoms at 1, 1.1, 1.2, 1.3 Å: of two slots in total, hydrogen loses a second one."""
    edges = Edges(
        vector=torch.tensor([[1.2, 0, 0], [1.0, 0, 0], [1.3, 0, 0], [1.1, 0, 0]]),
        length=torch.tensor([1.2, 1.0, 1.3, 1.1]),
        centre=torch.zeros(4, dtype=torch.int64),
        neighbour=torch.tensor([1, 2, 3, 4]),
        element=torch.tensor([0, 1, 1, 1, 0]),
        n_atoms=5,
        n_elements=2,
    )
    assert keep_nearest(edges, [2, 3], 5) is edges
    assert keep_nearest(edges, [2, 3], 2).neighbour.tolist() == [2, 4]
    assert keep_nearest(edges, [0, 1], 4).neighbour.tolist() == [2]
    assert keep_nearest(edges, None, 3).neighbour.tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepPotAngular(EmbeddingNetworks(ELEMENTS), matrix()), "needs an EnvironmentMatrix, but got an Emb"),
        (lambda: DeepPotAngular(matrix(), EmbeddingNetworks(["H"])), "needs an embedding of the elements"),
        (lambda: DeepPotAngular(matrix(), PairEmbedding(ELEMENTS)), "needs an Embedding, but got a PairEmbedding"),
        (lambda: DeepPotThreeBody(matrix(), EmbeddingNetworks(ELEMENTS)), "needs a PairEmbedding"),
        (lambda: DeepPotAngular(matrix(), EmbeddingNetworks(ELEMENTS), append_types=True), "needs a TypeEmbedding"),
        (lambda: DeepPotRadial(matrix(sel=30), EmbeddingNetworks(ELEMENTS)), "one number per element"),
        (lambda: matrix(n_slots=30), "n_slots needs sel"),
        (lambda: matrix(protection=-1.0), "protection"),
        (lambda: TypeEmbedding(ELEMENTS, type_channels=0), "type_channels should be at least 1"),
        (lambda: EmbeddingNetworks(ELEMENTS, [0]), "widths"),
        (lambda: EmbeddingNetworks(ELEMENTS, [4], activation="tan"), "did you mean tanh"),
    ],
)
def test_invalid_arguments(make, message):
    with pytest.raises(WiringError, match=message):
        make()
