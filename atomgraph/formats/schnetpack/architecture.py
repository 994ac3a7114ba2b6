"""Architecture of a schnetpack model: constructor arguments of ``SchNet`` and ``PaiNN`` from its modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree, module_tensors
from atomgraph.formats.schnetpack.dense import activation_name, read_perceptron
from atomgraph.formats.schnetpack.energy_terms import EnergyTerms, FileUnits
from atomgraph.models.baseline import Baseline
from atomgraph.nn.repulsion.softplus_zbl import SoftplusZBL

# class of schnetpack: name in atomgraph
BASES = {"GaussianRBF": "gaussian", "GaussianRBFCentered": "centred_gaussian", "BesselRBF": "bessel"}
ENVELOPES = {"CosineCutoff": "cosine", "MollifierCutoff": "exponential"}
# (property_key, is_charged) of an electronic embedding: name of the state in atomgraph
STATES = {("total_charge", True): "charge", ("spin_multiplicity", False): "spin"}


def model_arguments(tree: Tree, terms: EnergyTerms, elements: Sequence[str], units: FileUnits) -> dict[str, Any]:
    """Return the constructor arguments of ``SchNet`` or ``PaiNN``.

    Args:
        tree: The modules of the file.
        terms: Terms of the energy.
        elements: Chemical symbols.
        units: Units of the file.

    Raises:
        FormatError: If the model has a part that is not supported.
    """
    representation = tree["representation"]
    readout = read_perceptron(tree, f"{terms.readout}.outnet")
    cutoff = _cutoff(representation["cutoff_fn"]) * units.length
    arguments = {
        "elements": list(elements),
        "cutoff": cutoff,
        "channels": readout.weights[0].shape[0],
        "n_layers": len(representation["interactions"].children),
        "radial": _radial(representation, cutoff, units.length),
        "shared_interactions": has_equal_interactions(representation),
        "states": _states(representation),
        "readout_hidden": readout.hidden,
        "readout_activation": readout.activation,
        "aggregation": terms.aggregation,
        "baseline": Baseline(elements, repulsion=_repulsion(tree, terms, elements, units)),
    }
    if representation.kind == "SchNet":
        filters = read_perceptron(representation, "interactions.0.filter_network")
        return arguments | {"n_filters": filters.weights[-1].shape[1], "activation": _activation(representation)}
    return arguments | {
        "activation": _activation(representation),
        "epsilon": _epsilon(representation),
        "shared_filters": representation.attribute("share_filters", bool),
    }


def has_equal_interactions(representation: Tree) -> bool:
    """Return whether all interactions have the same weights, as with ``shared_interactions``; False for one interaction."""
    for name in ("interactions", "mixing"):
        modules = list(representation[name].children.values()) if name in representation else []
        all_tensors = [module_tensors(module) for module in modules]
        if name == "interactions" and len(modules) < 2:
            return False
        for tensors in all_tensors[1:]:
            reference = all_tensors[0]
            if tensors.keys() != reference.keys():
                return False
            if any(not torch.equal(tensors[key], reference[key]) for key in reference):
                return False
    return True


def _cutoff(module: Tree) -> float:
    """Return the cutoff in the file, in its unit of length."""
    if module.kind not in ENVELOPES:
        raise FormatError(f"the model has the cutoff function {module.kind}; atomgraph reads {', '.join(ENVELOPES)}")
    cutoff = module.tensor("cutoff")
    if cutoff.numel() != 1:
        raise FormatError(f"the cutoff should be one number, but there are {cutoff.numel()}")
    return float(cutoff.double().sum())


def _radial(representation: Tree, cutoff: float, length: float) -> dict[str, Any]:
    """Return the arguments of the radial embedding; ``cutoff`` and the unit ``length`` are in Å."""
    basis = representation["radial_basis"]
    if basis.kind not in BASES:
        raise FormatError(f"the model has the radial basis {basis.kind}; atomgraph reads {', '.join(BASES)}")
    arguments: dict[str, Any] = {"basis": BASES[basis.kind], "envelope": ENVELOPES[representation["cutoff_fn"].kind]}
    if basis.kind == "BesselRBF":
        # sin(kr)/r in the file is the reciprocal of a length
        return arguments | {"n_radial": basis.tensor("freqs").numel(), "prefactor": length}
    widths = basis.tensor("widths").double().flatten()
    arguments |= {"n_radial": widths.numel(), "trainable": "widths" in basis.parameters}
    if basis.kind == "GaussianRBFCentered":
        return arguments | {"start": 0.5 * cutoff}  # a valid first width; the widths in the file replace it later
    if arguments["trainable"] or not bool((widths == widths[0]).all()):
        return arguments | {"separate_widths": True}
    return arguments | {"prefactor": -0.5 / (float(widths[0]) * length) ** 2}


def _activation(representation: Tree) -> str:
    """Return the activation function of all perceptrons of the interactions."""
    paths = {"SchNet": ("filter_network", "f2out"), "PaiNN": ("interatomic_context_net",)}[representation.kind]
    perceptrons = [f"interactions.{t}.{name}" for t in representation["interactions"].children for name in paths]
    if representation.kind == "PaiNN":
        perceptrons += [f"mixing.{t}.intraatomic_context_net" for t in representation["mixing"].children]
    names = {read_perceptron(representation, path).activation for path in perceptrons}
    if len(names) != 1:
        raise FormatError(
            f"the interactions should have one activation function, but have {', '.join(sorted(names)) or 'none'}"
        )
    return names.pop()


def _epsilon(representation: Tree) -> float:
    """Return the constant epsilon of the mixing blocks of PaiNN."""
    values = {module.attribute("epsilon", float) for module in representation["mixing"].children.values()}
    if len(values) != 1:
        raise FormatError(f"the mixing blocks should have one constant epsilon, but have {sorted(values)}")
    return float(values.pop())


def _states(representation: Tree) -> dict[str, int] | None:
    """Return the number of residual blocks of charge and spin; None without electronic embeddings."""
    states: dict[str, int] = {}
    modules = representation["electronic_embeddings"].children if "electronic_embeddings" in representation else {}
    for key, module in modules.items():
        key_of_file = module.attributes.get("property_key")
        name = STATES.get((str(key_of_file), bool(module.attributes.get("is_charged"))))
        activation = activation_name(module["resblock"], f"electronic_embeddings.{key}.resblock")
        epsilon = module.attributes.get("epsilon")
        if name is None or name in states or activation != "shifted_softplus" or epsilon != 1e-8:
            raise FormatError(
                f"the electronic embedding {key} should be of total_charge or spin_multiplicity, one of each, with shifted "
                f"softplus and epsilon 1e-8, but is of {key_of_file!r} with {activation} and {epsilon}"
            )
        states[name] = len(module["resblock.residual.stack"].children)
    return states or None


def _repulsion(tree: Tree, terms: EnergyTerms, elements: Sequence[str], units: FileUnits) -> SoftplusZBL | None:
    if terms.repulsion is None:
        return None
    module = tree[terms.repulsion]
    if "cutoff_fn" not in module:
        raise FormatError(
            "the repulsion ZBLRepulsionEnergy has no cutoff function, so its energy depends on the neighbour list of the "
            "program; atomgraph reads the repulsion with a cutoff function"
        )
    if terms.aggregation == "mean":
        raise FormatError("the energy is the sum of a mean over atoms and of a repulsion, which is not read")
    cutoff = _cutoff(module["cutoff_fn"]) * units.length
    envelope = ENVELOPES[module["cutoff_fn"].kind]
    coulomb = float(module.tensor("ke").double().sum()) * units.energy * units.length
    return SoftplusZBL(elements, cutoff, envelope, coulomb, trainable=bool(module.trained.get("a_pow", True)))
