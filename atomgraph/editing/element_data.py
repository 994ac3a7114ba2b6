"""Parts that know elements by their nature, not by learned numbers: repulsions, transforms of distances, the baseline."""

from __future__ import annotations

from atomgraph.errors import WiringError
from atomgraph.models.baseline import Baseline
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.equivariant.distance_transform import DistanceTransform
from atomgraph.nn.part import Part
from atomgraph.nn.repulsion.zbl import covalent_radii_of


def baseline_for(model: EnergyModel, names: list[str], rows: list[int]) -> Baseline:
    """The baseline for other elements, E0 not yet set.  rows: the element of the model that each begins with."""
    repulsion = part_for(model.baseline.repulsion, names, rows)
    return Baseline(**(model.baseline.arguments | {"elements": names, "repulsion": repulsion}))


def part_for(part: Part | None, names: list[str], rows: list[int]) -> Part | None:
    """A repulsion or transform for other elements: radii of its own for those it knew, tabulated ones for new elements."""
    if part is None:
        return None
    arguments = part.arguments
    if "elements" not in arguments or not ("radii" in arguments or isinstance(part, DistanceTransform)):
        raise WiringError(f"the elements of a {type(part).__name__} cannot be edited; it is a part of your own")
    old = list(arguments["elements"])
    arguments["elements"] = names
    if arguments.get("radii") is not None:
        given = arguments["radii"]
        arguments["radii"] = [
            given[row] if name == old[row] else covalent_radii_of([name])[0]
            for name, row in zip(names, rows, strict=True)
        ]
    return type(part)(**arguments)
