"""Errors, with advice, for options of deepmd-kit that atomgraph does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atomgraph.errors import FormatError
from atomgraph.formats.deepmd.description import read_entry

CONVERT = "convert the file with deepmd-kit to the portable form, `dp convert-backend FILE model.dp`, and read model.dp"
COMPRESSED = "the file contains tables of a compressed model; use the file from before `dp compress`"
KINDS = {  # name in a file: descriptor
    "se_e2_a": "se_e2_a",
    "se_a": "se_e2_a",
    "se_e2_r": "se_e2_r",
    "se_r": "se_e2_r",
    "se_e3": "se_e3",
    "se_at": "se_e3",
    "se_a_3be": "se_e3",
    "se_t": "se_e3",
    "se_atten": "se_atten",
    "dpa1": "se_atten",
}
_READ = "se_e2_a, se_e2_r, se_e3, se_atten without attention layers, and hybrid"
_PROGRAMS = {  # suffix of an exported program: the program that reads it
    ".pte": "ExecuTorch",
    ".pt2": "PyTorch's AOTInductor",
    ".savedmodel": "TensorFlow or JAX",
    ".hlo": "JAX",
    ".jax": "JAX (orbax)",
    ".pd": "Paddle",
}


def raise_for_program(suffix: str) -> None:
    """Raise FormatError for the suffix of an exported program of deepmd-kit."""
    if suffix in _PROGRAMS:
        raise FormatError(
            f"a {suffix} file of deepmd-kit contains a compiled program for {_PROGRAMS[suffix]}, which is not executed; "
            f"{CONVERT}"
        )


def descriptor_kind(options: Mapping[str, Any]) -> str:
    """Return the kind of a descriptor, in the values of ``KINDS`` or ``hybrid``; FormatError if it is not read.

    Args:
        options: Options of the descriptor in the file.
    """
    name = read_entry(options, "type", str)
    if name == "hybrid":
        return name
    if name not in KINDS:
        raise FormatError(
            f"the file has the descriptor {name!r:.40}, which atomgraph does not have; descriptors that are read: {_READ}"
        )
    _check_version(options, "descriptor", 3)
    if int(read_entry(options, "@version", int, default=1)) > 2 and isinstance(options.get("compress"), Mapping):
        raise FormatError(COMPRESSED)
    if options.get("spin") is not None:
        raise FormatError("the file is a model with spins, which atomgraph does not have")
    if name in ("se_atten", "dpa1"):
        _check_attention(options)
    return KINDS[name]


def _check_version(options: Mapping[str, Any], noun: str, latest: int) -> None:
    """Raise FormatError if a part of a portable file was written in a later form than those that are known."""
    version = int(read_entry(options, "@version", int, default=1))
    if version > latest:
        raise FormatError(
            f"the {noun} of the file has the version {version}, but atomgraph knows versions up to {latest}; write the file "
            "with deepmd-kit 3.2, or use a later atomgraph"
        )


def _check_attention(options: Mapping[str, Any]) -> None:
    """Raise FormatError for options of the descriptor DPA-1 that atomgraph does not have."""
    n_layers = read_entry(options, "attn_layer", int, default=2)
    if n_layers != 0:
        raise FormatError(
            f"the file has the descriptor DPA-1 with {n_layers} attention layers (attn_layer), which atomgraph does not have; "
            "only attn_layer = 0 is read"
        )
    if read_entry(options, "tebd_input_mode", str, default="concat") != "concat":
        raise FormatError(
            f"the file has tebd_input_mode = {options.get('tebd_input_mode')!r:.40}, which atomgraph does not have; "
            "only concat is read"
        )
    if options.get("use_econf_tebd"):
        raise FormatError(
            "the file has vectors of types from electronic configurations (use_econf_tebd), which atomgraph does not have"
        )


def check_fitting(options: Mapping[str, Any]) -> None:
    """Raise FormatError if a fitting network reads more than descriptors, or does not give energies.

    Args:
        options: Options of the fitting network in the file.
    """
    _check_version(options, "fitting network", 4)
    kind = read_entry(options, "type", str, default="ener")
    if kind not in ("ener", "energy", "direct_ener", "invar") or kind == "direct_ener":
        raise FormatError(f"the file has the fitting network {kind!r:.40}; atomgraph reads those of energies (ener)")
    energies = options.get("atom_ener")
    if not isinstance(energies, list | tuple | None) or any(energy is not None for energy in energies or ()):
        raise FormatError(
            "the fitting network of the file subtracts its value for features that are zero (atom_ener), which atomgraph does "
            "not do"
        )
    for key, noun in (
        ("numb_fparam", "parameters of structures (fparam)"),
        ("numb_aparam", "parameters of atoms (aparam)"),
        ("dim_case_embd", "an embedding of the data set (case_embd)"),
    ):
        if options.get(key):
            raise FormatError(f"the fitting network of the file reads {noun}, which atomgraph does not have")


def check_model(options: Mapping[str, Any]) -> None:
    """Raise FormatError for models other than a descriptor and a fitting network.

    Args:
        options: Options of the model in the file.
    """
    if isinstance(branches := options.get("model_dict"), Mapping):
        names = ", ".join(str(name)[:40] for name in list(branches)[:20])
        raise FormatError(
            f"the file contains {len(branches)} models that share weights, {names}; write one of them to a file of its own, "
            "`dp --pt freeze -c FILE -o model.pth --head NAME`, and read model.pth"
        )
    _check_version(options, "model", 2)
    if options.get("spin") is not None:
        raise FormatError("the file is a model with spins, which atomgraph does not have")
    if (modifier := options.get("modifier")) is not None:
        name = modifier.get("type") if isinstance(modifier, Mapping) else modifier
        raise FormatError(
            f"the file is a model with the additional energy term {name!r:.40} (modifier), which atomgraph does not have"
        )
    kind = read_entry(options, "type", str, default="standard")
    if kind not in ("standard", "ener") or options.get("use_srtab") is not None or "models" in options:
        raise FormatError(
            f"the file is a model of the type {kind!r:.40}, such as one with a table of pair energies; {_ONLY_STANDARD}"
        )


_ONLY_STANDARD = "atomgraph reads models of a descriptor and a fitting network (standard)"
