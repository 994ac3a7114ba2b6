"""StructurePredictor: predictions for ASE structures, for all classes that evaluate graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ase
import torch
from torch import Tensor

from atomgraph.errors import GraphError, a_kind
from atomgraph.evaluator import head_index, iter_predict_graphs
from atomgraph.graph.structure import AtomicGraph, strip_labels
from atomgraph.nn.elements import ElementTable
from atomgraph.old_names import warn_old_name


class StructurePredictor(ABC):
    """The methods of an evaluator that take ASE structures: ``predict``, ``iter_predict``, ``graph_of``.

    A subclass is an ``Evaluator``: it defines the properties and ``evaluate``. The methods of this class build graphs, batch
    them and split the results.
    """

    @property
    @abstractmethod
    def elements(self) -> list[str]:
        """Chemical symbols of the elements that can be evaluated."""

    @property
    @abstractmethod
    def cutoff(self) -> float:
        """Cutoff radius, Å. Graphs need all edges up to this length."""

    @property
    @abstractmethod
    def heads(self) -> list[str]:
        """Names of the heads; there is at least one."""

    @property
    @abstractmethod
    def head(self) -> str | None:
        """The head for graphs without a head. None if there are several heads and none was chosen."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device on which graphs are evaluated."""

    @abstractmethod
    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Energies, forces and stresses of a graph or batch, as ``Evaluator.evaluate`` defines them."""

    def predict(self, structures: Iterable[ase.Atoms], *, stress: bool = True) -> list[dict[str, Any]]:
        """Predict energies, forces and stresses of structures; molecules and crystals may be mixed.

        Labels in the structures are ignored.

        Args:
            structures: Any iterable: a list, a tuple, a generator, ``ase.io.iread(...)``.
            stress: Whether stresses are computed.

        Returns:
            One dict per structure, in order: ``energy`` a float, eV; float64 arrays ``node_energy`` (n_atoms,) eV,
            ``forces`` (n_atoms, 3) eV/Å, ``stress`` (3, 3) eV/Å³, NaN for structures without volume; ``uncertainty``, the
            standard deviation of the energy, eV, if there is an estimator.

        Raises:
            GraphError: For unknown elements and for structures from which no graph can be built. The message contains the
                index of the structure.
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
        """Predict structures lazily. Only one batch is in memory at a time.

        Args:
            structures: Any iterable. Elements of a list or tuple are checked before the first batch is evaluated; elements
                of an iterator are checked when its structures are read.
            forces: Whether forces are computed. Energies alone need a fraction of the memory.
            stress: Whether stresses are computed.
            edge_budget: Largest number of edges in a batch; None: depends on the device. A batch contains at most an eighth
                of this number of atoms. A larger structure is evaluated alone.

        Yields:
            The dict of each structure, as ``predict`` returns it.
        """
        if isinstance(structures, ase.Atoms):
            raise GraphError("predict takes structures in a list, but was given one structure; give it as [atoms]")
        if isinstance(structures, str | Path):
            raise GraphError(
                f"predict takes structures, but was given a path; read the file with ase.io.iread({str(structures)!r})"
            )
        if not isinstance(structures, Iterable):
            raise GraphError(f"predict takes structures (ase.Atoms) in a list, but was given {a_kind(structures)}")
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
        """Predict graphs lazily; see ``iter_predict``. If a graph has a head, that head is used."""
        yield from iter_predict_graphs(self, graphs, forces=forces, stress=stress, edge_budget=edge_budget)

    def graph_of(self, atoms: ase.Atoms) -> AtomicGraph:
        """Build the graph of a structure for this evaluator, without labels.

        If no head was chosen, the graph has the head in ``atoms.info["head"]``.

        Raises:
            GraphError: For unknown elements and for a structure from which no graph can be built.
        """
        graph = AtomicGraph.from_ase(strip_labels(atoms), self.cutoff)
        self._require_elements(atoms)
        if self.head is None and (head := atoms.info.get("head")) is not None:
            graph.head = torch.full_like(graph.head, self.head_index(str(head)))
        return graph

    def head_index(self, head: str) -> int:
        """Index of a head in ``heads``.

        Raises:
            GraphError: For an unknown head.
        """
        return head_index(self, head)

    def _check_elements(self, index: int, atoms: ase.Atoms) -> None:
        if not isinstance(atoms, ase.Atoms):
            raise GraphError(f"structure {index} should be ase.Atoms, but is {a_kind(atoms)}")
        with _structure_in_errors(index, atoms):
            self._require_elements(atoms)

    def _require_elements(self, atoms: ase.Atoms) -> None:
        if not set(self.elements).issuperset(atoms.symbols):
            ElementTable(self.elements)(torch.as_tensor(atoms.numbers, dtype=torch.int64))

    def _graph(self, index: int, atoms: ase.Atoms) -> AtomicGraph:
        self._check_elements(index, atoms)
        with _structure_in_errors(index, atoms):
            return self.graph_of(atoms)

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


@contextmanager
def _structure_in_errors(index: int, atoms: ase.Atoms) -> Iterator[None]:
    """Put the structure's file and frame, or its index, in front of the message of a GraphError."""
    try:
        yield
    except GraphError as error:
        name = atoms.info.get("source", f"structure {index}")
        raise GraphError(f"{name} ({atoms.get_chemical_formula()}): {error}") from error
