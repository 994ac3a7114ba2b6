"""Tests for users' own featurizers, layers, readouts and models: physical laws that every part must obey.

A new part is tested by one class with one method::

    from atomgraph.testing import LayerLaws

    class TestSmoothMean(LayerLaws):
        def layer(self):
            return SmoothMean(channels=4, cutoff=3.0)

A part with an argument for elements is constructed with ``atomgraph.testing.ELEMENTS``. Graphs have the largest cutoff in the
part. Tests run in float64. All parameters are changed randomly before the tests, because weights that are initially zero
would hide errors.

If a part is not smooth at the cutoff on purpose, such as a reference setting of another program, set ``smooth = False`` in the
test class, and give the reason in a comment.

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
