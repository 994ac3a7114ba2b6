"""ZBL: two nuclei that come too near repel, whatever was learned."""

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
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to

COULOMB = 14.3996  # e²/4πε0, eV·Å, as ZBL's users write it
BOHR = 0.529  # Å, as they write it
SCREENING = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))  # coefficient, exponent
COEFFICIENTS = tuple(coefficient for coefficient, _ in SCREENING)
_LAST_MEASURED = 96  # curium; beyond it ASE's table holds a placeholder


class ZBL(Float64Buffers, Part):
    r"""The universal screened repulsion of nuclei, faded out where bonds begin.

    .. math:: V_i = \tfrac12 \sum_j 14.3996\, \frac{Z_i Z_j}{r}\, \phi(r / a_{ij})\, f_p(r / (R_i + R_j)), \quad
              a_{ij} = \frac{0.4543 \cdot 0.529}{Z_i^{0.3} + Z_j^{0.3}}, \quad \phi(t) = \sum_k c_k e^{-d_k t}

    with :math:`f_p` the polynomial envelope and R covalent radii. Each pair gives half its energy to either atom.

    ``cutoff`` is the largest sum of two radii. Constants and result are float64, whatever the model computes in.
    ``forward(graph, edges)`` gives (n_atoms,) eV.

    Args:
        elements: Chemical symbols.
        p: Of the envelope.
        screening, exponent, prefactor: :math:`c_k`, 0.3, 0.4543.
        radii: Å, in the order of the elements; by default ASE's (Cordero 2008).

    Raises:
        WiringError: For unknown symbols, radii that are missing or not positive, or p < 2.

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
            raise WiringError(
                f"the screening of ZBL has {len(SCREENING)} terms, but {len(screening)} coefficients came"
            )
        self.p, self.screening, self.exponent, self.prefactor = p, list(screening), exponent, prefactor
        known = covalent_radii_of(self.elements, radii)
        numbers = [atomic_numbers[symbol] for symbol in self.elements]
        self.cutoff = 2.0 * max(known)
        self.register_buffer("number", torch.tensor(numbers, dtype=torch.float64), persistent=False)
        self.register_buffer("radius", torch.tensor(known, dtype=torch.float64), persistent=False)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the given radius of each known element and the tabulated one of each new element."""
        return radii_for(super().element_arguments(edit), edit)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None: numbers and radii are no weights."""
        return {}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms,) eV."""
        length = edges.length.to(self.radius.dtype)
        z_i, z_j = self.number[edges.element_of_centre], self.number[edges.element_of_neighbour]
        reach = self.radius[edges.element_of_centre] + self.radius[edges.element_of_neighbour]
        t = length * (z_i**self.exponent + z_j**self.exponent) / (self.prefactor * BOHR)
        terms = zip(self.screening, SCREENING, strict=True)
        screening = sum((c * torch.exp(-d * t) for c, (_, d) in terms), torch.zeros_like(t))
        pair = COULOMB * z_i * z_j / length * screening * polynomial_cutoff(length / reach, 1.0, self.p)
        return sum_to(0.5 * pair, edges.centre, edges.n_atoms)


def covalent_radii_of(elements: Sequence[str], radii: Sequence[float] | None = None) -> list[float]:
    """Å, in the order of the elements: the given ones, or ASE's (Cordero 2008).

    Raises:
        WiringError: For radii that are missing, not positive, or not tabulated.
    """
    numbers = [atomic_numbers[symbol] for symbol in elements]
    known = [float(covalent_radii[number]) for number in numbers] if radii is None else [float(r) for r in radii]
    if len(known) != len(numbers) or not all(radius > 0 for radius in known):
        raise WiringError(f"a positive radius is needed for each of {', '.join(elements)}, but came {known}")
    unknown = [symbol for symbol in elements if radii is None and atomic_numbers[symbol] > _LAST_MEASURED]
    if unknown:
        raise WiringError(f"no covalent radius is tabulated for {', '.join(unknown)}; give radii=[...] in Å")
    return known


def radii_for(arguments: dict[str, Any], edit: ElementEdit) -> dict[str, Any]:
    """Arguments of a part with covalent radii: the given one of each known element, the tabulated one of each new element."""
    given = arguments.get("radii")
    if given is not None:
        arguments["radii"] = [
            given[row] if name == edit.old[row] else covalent_radii_of([name])[0]
            for name, row in zip(edit.names, edit.rows, strict=True)
        ]
    return arguments
