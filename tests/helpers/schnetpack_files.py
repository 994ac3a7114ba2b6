"""Files as schnetpack 2 writes them, made without it from models of ours: modules of the same names, saved by torch."""

from io import BytesIO

import torch
from ase.data import atomic_numbers

from atomgraph.models import SchNet
from helpers.temporary_classes import temporary_classes

LINEAR, SILU = torch.nn.Identity(), torch.nn.functional.silu
BASES = {"gaussian": "GaussianRBF", "centred_gaussian": "GaussianRBFCentered", "bessel": "BesselRBF"}
CUTOFFS = {"cosine": "CosineCutoff", "exponential": "MollifierCutoff"}


def small(kind=SchNet, **arguments):
    """A small model of ours in float64, its weights drawn from one seed, with E0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        usual = {"channels": 4, "n_layers": 2, "radial": {"n_radial": 5}}
        usual |= {"activation": "shifted_softplus"} if kind is SchNet else {"activation": "silu"}
        model = kind(["H", "O", "Si"], 3.5, **{**usual, **arguments}).double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    model.baseline.set_e0({"H": -3.25, "O": -4.5, "Si": -5.75})
    return model


def saved(model, change=None, dtype=torch.float64, kind="model", mean=-0.5) -> bytes:
    """The file that schnetpack would have written of a model; ``change(root, make)`` may meddle before saving.

    kind: ``model``, ``task`` or ``checkpoint``.
    """
    with temporary_classes() as make:
        root = _root(model, make, mean).to(dtype)
        if change is not None:
            change(root, make)
        file = BytesIO()
        torch.save(_task(root, make) if kind == "task" else _checkpoint(root) if kind == "checkpoint" else root, file)
    return file.getvalue()


def _task(root, make):
    task = make("schnetpack.task", "AtomisticTask")
    task.model, task.outputs = root, torch.nn.ModuleList()
    return task


def _checkpoint(root):
    """A checkpoint whose weights are in the state dict only: those in the pickled module are others."""
    state = {f"model.{name}": tensor.clone() for name, tensor in root.state_dict().items()}
    with torch.no_grad():
        for parameter in root.parameters():
            parameter.zero_()
    return {"epoch": 3, "state_dict": state, "hyper_parameters": {"model": root, "optimizer_cls": torch.optim.AdamW}}


def _root(model, make, mean):
    branch = model.branches[0]
    root = make("schnetpack.model.base", "NeuralNetworkPotential")
    root.spk_version, root.do_postprocessing, root.input_dtype_str = "2.1.1", True, "float64"
    root.postprocessors = torch.nn.ModuleList(
        [make("schnetpack.transform.casting", "CastTo64"), _offsets(model, make, mean)]
    )
    name = type(model).__name__
    root.representation = _representation(model, make, name)
    root.input_modules = torch.nn.ModuleList(
        [make("schnetpack.atomistic.response", "Strain"), make("schnetpack.atomistic.distances", "PairwiseDistances")]
    )
    atomwise = make("schnetpack.atomistic.atomwise", "Atomwise")
    readout = getattr(branch.readouts[0], "readout", branch.readouts[0])
    atomwise.outnet = _mlp(readout.mlp, make)
    atomwise.output_key, atomwise.n_out = "energy", 1
    atomwise.aggregation_mode = "avg" if model.arguments["aggregation"] == "mean" else "sum"
    modules = [atomwise]
    if model.baseline.repulsion is not None:
        atomwise.output_key = "atomwise"
        modules += [_zbl(model.baseline.repulsion, make), make("schnetpack.atomistic.aggregation", "Aggregation")]
        modules[-1].keys, modules[-1].output_key = ["atomwise", "zbl"], "energy"
    forces = make("schnetpack.atomistic.response", "Forces")
    forces.energy_key = "energy"
    root.output_modules = torch.nn.ModuleList([*modules, forces])
    return root


def _representation(model, make, name):
    place = f"schnetpack.representation.{name.lower()}"
    part, branch = make(place, name), model.branches[0]
    layers = [getattr(layer, "layer", layer) for layer in branch.layers]
    radial = layers[0].radial
    part.radial_basis = _basis(radial, make)
    part.cutoff_fn = _cutoff(model.cutoff if model.baseline.repulsion is None else radial.cutoff, radial.envelope, make)
    embedding = getattr(branch.featurizer, "embedding", branch.featurizer)
    table = torch.zeros(100, embedding.weight.shape[1], dtype=torch.float64)
    table[[atomic_numbers[symbol] for symbol in model.elements]] = embedding.weight.detach()
    part.embedding = torch.nn.Embedding.from_pretrained(table, freeze=False)
    part.electronic_embeddings = torch.nn.ModuleList(
        [_electronic(state, term, make) for state, term in getattr(branch.featurizer, "terms", {}).items()]
    )
    if name == "SchNet":
        part.interactions = torch.nn.ModuleList([_schnet_interaction(layer, make, place) for layer in layers])
        return part
    messages, updates = layers[::2], layers[1::2]
    part.share_filters = model.arguments["shared_filters"]
    filters = messages[:1] if part.share_filters else messages
    weight = torch.cat([message.filters.weights[0][0] for message in filters], dim=1)
    bias = torch.cat([message.filters.biases[0][0] for message in filters])
    part.filter_net = _dense(weight, bias, LINEAR, make)
    part.interactions = torch.nn.ModuleList([make(place, "PaiNNInteraction") for _ in messages])
    part.mixing = torch.nn.ModuleList([make(place, "PaiNNMixing") for _ in updates])
    for message, update, interaction, mixing in zip(messages, updates, part.interactions, part.mixing, strict=True):
        interaction.interatomic_context_net = _mlp(message.network, make)
        mixing.epsilon, mixing.intraatomic_context_net = update.epsilon, _mlp(update.network, make)
        mixing.mu_channel_mix = _dense(update.mix.weight.T, None, LINEAR, make)
    return part


def _schnet_interaction(layer, make, place):
    part = make(place, "SchNetInteraction")
    part.in2f = _dense(layer.input_map, None, LINEAR, make)
    part.filter_network, part.f2out = _mlp(layer.filter_network, make), _mlp(layer.output_network, make)
    return part


def _basis(radial, make):
    part = make("schnetpack.nn.radial", BASES[radial.basis])
    part.n_rbf = radial.n_radial
    if radial.basis == "bessel":
        part.register_buffer("freqs", radial.places.detach().clone())
        return part
    width = (
        radial.widths.detach() if radial.has_widths else torch.full_like(radial.places, (-2 * radial.prefactor) ** -0.5)
    )
    for name, tensor in {"widths": width, "offsets": radial.places.detach()}.items():
        tensor = tensor.double().clone()
        if radial.trainable:
            setattr(part, name, torch.nn.Parameter(tensor))
        else:
            part.register_buffer(name, tensor)
    return part


def _cutoff(cutoff, envelope, make):
    part = make("schnetpack.nn.cutoff", CUTOFFS[envelope])
    part.register_buffer("cutoff", torch.tensor([cutoff]))
    return part


def _mlp(mlp, make):
    activations = [mlp.activation] * (len(mlp.weights) - 1) + [LINEAR]
    layers = zip(mlp.weights, mlp.biases, activations, strict=True)
    return torch.nn.Sequential(*[_dense(weight[0], bias[0], activation, make) for weight, bias, activation in layers])


def _dense(weight, bias, activation, make):
    part = make("schnetpack.nn.base", "Dense")
    part.weight = torch.nn.Parameter(weight.detach().T.clone())
    part.bias = None if bias is None else torch.nn.Parameter(bias.detach().clone())
    if getattr(activation, "__name__", "") == "shifted_softplus":
        activation = _function(make, "schnetpack.nn.activations", "shifted_softplus")
    part.activation = activation
    return part


def _function(make, path, name):
    """A function of another program, which the file names."""
    import sys

    make(path, "Place")
    function = getattr(sys.modules[path], name, None)
    if function is None:
        namespace = {}
        exec(f"def {name}(x):\n    return x", {"__name__": path}, namespace)  # pickle stores the module and the name
        function = namespace[name]
        setattr(sys.modules[path], name, function)
    return function


def _electronic(state, term, make):
    part = make("schnetpack.nn.embedding", "ElectronicEmbedding")
    part.is_charged, part.epsilon = state == "charge", term.epsilon
    part.property_key = "total_charge" if state == "charge" else "spin_multiplicity"
    part.linear_q, part.linear_k, part.linear_v = term.query, term.key, term.value
    part.resblock = make("schnetpack.nn.blocks", "ResidualMLP")
    part.resblock.activation = _function(make, "schnetpack.nn.activations", "shifted_softplus")
    part.resblock.linear = term.last
    part.resblock.residual = make("schnetpack.nn.blocks", "ResidualStack")
    part.resblock.residual.stack = torch.nn.ModuleList()
    for first, second in term.blocks:
        block = make("schnetpack.nn.blocks", "Residual")
        block.linear1, block.linear2 = first, second
        part.resblock.residual.stack.append(block)
    return part


def _zbl(repulsion, make):
    part = make("schnetpack.atomistic.nuclear_repulsion", "ZBLRepulsionEnergy")
    part.output_key, part.cutoff_fn = "zbl", _cutoff(repulsion.cutoff, repulsion.envelope, make)
    part.register_buffer("ke", torch.tensor(repulsion.coulomb, dtype=torch.float64))
    names = {"a_pow": "power", "a_div": "inverse_length", "coefficients": "coefficients", "exponents": "exponents"}
    for name, ours in names.items():
        setattr(part, name, torch.nn.Parameter(getattr(repulsion, ours).detach().clone()))
    return part


def _offsets(model, make, mean):
    part = make("schnetpack.transform.atomistic", "AddOffsets")
    part._property, part.add_mean, part.add_atomrefs, part.is_extensive = "energy", True, True, True
    table = torch.zeros(100, dtype=torch.float64)
    table[[atomic_numbers[symbol] for symbol in model.elements]] = model.baseline.e0[0] - mean
    part.register_buffer("atomref", table)
    part.register_buffer("mean", torch.tensor([mean], dtype=torch.float64))
    return part
