"""Tests to inherit for featurizers, layers and readouts."""

from e3nn import o3

from atomgraph.testing.shared_laws import PartLaws


class FeaturizerLaws(PartLaws):
    """Tests of a featurizer. Inherit from this class and define ``featurizer``."""

    def featurizer(self):
        """Return a new featurizer."""
        raise NotImplementedError

    def part(self):
        return self.featurizer()

    def call(self, part, graph, edges, h):
        return part(graph, edges)

    def irreps_read(self, part):
        return None


class LayerLaws(PartLaws):
    """Tests of a layer. Inherit from this class and define ``layer``."""

    def layer(self):
        """Return a new layer."""
        raise NotImplementedError

    def part(self):
        return self.layer()

    def call(self, part, graph, edges, h):
        return part(h, graph, edges)


class ReadoutLaws(PartLaws):
    """Tests of a readout. Inherit from this class and define ``readout``."""

    def readout(self):
        """Return a new readout."""
        raise NotImplementedError

    def part(self):
        return self.readout()

    def call(self, part, graph, edges, h):
        return part(h, graph, edges)

    def irreps_given(self, part):
        return o3.Irreps(f"{part.n_outputs}x0e")
