"""What a configuration may say of a fit in closed form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atomgraph.config.section import Section


class Sigmas(Section):
    """Expected errors of labels: the smaller, the more a label counts."""

    energy: float | None = Field(default=0.002, gt=0, description="eV/atom; null: energies are not fitted.")
    forces: float | None = Field(default=0.1, gt=0, description="eV/Å; null: forces are not fitted.")
    virial: float | None = Field(default=0.02, gt=0, description="eV/atom; null: stresses are not fitted.")


class EnergyWeights(Section):
    """More weight for stable structures, ω/[E − E_min(1 + Δ)]² of cohesive energies per atom."""

    delta: float = Field(default=0.2, ge=0, description="Δ.")
    omega: float | None = Field(default=None, gt=0, description="ω, eV²; null: weights of mean 1.")
    floor: float = Field(default=0.01, gt=0, description="The least that the bracket may be, eV.")


class SparsePoints(Section):
    """How the sparse points of kernels are chosen."""

    method: Literal["greedy", "cur", "farthest", "random"] = Field(
        default="greedy", description="By what the kernel leaves unexplained, by leverage, by distance, or evenly."
    )
    environments: int = Field(default=20_000, gt=0, description="Environments of each element looked at, at most.")


class ClosedForm(Section):
    """What both fits in closed form take."""

    sigma: Sigmas = Field(default_factory=Sigmas, description="Expected errors of labels.")
    sigma_by_type: dict[str, Sigmas] = Field(default={}, description="The same for some configuration types.")
    energy_weight: EnergyWeights | None = Field(default=None, description="More weight for stable structures.")
    method: Literal["qr", "normal"] = Field(
        default="qr", description="qr; or normal equations, faster, with half the digits."
    )
    block: int = Field(default=4000, gt=0, description="Edges in a block: memory against speed.")
    contradictions: Literal["refuse", "keep"] = Field(
        default="refuse", description="What becomes of frames that are one structure with two energies."
    )
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ...")


class LeastSquares(ClosedForm):
    """Weights of linear readouts, under a prior."""

    kind: Literal["least_squares"] = Field(default="least_squares", description="How the potential is fitted.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="atoms",
        description="Growth of the expected errors of energy and virial with the number of atoms N: N, or √N.",
    )
    solver: Literal["plain", "ridge", "evidence", "ard"] = Field(
        default="evidence",
        description="No prior; one of given strength; of the most probable strength; of one for each weight.",
    )
    prior: Literal["isotropic", "smoothness"] = Field(
        default="isotropic", description="Smoothness: the rougher a function, the smaller its weight."
    )
    strength: float = Field(default=1e-4, gt=0, description="Of ridge, for columns and targets of size one.")
    power: float = Field(default=2.0, gt=0, description="Of a smoothness prior: n and l to this power.")
    scale_columns: bool = Field(default=True, description="Prior in units of each function's size in the data.")
    significance: float = Field(default=4.0, gt=0, description="Of ard: squared standard errors that keep a weight.")


class SparseGP(ClosedForm):
    """Weights of sparse kernels, the kernel being the prior, as gap_fit finds them."""

    kind: Literal["sparse_gp"] = Field(default="sparse_gp", description="How the potential is fitted.")
    energy_error_scaling: Literal["atoms", "sqrt"] = Field(
        default="sqrt",
        description="Growth of the expected errors of energy and virial with the number of atoms N: N, or √N.",
    )
    points: SparsePoints = Field(default_factory=SparsePoints, description="How sparse points are chosen.")
    jitter: float = Field(
        default=1e-5,
        gt=0,
        description="Added to the kernel of the points, in units of its diagonal; the larger, the smaller the weights.",
    )
