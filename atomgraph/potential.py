"""Potential: energies, forces and stress of any energy model. The only file that differentiates with respect to positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import ase
import torch
from torch import Tensor

from atomgraph.errors import ConfigError, GraphError, WiringError, a_kind
from atomgraph.evaluator import UncertaintyEstimator, iter_predict_graphs
from atomgraph.formats import native
from atomgraph.formats.versions import now, versions
from atomgraph.graph.geometry import apply_strain, volume
from atomgraph.graph.structure import AtomicGraph, strip_labels
from atomgraph.kernels.after_fork import keep_from_hanging
from atomgraph.models.energy import EnergyModel
from atomgraph.models.posterior import PosteriorUncertainty
from atomgraph.nn.irreps import scalar_columns
from atomgraph.old_names import old_names_of, warn_old_name
from atomgraph.ops.scatter import sum_to


class Potential(torch.nn.Module):
    r"""Energies of an energy model, and their derivatives: forces and stress.

    :math:`E = \sum_i E_i`, :math:`F_i = -\partial E/\partial x_i`, :math:`\sigma = V^{-1}\,\partial E/\partial\varepsilon`.

    In training mode the results keep their derivative graph, so that a loss on forces can be minimised; in evaluation
    mode, under ``torch.no_grad`` and in ``torch.inference_mode`` they are detached. The caller's graph is never changed.

    Args:
        metadata: What is known about where the potential comes from (data, splits, metrics, versions); JSON values.

    Raises:
        WiringError: For a model that is no EnergyModel.
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
        """Å; graphs need every edge up to here."""
        return self.model.cutoff

    @property
    def elements(self) -> list[str]:
        """Chemical symbols that the potential knows."""
        return self.model.elements

    @property
    def heads(self) -> list[str]:
        """Names of the heads, one or more."""
        return self.model.heads

    @property
    def head(self) -> str | None:
        """The head that graphs get which choose none; None where there are several and none was chosen."""
        return self.heads[0] if self._head is None and len(self.heads) == 1 else self._head

    @head.setter
    def head(self, name: str | None) -> None:
        if name is not None:
            self._row_of(name)
        self._head = name

    @property
    def uncertainty(self) -> UncertaintyEstimator | None:
        """The estimator of standard deviations: that which was set, else the posterior of the model's weights, else None."""
        if self._estimator is None and self.model.posterior is not None:
            return PosteriorUncertainty(self.model)
        return self._estimator

    @uncertainty.setter
    def uncertainty(self, estimator: UncertaintyEstimator | None) -> None:
        if estimator is None:
            self.model.posterior = None
        self._estimator = estimator

    def __setattr__(self, name: str, value: Any) -> None:
        """An estimator may be a module, and is not one of the potential's own."""
        if name in ("uncertainty", "_estimator"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the dtypes that it may compute in: float64 and float32, unless its fit found float32 not good enough."""
        precision = self.metadata.get("precision")
        refused = isinstance(precision, Mapping) and precision.get("dtypes") == ["float64"]
        return ("float64",) if refused else ("float64", "float32")

    def require_dtype(self, dtype: torch.dtype) -> None:
        """ConfigError where its fit found it not fit for the dtype."""
        if dtype.is_floating_point and dtype != torch.float64 and "float32" not in self.dtypes:
            precision = self.metadata["precision"]
            digits = (precision.get("digits") or {}).get("float32")
            raise ConfigError(
                f"this potential is for float64 only: its weights cancel. When it was fitted, float32 left {digits} digits of "
                f"energies, and errors of {precision.get('float32_error')} of the largest force; use float64 (its own dtype)"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What ``to``, ``float``, ``half`` and their like call: asks ``require_dtype`` before any number is changed."""
        self.require_dtype(fn(torch.zeros((), dtype=torch.float64)).dtype)
        return super()._apply(fn, recurse)

    @property
    def device(self) -> torch.device:
        """Where its numbers are."""
        return self.model.baseline.e0.device

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Energies and their derivatives, in the dtype of the graph's positions.

        Returns:
            ``energy`` (n_graphs,) eV, ``node_energy`` (n_atoms,) eV, and unless refused ``forces`` (n_atoms, 3) eV/Å
            and ``stress`` (n_graphs, 3, 3) eV/Å³, positive in tension, NaN where a structure has no volume.

        Raises:
            GraphError: For unknown elements or a graph whose cutoff is too small.
        """
        keep_from_hanging()
        keeps = self.training and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.set_grad_enabled(forces or stress or keeps):
            graph = _recordable(self._with_head(graph))
            pos = graph.pos.detach().requires_grad_(forces)
            strain = pos.new_zeros(graph.n_graphs, 3, 3).requires_grad_(stress)
            node_energy = self.model(apply_strain(graph, pos, strain)).to(pos.dtype)
            energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
            structure_energy = self.model.structure_energy(graph)
            energy = energy if structure_energy is None else energy + structure_energy.to(energy.dtype)
            result = {"energy": energy, "node_energy": node_energy}
            gradients = _gradients(energy, ([pos] if forces else []) + ([strain] if stress else []), keeps)
            if stress:
                result["stress"] = per_volume(gradients.pop(), volume(graph))
            if forces:
                result["forces"] = -gradients.pop()
        return result if keeps else {name: value.detach() for name, value in result.items()}

    def _with_head(self, graph: AtomicGraph) -> AtomicGraph:
        """The graph with the potential's head where it chooses none itself; the caller's graph stays as it is."""
        if self.head is None or not bool((graph.head < 0).any()):
            return graph
        chosen = graph.shallow_copy()
        chosen.head = torch.where(graph.head < 0, self.heads.index(self.head), graph.head)
        return chosen

    def descriptors(self, graph: AtomicGraph, *, invariants_only: bool = False) -> Tensor:
        """What the readouts read, concatenated: (n_atoms, n_features); with ``invariants_only`` its ``0e`` columns."""
        with torch.set_grad_enabled(self.training):
            features = self.model.features(self._with_head(graph))
        if invariants_only:
            columns = [scalar_columns(irreps) for irreps in self.model.irreps_read]
            features = [h[:, scalars] for h, scalars in zip(features, columns, strict=True)]
        return torch.cat(features, dim=1)

    def predict(self, structures: Iterable[ase.Atoms], *, stress: bool = True) -> list[dict[str, Any]]:
        """Energies, forces and stress of many structures, molecules and crystals mixed; one dict each, in order.

        ``energy`` a float (eV), ``node_energy`` (n_atoms,), ``forces`` (n_atoms, 3) eV/Å, ``stress`` (3, 3) eV/Å³ (NaN
        without volume) as float64 arrays; ``uncertainty``, the standard deviation of the energy (eV), of a potential that has
        one. Labels that the structures carry are not looked at.

        Args:
            structures: Any iterable: a list, a tuple, a generator, ``ase.io.iread(...)``.

        Raises:
            GraphError: With the structure's index, for unknown elements and structures that make no graph.
        """
        return list(self.iter_predict(structures, stress=stress))

    def iter_predict(
        self,
        structures: Iterable[ase.Atoms],
        *,
        forces: bool = True,
        stress: bool = True,
        edge_budget: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """``predict`` as a generator: a result as soon as its batch is done, never more than one batch in memory.

        Args:
            structures: Any iterable. Elements of a list or tuple are checked before anything is computed; of an
                iterator, which can be gone through only once, when a structure's turn comes.
            forces: Without them and without stress no derivative graph is made, which takes a fraction of the memory.
            edge_budget: Edges in a batch, at most, by the device if None, and an eighth of it in atoms; one structure
                with more is a batch by itself.
        """
        if isinstance(structures, ase.Atoms):
            raise GraphError("predict takes structures in a list, but one structure came; give it as [atoms]")
        if isinstance(structures, str | Path):
            raise GraphError(f"predict takes structures, but a path came; give it as ase.io.iread({str(structures)!r})")
        if not isinstance(structures, Iterable):
            raise GraphError(f"predict takes structures (ase.Atoms) in a list, but {a_kind(structures)} came")
        if not isinstance(structures, Iterator):
            for index, atoms in enumerate(structures):
                self._check_elements(index, atoms)
        graphs = (self._graph(index, atoms) for index, atoms in enumerate(structures))
        yield from self.iter_predict_graphs(graphs, forces=forces, stress=stress, edge_budget=edge_budget)

    def iter_predict_graphs(
        self,
        graphs: Iterable[AtomicGraph],
        *,
        forces: bool = True,
        stress: bool = True,
        edge_budget: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """``iter_predict`` of graphs, each of the head that it chooses."""
        yield from iter_predict_graphs(self, graphs, forces=forces, stress=stress, edge_budget=edge_budget)

    def _check_elements(self, index: int, atoms: ase.Atoms) -> None:
        if not isinstance(atoms, ase.Atoms):
            raise GraphError(f"structure {index} should be ase.Atoms, but is {a_kind(atoms)}")
        if not set(self.elements).issuperset(atoms.symbols):
            with _named(index, atoms):
                self.model.element_table(torch.as_tensor(atoms.numbers, device=self.device))

    def _graph(self, index: int, atoms: ase.Atoms) -> AtomicGraph:
        self._check_elements(index, atoms)
        with _named(index, atoms):
            return self.graph_of(atoms)

    def graph_of(self, atoms: ase.Atoms) -> AtomicGraph:
        """The graph of a structure as this potential reads it, without labels.

        Where no head was chosen, the graph has the head that ``info`` names.

        Raises:
            GraphError: For unknown elements and for a structure that makes no graph.
        """
        graph = AtomicGraph.from_ase(strip_labels(atoms), self.cutoff)
        self.model.element_table(graph.atomic_numbers.to(self.device))
        if self.head is None and (head := atoms.info.get("head")) is not None:
            graph.head = torch.full_like(graph.head, self._row_of(str(head)))
        return graph

    def _row_of(self, head: str) -> int:
        if head not in self.heads:
            raise GraphError(f"unknown head {head!r}; this potential has {', '.join(self.heads)}")
        return self.heads.index(head)

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """``forward`` in evaluation mode, whatever the mode is: detached results.

        With an estimator in ``uncertainty``, the results have ``uncertainty`` (n_graphs,), standard deviations of energies, eV.
        """
        if self.training:
            try:
                return self.eval().evaluate(graph, forces=forces, stress=stress)
            finally:
                self.train()
        result = self(graph, forces=forces, stress=stress)
        if (estimator := self.uncertainty) is not None:
            result["uncertainty"] = estimator.energy_uncertainty(self._with_head(graph)).to(result["energy"])
        return result

    def predictions(self, *arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        """Old name of ``iter_predict``."""
        warn_old_name("Potential.predictions", "Potential.iter_predict")
        return self.iter_predict(*arguments, **options)

    def predictions_of(self, *arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        """Old name of ``iter_predict_graphs``."""
        warn_old_name("Potential.predictions_of", "Potential.iter_predict_graphs")
        return self.iter_predict_graphs(*arguments, **options)

    def evaluated(self, *arguments: Any, **options: Any) -> dict[str, Tensor]:
        """Old name of ``evaluate``."""
        warn_old_name("Potential.evaluated", "Potential.evaluate")
        return self.evaluate(*arguments, **options)

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file with everything that ``atomgraph.load`` needs; there whole or not at all.

        The metadata gets the time and the versions of the libraries where it does not say them yet.

        Raises:
            FormatError: Where the file cannot be written, or a part is of a class that could not be found again.
        """
        stamp = {"created": now(), "versions": versions()}
        stamp = {name: value for name, value in stamp.items() if name not in self.metadata}
        native.write(path, self.model, self.metadata | stamp)


@contextmanager
def _named(index: int, atoms: ase.Atoms) -> Iterator[None]:
    """A GraphError that is raised inside says which structure it is about, by file and frame where it was read from one."""
    try:
        yield
    except GraphError as error:
        name = atoms.info.get("source", f"structure {index}")
        raise GraphError(f"{name} ({atoms.get_chemical_formula()}): {error}") from error


def _gradients(energy: Tensor, variables: list[Tensor], keeps: bool) -> list[Tensor]:
    """Gradients of the summed energies with respect to each variable, with a derivative graph if it is kept."""
    if not variables or not energy.requires_grad:  # no edge, and nothing learned
        return [torch.zeros_like(variable) for variable in variables]
    return list(torch.autograd.grad(energy.sum(), variables, create_graph=keeps, materialize_grads=True))


def per_volume(by_strain: Tensor, size: Tensor) -> Tensor:
    """Derivatives with respect to strain, divided by volumes; NaN without volume, with zero gradient there."""
    bounded = torch.isfinite(size)[:, None, None]
    return torch.where(bounded, by_strain / size.nan_to_num(nan=1.0)[:, None, None], torch.nan)


def _recordable(graph: AtomicGraph) -> AtomicGraph:
    """The graph, with copies of the tensors that were made in ``torch.inference_mode`` and cannot be differentiated through."""
    made_there = [key for key, value in graph.to_dict().items() if torch.is_tensor(value) and value.is_inference()]
    if not made_there:
        return graph
    copied = graph.shallow_copy()
    for key in made_there:
        copied[key] = graph[key].clone()
    return copied


__getattr__ = old_names_of(__name__)
