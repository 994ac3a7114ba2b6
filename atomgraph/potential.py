"""Potential: energies, forces and stress of any energy model. The only file that differentiates with respect to positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from atomgraph.errors import ConfigError, WiringError
from atomgraph.evaluator import UncertaintyEstimator
from atomgraph.formats import native
from atomgraph.formats.versions import now, versions
from atomgraph.graph.geometry import apply_strain, volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels.after_fork import use_one_thread_after_fork
from atomgraph.models.energy import EnergyModel
from atomgraph.models.posterior import PosteriorUncertainty
from atomgraph.nn.irreps import scalar_columns
from atomgraph.old_names import old_names_of
from atomgraph.ops.scatter import sum_to
from atomgraph.structure_predictor import StructurePredictor


class Potential(StructurePredictor, torch.nn.Module):
    r"""Energies of an energy model, and their derivatives: forces and stresses.

    :math:`E = \sum_i E_i`, :math:`F_i = -\partial E/\partial x_i`, :math:`\sigma = V^{-1}\,\partial E/\partial\varepsilon`.

    In training mode the results keep their autograd graph, so that a loss on forces can be minimised. In evaluation mode,
    under ``torch.no_grad`` and in ``torch.inference_mode`` the results are detached. The input graph is never changed.

    Args:
        model: The energy model.
        metadata: Origin of the potential (data, splits, metrics, versions of libraries), as JSON values.

    Raises:
        WiringError: If the model is not an EnergyModel.
    """

    def __init__(self, model: EnergyModel, metadata: dict[str, Any] | None = None):
        super().__init__()
        if not isinstance(model, EnergyModel):
            raise WiringError(f"a potential wraps an EnergyModel, but was given a {type(model).__name__}")
        self.model = model
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._head: str | None = None
        self._estimator: UncertaintyEstimator | None = None

    @property
    def cutoff(self) -> float:
        """Cutoff radius, Å. Graphs need all edges up to this length."""
        return self.model.cutoff

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the elements of the model."""
        return self.model.elements

    @property
    def heads(self) -> list[str]:
        """Names of the heads; there is at least one."""
        return self.model.heads

    @property
    def head(self) -> str | None:
        """The head for graphs without a head. None if there are several heads and none was chosen."""
        return self.heads[0] if self._head is None and len(self.heads) == 1 else self._head

    @head.setter
    def head(self, name: str | None) -> None:
        if name is not None:
            self.head_index(name)
        self._head = name

    @property
    def uncertainty(self) -> UncertaintyEstimator | None:
        """The estimator of standard deviations: the estimator that was set, or the posterior of the weights, or None."""
        if self._estimator is None and self.model.posterior is not None:
            return PosteriorUncertainty(self.model)
        return self._estimator

    @uncertainty.setter
    def uncertainty(self, estimator: UncertaintyEstimator | None) -> None:
        if estimator is None:
            self.model.posterior = None
        self._estimator = estimator

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. An estimator that is a module does not become a submodule: its weights are not the potential's."""
        if name in ("uncertainty", "_estimator"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the allowed dtypes: float64, and float32 unless the fit found float32 too inaccurate."""
        precision = self.metadata.get("precision")
        only_float64 = isinstance(precision, Mapping) and precision.get("dtypes") == ["float64"]
        return ("float64",) if only_float64 else ("float64", "float32")

    def require_dtype(self, dtype: torch.dtype) -> None:
        """Check that the potential may be evaluated in a dtype.

        Raises:
            ConfigError: If the dtype is not in ``dtypes``.
        """
        if dtype.is_floating_point and dtype != torch.float64 and "float32" not in self.dtypes:
            precision = self.metadata["precision"]
            digits = (precision.get("digits") or {}).get("float32")
            raise ConfigError(
                f"this potential is for float64 only: its weights cancel each other. In the fit, float32 left {digits} digits "
                f"of energies, and errors of {precision.get('float32_error')} of the largest force; use float64 (its own dtype)"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Convert all tensors, for ``to``, ``float``, ``half`` and similar methods of torch; calls ``require_dtype`` first."""
        self.require_dtype(fn(torch.zeros((), dtype=torch.float64)).dtype)
        return super()._apply(fn, recurse)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.model.baseline.e0.device

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute energies and their derivatives, in the dtype of the graph's positions.

        Args:
            graph: One structure, or a batch.
            forces: Whether forces are computed.
            stress: Whether stresses are computed.

        Returns:
            ``energy`` (n_graphs,) eV, ``node_energy`` (n_atoms,) eV, ``forces`` (n_atoms, 3) eV/Å and ``stress``
            (n_graphs, 3, 3) eV/Å³, positive in tension, NaN for structures without volume.

        Raises:
            GraphError: For unknown elements, or if the cutoff of the graph is too small.
        """
        use_one_thread_after_fork()
        keeps_graph = self.training and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.set_grad_enabled(forces or stress or keeps_graph):
            graph = _without_inference_tensors(self.with_head(graph))
            pos = graph.pos.detach().requires_grad_(forces)
            strain = pos.new_zeros(graph.n_graphs, 3, 3).requires_grad_(stress)
            node_energy = self.model(apply_strain(graph, pos, strain)).to(pos.dtype)
            energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
            structure_energy = self.model.structure_energy(graph)
            energy = energy if structure_energy is None else energy + structure_energy.to(energy.dtype)
            result = {"energy": energy, "node_energy": node_energy}
            gradients = _gradients(energy, ([pos] if forces else []) + ([strain] if stress else []), keeps_graph)
            if stress:
                result["stress"] = per_volume(gradients.pop(), volume(graph))
            if forces:
                result["forces"] = -gradients.pop()
        return result if keeps_graph else {name: value.detach() for name, value in result.items()}

    def with_head(self, graph: AtomicGraph) -> AtomicGraph:
        """Return the graph with the potential's head for structures without a head. The input graph is not changed."""
        if self.head is None or not bool((graph.head < 0).any()):
            return graph
        chosen = graph.shallow_copy()
        chosen.head = torch.where(graph.head < 0, self.heads.index(self.head), graph.head)
        return chosen

    def descriptors(self, graph: AtomicGraph, *, invariants_only: bool = False) -> Tensor:
        """Compute the input features of all readouts, concatenated.

        Args:
            graph: One structure, or a batch.
            invariants_only: Whether only scalar features (irreps ``0e``) are returned.

        Returns:
            Features, (n_atoms, n_features).
        """
        with torch.set_grad_enabled(self.training):
            features = self.model.features(self.with_head(graph))
        if invariants_only:
            columns = [scalar_columns(irreps) for irreps in self.model.irreps_read]
            features = [h[:, scalars] for h, scalars in zip(features, columns, strict=True)]
        return torch.cat(features, dim=1)

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute ``forward`` in evaluation mode, regardless of the current mode; results are detached.

        With an estimator in ``uncertainty``, the results have ``uncertainty`` (n_graphs,), standard deviations of energies, eV.
        """
        with evaluation_mode(self):
            return self.add_uncertainty(self(graph, forces=forces, stress=stress), graph)

    def add_uncertainty(self, result: dict[str, Tensor], graph: AtomicGraph) -> dict[str, Tensor]:
        """Add ``uncertainty`` (n_graphs,), eV, to the results of a graph if there is an estimator."""
        if (estimator := self.uncertainty) is not None:
            result["uncertainty"] = estimator.energy_uncertainty(self.with_head(graph)).to(result["energy"])
        return result

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file, which ``atomgraph.load`` reads. The file is written atomically.

        The time and the versions of the libraries are added to the metadata, unless the metadata already contain them.

        Raises:
            FormatError: If the file cannot be written, or if the class of a part could not be found when loading.
        """
        stamp = {"created": now(), "versions": versions()}
        stamp = {name: value for name, value in stamp.items() if name not in self.metadata}
        native.write(path, self.model, self.metadata | stamp)


@contextmanager
def evaluation_mode(potential: Any) -> Iterator[None]:
    """Within this context a potential or compiled potential is in evaluation mode; training mode is restored afterwards."""
    if not potential.training:
        yield
        return
    potential.eval()
    try:
        yield
    finally:
        potential.train()


def _gradients(energy: Tensor, variables: list[Tensor], keeps_graph: bool) -> list[Tensor]:
    """Compute gradients of the summed energies with respect to each variable, with an autograd graph if ``keeps_graph``."""
    if not variables or not energy.requires_grad:  # energies depend neither on positions nor on weights with gradients
        return [torch.zeros_like(variable) for variable in variables]
    return list(torch.autograd.grad(energy.sum(), variables, create_graph=keeps_graph, materialize_grads=True))


def per_volume(strain_gradient: Tensor, volumes: Tensor) -> Tensor:
    """Divide derivatives with respect to strain by volumes.

    Args:
        strain_gradient: Derivatives of energies with respect to strain, (n_graphs, 3, 3), eV.
        volumes: Volumes, (n_graphs,), Å³; NaN for structures without volume.

    Returns:
        Stresses, (n_graphs, 3, 3), eV/Å³; NaN with zero gradient for structures without volume.
    """
    has_volume = torch.isfinite(volumes)[:, None, None]
    return torch.where(has_volume, strain_gradient / volumes.nan_to_num(nan=1.0)[:, None, None], torch.nan)


def _without_inference_tensors(graph: AtomicGraph) -> AtomicGraph:
    """Copy tensors that were created in ``torch.inference_mode``: autograd cannot record operations on them."""
    names = [name for name, value in graph.to_dict().items() if torch.is_tensor(value) and value.is_inference()]
    if not names:
        return graph
    copied = graph.shallow_copy()
    for name in names:
        copied[name] = graph[name].clone()
    return copied


__getattr__ = old_names_of(__name__)
