"""Schema of the section ``fit`` for fits in closed form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atomgraph.config.section import Section
from atomgraph.old_names import old_names_of


class SigmaSection(Section):
    """Expected errors σ of labels; a squared residual has the weight 1/σ²."""

    energy: float | None = Field(default=0.002, gt=0, description="eV/atom; null: energies are not fitted.")
    forces: float | None = Field(default=0.1, gt=0, description="eV/Å; null: forces are not fitted.")
    virial: float | None = Field(default=0.02, gt=0, description="eV/atom; null: stresses are not fitted.")


class EnergyWeightSection(Section):
    """Weights of structures, ω/[E − E_min(1 + Δ)]², with the energy minus E0 per atom E and its minimum E_min."""

    delta: float = Field(default=0.2, ge=0, description="Δ of the weight ω/[E − E_min(1 + Δ)]².")
    omega: float | None = Field(
        default=None, gt=0, description="ω of the weight, eV²; null: scaled so that the mean weight is 1."
    )
    floor: float = Field(default=0.01, gt=0, description="Smallest value of E − E_min(1 + Δ), eV.")


class SparsePointSection(Section):
    """Selection of the sparse points of kernel readouts."""

    method: Literal["greedy", "cur", "farthest", "random"] = Field(
        default="greedy",
        description="greedy: largest residual variance of the kernel; cur: largest leverage score (CUR decomposition); "
        "farthest: largest distance from selected points; random.",
    )
    environments: int = Field(
        default=20_000, gt=0, description="Largest number of candidate environments for each element."
    )


class ClosedForm(Section):
    """Keys that ``least_squares`` and ``sparse_gp`` share."""

    sigma: SigmaSection = Field(default_factory=SigmaSection, description="Expected errors of labels.")
    sigma_by_type: dict[str, SigmaSection] = Field(
        default={}, description="Expected errors by configuration type, in place of sigma."
    )
    energy_weight: EnergyWeightSection | None = Field(
        default=None, description="Weights of structures by energy; null: equal weights."
    )
    method: Literal["qr", "normal"] = Field(
        default="qr",
        description="qr: QR decomposition; normal: normal equations, faster, with half the accurate digits.",
    )
    block: int = Field(
        default=4000, gt=0, description="Number of edges in a block. Larger blocks are faster and need more memory."
    )
    contradictions: Literal["refuse", "keep"] = Field(
        default="refuse", description="Duplicate structures with different energies: refuse (error) or keep."
    )
    accelerator: str = Field(default="auto", description="Device of the fit: auto, cpu, gpu, ...")


class LeastSquares(ClosedForm):
    """Fit of the weights of linear readouts by least squares with a prior."""

    kind: Literal["least_squares"] = Field(default="least_squares", description="Kind of the fit.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="atoms",
        description="Scaling of the expected errors of energy and virial with the number of atoms N: atoms (N) or sqrt (√N).",
    )
    solver: Literal["plain", "ridge", "evidence", "ard"] = Field(
        default="evidence",
        description="plain: no prior; ridge: prior with the given strength; evidence: prior with the most probable "
        "strength; ard: one prior strength for each weight.",
    )
    prior: Literal["isotropic", "smoothness"] = Field(
        default="isotropic",
        description="isotropic: equal for all weights; smoothness: smaller weights for rougher basis functions.",
    )
    strength: float = Field(
        default=1e-4, gt=0, description="Regularisation strength of ridge, for columns and targets scaled to RMS 1."
    )
    power: float = Field(default=2.0, gt=0, description="Exponent of n and l in the smoothness prior.")
    scale_columns: bool = Field(
        default=True, description="Whether the prior is relative to the RMS of each column of the design matrix."
    )
    significance: float = Field(
        default=4.0,
        gt=0,
        description="ard: a weight is kept if its square exceeds this number of squared standard errors.",
    )


class SparseGP(ClosedForm):
    """Fit of the weights of sparse kernels, with the kernel as prior, as in gap_fit."""

    kind: Literal["sparse_gp"] = Field(default="sparse_gp", description="Kind of the fit.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="sqrt",
        description="Scaling of the expected errors of energy and virial with the number of atoms N: atoms (N) or sqrt (√N).",
    )
    points: SparsePointSection = Field(default_factory=SparsePointSection, description="Selection of sparse points.")
    jitter: float = Field(
        default=1e-5,
        gt=0,
        description="Term added to the diagonal of the kernel matrix of the sparse points, relative to the diagonal. "
        "A larger jitter gives smaller weights.",
    )


__getattr__ = old_names_of(__name__)
