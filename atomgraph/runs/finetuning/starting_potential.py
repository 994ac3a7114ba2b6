"""The starting potential of fine-tuning: loads it, chooses the head, edits elements and heads, and records its origin."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atomgraph import formats
from atomgraph.config.finetune_schema import FinetuneConfig, StartSection
from atomgraph.editing import add_elements, add_head, keep_elements, pin_isolated, restart_elements
from atomgraph.errors import ConfigError, WiringError, nearest
from atomgraph.loading import load, resolve_path
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential

#: Entries of the metadata of the starting potential that the fine-tuned potential has, too.
COPIED_METADATA = ("licence", "cite", "public_model", "precision")
#: Entries that are stored in ``origin`` of the fine-tuned potential.
RECORDED_METADATA = (*COPIED_METADATA, "origin", "edits", "data", "e0_origin", "metrics", "created", "versions")
TARGET = "target"  # default name of the new head in a run with replay


@dataclass(frozen=True, eq=False)
class StartingPotential:
    """The starting potential of a run.

    Attributes:
        potential: The potential with the elements and heads of the run.
        head: Name of the trained head.
        source_head: Name of the head for the earlier training data (source).
        foundation: The potential as loaded, before changes of elements and heads.
    """

    potential: Potential
    head: str
    source_head: str
    foundation: Potential
    source = OldAttribute("source_head")


def load_start(start: StartSection) -> Potential:
    """Load the starting potential, choose its head, and record ``origin`` (file, SHA-256, licence) in its metadata.

    Args:
        start: The section ``start``.

    Raises:
        ConfigError: If ``start.head`` is missing or unknown.
    """
    path, _ = resolve_path(start.model)
    path = formats.find(path)
    potential = load(start.model, elements=start.elements, units=start.units)
    potential.head = _choose_head(start.head, potential.heads, "start.head")
    record = {name: potential.metadata[name] for name in RECORDED_METADATA if name in potential.metadata}
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    origin = record | {"file": path.name, "sha256": digest, "head": potential.head}
    copied = {name: potential.metadata[name] for name in COPIED_METADATA if name in potential.metadata}
    potential.metadata = {"origin": origin, **copied}
    potential.model.posterior = None  # the posterior is valid for the loaded weights only
    return potential


def known_elements(start: StartSection, foundation: Potential) -> list[str]:
    """Return the elements of the starting potential and the added elements."""
    return list(dict.fromkeys([*foundation.elements, *start.new_elements]))


def prepare_start(
    config: FinetuneConfig, foundation: Potential, elements: Sequence[str], has_replay: bool
) -> StartingPotential:
    """Edit elements and heads of the starting potential for the run.

    Only predictions for restarted elements change: known elements whose weights are replaced by those of another element.

    Args:
        config: The configuration.
        foundation: The loaded potential.
        elements: Chemical symbols of all structures of the run.
        has_replay: Whether the run has replayed structures.

    Raises:
        ConfigError: If an element is unknown and ``start.new_elements`` does not contain it, or a head is unknown.
    """
    start, potential = config.start, foundation
    source_head = str(foundation.head)
    if has_replay and config.replay is not None:
        source_head = _choose_head(config.replay.head or source_head, foundation.heads, "replay.head")
    unknown = [symbol for symbol in start.new_elements if symbol not in foundation.elements]
    if unknown and config.e0 == "foundation":
        raise ConfigError(
            f"e0: foundation has no E0 of {', '.join(unknown)}, which the starting potential does not have; "
            f"set e0: estimate, or give e0 by element"
        )
    try:
        potential = _edit_elements(start, potential, elements)
        head = start.new_head or (TARGET if has_replay and source_head == foundation.head else str(foundation.head))
        if head != foundation.head:
            potential = add_head(potential, head, like=str(foundation.head))
    except WiringError as error:
        raise ConfigError(f"start: {error}") from error
    if config.e0 == "isolated":
        potential = _pin_e0(potential)
    if has_replay and head == source_head:
        raise ConfigError(f"start.new_head: {head!r} is the head of the replayed structures; choose another name")
    potential.head = None
    return StartingPotential(potential, head, source_head, foundation)


def _pin_e0(potential: Potential) -> Potential:
    """Return the potential with energies of exactly E0 for isolated atoms."""
    try:
        return pin_isolated(potential)
    except WiringError as error:
        raise ConfigError(f"e0: isolated: {error}; give e0 by element, or set e0: estimate") from error


def _edit_elements(start: StartSection, potential: Potential, elements: Sequence[str]) -> Potential:
    """Return the potential with added, restarted and removed elements of the section ``start``."""
    unknown = [symbol for symbol in elements if symbol not in potential.elements]
    missing = [symbol for symbol in unknown if symbol not in start.new_elements]
    if missing:
        like = potential.elements[0]
        raise ConfigError(
            f"the data contain {', '.join(missing)}, which the starting potential does not have (its elements are "
            f"{', '.join(potential.elements)}); remove such structures, or choose the element whose weights are copied: "
            f"start.new_elements: {{{missing[0]}: {like}}}"
        )
    unused = [symbol for symbol in start.new_elements if symbol not in elements]
    if unused:
        raise ConfigError(f"start.new_elements: no structure contains {', '.join(unused)}; remove the unused elements")
    added = {symbol: like for symbol, like in start.new_elements.items() if symbol in unknown}
    restarted = {symbol: like for symbol, like in start.new_elements.items() if symbol not in unknown}
    if restarted:
        potential = restart_elements(potential, restarted)
    if added:
        potential = add_elements(potential, added)
    if start.keep_elements == "data":
        kept_elements = [symbol for symbol in potential.elements if symbol in elements]
    elif start.keep_elements == "all":
        return potential
    else:
        kept_elements = list(start.keep_elements)
        lacking = [symbol for symbol in elements if symbol not in kept_elements]
        if lacking:
            raise ConfigError(f"start.keep_elements lacks {', '.join(lacking)}, which the data contain")
    return potential if kept_elements == potential.elements else keep_elements(potential, kept_elements)


def _choose_head(head: str | None, heads: Sequence[str], key: str) -> str:
    """Return the chosen head, or the only head if none is chosen; ConfigError if the choice is missing or unknown.

    Args:
        head: The value of the key in the configuration.
        heads: Heads of the starting potential.
        key: The key, for messages.
    """
    if head is None and len(heads) == 1:
        return heads[0]
    if head is None:
        raise ConfigError(f"{key}: the starting potential has the heads {', '.join(heads)}; choose one of them")
    if head not in heads:
        hint = nearest(head, heads)
        head_list = "" if "known are" in hint else f"; it has {', '.join(heads)}"
        raise ConfigError(f"{key}: the starting potential has no head {head!r}{hint}{head_list}")
    return head


def describe_origin(origin: dict[str, Any]) -> str:
    """Return the origin of the potential in a line of text."""
    digest = str(origin.get("sha256") or "")[:12]
    return f"starting from {origin['file']}" + (f" (SHA-256 {digest}…)" if digest else "")
