"""GAP: the laws, what is built, and what is refused."""

import pytest
import torch

from atomgraph import models
from atomgraph.errors import WiringError
from atomgraph.readouts import SparseKernel
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS


def filled(model):
    """Sparse points that are somewhere, as a fit would put them."""
    for branch in model.branches:
        if isinstance(kernel := branch.readouts[0], SparseKernel):
            size = kernel.points.shape
            kernel.points.copy_(torch.linspace(0.1, 3.0, kernel.points.numel(), dtype=torch.float64).sin().view(size))
    return model


class TestGAP(ModelLaws):
    def model(self):
        return filled(models.GAP(ELEMENTS, cutoff=4.0, n_points=4, n_max=2, l_max=1, pairs={}))


def test_pairs_and_triples_are_branches_of_their_own():
    model = models.GAP(["H", "O"], 4.0, n_points=3, n_max=2, l_max=1, pairs={"theta": 0.5}, triples={"cutoff": 3.0})
    kinds = [type(branch.featurizer).__name__ for branch in model.branches]
    assert kinds == ["SOAP", *["PairKernel"] * 3, *["TripleKernel"] * 6]
    assert float(model.branches[1].featurizer.theta) == 0.5 and model.branches[-1].cutoff == 3.0
    assert len(models.GAP(["H"], 4.0).branches) == 1


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"pairs": {"thta": 1.0}}, "pairs of GAP have no 'thta'; did you mean theta?"),
        ({"delta": 0.0}, "delta of GAP should be positive, in eV, but is 0.0"),
        ({"zeta": -1.0}, "zeta, n_points and n_outputs should be positive"),
    ],
)
def test_what_makes_no_gap_is_refused(keywords, said):
    with pytest.raises(WiringError) as caught:
        models.GAP(["Si"], 5.0, **keywords)
    assert said in str(caught.value)
