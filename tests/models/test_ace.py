"""ACE under the laws, with one head and two; its energy is what its functions and weights say."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.models import ACE, Baseline
from atomgraph.nn.part import to_spec
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestACE(ModelLaws):
    """Square roots bend sharply where a density passes 0; as these densities do not start near it, the bars hold."""

    def model(self):
        return ACE(ELEMENTS, 3.4, n_max=(3, 2), l_max=(0, 1), parameters=[[1.0, 1.0], [0.3, 2.0]])


class TestLinearACEOfTwoHeads(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["pbe", "scan"])
        return ACE(
            ELEMENTS,
            3.2,
            n_max=(2, 1, 1),
            l_max=(0, 1, 1),
            radial="ChebExpCos",
            exponent=3.0,
            parameters=[[1.0, 1.0]],
            baseline=baseline,
        )


def test_elements_and_a_cutoff_make_a_model():
    model = ACE(["Mo", "W"], cutoff=4.6)
    assert model.elements == ["Mo", "W"] and model.cutoff == 4.6
    assert to_spec(model)["kind"] == "atomgraph.models.ACE"
    assert model.branches[0].featurizer.irreps_out.dim == model.branches[0].readouts[0].weight.shape[1]


def test_energy_is_densities_of_functions_embedded():
    model = ACE(ELEMENTS, 3.5, n_max=(2, 1), l_max=(0, 1), function="FinnisSinclair").double()
    graph = make_graph(crystal(), model.cutoff)
    (h,) = model.features(graph)
    c = model.branches[0].readouts[0].weight[model.element_table(graph.atomic_numbers)]
    rho = torch.einsum("if,ifp->ip", h, c)
    torch.testing.assert_close(model(graph), rho[:, 0] + rho[:, 1].sign() * rho[:, 1].abs() ** 0.5)


def test_nonsense_is_refused():
    with pytest.raises(WiringError, match="did you mean SBessel"):
        ACE(["Si"], 4.0, radial="Sbessel2")
