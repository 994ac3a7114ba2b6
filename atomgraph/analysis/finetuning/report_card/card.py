"""The report card of a fine-tuning run: what was gained, what was lost, and what a switch did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import torch

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.finetuning.report_card.before_after import with_head
from atomgraph.analysis.finetuning.report_card.crystal import CrystalCurves, crystal_curves, crystal_of
from atomgraph.analysis.finetuning.report_card.dimers import Dimer, dimer_pictures, dimer_table, dimers
from atomgraph.analysis.finetuning.report_card.error_change import change_json, change_table, mae
from atomgraph.analysis.finetuning.report_card.isolated_atoms import FreeAtom, atom_table, free_atoms
from atomgraph.analysis.finetuning.report_card.nve import STEPS, Motion, motion_table, motions, mover_of
from atomgraph.analysis.finetuning.report_card.remarks import Switches, about_outcome, about_switches, about_weights
from atomgraph.analysis.finetuning.report_card.retention import Retention, retention
from atomgraph.analysis.finetuning.report_card.weight_change import Moved, moved, moved_table
from atomgraph.analysis.report.page import Block, Gallery, Picture, Section, Text
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.data.frame_names import elements_in, format_count
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.potential import Potential


@dataclass(frozen=True, eq=False)
class Card:
    """Everything measured; parts that could not be are None or empty, and ``remarks`` say what must not be missed."""

    target: dict[str, tuple[Comparison, Comparison]]
    retained: Retention | None
    atoms: list[FreeAtom]
    curves: list[Dimer]
    of_target: list[str]
    crystal: CrystalCurves | None
    weights: list[Moved]
    motion: dict[str, Motion]
    mover: ase.Atoms | None
    remarks: list[str]

    def table(self) -> Table:
        """The card in short: a row a measure, before, after and their quotient."""
        columns = [Column("report card", words=True), *(Column(name) for name in ("before", "after", "ratio"))]
        rows: list[list[str]] = []
        pairs = dict(self.target)
        if self.retained is not None and self.retained.before is not None and self.retained.after is not None:
            pairs["source"] = (self.retained.before, self.retained.after)
        for part, (before, after) in pairs.items():
            for q in QUANTITIES.values():
                old, new = mae(before, q.name), mae(after, q.name)
                if old is not None and new is not None:
                    rows.append(
                        [
                            f"{part}, {q.name} ({q.unit})",
                            format_number(old),
                            format_number(new),
                            format_number(new / old) if old else "",
                        ]
                    )
        if self.curves:
            worst = max(self.curves, key=lambda curve: curve.change)
            rows.append([f"dimers, change of {worst.name} (eV)", "", format_number(worst.change), ""])
            holes = [sum(curve.holes[k] for curve in self.curves) for k in (0, 1)]
            rows.append([f"holes in the core, of {format_count(len(self.curves), 'dimer')}", *map(str, holes), ""])
        if self.crystal is not None:
            curves = (self.crystal.before, self.crystal.after)
            name = f"bulk modulus of {self.crystal.formula} (GPa)"
            rows.append([name, *(format_number(fit.bulk_modulus) if fit else "no minimum" for fit in curves), ""])
        if self.motion:
            drifts = [format_number(self.motion[name].drift) for name in ("before", "after")]
            rows.append(["NVE drift (meV/atom/ps)", *drifts, ""])
        return Table(columns, rows, note=" ".join(f"• {remark}." for remark in self.remarks))

    def section(self) -> Section:
        """The page's part."""
        blocks: list[Block] = [Text(f"• {remark}.", "note") for remark in self.remarks]
        blocks += [change_table(*two, f"Target, {part}") for part, two in self.target.items()]
        if self.retained is not None:
            blocks += self.retained.blocks()
        blocks += [moved_table(self.weights), atom_table(self.atoms)]
        blocks += [dimer_table(self.curves), dimer_pictures(self.curves, self.of_target)]
        if self.crystal is not None:
            blocks += [self.crystal.table(), Gallery([Picture(self.crystal.figure(), "card-equation-of-state")])]
        if self.mover is not None:
            blocks.append(motion_table(self.motion, self.mover))
        return Section("Report card", blocks, "What fine-tuning gained and what it cost, against the starting model.")

    def to_json(self) -> dict[str, Any]:
        """JSON values, every curve included."""
        return {
            "target": {part: change_json(*two) for part, two in self.target.items()},
            "retention": None if self.retained is None else self.retained.to_json(),
            "atoms": [atom.to_json() for atom in self.atoms],
            "dimers": [curve.to_json() for curve in self.curves],
            "equation_of_state": None if self.crystal is None else self.crystal.to_json(),
            "weights": [change.to_json() for change in self.weights],
            "motion": {name: motion.to_json() for name, motion in self.motion.items()},
            "remarks": self.remarks,
        }


def report_card(
    start: Potential,
    tuned: Potential,
    target: Mapping[str, Sequence[ase.Atoms]],
    *,
    head: str,
    source_head: str | None = None,
    source_e0: Mapping[str, float] | None = None,
    probe: Sequence[ase.Atoms] = (),
    probe_name: str = "the probe",
    comparisons: Mapping[str, Comparison] | None = None,
    switches: Switches | None = None,
    all_dimers: bool = True,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
) -> Card:
    """Compare a potential after fine-tuning with what it was when that began.

    Args:
        start, tuned: Of one architecture; start as it was before the first step, with its E0 set.
        target: Labelled structures by part (``valid``, ``test``).
        head, source_head: Trained on the target; used for the source (the trained head if None).
        source_e0: E0 that the source's labels have, eV: that of the untouched starting model.
        probe: Structures of the source, labelled or not.
        comparisons: Of ``tuned`` with the target, where they are made already.
        all_dimers: Curves of all elements that the potentials know, else of the target's.
        steps: Of the run at constant energy, before and after; 0: none.
    """
    switches = switches or Switches()
    source_head = source_head or head
    before, after = (with_head(potential, head).to(device) for potential in (start, tuned))
    pairs = _target_comparisons(before, after, target, comparisons or {})
    retained = None
    if probe:
        e0 = source_e0 or start.model.baseline.e0_of(source_head)
        old, new = (with_head(potential, source_head, e0).to(device) for potential in (start, tuned))
        retained = retention(old, new, probe, probe_name)
    frames = [atoms for part in target.values() for atoms in part]
    of_target = elements_in(frames)
    curves = dimers(before, after, after.elements if all_dimers else of_target)
    crystal, mover = crystal_of(frames), mover_of(frames) if steps else None
    motion = motions(before, after, mover, steps) if mover is not None else {}
    changes = moved(start, tuned)
    remarks = [
        *about_weights(changes, switches),
        *about_switches(switches, retained),
        *about_outcome(pairs, retained, curves, motion),
    ]
    return Card(
        target=pairs,
        retained=retained,
        atoms=free_atoms(before, after, after.elements),
        curves=curves,
        of_target=of_target,
        crystal=crystal_curves(before, after, crystal) if crystal is not None else None,
        weights=changes,
        motion=motion,
        mover=mover,
        remarks=remarks,
    )


def _target_comparisons(
    before: Potential,
    after: Potential,
    target: Mapping[str, Sequence[ase.Atoms]],
    known: Mapping[str, Comparison],
) -> dict[str, tuple[Comparison, Comparison]]:
    """Comparisons with the target by part, before and after fine-tuning; those of ``known`` are not computed again."""
    return {
        part: (compare(before, frames), known.get(part) or compare(after, frames))
        for part, frames in target.items()
        if frames
    }
