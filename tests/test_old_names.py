"""Names of the last release work, with a warning that says the new ones; files with old names open without it."""

import importlib
import inspect
import pkgutil
import re
import warnings

import pytest

import atomgraph
from atomgraph.old_name_table import ARGUMENTS, MODULES, NAMES
from atomgraph.old_names import OldAttribute, OldNameWarning, current_path

OLD_MEMBERS = {
    "analysis.finetuning.audit.agreement.Agreement": {"slope": "coefficient"},
    "graph.quantities.Quantity": {"axis": "plot_unit"},
    "analysis.comparison.StructureInfo": {"twin": "duplicate"},
    "analysis.comparison.Comparison": {"twins": "duplicate_mask"},
    "analysis.laws.context.Tolerances": {"slope": "gradient"},
    "compiled.evaluation.AtomRuns": {"first": "first_atoms"},
    "compiled.lazy.LazyCompiled": {"given": "potential"},
    "compiled.linear.LinearMap": {"before": "input_layout", "after": "output_layout"},
    "compiled.fused_convolution.FusedConvolution": {"before": "input_layout", "after": "output_layout"},
    "compiled.fused_gate.FusedGate": {"before": "input_layout", "after": "output_layout"},
    "compiled.mace.fused_product.FusedProduct": {"before": "input_layout", "after": "output_layout"},
    "data.e0_shift.EnergyShift": {
        "together": "determined_formulas",
        "alone": "determined",
        "open": "undetermined",
        "strangers": "undetermined_formulas",
        "times": "ratio_to",
    },
    "data.labels.LabelReader": {"seen": "n_found", "offered": "all_keys"},
    "data.packing.StructureSizes": {"giants": "oversized"},
    "data.sampler.EdgeBudgetSampler": {"ghost": "padding_structure"},
    "featurizers.density.DensityTerms": {"of_left": "left_column", "of_right": "right_column", "some": "select_values"},
    "featurizers.density.JacobianBlock": {"slopes": "jacobian"},
    "featurizers.density.DensityFeaturizer": {
        "terms": "density_terms",
        "alone": "isolated_density",
        "slopes": "jacobian",
        "slope_blocks": "jacobian_blocks",
        "n_slopes": "n_jacobian",
    },
    "featurizers.density.TermDerivatives": {"of": "select"},
    "featurizers.gap.pair_kernel.PairKernel": {"bonds": "bond_rows", "place": "set_points"},
    "featurizers.gap.triple_kernel.TripleKernel": {
        "ends": "neighbours",
        "triples_of": "triple_coordinates",
        "place": "set_points",
    },
    "featurizers.gap.sparse_points.SparsePoints": {"leave_out": "select_points"},
    "featurizers.soap.soap.SOAP": {"transition": "envelope_width"},
    "featurizers.symmetry_functions.neighbour_sums.NeighbourSums": {"flat": "inner_fraction"},
    "featurizers.symmetry_functions.triple_sums.TripleSums": {"at_once": "portion_size", "families": "groups"},
    "featurizers.symmetry_functions.triple_sums.FunctionGroup": {
        "factors": "radial_factors",
        "waves": "angular_factors",
        "reach": "max_cutoff",
        "flat": "inner_fraction",
    },
    "featurizers.triples.Triples": {"one": "first_edge", "other": "second_edge"},
    "featurizers.ace.bonds.Bonds": {"reach": "max_cutoff"},
    "featurizers.ace.jacobian.ClusterJacobian": {"n_numbers": "n_values"},
    "fitting.edge_jacobian.JacobianChunk": {"slopes": "gradients"},
    "fitting.padded_terms.PaddedTerms": {"by_left": "left_jacobian", "slopes": "derivatives"},
    "fitting.jacobian.ResidualJacobian": {"place": "parameters", "go_to": "set_parameters"},
    "fitting.linear_weights.LinearWeights": {"take": "assign", "silence": "zero_", "everything": "is_complete"},
    "formats.ace_yaml_blocks.ClusterFunction": {"place": "sort_key"},
    "formats.ace_yaml_blocks.SpeciesBlock": {"whole": "integer"},
    "formats.gap_terms.GapTerm": {
        "transition": "transition_width",
        "alike": "shared_settings",
        "soap": "soap_arguments",
    },
    "layers.mace.layer.MACELayer": {"observe": "update_statistics", "settle": "finalize"},
    "layers.mace.normalisation.MeanNeighbours": {"observe": "update_statistics", "settle": "finalize"},
    "layers.residual.Residual": {"observe": "update_statistics", "settle": "finalize"},
    "layers.standardize.Standardize": {"narrowest": "min_std", "observe": "update_statistics", "settle": "finalize"},
    "models.parameter_groups.ParameterGroup": {"is_in": "matches"},
    "nn.equivariant.convolution.Convolution": {"coupling_of": "path_coupling"},
    "nn.repulsion.core_repulsion.CoreRepulsion": {"takes_over": "replaces_energy", "kept": "remaining_fraction"},
    "nn.equivariant.distance_transform.DistanceTransform": {"radii_of": "radius_sums"},
    "nn.padded_edges.PaddedEdges": {"owner": "centre", "lay": "pad", "of_neighbours": "gather_neighbours"},
    "nn.mlp.LastLayer": {"unknowns_of": "weight_slice", "basis_slopes": "basis_jacobian", "take": "set_weights"},
    "readouts.density_embedding.DensityEmbedding": {
        "unknowns_of": "weight_slice",
        "basis_slopes": "basis_jacobian",
        "take": "set_weights",
    },
    "readouts.multi_head_mlp.MultiHeadMLP": {
        "unknowns_of": "weight_slice",
        "basis_slopes": "basis_jacobian",
        "take": "set_weights",
    },
    "readouts.linear.Linear": {"unknowns_of": "weight_slice", "basis_slopes": "basis_jacobian", "take": "set_weights"},
    "readouts.per_element_linear.PerElementLinear": {
        "unknowns_of": "weight_slice",
        "basis_slopes": "basis_jacobian",
        "take": "set_weights",
    },
    "readouts.scaled_linear.ScaledLinear": {
        "unknowns_of": "weight_slice",
        "basis_slopes": "basis_jacobian",
        "take": "set_weights",
    },
    "readouts.sparse_kernel.SparseKernel": {
        "unknowns_of": "weight_slice",
        "basis_slopes": "basis_jacobian",
        "take": "set_weights",
    },
    "nn.equivariant.symmetric_product.SymmetricProduct": {"coupling_of_monomials": "monomial_coupling"},
    "nn.equivariant.radial_embedding.RadialEmbedding": {
        "constant": "prefactor",
        "fades": "envelope_on",
        "sloped": "differentiable",
    },
    "ops.triple_integrals.TripleIntegrals": {"groups": "group_size", "slopes": "vjp"},
}


@pytest.mark.parametrize("old", sorted(MODULES))
def test_old_modules_are_found(old):
    new = importlib.import_module(f"atomgraph.{MODULES[old]}")
    public = [
        name
        for name in vars(new)
        if not name.startswith("_") and getattr(vars(new)[name], "__module__", "") == new.__name__
    ]
    module = importlib.import_module(f"atomgraph.{old}")
    for name in public:
        with pytest.warns(OldNameWarning, match=name):
            assert getattr(module, name) is getattr(new, name)


@pytest.mark.parametrize("new", sorted(NAMES))
def test_old_names_are_found(new):
    module, _, name = new.rpartition(".")
    old_module = {today: before for before, today in MODULES.items()}.get(module, module)
    path = f"atomgraph.{old_module}.{name}"
    current_module, _, current = current_path(path).rpartition(".")
    with pytest.warns(OldNameWarning, match=current):
        given = getattr(importlib.import_module(f"atomgraph.{old_module}"), name)
    assert given is getattr(importlib.import_module(current_module), current)


def test_unknown_names_are_still_errors():
    with pytest.raises(ImportError):
        importlib.import_module("atomgraph.nn.nothing_of_this_name")
    with pytest.raises(AttributeError):
        _ = importlib.import_module("atomgraph.nn.zbl").nothing_of_this_name


def test_modules_of_today_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", OldNameWarning)
        importlib.import_module("atomgraph.nn.repulsion.zbl").ZBL  # noqa: B018


def test_old_arguments_are_arguments_of_no_class_of_today():
    assert all(set(table).isdisjoint(table.values()) for table in ARGUMENTS.values())


def test_old_arguments_are_accepted_also_inside_other_arguments():
    from atomgraph.models import MACE

    shape = {"l_max": 1, "order": 1, "n_layers": 1}
    with pytest.warns(OldNameWarning) as warned:
        old = MACE(["H"], 3.0, hidden="2x0e", layer=[{"hidden": [3]}], radial={"fades": "messages"}, **shape)
    assert len(warned) == 3
    new = MACE(
        ["H"],
        3.0,
        hidden_irreps="2x0e",
        layer=[{"radial_hidden": [3]}],
        radial={"envelope_on": "messages"},
        **shape,
    )
    assert old.arguments == new.arguments | {"baseline": None}


def test_old_arguments_and_attributes_of_classes_that_are_no_parts_are_accepted():
    from atomgraph.fitting import Sigma

    with pytest.warns(OldNameWarning) as warned:
        sigma = Sigma(grows="root")
    assert len(warned) == 2 and sigma == Sigma(energy_error_scaling="sqrt")
    with pytest.warns(OldNameWarning, match="energy_error_scaling"):
        assert sigma.grows == "sqrt"
    with pytest.raises(TypeError, match="give energy_error_scaling only"):
        Sigma(grows="atoms", energy_error_scaling="atoms")


def test_a_layer_with_the_old_names_of_calibration_is_calibrated():
    from atomgraph.nn.protocols import as_calibrated

    class Old:
        batches, done = 0, False

        def observe(self, h, graph, edges):
            self.batches += 1

        def settle(self):
            self.done = True

    part = Old()
    with pytest.warns(OldNameWarning, match="update_statistics and finalize"):
        calibrated = as_calibrated(part)
    calibrated.update_statistics(None, None, None)
    calibrated.finalize()
    assert part.batches == 1 and part.done


def all_members(cls):
    """Names of a class: attributes, annotations, and attributes that its methods set."""
    names = set(dir(cls))
    for base in inspect.getmro(cls):
        if base.__module__.startswith("atomgraph"):
            names |= set(re.findall(r"self\.(\w+)", inspect.getsource(base))) | set(
                vars(base).get("__annotations__", {})
            )
    return names


@pytest.mark.parametrize(
    "path, old, new", [(path, old, new) for path, table in OLD_MEMBERS.items() for old, new in table.items()]
)
def test_old_members_of_classes_exist(path, old, new):
    module, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(f"atomgraph.{module}"), name)
    assert isinstance(vars(cls)[old], OldAttribute) and vars(cls)[old].name == new


def test_all_old_members_stand_for_members_of_today():
    found = 0
    for info in pkgutil.walk_packages(atomgraph.__path__, "atomgraph."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for cls in [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == info.name]:
            for old, value in vars(cls).items():
                if isinstance(value, OldAttribute):
                    found += 1
                    assert value.name in all_members(cls), f"{cls.__qualname__}.{old}"
                    assert value.name != old
    assert found > 150


def test_subclasses_of_users_with_old_methods_work_and_can_call_those_of_the_base_class():
    from atomgraph.featurizers import SOAP

    with pytest.warns(OldNameWarning, match="density_terms"):

        class Mine(SOAP):
            def terms(self, edges):
                return "mine", super().terms

    featurizer = Mine(["H"], 3.0)
    with pytest.warns(OldNameWarning, match="density_terms"):
        mine, base = featurizer.density_terms(None)
    assert mine == "mine" and base.__func__ is SOAP.density_terms


def test_linear_readouts_of_users_with_old_methods_are_linear():
    from atomgraph.nn.protocols import LinearReadout, Readout

    with pytest.warns(OldNameWarning) as warned:

        class Mine(Readout):
            n_unknowns = 1

            def forward(self, h, graph, edges):
                return h

            def unknowns_of(self, element):
                return slice(0, 1)

            def basis(self, h, element):
                return h

            def basis_slopes(self, h, element):
                return None

            def take(self, weights):
                self.taken = weights

    assert len(warned) == 3
    readout = Mine()
    assert isinstance(readout, LinearReadout)
    readout.set_weights("weights")
    assert readout.taken == "weights" and readout.weight_slice(0) == slice(0, 1)


def test_modules_with_old_attributes_are_copied_and_stored_as_before():
    import copy
    import pickle

    from atomgraph.layers import Standardize

    with warnings.catch_warnings():
        warnings.simplefilter("error", OldNameWarning)
        layer = Standardize(["H"], "2x0e")
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert other.state_dict().keys() == layer.state_dict().keys() and other.arguments == layer.arguments
    with pytest.warns(OldNameWarning, match="min_std"):
        assert layer.narrowest == layer.min_std
