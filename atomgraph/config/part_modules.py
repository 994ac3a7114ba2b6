"""The modules whose parts have short names in a configuration, such as ``kind: GCN``."""

from __future__ import annotations

from atomgraph import featurizers, layers, models, nn, readouts
from atomgraph.nn.part import Part

PART_MODULES = (models, featurizers, layers, readouts, nn)


def part_by_name(name: str) -> type[Part] | None:
    """Return the class of atomgraph with a short name; None for unknown names."""
    classes = (getattr(module, name, None) for module in PART_MODULES)
    return next((cls for cls in classes if isinstance(cls, type) and issubclass(cls, Part)), None)
