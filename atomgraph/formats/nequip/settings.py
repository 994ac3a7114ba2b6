"""Settings that NequIP and Allegro share in nequip's files: elements, cutoffs of pairs, repulsion, scales and shifts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.models.baseline import Baseline
from atomgraph.nn.activation import ACTIVATIONS
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL

_SCALES = "per_type_energy_scale_shift.scales"
_SHIFTS = "per_type_energy_scale_shift.shifts"


class Settings:
    """Reader of the arguments of a model builder of nequip; errors name the argument.

    Args:
        config: Arguments of the builder.
        tensors: State dict of the model, without its prefix.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]):
        self._config, self.tensors = config, tensors
        self.elements = self._read_elements()
        self.cutoff = self.number("r_max")
        self.pair_cutoffs = self._read_pair_cutoffs()

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or its default."""
        value = self._config.get(name, default)
        return default if value is None else value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a positive number."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
            raise FormatError(
                f"the argument {name} of the model should be a positive number, but is {str(value)[:60]!r}"
            )
        return float(value)

    def integer(self, name: str, default: int | None = None, lowest: int = 1) -> int:
        """Return an integer that is at least ``lowest``."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value < 10**6:
            raise FormatError(f"the argument {name} of the model should be an integer, but is {str(value)[:60]!r}")
        return value

    def activation(self, name: str) -> str:
        """Return the name of an activation function in atomgraph; ``identity`` for None."""
        value = self._config.get(name, "silu")
        value = {None: "identity", "ssp": "shifted_softplus"}.get(value, value)
        if value not in ACTIVATIONS:
            raise FormatError(
                f"the argument {name} of the model is {value!r}, an activation that atomgraph does not have"
            )
        return str(value)

    def hidden(self, prefix: str, default_width: int, default_depth: int) -> list[int]:
        """Return the widths of the hidden layers of a perceptron, from its arguments for depth and width."""
        depth = self.integer(f"{prefix}_depth", default_depth, lowest=0)
        return [self.integer(f"{prefix}_width", default_width)] * min(depth, 100)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor of the state dict; FormatError if it is missing."""
        if name not in self.tensors:
            raise FormatError(f"the file has no tensor {name}")
        return self.tensors[name]

    def perceptron(self, prefix: str) -> list[Tensor]:
        """Return the matrices of a perceptron in the order of its layers."""
        names = [
            name
            for name in self.tensors
            if name.startswith(f"{prefix}.weights.") or (name.startswith(f"{prefix}.mlp.") and name.endswith(".weight"))
        ]
        if not names or any("parametrizations" in name for name in self.tensors if name.startswith(prefix)):
            raise FormatError(f"the file has no plain matrices of the perceptron {prefix}")
        return [
            self.tensors[name]
            for name in sorted(names, key=lambda name: [int(n) for n in name.split(".") if n.isdigit()])
        ]

    @property
    def is_mean_by_element(self) -> bool:
        """Whether the mean number of neighbours depends on the element."""
        return isinstance(self.get("avg_num_neighbors"), Mapping | list)

    @property
    def mean_neighbours(self) -> Tensor:
        """Mean number of neighbours, () or (n_elements,), float64."""
        value = self.get("avg_num_neighbors")
        if isinstance(value, Mapping):
            value = [value.get(symbol) for symbol in self.elements]
        try:
            numbers = torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            numbers = torch.zeros(2)
        if tuple(numbers.shape) not in ((), (len(self.elements),)) or not bool((numbers > 0).all()):
            raise FormatError(
                f"avg_num_neighbors should be positive, one number or one per type, but is {str(value)[:80]!r}"
            )
        return numbers

    @property
    def coupling_dtype(self) -> str:
        """Dtype to which the program rounds its coupling coefficients."""
        dtype = str(self.get("model_dtype", "float32"))
        if dtype not in ("float32", "float64"):
            raise FormatError(f"model_dtype should be float32 or float64, but is {dtype[:40]!r}")
        return dtype

    @property
    def has_element_scale(self) -> bool:
        """Whether the file has one scale per element."""
        return self.tensor(_SCALES).numel() > 1

    def baseline(self) -> Baseline:
        """Return a baseline with the repulsion of the file."""
        potential = self.get("pair_potential")
        if potential is None:
            return Baseline(self.elements)
        kind = str(potential.get("_target_", "")).rpartition(".")[2] if isinstance(potential, Mapping) else ""
        if kind != "ZBL" or potential.get("units", "metal") != "metal":
            raise FormatError(
                f"the pair potential {kind or 'of the file'} with units {potential.get('units')!r} is not supported; "
                "supported is ZBL in metal units"
            )
        p = potential.get("polynomial_cutoff_p", 6.0)
        if isinstance(p, bool) or not isinstance(p, int | float) or not p >= 2:
            raise FormatError(f"polynomial_cutoff_p of the pair potential should be at least 2, but is {str(p)[:40]!r}")
        return Baseline(self.elements, repulsion=CutoffZBL(self.elements, self.cutoff, float(p), self.pair_cutoffs))

    def baseline_weights(self) -> dict[str, Tensor]:
        """Return E0 and scale for the state dict of the baseline; a missing scale is 1, a missing shift 0."""
        scales, shifts, n = self.tensor(_SCALES), self.tensor(_SHIFTS), len(self.elements)
        state = {}
        for name, tensor in (("scales", scales), ("shifts", shifts)):
            if tensor.numel() not in (0, 1, n):
                raise FormatError(f"{name} of energies should be one number or {n}, but the file has {tensor.numel()}")
        if scales.numel() == 1:
            state["baseline.scale"] = scales.double().reshape(1)
        if shifts.numel():
            state["baseline.e0"] = shifts.double().flatten().expand(n)[None].clone()
        return state

    def element_scale(self) -> Tensor:
        """Return the scale of each element, (n_elements,), float64."""
        return self.tensor(_SCALES).double().flatten()

    def _read_elements(self) -> list[str]:
        """Return the chemical symbols of the types."""
        names: Any = self._config.get("type_names")
        species = self._config.get("chemical_species")
        if isinstance(names, list | tuple) and isinstance(species, list | tuple) and len(species) == len(names):
            names = species
        if not isinstance(names, list | tuple) or not names:
            raise FormatError("the file does not name the types of its atoms (type_names)")
        unknown = [str(name)[:20] for name in names if name not in atomic_numbers]
        if unknown:
            raise FormatError(
                f"the types of atoms in the file, {', '.join(unknown)}, are no chemical symbols; write the file again with "
                "symbols as type_names"
            )
        return [str(name) for name in names]

    def _read_pair_cutoffs(self) -> PairCutoffs | None:
        """Return the cutoffs of pairs of elements; None without such cutoffs."""
        pairs: Any = self.get("per_edge_type_cutoff")
        if not pairs:
            return None
        if not isinstance(pairs, Mapping):
            raise FormatError("per_edge_type_cutoff should be a mapping from types to cutoffs")
        return PairCutoffs(self.elements, self.cutoff, pairs)


def load_weights(model: torch.nn.Module, make_weights: Callable[[], dict[str, Tensor]]) -> None:
    """Load the weights of a file into a model; other entries of its state dict keep their values.

    Args:
        model: The model, changed in place.
        make_weights: Function that returns the entries of the state dict that the file determines.

    Raises:
        FormatError: If the tensors of the file do not fit the model.
    """
    try:
        model.load_state_dict(model.state_dict() | make_weights())
    except (ValueError, RuntimeError) as error:
        raise FormatError(f"the tensors do not fit the model: {' '.join(str(error).split())[:200]}") from None


def require_keys(config: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise FormatError if the model has an argument that changes its function and is not known."""
    unknown = [name for name in config if name not in known and not name.startswith("_")]
    if unknown:
        raise FormatError(
            f"the model has the arguments {', '.join(sorted(unknown))[:200]}, which atomgraph does not support"
        )
