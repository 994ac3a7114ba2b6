"""ZBL: the universal screened Coulomb repulsion of two nuclei at short range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to

COULOMB = 14.3996  # e²/4πε0, eV·Å, with the digits of mace-torch
BOHR = 0.529  # Bohr radius, Å, with the digits of mace-torch
SCREENING = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))  # c_k, d_k, no unit
COEFFICIENTS = tuple(coefficient for coefficient, _ in SCREENING)
_MAX_NUMBER_WITH_RADIUS = 96  # curium; for heavier elements ASE's table has a placeholder


class ZBL(Float64Buffers, Part):
    r"""Universal screened Coulomb repulsion, switched off at the sum of the covalent radii.

    .. math:: V_i = \tfrac12 \sum_j 14.3996\, \frac{Z_i Z_j}{r}\, \phi(r / a_{ij})\, f_p(r / (R_i + R_j)), \quad
              a_{ij} = \frac{0.4543 \cdot 0.529}{Z_i^{0.3} + Z_j^{0.3}}, \quad \phi(t) = \sum_k c_k e^{-d_k t}

    with the polynomial envelope :math:`f_p` and covalent radii R. Each atom of a pair has half of the energy of the pair.

    The attribute ``cutoff`` is the largest sum of two radii. Constants and results are float64 for models of any dtype.

    Args:
        elements: Chemical symbols.
        p: Exponent of the envelope, no unit.
        radii: Covalent radii R in the order of the elements, Å; None: ASE's table (Cordero 2008).
        screening: Coefficients :math:`c_k`, no unit.
        exponent: Exponent of Z, 0.3 in the equation, no unit.
        prefactor: Prefactor of the screening length, 0.4543 in the equation, no unit.

    Raises:
        WiringError: If a symbol is unknown, a radius is missing or not positive, or p < 2.

    Source: Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Matter (1985); the envelope is MACE's.
    """

    number: Tensor
    radius: Tensor
    _always_double = ("number", "radius")

    def __init__(
        self,
        elements: Sequence[str],
        p: float = 6,
        radii: Sequence[float] | None = None,
        screening: Sequence[float] = COEFFICIENTS,
        exponent: float = 0.3,
        prefactor: float = 0.4543,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        if not p >= 2:
            raise WiringError(f"the polynomial cutoff needs p of at least 2, but p is {p}")
        if len(screening) != len(SCREENING):
            raise WiringError(f"the screening of ZBL has {len(SCREENING)} terms, but got {len(screening)} coefficients")
        self.p, self.screening, self.exponent, self.prefactor = p, list(screening), exponent, prefactor
        element_radii = resolve_radii(self.elements, radii)
        numbers = [atomic_numbers[symbol] for symbol in self.elements]
        self.cutoff = 2.0 * max(element_radii)
        self.register_buffer("number", torch.tensor(numbers, dtype=torch.float64), persistent=False)
        self.register_buffer("radius", torch.tensor(element_radii, dtype=torch.float64), persistent=False)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments for changed elements; new elements have radii from the table."""
        return update_radii(super().element_arguments(edit), edit)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because atomic numbers and radii are not weights."""
        return {}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Energy of each atom, (n_atoms,), eV."""
        length = edges.length.to(self.radius.dtype)
        z_i, z_j = self.number[edges.element_of_centre], self.number[edges.element_of_neighbour]
        radius_sum = self.radius[edges.element_of_centre] + self.radius[edges.element_of_neighbour]
        t = length * (z_i**self.exponent + z_j**self.exponent) / (self.prefactor * BOHR)
        terms = zip(self.screening, SCREENING, strict=True)
        screening = sum((c * torch.exp(-d * t) for c, (_, d) in terms), torch.zeros_like(t))
        pair_energy = COULOMB * z_i * z_j / length * screening * polynomial_cutoff(length / radius_sum, 1.0, self.p)
        return sum_to(0.5 * pair_energy, edges.centre, edges.n_atoms)


def resolve_radii(elements: Sequence[str], radii: Sequence[float] | None = None) -> list[float]:
    """Return covalent radii in the order of the elements, Å: the argument, or ASE's table (Cordero 2008).

    Args:
        elements: Chemical symbols.
        radii: Covalent radii in the order of the elements, Å; None: ASE's table.

    Raises:
        WiringError: If a radius is missing, not positive, or not tabulated.
    """
    numbers = [atomic_numbers[symbol] for symbol in elements]
    result = [float(covalent_radii[number]) for number in numbers] if radii is None else [float(r) for r in radii]
    if len(result) != len(numbers) or not all(radius > 0 for radius in result):
        raise WiringError(f"a positive radius is needed for each of {', '.join(elements)}, but the radii are {result}")
    unknown = [symbol for symbol in elements if radii is None and atomic_numbers[symbol] > _MAX_NUMBER_WITH_RADIUS]
    if unknown:
        raise WiringError(f"no covalent radius is tabulated for {', '.join(unknown)}; give radii=[...] in Å")
    return result


def update_radii(arguments: dict[str, Any], edit: ElementEdit) -> dict[str, Any]:
    """Change the argument ``radii`` of a part to the new elements.

    Elements of the old model keep their radii; other elements have radii from ASE's table.
    """
    radii = arguments.get("radii")
    if radii is not None:
        arguments["radii"] = [
            radii[row] if name == edit.old_names[row] else resolve_radii([name])[0]
            for name, row in zip(edit.names, edit.rows, strict=True)
        ]
    return arguments


__getattr__ = old_names_of(__name__)
