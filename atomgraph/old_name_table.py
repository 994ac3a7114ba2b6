"""The table of old names: classes, functions and configuration keys of the last release.

``old_names.py`` says how they are accepted.
"""

from __future__ import annotations

from atomgraph.old_argument_table import ARGUMENTS as ARGUMENTS
from atomgraph.old_function_table import FUNCTIONS
from atomgraph.old_module_table import MODULES as MODULES

NAMES: dict[str, str] = FUNCTIONS | {
    "analysis.comparison.Described": "StructureInfo",
    "analysis.dynamics.Record": "EnergyRecord",
    "analysis.error_tables.Figures": "ErrorStatistics",
    "analysis.error_tables.Row": "ErrorRow",
    "analysis.finetuning.audit.Evidence": "LabelledPredictions",
    "analysis.finetuning.audit.labelled_predictions.Evidence": "LabelledPredictions",
    "analysis.finetuning.method_comparison.Cell": "RunResult",
    "analysis.finetuning.method_comparison.Standing": "MethodSummary",
    "analysis.laws.Trial": "LawContext",
    "analysis.laws.context.Trial": "LawContext",
    "calculators.verlet.MovingGraph": "VerletGraph",
    "compiled.OnDemand": "LazyCompiled",
    "compiled.kernel_graph.Frame": "KernelGraph",
    "compiled.kernel_graph.NoDirection": "DegenerateEdge",
    "compiled.kernel_graph.Order": "ElementOrder",
    "compiled.lazy.OnDemand": "LazyCompiled",
    "compiled.linear_forms.Form": "LinearForm",
    "data.checks.duplicates.Pair": "DuplicatePair",
    "data.labels.Door": "LabelReader",
    "data.packing.Sizes": "StructureSizes",
    "data.reading_notes.Unread": "UnreadLabel",
    "featurizers.ace.jacobian.ClusterSlopes": "ClusterJacobian",
    "featurizers.density.Expansion": "DensityFeaturizer",
    "featurizers.density.SlopeBlock": "JacobianBlock",
    "featurizers.density.TermSlopes": "TermDerivatives",
    "featurizers.density.Terms": "DensityTerms",
    "featurizers.symmetry_functions.triple_sums.Family": "FunctionGroup",
    "fitting.Descent": "GaussNewtonResult",
    "fitting.Selection": "SparsePointSelection",
    "fitting.Solution": "ClosedFormResult",
    "fitting.Unknowns": "LinearWeights",
    "fitting.closed_form.Solution": "ClosedFormResult",
    "fitting.design_matrix.Rows": "DesignMatrix",
    "fitting.edge_jacobian.Portion": "JacobianChunk",
    "fitting.gauss_newton_fit.Descent": "GaussNewtonResult",
    "fitting.initial_weights.EnergyStart": "InitialWeightsFit",
    "fitting.jacobian.Tangent": "ResidualJacobian",
    "fitting.kernel_points.Selection": "SparsePointSelection",
    "fitting.linear_weights.Block": "ReadoutBlock",
    "fitting.linear_weights.Unknowns": "LinearWeights",
    "fitting.low_rank.FewDirections": "LowRankRows",
    "fitting.padded_terms.LaidTerms": "PaddedTerms",
    "fitting.solvers.ard.ArdFit": "ArdSolution",
    "fitting.solvers.block_qr.GatheredQR": "BlockQR",
    "fitting.solvers.evidence.EvidenceFit": "EvidenceSolution",
    "fitting.solvers.ridge.RidgeFit": "RidgeSolution",
    "fitting.solvers.solution.Fit": "LinearSolution",
    "fitting.solvers.sparse_gp.SparseGP": "SparseGPSolution",
    "fitting.solvers.streaming_qr.Streamed": "fitting.solvers.row_accumulator.RowAccumulator",
    "fitting.solvers.streaming_qr.StreamedNormal": "fitting.solvers.normal_equations.NormalEquations",
    "fitting.solvers.streaming_qr.StreamedQR": "StreamingQR",
    "fitting.solvers.triangular.Reduced": "TriangularFactor",
    "formats.Said": "FileHints",
    "formats.ace_yaml_blocks.Block": "SpeciesBlock",
    "formats.ace_yaml_blocks.Function": "ClusterFunction",
    "formats.gap_terms.Term": "GapTerm",
    "formats.hints.Said": "FileHints",
    "formats.mace.decode.Plain": "ValueDecoder",
    "formats.mace.safe_pickle.Inert": "PickledObject",
    "formats.mace.safe_pickle.Stored": "StorageReference",
    "formats.mace.weight_map.Piece": "TensorSlice",
    "layers.Shells": "GaussianShells",
    "layers.adjacency.Shells": "GaussianShells",
    "models.parameter_groups.Place": "ParameterGroup",
    "nn.float64_buffers.KeepsDouble": "Float64Buffers",
    "nn.padded_edges.EdgeBlocks": "PaddedEdges",
    "nn.protocols.Solvable": "LinearReadout",
    "ops.radial_basis.Shape": "RadialParameters",
    "readouts.Densities": "DensityEmbedding",
    "readouts.GroupedMLP": "MultiHeadMLP",
    "readouts.Silent": "ZeroReadout",
    "readouts.density_embedding.Densities": "DensityEmbedding",
    "readouts.multi_head_mlp.GroupedMLP": "MultiHeadMLP",
    "readouts.zero.Silent": "ZeroReadout",
    "runs.finetuning.starting_potential.Beginning": "StartingPotential",
    "training.adapters.Adapted": "LoRAPotential",
}
"""Class or function before, with its module of today: its name now, with a module, below ``atomgraph.``, if that changed."""

KEYS: dict[str, str] = {
    "audit.insist": "ignore",
    "fit.accumulate": "accumulate_grad_batches",
    "fit.gradient_clip": "gradient_clip_val",
    "fit.grows": "energy_error_scaling",
    "fit.scaled": "scale_columns",
    "fit.start.grows": "energy_error_scaling",
    "fit.start.scaled": "scale_columns",
    "fit.terms.weight.over": "n_epochs",
    "fit.valid_every": "check_val_every_n_epoch",
    "method.skips": "skip_connections",
    "rates": "lr_factors",
}
"""Key of a configuration before, with its sections: the key now, in the same section."""

VALUES: dict[str, dict[str, str]] = {
    "fit.energy_error_scaling": {"root": "sqrt"},
    "fit.start.energy_error_scaling": {"root": "sqrt"},
}
"""Key of a configuration, as it is called now: its values before and now."""
