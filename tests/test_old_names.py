"""Names of the last release work, with a warning that says the new ones; files with old names open without it."""

import importlib
import warnings

import pytest

from atomgraph.old_name_table import ARGUMENTS, MODULES, NAMES
from atomgraph.old_names import OldNameWarning, current_path


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
