"""The laws of nature that every featurizer, layer, readout and model inherits.

A new part is put under them by one class with one method::

    from laws import LayerLaws
    from structures import ELEMENTS

    class TestSmoothMean(LayerLaws):
        def layer(self):
            return SmoothMean(channels=4, cutoff=3.0)

The part should know ``ELEMENTS``; its reach is read from its ``cutoff``. Parts run in float64 and with parameters moved
away from where they start, so that weights that begin at zero hide nothing. A part that is not meant to be smooth at the
cutoff (a reference setting of another program) says ``smooth = False`` in its test class, with the reason beside it.
"""

from e3nn import o3
from laws_of_models import ModelLaws
from laws_of_parts import PartLaws

__all__ = ["FeaturizerLaws", "LayerLaws", "ModelLaws", "ReadoutLaws"]


class FeaturizerLaws(PartLaws):
    """Inherit and give ``featurizer()``."""

    def featurizer(self):
        raise NotImplementedError

    def part(self):
        return self.featurizer()

    def call(self, part, graph, edges, h):
        return part(graph, edges)

    def irreps_read(self, part):
        return None


class LayerLaws(PartLaws):
    """Inherit and give ``layer()``."""

    def layer(self):
        raise NotImplementedError

    def part(self):
        return self.layer()

    def call(self, part, graph, edges, h):
        return part(h, graph, edges)


class ReadoutLaws(PartLaws):
    """Inherit and give ``readout()``."""

    def readout(self):
        raise NotImplementedError

    def part(self):
        return self.readout()

    def call(self, part, graph, edges, h):
        return part(h, graph, edges)

    def irreps_given(self, part):
        return o3.Irreps(f"{part.n_outputs}x0e")
