"""Schema of fits in closed form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atomgraph.config.section import Section


class Sigmas(Section):
    """Expected errors of labels; a label counts as 1/σ²."""

    energy: float | None = Field(default=0.002, gt=0, description="eV/atom; null: energies are not fitted.")
    forces: float | None = Field(default=0.1, gt=0, description="eV/Å; null: forces are not fitted.")
    virial: float | None = Field(default=0.02, gt=0, description="eV/atom; null: stresses are not fitted.")


class EnergyWeights(Section):
    """Weights of structures, ω/[E − E_min(1 + Δ)]² with E the cohesive energy per atom; stable structures count more."""

    delta: float = Field(default=0.2, ge=0, description="Δ.")
    omega: float | None = Field(default=None, gt=0, description="ω, eV²; null: the weights have mean 1.")
    floor: float = Field(default=0.01, gt=0, description="Smallest value of the bracket, eV.")


class SparsePoints(Section):
    """Selection of the sparse points of kernels."""

    method: Literal["greedy", "cur", "farthest", "random"] = Field(
        default="greedy",
        description="greedy: largest residual variance of the kernel; cur: leverage; farthest: distance; random.",
    )
    environments: int = Field(
        default=20_000, gt=0, description="Largest number of candidate environments of each element."
    )


class ClosedForm(Section):
    """Keys of both fits in closed form."""

    sigma: Sigmas = Field(default_factory=Sigmas, description="Expected errors of labels.")
    sigma_by_type: dict[str, Sigmas] = Field(
        default={}, description="Expected errors by configuration type, in place of sigma."
    )
    energy_weight: EnergyWeights | None = Field(
        default=None, description="Weights of structures by energy; null: none."
    )
    method: Literal["qr", "normal"] = Field(
        default="qr", description="qr, or normal equations: faster, with half the digits."
    )
    block: int = Field(
        default=4000, gt=0, description="Edges in a block. Larger blocks are faster and need more memory."
    )
    contradictions: Literal["refuse", "keep"] = Field(
        default="refuse", description="refuse or keep duplicate structures with different energies."
    )
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ...")


class LeastSquares(ClosedForm):
    """Weights of linear readouts, by least squares with a prior."""

    kind: Literal["least_squares"] = Field(default="least_squares", description="The way of fitting.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="atoms",
        description="Growth of the expected errors of energy and virial with the number of atoms N: N, or √N.",
    )
    solver: Literal["plain", "ridge", "evidence", "ard"] = Field(
        default="evidence",
        description="plain: no prior; ridge: prior of given strength; evidence: of the most probable "
        "strength; ard: one for each weight.",
    )
    prior: Literal["isotropic", "smoothness"] = Field(
        default="isotropic", description="isotropic, or smoothness: rougher functions have smaller weights."
    )
    strength: float = Field(
        default=1e-4, gt=0, description="Regularisation of ridge, for columns and targets of size one."
    )
    power: float = Field(default=2.0, gt=0, description="Power of n and l in the smoothness prior.")
    scale_columns: bool = Field(
        default=True, description="Whether the prior is relative to the RMS of each column of the design matrix."
    )
    significance: float = Field(
        default=4.0,
        gt=0,
        description="ard: a weight is kept if its square exceeds this number of squared standard errors.",
    )


class SparseGP(ClosedForm):
    """Weights of sparse kernels, with the kernel as prior, as in gap_fit."""

    kind: Literal["sparse_gp"] = Field(default="sparse_gp", description="The way of fitting.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="sqrt",
        description="Growth of the expected errors of energy and virial with the number of atoms N: N, or √N.",
    )
    points: SparsePoints = Field(default_factory=SparsePoints, description="Selection of sparse points.")
    jitter: float = Field(
        default=1e-5,
        gt=0,
        description="Added to the diagonal of the kernel of the points, relative to it. A larger jitter "
        "gives smaller weights.",
    )
