"""Tests to inherit: the laws of nature that every featurizer, layer, readout and model keeps.

A new part is tested by one class with one method::

    from atomgraph.testing import LayerLaws

    class TestSmoothMean(LayerLaws):
        def layer(self):
            return SmoothMean(channels=4, cutoff=3.0)

A part with elements should know ``atomgraph.testing.ELEMENTS``; its reach is read from its ``cutoff``. Parts run in float64
and with parameters moved away from where they start, so that weights that begin at zero hide nothing. A part that is not
meant to be smooth at the cutoff (a reference setting of another program) says ``smooth = False`` in its test class, with
the reason beside it.

The package needs pytest: ``pip install "atomgraph[testing]"``.
"""

try:
    import pytest
except ImportError as error:
    raise ImportError('atomgraph.testing needs pytest: pip install "atomgraph[testing]"') from error

pytest.register_assert_rewrite("atomgraph.testing.shared_laws", "atomgraph.testing.model_laws")

from atomgraph.testing.graphs import ELEMENTS  # noqa: E402
from atomgraph.testing.model_laws import ModelLaws  # noqa: E402
from atomgraph.testing.part_laws import FeaturizerLaws, LayerLaws, ReadoutLaws  # noqa: E402

__all__ = ["ELEMENTS", "FeaturizerLaws", "LayerLaws", "ModelLaws", "ReadoutLaws"]
