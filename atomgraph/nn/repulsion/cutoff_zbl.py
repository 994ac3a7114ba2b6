"""ZBL repulsion that is switched off over the whole cutoff of the model, with the constants of LAMMPS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.part import Part
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to

COULOMB = 14.399645  # e²/4πε0, eV·Å, with the digits of nequip
SCREENING_LENGTH = 0.46850  # twice the screening length of two hydrogen nuclei, Å
SCREENING_POWER = 0.23  # exponent of Z in the screening length, no unit
SCREENING = ((0.02817, 0.20162), (0.28022, 0.40290), (0.50986, 0.94229), (0.18175, 3.19980))  # c_k, d_k, no unit


class CutoffZBL(Float64Buffers, Part):
    r"""Universal screened Coulomb repulsion, times an envelope that is 0 at the cutoff of the model.

    .. math:: V_i = \tfrac12 \sum_j 14.399645\, \frac{Z_i Z_j}{r}\, \phi(r / a_{ij})\, f_p(r), \quad
              a_{ij} = \frac{0.4685}{Z_i^{0.23} + Z_j^{0.23}}, \quad \phi(t) = \sum_k c_k e^{-d_k t}

    with the polynomial envelope :math:`f_p`. ``ZBL`` has the constants and the envelope of MACE instead. Results are float64
    for models of any dtype.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        p: Exponent of the envelope, no unit.
        pair_cutoffs: Smaller cutoffs for pairs of elements; None: one cutoff for all pairs.

    Raises:
        WiringError: If the cutoff is not positive, p < 2, or the cutoffs of pairs have another ``cutoff``.

    Source: Ziegler, Biersack and Littmark (1985); LAMMPS, ``pair_style zbl``; the program nequip 0.19.
    """

    number: Tensor
    _always_double = ("number",)

    def __init__(self, elements: Sequence[str], cutoff: float, p: float = 6, pair_cutoffs: PairCutoffs | None = None):
        super().__init__()
        if not cutoff > 0 or not p >= 2:
            raise WiringError(f"the cutoff must be positive, in Å, and p at least 2, but they are {cutoff} and {p}")
        if pair_cutoffs is not None and pair_cutoffs.cutoff != cutoff:
            raise WiringError(f"the largest cutoff of pairs, {pair_cutoffs.cutoff} Å, should be the cutoff, {cutoff} Å")
        self.elements, self.cutoff, self.p = checked_symbols(elements), float(cutoff), p
        self.pair_cutoffs: Any = pair_cutoffs
        numbers = [atomic_numbers[symbol] for symbol in self.elements]
        self.register_buffer("number", torch.tensor(numbers, dtype=torch.float64), persistent=False)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because atomic numbers are not weights."""
        return {}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Energy of each atom, (n_atoms,), eV."""
        exact = edges.exact
        length = exact.length.double()
        z_i, z_j = self.number[edges.element_of_centre], self.number[edges.element_of_neighbour]
        t = length * (z_i**SCREENING_POWER + z_j**SCREENING_POWER) / SCREENING_LENGTH
        screening = torch.stack([c * torch.exp(-d * t) for c, d in SCREENING]).sum(dim=0)
        relative_length = length if self.pair_cutoffs is None else self.pair_cutoffs(exact).double()
        pair_energy = COULOMB * z_i * z_j / length * screening * polynomial_cutoff(relative_length, self.cutoff, self.p)
        return sum_to(0.5 * pair_energy, edges.centre, edges.n_atoms)
