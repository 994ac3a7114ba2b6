"""Density featurizers of users keep working under the method names of the last release."""

import pytest
import torch

from atomgraph.featurizers.density import DensityFeaturizer
from atomgraph.old_names import OldNameWarning


def test_old_method_names_are_accepted_with_a_warning():
    with pytest.warns(OldNameWarning, match=r"density_terms|isolated_density") as warned:

        class OldFeaturizer(DensityFeaturizer):
            def terms(self, edges):
                return edges

            def alone(self, element):
                return element + 1

    assert len(warned) == 2
    featurizer = OldFeaturizer()
    assert featurizer.density_terms("edges") == "edges"
    assert torch.equal(featurizer.isolated_density(torch.tensor([1])), torch.tensor([2]))
