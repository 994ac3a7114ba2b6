"""ZBL repulsion whose constants are trained, with an envelope of its own, as in schnetpack."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.envelope import checked_envelope
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.ops.cutoff import ENVELOPES
from atomgraph.ops.scatter import sum_to

COULOMB = 14.399645351950548  # e²/4πε0, eV·Å
_INVERSE_LENGTH = 1.0 / (0.8854 * 0.52917721067)  # of the screening function, 1/Å
_POWER = 0.23  # of Z in the screening length, no unit
_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)  # no unit
_COEFFICIENTS = (0.18175, 0.50986, 0.28022, 0.02817)  # no unit


class SoftplusZBL(Float64Buffers, Part):
    r"""Universal screened Coulomb repulsion, the constants of which can be trained.

    .. math:: V_i = \frac{k_e}{2} \sum_j \frac{Z_i Z_j}{r}\, f(r) \sum_k c_k e^{-a_k s_{ij} r}, \qquad
              s_{ij} = (Z_i^p + Z_j^p)\, b, \qquad c_k = \frac{\sigma(\hat c_k)}{\sum_l \sigma(\hat c_l)}

    with the envelope f. The trained numbers are :math:`\hat c`, :math:`\hat a`, :math:`\hat p` and :math:`\hat b`, and the
    softplus function σ makes positive constants of them: :math:`a = \sigma(\hat a)`, :math:`p = \sigma(\hat p)`,
    :math:`b = \sigma(\hat b)` in 1/Å. Results are float64 for models of any dtype.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        envelope: Name of the envelope in ``ops.cutoff.ENVELOPES``.
        coulomb: Constant :math:`k_e`, eV·Å.
        trainable: Train the constants.

    Raises:
        WiringError: If the cutoff is not positive, or the envelope is unknown.

    Source: Ziegler, Biersack and Littmark (1985); the program schnetpack 2, ``ZBLRepulsionEnergy``.
    """

    number: Tensor
    power: Tensor
    inverse_length: Tensor
    exponents: Tensor
    coefficients: Tensor
    group = "readout"
    _always_double: tuple[str, ...] = ("number",)

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        envelope: str = "cosine",
        coulomb: float = COULOMB,
        trainable: bool = True,
    ):
        super().__init__()
        if not cutoff > 0:
            raise WiringError(f"the cutoff must be positive, in Å, but is {cutoff}")
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.envelope, self.coulomb = checked_envelope(envelope), float(coulomb)
        numbers = [atomic_numbers[symbol] for symbol in self.elements]
        self.register_buffer("number", torch.tensor(numbers, dtype=torch.float64), persistent=False)
        constants: dict[str, tuple[float, ...]] = {
            "power": (_POWER,),
            "inverse_length": (_INVERSE_LENGTH,),
            "exponents": _EXPONENTS,
            "coefficients": _COEFFICIENTS,
        }
        for name, values in constants.items():
            raw = torch.tensor([math.log(math.expm1(value)) for value in values], dtype=torch.float64)
            if trainable:
                setattr(self, name, torch.nn.Parameter(raw.to(torch.get_default_dtype())))
            else:
                self.register_buffer(name, raw)
                self._always_double = (*self._always_double, name)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because the constants are equal for all elements."""
        return {}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Energy of each atom, (n_atoms,), eV."""
        length = edges.exact.length.double()
        power, inverse_length, exponents, coefficients = (
            torch.nn.functional.softplus(raw.double())
            for raw in (self.power, self.inverse_length, self.exponents, self.coefficients)
        )
        scaled = self.number**power * inverse_length  # (n_elements,)
        rates = (scaled[edges.element_of_centre] + scaled[edges.element_of_neighbour])[:, None] * exponents
        screening = torch.exp(-rates * length[:, None]) @ (coefficients / coefficients.sum())
        charges = self.number[edges.element_of_centre] * self.number[edges.element_of_neighbour]
        pair_energy = self.coulomb * charges / length * screening * ENVELOPES[self.envelope](length, self.cutoff)
        return sum_to(0.5 * pair_energy, edges.centre, edges.n_atoms)
