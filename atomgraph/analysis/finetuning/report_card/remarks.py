"""What a reader of the card must not miss: switches that changed nothing, weights that should not have moved, holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.report_card.dimers import Dimer
from atomgraph.analysis.finetuning.report_card.error_change import mae_ratio
from atomgraph.analysis.finetuning.report_card.nve import Motion
from atomgraph.analysis.finetuning.report_card.retention import Retention
from atomgraph.analysis.finetuning.report_card.weight_change import Moved

NOTHING = 1e-9  # a relative change that rounding makes
FORGOTTEN = 1.3  # times the error before
E0_STAYED = 1e-4  # eV
AVERAGES = 0.5  # of a run: an average of weights that reaches back further holds the start still


@dataclass(frozen=True)
class Switches:
    """What was switched on: words for groups that stay frozen, factors of rates, the decay of the average, and so on.

    trained: whether weights are trained by gradient over ``n_steps``.  e0: largest shift that was made, eV; None: none wanted.

    Attributes:
        replay: Head that replays; None: no replay.
        partial: A method that trains some weights of a group and leaves others.
    """

    frozen: Sequence[str] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    ema: float | None = None
    n_steps: int = 0
    e0: float | None = None
    replay: str | None = None
    partial: bool = False


def about_weights(changes: Sequence[Moved], switches: Switches) -> list[str]:
    """Groups that should have moved and did not, or moved and should not have."""
    remarks = []
    if all(change.relative < NOTHING for change in changes):
        remarks.append("no weight changed: the rate is too small, the run too short, or the best epoch is the start")
        return remarks
    for change in changes:
        named = {change.group, change.layer, change.name}
        is_frozen = bool(named & set(switches.frozen))
        if is_frozen and change.changed:
            remarks.append(f"{change.name} is frozen, but {change.changed} of its {change.count} numbers changed")
        elif not is_frozen and not change.changed and not switches.partial:
            remarks.append(f"{change.name} was to be trained, but none of its {change.count} numbers changed")
    known = {word for change in changes for word in (change.group, change.layer, change.name) if word}
    moved = {w for c in changes if c.changed for w in (c.group, c.layer, c.name) if w}
    remarks += [
        f"lr_factors.{word} changed nothing: no weight of {word} moved"
        for word in switches.rates
        if word in known and word not in moved
    ]
    return remarks


def about_switches(switches: Switches, retained: Retention | None) -> list[str]:
    """Switches without an effect."""
    remarks = []
    if switches.e0 is not None and switches.e0 < E0_STAYED:
        remarks.append("e0: estimate changed nothing: the labels have the starting model's E0")
    if switches.ema and switches.n_steps and 1.0 / (1.0 - switches.ema) > AVERAGES * switches.n_steps:
        reach = 1.0 / (1.0 - switches.ema)
        remarks.append(
            f"fit.ema {switches.ema:g} averages over about {reach:.0f} steps, and the run has {switches.n_steps}: the weights "
            f"that are kept are still partly those of the start"
        )
    if switches.replay is not None and retained is not None and max(retained.by_itself.values()) == 0:
        remarks.append(f"replay changed nothing: the head {switches.replay} predicts what it did")
    return remarks


def about_outcome(
    target: Mapping[str, tuple[Comparison, Comparison]],
    retained: Retention | None,
    curves: Sequence[Dimer],
    motion: Mapping[str, Motion],
) -> list[str]:
    """What got worse."""
    remarks = []
    for part, (before, after) in target.items():
        for name in before.samples:
            ratio = mae_ratio(before, after, name)
            if ratio is not None and ratio > 1.0:
                remarks.append(f"{name} of {part} got worse: {ratio:.2f} times the error before")
    if retained is None:
        remarks.append("what was forgotten is not measured: name structures of the source (card.probe)")
    elif retained.force_ratio is not None and retained.force_ratio > FORGOTTEN:
        remarks.append(f"the source is forgotten: force errors on it are {retained.force_ratio:.2f} times those before")
    new = [curve.name for curve in curves if curve.holes[1] and not curve.holes[0]]
    if new:
        remarks.append(
            f"{', '.join(new)} {'falls' if len(new) == 1 else 'fall'} into the core since training: add close pairs"
        )
    lost = {name: run.drift != run.drift for name, run in motion.items()}
    if lost.get("after") and not lost.get("before"):
        remarks.append("atoms fly apart in a short run at constant energy, and did not before")
    return remarks
