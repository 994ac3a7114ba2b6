"""The starting potential of fine-tuning: loading, choice of the head, editing of elements and heads, record of origin."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atomgraph import formats
from atomgraph.config.finetune_schema import FinetuneConfig, Start
from atomgraph.editing import add_elements, add_head, keep_elements, pin_isolated, restart_elements
from atomgraph.errors import ConfigError, WiringError, nearest
from atomgraph.loading import load, resolve_path
from atomgraph.potential import Potential

COPIED = ("licence", "cite", "public_model", "precision")
RECORDED = (*COPIED, "origin", "edits", "data", "e0_origin", "metrics", "created", "versions")
TARGET = "target"


@dataclass(frozen=True, eq=False)
class StartingPotential:
    """The edited potential, its trained head, the head of replayed data, and the potential before editing."""

    potential: Potential
    head: str
    source: str
    foundation: Potential


def load_start(start: Start) -> Potential:
    """Load the starting potential, choose its head and record ``origin`` (file, SHA-256, licence) in its metadata.

    Raises:
        ConfigError: If the head is missing or unknown.
    """
    path, _ = resolve_path(start.model)
    path = formats.find(path)
    potential = load(start.model, elements=start.elements, units=start.units)
    potential.head = _chosen(start.head, potential.heads, "start.head")
    record = {name: potential.metadata[name] for name in RECORDED if name in potential.metadata}
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    origin = record | {"file": path.name, "sha256": digest, "head": potential.head}
    copied = {name: potential.metadata[name] for name in COPIED if name in potential.metadata}
    potential.metadata = {"origin": origin, **copied}
    potential.model.posterior = None  # its weights will change
    return potential


def known_elements(start: Start, foundation: Potential) -> list[str]:
    """Elements of the starting potential, and those that are added."""
    return list(dict.fromkeys([*foundation.elements, *start.new_elements]))


def prepare_start(
    config: FinetuneConfig, foundation: Potential, elements: Sequence[str], replay: bool
) -> StartingPotential:
    """Give the starting potential the elements and heads of the run. Predictions change for restarted elements only.

    Args:
        config: The configuration.
        foundation: The loaded potential.
        elements: Elements of target and replay.
        replay: Whether there are replayed structures.

    Raises:
        ConfigError: For unknown elements that do not start from a known one.
    """
    start, potential = config.start, foundation
    source = str(foundation.head)
    if replay and config.replay is not None:
        source = _chosen(config.replay.head or source, foundation.heads, "replay.head")
    unknown = [symbol for symbol in start.new_elements if symbol not in foundation.elements]
    if unknown and config.e0 == "foundation":
        raise ConfigError(
            f"e0: foundation has no E0 of {', '.join(unknown)}, which the starting potential does not know; "
            f"estimate it, or give it by hand"
        )
    try:
        potential = _with_elements(start, potential, elements)
        head = start.new_head or (TARGET if replay and source == foundation.head else str(foundation.head))
        if head != foundation.head:
            potential = add_head(potential, head, like=str(foundation.head))
    except WiringError as error:
        raise ConfigError(f"start: {error}") from error
    if config.e0 == "isolated":
        potential = _with_pinned_e0(potential)
    if replay and head == source:
        raise ConfigError(f"start.new_head: {head!r} is the head that replays; give the target another name")
    potential.head = None
    return StartingPotential(potential, head, source, foundation)


def _with_pinned_e0(potential: Potential) -> Potential:
    try:
        return pin_isolated(potential)
    except WiringError as error:
        raise ConfigError(f"e0: isolated: {error}; give e0 by element, or set e0: estimate") from error


def _with_elements(start: Start, potential: Potential, elements: Sequence[str]) -> Potential:
    unknown = [symbol for symbol in elements if symbol not in potential.elements]
    missing = [symbol for symbol in unknown if symbol not in start.new_elements]
    if missing:
        like = potential.elements[0]
        raise ConfigError(
            f"the data hold {', '.join(missing)}, which the starting potential does not know (it knows "
            f"{', '.join(potential.elements)}); drop such structures, or say which element's weights each begins with: "
            f"start.new_elements: {{{missing[0]}: {like}}}"
        )
    idle = [symbol for symbol in start.new_elements if symbol not in elements]
    if idle:
        raise ConfigError(f"start.new_elements: no structure holds {', '.join(idle)}; leave it out")
    new = {symbol: like for symbol, like in start.new_elements.items() if symbol in unknown}
    restarted = {symbol: like for symbol, like in start.new_elements.items() if symbol not in unknown}
    if restarted:
        potential = restart_elements(potential, restarted)
    if new:
        potential = add_elements(potential, new)
    if start.keep_elements == "data":
        kept = [symbol for symbol in potential.elements if symbol in elements]
    elif start.keep_elements == "all":
        return potential
    else:
        kept = list(start.keep_elements)
        lost = [symbol for symbol in elements if symbol not in kept]
        if lost:
            raise ConfigError(f"start.keep_elements lacks {', '.join(lost)}, which the data hold")
    return potential if kept == potential.elements else keep_elements(potential, kept)


def _chosen(head: str | None, heads: Sequence[str], key: str) -> str:
    if head is None and len(heads) == 1:
        return heads[0]
    if head is None:
        raise ConfigError(f"{key}: the starting potential has the heads {', '.join(heads)}; say which one is trained")
    if head not in heads:
        hint = nearest(head, heads)
        rest = "" if "known are" in hint else f"; it has {', '.join(heads)}"
        raise ConfigError(f"{key}: the starting potential has no head {head!r}{hint}{rest}")
    return head


def describe_origin(origin: dict[str, Any]) -> str:
    """The origin of the potential, in a line."""
    digest = str(origin.get("sha256") or "")[:12]
    return f"starting from {origin['file']}" + (f" (SHA-256 {digest}…)" if digest else "")
