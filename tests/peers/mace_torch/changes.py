"""What happens to models after they are made: fine-tuning, adapters, older releases, fewer couplings."""

import torch
from e3nn import nn
from mace.modules.lora import inject_LoRAs
from mace.modules.radial import AgnesiTransform, ZBLBasis


def _moved(tensor, by=0.02):
    return torch.nn.Parameter(tensor.detach() * (1 + by * torch.randn_like(tensor)))


def tuned_bessel(model):
    """Frequencies as parameters, moved: what every fine-tuned file has."""
    basis = model.radial_embedding.bessel_fn
    moved = _moved(basis.bessel_weights)
    del basis._buffers["bessel_weights"]
    basis.bessel_weights = moved


def tuned_gaussian(model):
    """Places of the Gaussians as parameters, moved."""
    basis = model.radial_embedding.bessel_fn
    moved = torch.nn.Parameter(basis.gaussian_weights + 0.05 * torch.randn_like(basis.gaussian_weights))
    del basis._buffers["gaussian_weights"]
    basis.gaussian_weights = moved


def tuned_zbl(model):
    """A trainable repulsion, moved."""
    part = ZBLBasis(p=int(model.pair_repulsion_fn.p), trainable=True)
    part.a_exp, part.a_prefactor = _moved(part.a_exp), _moved(part.a_prefactor)
    model.pair_repulsion_fn = part


def tuned_agnesi(model):
    """A trainable transform, moved."""
    part = AgnesiTransform(trainable=True)
    part.a, part.q, part.p = _moved(part.a), _moved(part.q), _moved(part.p)
    model.radial_embedding.distance_transform = part


def odd_radii(model):
    """Covalent radii that no version of ASE has, in transform and repulsion alike."""
    for part in (model.radial_embedding.distance_transform, model.pair_repulsion_fn):
        part.covalent_radii.mul_(1 + 0.05 * torch.rand_like(part.covalent_radii))


def lora(model):
    """Adapters on every map that mace-torch adapts, none of them at zero."""
    inject_LoRAs(model, rank=2, alpha=3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(0.3 * torch.randn_like(p))


def avg_numpy(model):
    """Mean number of neighbours as numpy's number."""
    import numpy as np

    for part in model.interactions:
        part.avg_num_neighbors = np.float64(part.avg_num_neighbors)


def avg_tensor(model):
    """Mean number of neighbours as a tensor."""
    for part in model.interactions:
        part.avg_num_neighbors = torch.tensor(part.avg_num_neighbors)


def no_heads(model):
    """Before 0.3.7: one head without a name."""
    del model.heads
    for part in model.readouts:
        part.__dict__.pop("num_heads", None)


def old(model):
    """Before 0.3.10: none of the later attributes and buffers, p of the cutoff a real number, activations of e3nn's gate."""
    no_heads(model)
    real = torch.get_default_dtype()
    root = ("lammps_mliap", "apply_cutoff", "edge_irreps", "use_reduced_cg", "use_agnostic_product", "use_so3")
    for part, names in (
        (model, (*root, "use_last_readout_only", "use_edge_irreps_first")),
        (model.radial_embedding, ("apply_cutoff",)),
        *((p, ("use_agnostic_product", "cueq_config")) for p in model.products),
        *((p, ("edge_irreps", "cueq_config", "oeq_config")) for p in model.interactions),
    ):
        for name in names:
            part.__dict__.pop(name, None)
    model.radial_embedding.cutoff_fn.p = model.radial_embedding.cutoff_fn.p.to(real)
    for product in model.products:
        for part in product.symmetric_contractions.contractions:
            for name in [n for n in part._buffers if n.endswith("_zeroed")]:
                del part._buffers[name]


def very_old(model):
    """0.2: nor the shape of the radial network, nor masks."""
    old(model)
    for part in model.interactions:
        part.__dict__.pop("radial_MLP", None)


def old_gate(model):
    """Before 0.3.16: the gate of e3nn in nonlinear interactions."""
    for part in model.interactions:
        out = part.irreps_out
        scalars, gated = [i for i in out if i.ir.l == 0], [i for i in out if i.ir.l > 0]
        part.equivariant_nonlin = nn.Gate(
            scalars,
            [torch.nn.functional.silu for _ in scalars],
            "+".join(f"{i.mul}x0e" for i in gated),
            [torch.nn.functional.sigmoid for _ in gated],
            gated,
        )


def fewer_couplings(model):
    """A reduced coupling basis: fewer combinations of the couplings of each order."""
    for product in model.products:
        for part in product.symmetric_contractions.contractions:
            order = part.correlation
            for nu in range(1, order + 1):
                u = part._buffers[f"U_matrix_{nu}"]
                n = u.shape[-1]
                fewer = max(1, (n + 1) // 2)
                mix = torch.linalg.qr(torch.randn(n, n))[0][:, :fewer]
                part._buffers[f"U_matrix_{nu}"] = (u @ mix).contiguous()
                old_weight = part.weights_max if nu == order else part.weights[order - 1 - nu]
                new = torch.nn.Parameter(torch.randn(old_weight.shape[0], fewer, old_weight.shape[2]) / fewer)
                if nu == order:
                    part.weights_max = new
                else:
                    part.weights[order - 1 - nu] = new


def mixed_training(model):
    """Fine-tuned with parts frozen."""
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("readouts"))


CHANGES = {
    f.__name__: f
    for f in (tuned_bessel, tuned_gaussian, tuned_zbl, tuned_agnesi, odd_radii, lora, avg_numpy, avg_tensor, no_heads)
}
CHANGES |= {f.__name__: f for f in (old, very_old, old_gate, fewer_couplings, mixed_training)}
