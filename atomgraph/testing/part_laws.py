"""Laws by kind of part: what each kind is called with, and what it reads and gives."""

from e3nn import o3

from atomgraph.testing.shared_laws import PartLaws


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
