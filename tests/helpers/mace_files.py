"""Files as mace-torch writes them, made without it: modules of the same names and places, saved by torch.

The classes are made for the moment of saving and forgotten after; reading such a file cannot find them again.
"""

from io import BytesIO

import torch

from atomgraph.formats.mace.architecture import INTERACTIONS
from atomgraph.formats.mace.state_dict import tensor_slices
from atomgraph.formats.mace.weight_map import convert_to_mace
from atomgraph.models import MACE
from atomgraph.ops.coupling import coupling_tensor
from helpers.temporary_classes import temporary_classes

CLASSES = {name: kind for kind, name in INTERACTIONS.items()}


def small(elements=("H", "O", "Si"), cutoff=3.5, **arguments):
    """A small model of ours in float64, its weights drawn from one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        usual = {
            "hidden_irreps": "2x0e+2x1o",
            "l_max": 2,
            "order": 2,
            "layer": {"radial_hidden": [4]},
            "radial": {"n_radial": 4},
        }
        model = MACE(list(elements), cutoff, **{**usual, **arguments}).double().eval()
    model.baseline.set_e0({symbol: -3.0 - i for i, symbol in enumerate(elements)})
    model.baseline.set_scale(0.8, 0.1)
    for layer in model.branches[0].layers:
        if hasattr(layer.interaction, "neighbours"):
            layer.interaction.neighbours.number.fill_(7.25)
    return model


def saved(model: MACE, change=None, dtype=torch.float64, **options) -> bytes:
    """The file that mace-torch would have written of a model; ``change(root)`` may meddle before saving."""
    with temporary_classes() as make:
        root = _root(model, make, dtype)
        if change is not None:
            change(root, make)
        file = BytesIO()
        torch.save(root, file, **options)
    return file.getvalue()


def _root(model, make, dtype):
    branch, layers = model.branches[0], model.branches[0].layers
    root = make("mace.modules.models", "ScaleShiftMACE")
    root.heads = list(model.heads)
    tensor = lambda value: torch.tensor(value, dtype=dtype)  # noqa: E731
    put = lambda path, **attributes: _put(root, path, make, **attributes)  # noqa: E731
    root.register_buffer("atomic_numbers", _numbers(model.elements))
    root.register_buffer("r_max", tensor(model.cutoff))
    root.register_buffer("num_interactions", torch.tensor(len(layers)))
    put("node_embedding", kind="LinearNodeEmbeddingBlock")
    put("radial_embedding", kind="RadialEmbeddingBlock", out_dim=layers[0].radial.n_radial, apply_cutoff=True)
    basis = put("radial_embedding.bessel_fn", kind="BesselBasis")
    basis.register_buffer("prefactor", tensor((2.0 / model.cutoff) ** 0.5))
    basis.register_buffer("bessel_weights", layers[0].radial.places.detach().to(dtype))
    put("radial_embedding.cutoff_fn", kind="PolynomialCutoff").register_buffer("p", torch.tensor(layers[0].radial.p))
    put("spherical_harmonics", kind="SphericalHarmonics", _ls_list=list(range(layers[0].l_max + 1)))
    put("atomic_energies_fn", kind="AtomicEnergiesBlock").register_buffer(
        "atomic_energies", model.baseline.e0.to(dtype)
    )
    scale = put("scale_shift", kind="ScaleShiftBlock")
    scale.register_buffer("scale", model.baseline.scale.to(dtype))
    scale.register_buffer("shift", model.baseline.shift.to(dtype))
    for t, layer in enumerate(layers):
        _layer(layer, t, put, dtype, model.arguments["interaction"])
    for t, readout in enumerate(branch.readouts):
        if hasattr(readout, "first"):
            hidden = f"{readout.n_outputs * readout.hidden}x0e"
            put(f"readouts.{t}", kind="NonLinearReadoutBlock", num_heads=readout.n_outputs)
            put(f"readouts.{t}.linear_1", kind="Linear", irreps_out=hidden)
            put(f"readouts.{t}.non_linearity", kind="Activation")
            put(f"readouts.{t}.non_linearity.acts", kind="ModuleList")
            put(
                f"readouts.{t}.non_linearity.acts.0", kind="normalize2mom", f=torch.nn.functional.silu, cst=readout.gain
            )
        else:
            put(f"readouts.{t}", kind="LinearReadoutBlock")
    for name, value in convert_to_mace(tensor_slices(model), model.state_dict()).items():
        if "bessel" not in name:
            owner, _, key = name.rpartition(".")
            shaped = value.reshape(_shape(model, name, value)).to(dtype)
            _put(root, owner, make).register_parameter(key, torch.nn.Parameter(shaped))
    return root


def _layer(layer, t, put, dtype, interaction):
    part = layer.interaction
    convolution = part.convolution
    put(
        f"interactions.{t}",
        kind=CLASSES[interaction if isinstance(interaction, str) else interaction[t]],
        avg_num_neighbors=float(part.neighbours.number) if hasattr(part, "neighbours") else 1.0,
        target_irreps=str(part.irreps_message),
        edge_attrs_irreps=str(convolution.harmonics),
    )
    irreps = {
        "irreps_in1": convolution.irreps_in,
        "irreps_in2": convolution.harmonics,
        "irreps_out": convolution.irreps_out,
    }
    first, second = ([irrep for _, irrep in irreps[key]] for key in ("irreps_in1", "irreps_in2"))
    paths = [
        (first.index(path.feature), second.index(path.harmonics), k, "uvu", True, 1.0, (convolution.channels, 1))
        for k, path in enumerate(convolution.paths)
    ]
    put(f"interactions.{t}.conv_tp", kind="TensorProduct", instructions=paths, **{k: str(v) for k, v in irreps.items()})
    put(f"interactions.{t}.conv_tp_weights", kind="FullyConnectedNet")
    for depth in range(len(part.network.weights)):
        put(f"interactions.{t}.conv_tp_weights.layer{depth}", kind="_Layer")
    put(f"interactions.{t}.conv_tp_weights.layer0.act", kind="normalize2mom", cst=part.network.gain)
    put(f"products.{t}", kind="EquivariantProductBasisBlock", use_sc=True, use_agnostic_product=False)
    put(f"products.{t}.linear", kind="Linear", irreps_out=str(layer.irreps_out))
    for k, (_, irrep) in enumerate(layer.irreps_out):
        place = put(
            f"products.{t}.symmetric_contractions.contractions.{k}", kind="Contraction", correlation=layer.product.order
        )
        for nu in range(1, layer.product.order + 1):
            irreps_in = "+".join(str(left) for _, left in layer.product.irreps_in)
            place.register_buffer(f"U_matrix_{nu}", coupling_tensor(irreps_in, str(irrep), nu).to(dtype))


def _put(root, path, make, kind=None, **attributes):
    """The module at a path, made on the way where it is missing."""
    part = root
    words = path.split(".")
    for depth, word in enumerate(words):
        if word not in part._modules:
            name = kind if kind is not None and depth == len(words) - 1 else "Part"
            part.add_module(word, make("mace.modules.blocks", name))
        part = part._modules[word]
    for name, value in attributes.items():
        setattr(part, name, value)
    return part


def _shape(model, name, value):
    """mace-torch's shapes where they are not flat."""
    if ".layer" in name:
        t, depth = int(name.split(".")[1]), int(name.split(".layer")[1].split(".")[0])
        part = model.branches[0].layers[t].interaction
        return (part.density if "density_fn" in name else part.network).weights[depth].shape
    if ".contractions." in name:
        t, k = int(name.split(".")[1]), int(name.split(".contractions.")[1].split(".")[0])
        product = model.branches[0].layers[t].product
        irrep = product.irreps_out[k].ir
        nu = product.order if name.endswith("max") else product.order - 1 - int(name.rpartition(".")[2])
        return product.weights[f"{irrep}_{nu}"].shape
    return value.shape


def _numbers(symbols):
    from ase.data import atomic_numbers

    return torch.tensor([atomic_numbers[symbol] for symbol in symbols])
