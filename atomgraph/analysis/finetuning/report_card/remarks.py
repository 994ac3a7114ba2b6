"""Remarks of the report card: settings without effect, changes of weights, larger errors, and false minima of dimers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.report_card.dimers import DimerCurve
from atomgraph.analysis.finetuning.report_card.error_change import mae_ratio
from atomgraph.analysis.finetuning.report_card.nve import NVEResult
from atomgraph.analysis.finetuning.report_card.retention import Retention
from atomgraph.analysis.finetuning.report_card.weight_change import WeightChange
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

ROUNDING = 1e-9  # smaller relative changes of weights are rounding errors
FORGETTING_RATIO = 1.3  # smallest ratio of force errors on the source, after and before, for a remark
MIN_E0_SHIFT = 1e-4  # eV; smaller shifts have no effect
# largest averaging time of weights, relative to the run; longer averages contain the initial weights
MAX_AVERAGED_FRACTION = 0.5


@with_old_arguments
@dataclass(frozen=True)
class CheckedSettings:
    """Settings of fine-tuning whose effect is checked.

    Attributes:
        frozen: Names of groups and layers whose weights are not trained.
        lr_factors: Factors of the learning rate, by name of the group or layer.
        ema: Decay of the exponential moving average of weights; None without an average.
        n_steps: Number of optimizer steps; 0 for fits in closed form.
        max_e0_shift: Largest shift of E0, eV; None if E0 is not estimated.
        replay_head: Name of the head for replay; None without replay.
        trains_few_weights: Whether the method trains only some weights of each trained group; groups without changes are
            then no error.
    """

    frozen: Sequence[str] = ()
    lr_factors: Mapping[str, float] = field(default_factory=dict)
    ema: float | None = None
    n_steps: int = 0
    max_e0_shift: float | None = None
    replay_head: str | None = None
    trains_few_weights: bool = False

    e0 = OldAttribute("max_e0_shift")
    partial = OldAttribute("trains_few_weights")
    rates = OldAttribute("lr_factors")
    replay = OldAttribute("replay_head")


@with_old_arguments
def weight_remarks(changes: Sequence[WeightChange], checked_settings: CheckedSettings) -> list[str]:
    """Return remarks on trained groups without changes, and on frozen groups with changes."""
    remarks = []
    if all(change.relative < ROUNDING for change in changes):
        remarks.append("no weight changed: the learning rate is too small, the run too short, or no epoch was better")
        return remarks
    for change in changes:
        is_frozen = not {change.group, change.layer, change.name}.isdisjoint(checked_settings.frozen)
        if is_frozen and change.changed:
            remarks.append(f"{change.name} is frozen, but {change.changed} of its {change.count} weights changed")
        elif not is_frozen and not change.changed and not checked_settings.trains_few_weights:
            remarks.append(f"{change.name} was to be trained, but none of its {change.count} weights changed")
    names = _group_names(changes)
    changed_names = _group_names([change for change in changes if change.changed])
    remarks += [
        f"lr_factors.{name} changed nothing: no weight of {name} changed"
        for name in checked_settings.lr_factors
        if name in names and name not in changed_names
    ]
    return remarks


def _group_names(changes: Sequence[WeightChange]) -> set[str]:
    """Return the names of groups, layers, and groups in layers."""
    return {name for change in changes for name in (change.group, change.layer, change.name) if name}


@with_old_arguments
def settings_remarks(checked_settings: CheckedSettings, retention: Retention | None) -> list[str]:
    """Return remarks on settings without effect: estimated E0, average of weights, replay."""
    remarks = []
    if checked_settings.max_e0_shift is not None and checked_settings.max_e0_shift < MIN_E0_SHIFT:
        remarks.append("e0: estimate changed nothing: the labels have the starting model's E0")
    if checked_settings.ema and checked_settings.n_steps:
        averaging_steps = 1.0 / (1.0 - checked_settings.ema)
        if averaging_steps > MAX_AVERAGED_FRACTION * checked_settings.n_steps:
            remarks.append(
                f"fit.ema {checked_settings.ema:g} averages over about {averaging_steps:.0f} steps, and the run has "
                f"{checked_settings.n_steps}: the averaged weights still contain the initial weights"
            )
    if (
        checked_settings.replay_head is not None
        and retention is not None
        and max(retention.prediction_change.values()) == 0
    ):
        remarks.append(f"replay changed nothing: predictions of the head {checked_settings.replay_head} are unchanged")
    return remarks


def outcome_remarks(
    target: Mapping[str, tuple[Comparison, Comparison]],
    retention: Retention | None,
    curves: Sequence[DimerCurve],
    nve_results: Mapping[str, NVEResult],
) -> list[str]:
    """Return remarks on larger errors, forgetting, false minima of dimers at short distance and unstable dynamics.

    Args:
        target: Comparisons before and after fine-tuning, by part of the target data.
        retention: Errors on structures like the training data of the starting potential (source); None if not measured.
        curves: Energy curves of dimers.
        nve_results: Runs at constant energy, by ``before`` and ``after``.
    """
    remarks = []
    for part, (before, after) in target.items():
        for name in before.samples:
            ratio = mae_ratio(before, after, name)
            if ratio is not None and ratio > 1.0:
                remarks.append(f"{name} of {part} got worse: {ratio:.2f} times the error before")
    if retention is None:
        remarks.append("forgetting is not measured: set structures of the source in card.probe")
    elif retention.force_ratio is not None and retention.force_ratio > FORGETTING_RATIO:
        remarks.append(
            f"errors on the source increased: force errors are {retention.force_ratio:.2f} times those before"
        )
    pairs = [curve.name for curve in curves if curve.has_hole[1] and not curve.has_hole[0]]
    if pairs:
        remarks.append(
            f"{', '.join(pairs)} {'falls' if len(pairs) == 1 else 'fall'} into the core since training: "
            f"add structures with short distances"
        )
    unstable = {name: isnan(result.drift) for name, result in nve_results.items()}
    if unstable.get("after") and not unstable.get("before"):
        remarks.append("a short run at constant energy is unstable after fine-tuning, but was stable before")
    return remarks


__getattr__ = old_names_of(__name__)
