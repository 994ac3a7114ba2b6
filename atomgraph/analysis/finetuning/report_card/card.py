"""Report card of fine-tuning: comparison of a potential before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import torch

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.finetuning.report_card.copy_with_head import copy_with_head
from atomgraph.analysis.finetuning.report_card.crystal_curves import (
    CrystalCurves,
    choose_crystal,
    compute_crystal_curves,
)
from atomgraph.analysis.finetuning.report_card.dimers import DimerCurve, dimer_curves, dimer_pictures, dimer_table
from atomgraph.analysis.finetuning.report_card.error_change import error_change_json, error_change_table, mae
from atomgraph.analysis.finetuning.report_card.isolated_atoms import (
    IsolatedAtom,
    compare_isolated_atoms,
    isolated_atom_table,
)
from atomgraph.analysis.finetuning.report_card.nve import (
    N_STEPS,
    NVEResult,
    choose_nve_structure,
    compare_nve,
    nve_table,
)
from atomgraph.analysis.finetuning.report_card.remarks import (
    CheckedSettings,
    outcome_remarks,
    settings_remarks,
    weight_remarks,
)
from atomgraph.analysis.finetuning.report_card.retention import Retention, measure_retention
from atomgraph.analysis.finetuning.report_card.weight_change import WeightChange, weight_change_table, weight_changes
from atomgraph.analysis.report.page import Block, Gallery, Picture, Section, Text
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.data.frame_names import elements_in, format_count
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.old_names import OldAttribute, with_old_arguments
from atomgraph.potential import Potential


@dataclass(frozen=True, eq=False)
class ReportCard:
    """Measurements before and after fine-tuning.

    Attributes:
        target: Comparisons with target labels before and after fine-tuning, by part of the data.
        retention: Errors on the source, that is, on structures like the training data of the starting potential; None if not
            measured.
        isolated_atoms: Energies of isolated atoms.
        dimers: Energy curves of dimers.
        target_elements: Chemical symbols in the target data.
        crystal: Equations of state of a crystal; None if the target data have no suitable crystal.
        weight_changes: Changes of the weights.
        nve_results: Runs at constant energy, by ``before`` and ``after``; empty if not measured.
        nve_structure: Structure of the runs at constant energy; None if not measured.
        remarks: The most important observations, in words.
    """

    target: dict[str, tuple[Comparison, Comparison]]
    retention: Retention | None
    isolated_atoms: list[IsolatedAtom]
    dimers: list[DimerCurve]
    target_elements: list[str]
    crystal: CrystalCurves | None
    weight_changes: list[WeightChange]
    nve_results: dict[str, NVEResult]
    nve_structure: ase.Atoms | None
    remarks: list[str]

    retained = OldAttribute("retention")
    atoms = OldAttribute("isolated_atoms")
    curves = OldAttribute("dimers")
    of_target = OldAttribute("target_elements")
    weights = OldAttribute("weight_changes")
    motion = OldAttribute("nve_results")
    mover = OldAttribute("nve_structure")

    def table(self) -> Table:
        """Return a short table: one row per measurement, with values before and after, and their ratio."""
        columns = [Column("report card", is_text=True), *(Column(name) for name in ("before", "after", "ratio"))]
        rows = self._error_rows()
        if self.dimers:
            largest = max(self.dimers, key=lambda curve: curve.change)
            rows.append([f"dimers, change of {largest.name} (eV)", "", format_number(largest.change), ""])
            n_holes = [str(sum(curve.has_hole[k] for curve in self.dimers)) for k in (0, 1)]
            rows.append([f"false minima at short distance, of {format_count(len(self.dimers), 'dimer')}", *n_holes, ""])
        if self.crystal is not None:
            fits = (self.crystal.before, self.crystal.after)
            moduli = [format_number(fit.bulk_modulus) if fit else "no minimum" for fit in fits]
            rows.append([f"bulk modulus of {self.crystal.formula} (GPa)", *moduli, ""])
        if self.nve_results:
            drifts = [format_number(self.nve_results[name].drift) for name in ("before", "after")]
            rows.append(["NVE drift (meV/atom/ps)", *drifts, ""])
        return Table(columns, rows, note=" ".join(f"• {remark}." for remark in self.remarks))

    def section(self) -> Section:
        """Return the section of the report."""
        blocks: list[Block] = [Text(f"• {remark}.", "note") for remark in self.remarks]
        blocks += [error_change_table(*pair, f"Target, {part}") for part, pair in self.target.items()]
        if self.retention is not None:
            blocks += self.retention.blocks()
        blocks += [weight_change_table(self.weight_changes), isolated_atom_table(self.isolated_atoms)]
        blocks += [dimer_table(self.dimers), dimer_pictures(self.dimers, self.target_elements)]
        if self.crystal is not None:
            blocks += [self.crystal.table(), Gallery([Picture(self.crystal.figure(), "card-equation-of-state")])]
        if self.nve_structure is not None:
            blocks.append(nve_table(self.nve_results, self.nve_structure))
        return Section("Report card", blocks, "Comparison of the potential with the starting model.")

    def to_json(self) -> dict[str, Any]:
        """Return all measurements and curves as JSON values."""
        return {
            "target": {part: error_change_json(*pair) for part, pair in self.target.items()},
            "retention": None if self.retention is None else self.retention.to_json(),
            "atoms": [atom.to_json() for atom in self.isolated_atoms],
            "dimers": [curve.to_json() for curve in self.dimers],
            "equation_of_state": None if self.crystal is None else self.crystal.to_json(),
            "weights": [change.to_json() for change in self.weight_changes],
            "motion": {name: result.to_json() for name, result in self.nve_results.items()},
            "remarks": self.remarks,
        }

    def _error_rows(self) -> list[list[str]]:
        """Return the rows of MAE by part of the data and quantity."""
        rows: list[list[str]] = []
        pairs = dict(self.target)
        if self.retention is not None and self.retention.before is not None and self.retention.after is not None:
            pairs["source"] = (self.retention.before, self.retention.after)
        for part, (before, after) in pairs.items():
            for q in QUANTITIES.values():
                mae_before, mae_after = mae(before, q.name), mae(after, q.name)
                if mae_before is not None and mae_after is not None:
                    ratio = format_number(mae_after / mae_before) if mae_before else ""
                    rows.append(
                        [f"{part}, {q.name} ({q.unit})", format_number(mae_before), format_number(mae_after), ratio]
                    )
        return rows


@with_old_arguments
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
    checked_settings: CheckedSettings | None = None,
    all_dimers: bool = True,
    steps: int = N_STEPS,
    device: torch.device | str = "cpu",
) -> ReportCard:
    """Compare a potential before and after fine-tuning.

    Args:
        start: Potential before the first step of training, with the E0 of the run.
        tuned: Potential after fine-tuning, with the same architecture.
        target: Labelled structures by part of the data (``valid``, ``test``).
        head: Name of the head that was trained on the target.
        source_head: Name of the head for structures of the source; the trained head if None.
        source_e0: E0 of the labels of the source, by chemical symbol, eV; E0 of ``start`` if None.
        probe: Structures of the source (structures like the training data of the starting potential), with or without labels.
        probe_name: Name of these structures in the report.
        comparisons: Comparisons of ``tuned`` with target labels that are already computed, by part of the data.
        checked_settings: Settings of the run whose effects are checked; None for no checks.
        all_dimers: Whether dimers of all elements of the potential are computed, or only those of the target's elements.
        steps: Number of steps of each run at constant energy; 0 for no run.
        device: Device of the evaluation.
    """
    checked_settings = checked_settings or CheckedSettings()
    before, after = (copy_with_head(potential, head).to(device) for potential in (start, tuned))
    pairs = _target_comparisons(before, after, target, comparisons or {})
    retention = None
    if probe:
        retention = _source_retention(start, tuned, probe, probe_name, source_head or head, source_e0, device)
    frames = [atoms for part in target.values() for atoms in part]
    target_elements = elements_in(frames)
    dimers = dimer_curves(before, after, after.elements if all_dimers else target_elements)
    crystal = choose_crystal(frames)
    nve_structure = choose_nve_structure(frames) if steps else None
    nve_results = compare_nve(before, after, nve_structure, steps) if nve_structure is not None else {}
    changes = weight_changes(start, tuned)
    remarks = weight_remarks(changes, checked_settings) + settings_remarks(checked_settings, retention)
    return ReportCard(
        target=pairs,
        retention=retention,
        isolated_atoms=compare_isolated_atoms(before, after, after.elements),
        dimers=dimers,
        target_elements=target_elements,
        crystal=None if crystal is None else compute_crystal_curves(before, after, crystal),
        weight_changes=changes,
        nve_results=nve_results,
        nve_structure=nve_structure,
        remarks=remarks + outcome_remarks(pairs, retention, dimers, nve_results),
    )


def _source_retention(
    start: Potential,
    tuned: Potential,
    probe: Sequence[ase.Atoms],
    probe_name: str,
    head: str,
    e0: Mapping[str, float] | None,
    device: torch.device | str,
) -> Retention:
    """Measure retention with the head and E0 of the source; E0 is that of ``start`` if ``e0`` is None."""
    e0 = e0 or start.model.baseline.e0_of(head)
    before, after = (copy_with_head(potential, head, e0).to(device) for potential in (start, tuned))
    return measure_retention(before, after, probe, probe_name)


def _target_comparisons(
    before: Potential,
    after: Potential,
    target: Mapping[str, Sequence[ase.Atoms]],
    comparisons: Mapping[str, Comparison],
) -> dict[str, tuple[Comparison, Comparison]]:
    """Compare both potentials with target labels, by part of the data.

    Args:
        before: Potential before fine-tuning.
        after: Potential after fine-tuning.
        target: Labelled structures by part of the data.
        comparisons: Comparisons of ``after`` that are already computed, by part of the data.
    """
    return {
        part: (compare(before, frames), comparisons.get(part) or compare(after, frames))
        for part, frames in target.items()
        if frames
    }
