"""Old names: import paths, arguments and configuration keys of the last release, and what they are called now.

One table for everything that was renamed. Old names work for one release, with a warning that says the new one; files that
were written under old names open without it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "analysis.about": "analysis.report.model_summary",
    "analysis.audit": "analysis.finetuning.audit",
    "analysis.audit.agreement": "analysis.finetuning.audit.correlation",
    "analysis.audit.baseline": "analysis.finetuning.audit.isolated_energies",
    "analysis.audit.evidence": "analysis.finetuning.audit.labelled_predictions",
    "analysis.audit.examination": "analysis.finetuning.audit.run_audit",
    "analysis.audit.magnitude": "analysis.finetuning.audit.magnitudes",
    "analysis.audit.signs": "analysis.finetuning.audit.sign_errors",
    "analysis.audit.start": "analysis.finetuning.audit.starting_model",
    "analysis.audit.units": "analysis.finetuning.audit.unit_errors",
    "analysis.card": "analysis.finetuning.report_card",
    "analysis.card.atoms": "analysis.finetuning.report_card.isolated_atoms",
    "analysis.card.contestants": "analysis.finetuning.report_card.before_after",
    "analysis.card.crystal": "analysis.finetuning.report_card.crystal",
    "analysis.card.dimers": "analysis.finetuning.report_card.dimers",
    "analysis.card.gains": "analysis.finetuning.report_card.error_change",
    "analysis.card.motion": "analysis.finetuning.report_card.nve",
    "analysis.card.remarks": "analysis.finetuning.report_card.remarks",
    "analysis.card.report_card": "analysis.finetuning.report_card.card",
    "analysis.card.retention": "analysis.finetuning.report_card.retention",
    "analysis.card.weights": "analysis.finetuning.report_card.weight_change",
    "analysis.errors": "analysis.error_tables",
    "analysis.laws.contract": "analysis.laws.side_effects",
    "analysis.laws.reach": "analysis.laws.locality",
    "analysis.laws.slopes": "analysis.laws.finite_differences",
    "analysis.laws.specimens": "analysis.laws.structures",
    "analysis.laws.trial": "analysis.laws.context",
    "analysis.learning": "analysis.report.learning_curves",
    "analysis.methods": "analysis.finetuning.method_comparison",
    "analysis.page": "analysis.report.page",
    "analysis.plots": "analysis.report.plots",
    "analysis.style": "analysis.report.style",
    "analysis.tables": "analysis.report.tables",
    "calculators.moving": "calculators.verlet",
    "catalogue.table": "catalogue.model_table",
    "cli.errors": "cli.exit_codes",
    "cli.importing": "cli.import_option",
    "cli.opening": "cli.model_argument",
    "cli.strangers": "cli.e0_warning",
    "cli.targets": "cli.output_paths",
    "cli.warning": "cli.warning_lines",
    "compiled.agreement": "compiled.check",
    "compiled.convolution": "compiled.mace.fused_convolution",
    "compiled.density": "compiled.mace.fused_density",
    "compiled.forms": "compiled.linear_forms",
    "compiled.fragment": "compiled.probe_structures",
    "compiled.frame": "compiled.kernel_graph",
    "compiled.gate": "compiled.mace.fused_gate",
    "compiled.layer": "compiled.mace.fused_layer",
    "compiled.message": "compiled.mace.fused_message",
    "compiled.model": "compiled.mace.fused_model",
    "compiled.on_demand": "compiled.lazy",
    "compiled.pair": "compiled.fused_pair",
    "compiled.pointers": "compiled.function_pointers",
    "compiled.potential": "compiled.compiled_potential",
    "compiled.product": "compiled.mace.fused_product",
    "compiled.radial": "compiled.radial_tables",
    "compiled.readouts": "compiled.mace.fused_readouts",
    "compiled.weights": "compiled.mace.folded_weights",
    "data.cache": "data.graph_cache",
    "data.doctor": "data.checks",
    "data.doctor.connections": "data.checks.connections",
    "data.doctor.consistency": "data.checks.consistency",
    "data.doctor.contacts": "data.checks.contacts",
    "data.doctor.examination": "data.checks.run_checks",
    "data.doctor.findings": "data.checks.findings",
    "data.doctor.outliers": "data.checks.outliers",
    "data.doctor.reading": "data.checks.label_findings",
    "data.doctor.twins": "data.checks.duplicates",
    "data.formats.elements": "data.formats.element_names",
    "data.formats.others": "data.formats.ase_formats",
    "data.formats.table": "data.formats.format_table",
    "data.loading": "data.data_loaders",
    "data.looks": "data.label_hints",
    "data.naming": "data.frame_names",
    "data.notes": "data.reading_notes",
    "data.order": "data.shuffle",
    "data.weights": "data.label_weights",
    "editing.cluster_expansion": "editing.ace",
    "editing.columns": "editing.feature_columns",
    "editing.equivariant": "editing.mace",
    "editing.filling": "editing.transfer",
    "editing.natural": "editing.element_data",
    "featurizers.pair_kernel": "featurizers.gap.pair_kernel",
    "featurizers.symmetry_function_sets": "featurizers.symmetry_functions.sets",
    "featurizers.symmetry_function_sums": "featurizers.symmetry_functions.neighbour_sums",
    "featurizers.symmetry_function_triples": "featurizers.symmetry_functions.triple_sums",
    "featurizers.triple_kernel": "featurizers.gap.triple_kernel",
    "fitting.descent": "fitting.gauss_newton_fit",
    "fitting.edge_slopes": "fitting.edge_jacobian",
    "fitting.few_directions": "fitting.low_rank",
    "fitting.laid_terms": "fitting.padded_terms",
    "fitting.problem": "fitting.linear_problem",
    "fitting.rows": "fitting.design_matrix",
    "fitting.solvers.errors": "fitting.solvers.fit_errors",
    "fitting.solvers.gathered": "fitting.solvers.block_qr",
    "fitting.solvers.memory": "fitting.solvers.memory_check",
    "fitting.solvers.posterior": "fitting.solvers.solution",
    "fitting.solvers.reduced": "fitting.solvers.triangular",
    "fitting.solvers.streamed": "fitting.solvers.streaming_qr",
    "fitting.tangent": "fitting.jacobian",
    "fitting.unknowns": "fitting.linear_weights",
    "formats.allowance": "formats.work_limit",
    "formats.finite": "formats.finite_check",
    "formats.foreign": "formats.unrecognised",
    "formats.mace.distances": "formats.mace.radial",
    "formats.mace.inert": "formats.mace.safe_pickle",
    "formats.mace.pieces": "formats.mace.weight_map",
    "formats.mace.plain": "formats.mace.decode",
    "formats.mace.refusals": "formats.mace.unsupported",
    "formats.mace.tree": "formats.mace.module_tree",
    "formats.mace.weights": "formats.mace.state_dict",
    "formats.older": "formats.earlier_versions",
    "formats.said": "formats.hints",
    "kernels.convolution": "kernels.convolution_source",
    "kernels.explanation": "kernels.warnings",
    "kernels.forked": "kernels.after_fork",
    "kernels.neighbours": "kernels.neighbour_kernel",
    "kernels.polynomial": "kernels.polynomial_source",
    "kernels.product": "kernels.product_source",
    "kernels.shipped": "kernels.prebuilt",
    "kernels.walk": "kernels.term_table_source",
    "layers.mace.elements": "layers.mace.agnostic",
    "models.groups": "models.parameter_groups",
    "nn.ace_bonds": "featurizers.ace.bonds",
    "nn.ace_functions": "featurizers.ace.functions",
    "nn.ace_products": "featurizers.ace.products",
    "nn.ace_slopes": "featurizers.ace.jacobian",
    "nn.blocks": "nn.equivariant.irrep_blocks",
    "nn.convolution": "nn.equivariant.convolution",
    "nn.core_repulsion": "nn.repulsion.core_repulsion",
    "nn.distance_transform": "nn.equivariant.distance_transform",
    "nn.doubles": "nn.float64_buffers",
    "nn.edge_blocks": "nn.padded_edges",
    "nn.equivariant_linear": "nn.equivariant.linear",
    "nn.expansion": "nn.density",
    "nn.gate": "nn.equivariant.gate",
    "nn.kernel_cutoff": "featurizers.gap.kernel_cutoff",
    "nn.product": "nn.equivariant.symmetric_product",
    "nn.radial_embedding": "nn.equivariant.radial_embedding",
    "nn.radial_network": "nn.equivariant.radial_network",
    "nn.scalars": "nn.irreps",
    "nn.sisters": "nn.protocols",
    "nn.soap_radial": "featurizers.soap.radial",
    "nn.zbl": "nn.repulsion.zbl",
    "ops.convolution": "ops.coupled_sum",
    "ops.polynomial": "ops.operator_polynomial",
    "readouts.densities": "readouts.density_embedding",
    "readouts.grouped_mlp": "readouts.multi_head_mlp",
    "readouts.silent": "readouts.zero",
    "testing.kinds": "testing.part_laws",
    "testing.models": "testing.model_laws",
    "testing.parts": "testing.shared_laws",
    "testing.structures": "testing.graphs",
    "training.errors": "training.error_sums",
    "training.progress": "training.epoch_progress",
    "training.quiet": "training.quiet_lightning",
    "training.table": "training.csv_table",
    "writing": "atomic_write",
}
"""Module before: module now, both below ``atomgraph.``."""

NAMES: dict[str, str] = {
    "analysis.finetuning.audit.Evidence": "LabelledPredictions",
    "analysis.finetuning.audit.labelled_predictions.Evidence": "LabelledPredictions",
    "analysis.finetuning.method_comparison.Cell": "RunResult",
    "analysis.finetuning.method_comparison.Standing": "MethodSummary",
    "analysis.finetuning.method_comparison.standings": "summarise",
    "analysis.laws.Trial": "LawContext",
    "analysis.laws.context.Trial": "LawContext",
    "atomic_write.write_whole": "write_atomic",
    "calculators.verlet.MovingGraph": "VerletGraph",
    "cli.e0_warning.warn_of_strangers": "warn_undetermined_e0",
    "cli.exit_codes.talking": "with_interrupt_message",
    "cli.model_argument.opened": "load_model",
    "cli.talking": "with_interrupt_message",
    "cli.train.taken_apart": "split_arguments",
    "compiled.OnDemand": "LazyCompiled",
    "compiled.kernel_graph.Frame": "KernelGraph",
    "compiled.kernel_graph.NoDirection": "DegenerateEdge",
    "compiled.kernel_graph.Order": "ElementOrder",
    "compiled.lazy.OnDemand": "LazyCompiled",
    "compiled.linear_forms.Form": "LinearForm",
    "compiled.mace.fused_model.not_fused": "unsupported_reason",
    "data.checks.duplicates.twins": "find_duplicates",
    "data.labels.Door": "LabelReader",
    "editing.transfer.filled": "load_weights",
    "editing.transfer.unseeded": "without_rng",
    "fitting.Descent": "GaussNewtonResult",
    "fitting.Unknowns": "LinearWeights",
    "fitting.design_matrix.rows_of": "design_matrix",
    "fitting.edge_jacobian.portions": "chunks",
    "fitting.gauss_newton_fit.Descent": "GaussNewtonResult",
    "fitting.gauss_newton_fit.require_room": "check_memory",
    "fitting.jacobian.Tangent": "ResidualJacobian",
    "fitting.linear_weights.Unknowns": "LinearWeights",
    "fitting.low_rank.FewDirections": "LowRankRows",
    "fitting.padded_terms.LaidTerms": "PaddedTerms",
    "fitting.require_room": "check_memory",
    "fitting.stream": "accumulate",
    "fitting.streaming.stream": "accumulate",
    "formats.Said": "FileHints",
    "formats.hints.Said": "FileHints",
    "formats.mace.safe_pickle.Inert": "PickledObject",
    "formats.mace.weight_map.Piece": "TensorSlice",
    "kernels.explain_once": "warn_once",
    "kernels.warnings.explain_once": "warn_once",
    "layers.Shells": "GaussianShells",
    "layers.adjacency.Shells": "GaussianShells",
    "nn.density.Expansion": "DensityFeaturizer",
    "nn.float64_buffers.KeepsDouble": "Float64Buffers",
    "nn.padded_edges.EdgeBlocks": "PaddedEdges",
    "nn.part.find": "resolve_class",
    "nn.part.public_path": "public_name",
    "nn.protocols.Solvable": "LinearReadout",
    "progress.watched": "track",
    "readouts.Densities": "DensityEmbedding",
    "readouts.GroupedMLP": "MultiHeadMLP",
    "readouts.Silent": "ZeroReadout",
    "readouts.density_embedding.Densities": "DensityEmbedding",
    "readouts.multi_head_mlp.GroupedMLP": "MultiHeadMLP",
    "readouts.zero.Silent": "ZeroReadout",
    "training.adapters.Adapted": "LoRAPotential",
}
"""Class or function before, with its module of today: its name now, with a module, below ``atomgraph.``, if that changed."""

ARGUMENTS: dict[str, dict[str, str]] = {}
"""Class of atomgraph: its arguments before and now."""

KEYS: dict[str, str] = {}
"""Key of a configuration before, with its sections: the key now, in the same section."""

_silent: ContextVar[bool] = ContextVar("silent", default=False)


class OldNameWarning(FutureWarning):
    """A name of the last release was used, which the next release will not know."""


def warn_old_name(old: str, new: str) -> None:
    """Warn that ``old`` is called ``new`` now, unless a file with old names is being read."""
    if not _silent.get():
        message = f"{old} is called {new} now; the old name works until the next release"
        warnings.warn(message, OldNameWarning, stacklevel=3)


@contextmanager
def reading_old_file() -> Iterator[None]:
    """Within this context, old names give no warning: they stand in a file that nobody needs to edit."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def current_path(path: str) -> str:
    """The dotted path of today for a dotted path of a module, a class or a function; unchanged if it was not renamed."""
    if not path.startswith("atomgraph."):
        return path
    module, _, name = path.removeprefix("atomgraph.").rpartition(".")
    if f"{module}.{name}" in MODULES:
        return f"atomgraph.{MODULES[f'{module}.{name}']}"
    module = MODULES.get(module, module)
    current = NAMES.get(f"{module}.{name}", name)
    return f"atomgraph.{current}" if "." in current else f"atomgraph.{module}.{current}"


def current_arguments(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a class of atomgraph by their names of today, with a warning for each old name.

    Raises:
        TypeError: If an argument is given under both names.
    """
    table = ARGUMENTS.get(cls.__name__, {}) if cls.__module__.startswith("atomgraph.") else {}
    result = dict(arguments)
    for old in table.keys() & arguments.keys():
        new = table[old]
        if new in arguments:
            raise TypeError(f"{cls.__name__} got {new} and {old}, its name of the last release; give {new} only")
        warn_old_name(f"{cls.__name__}({old}=...)", f"{new}=...")
        result[new] = result.pop(old)
    return result


def old_names_of(module: str) -> Callable[[str], Any]:
    """``__getattr__`` for a module whose classes or functions were renamed."""

    def __getattr__(name: str) -> Any:
        old = f"{module}.{name}"
        new = current_path(old)
        if new == old:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = _object_at(new)
        warn_old_name(old, new)
        return value

    return __getattr__


def _object_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


class _OldModule(ModuleType):
    """A module under its old name: passes on to the module of today."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        old = f"{self.__name__}.{name}"
        new = current_path(old)
        value = _object_at(new)
        warn_old_name(old, new)
        return value


class _OldModules(MetaPathFinder, Loader):
    """Finds modules by their old names."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = name.startswith("atomgraph.") and name.removeprefix("atomgraph.") in MODULES
        return ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to execute."""


def find_old_modules() -> None:
    """Let ``import`` find modules by their old names; modules of today are found first."""
    if not any(isinstance(finder, _OldModules) for finder in sys.meta_path):
        sys.meta_path.append(_OldModules())
