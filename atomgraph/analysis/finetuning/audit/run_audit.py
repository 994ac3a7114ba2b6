"""Audit of training data before fine-tuning: labels are compared with predictions of the starting model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase

from atomgraph.analysis.finetuning.audit.agreement import Agreement
from atomgraph.analysis.finetuning.audit.isolated_energies import e0_findings, rank_findings
from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.analysis.finetuning.audit.magnitudes import magnitude_findings
from atomgraph.analysis.finetuning.audit.sign_errors import sign_findings
from atomgraph.analysis.finetuning.audit.starting_model import head_findings, start_findings
from atomgraph.analysis.finetuning.audit.unit_errors import unit_findings
from atomgraph.analysis.report.page import Block, Facts, Section
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.data.checks.consistency import placeholders, stress_against_volume, work_against_energy
from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.outliers import energy_outliers
from atomgraph.data.e0_shift import EnergyShift
from atomgraph.errors import ConfigError, DataError, nearest
from atomgraph.old_names import OldAttribute, with_old_arguments
from atomgraph.potential import Potential

NAMES = (
    "e0", "rank", "head", "start", "magnitude",
    "energy unit", "forces unit", "stress unit", "energy sign", "forces sign", "stress sign",
    "placeholder", "stress", "forces", "energy outlier",
)  # fmt: skip
"""Names of the findings of an audit, for ``audit.ignore``. In the order of the list:

E0 is wrong; E0 is not determined by the data (the matrix of compositions has too low a rank); the head; the starting model;
magnitudes; units and signs by label; placeholder labels; stress contradicts the volume dependence of energies; forces
contradict energies; energy outliers.
"""


@dataclass(frozen=True, eq=False)
class Audit:
    """Result of an audit.

    Attributes:
        head: Name of the head that is trained.
        shift: Difference of labelled and predicted energies per element; None without labelled energies.
        agreements: Agreement of labels and predictions, by quantity.
        findings: Findings, the most severe first.
    """

    head: str
    shift: EnergyShift | None
    agreements: dict[str, Agreement]
    findings: list[Finding]

    stop = OldAttribute("raise_errors")

    def table(self) -> Table:
        """Return a table of the findings: severity, name, message and advice."""
        columns = [Column(name, is_text=True) for name in ("", "finding", "message", "advice")]
        rows = [[f.severity, f.check, f.message, f.advice] for f in self.findings]
        return Table(columns, rows, title="Audit before training")

    def describe(self) -> str:
        """Return shift, agreements and findings as lines of text."""
        lines = [f"audit: E0 shift: {self.shift.describe()}"] if self.shift is not None else []
        lines += [f"audit: {name}: {agreement.describe()}" for name, agreement in self.agreements.items()]
        return "\n".join(
            [*lines, *(f"audit: {f.severity}: {f.check}: {f.message} → {f.advice}" for f in self.findings)]
        )

    def section(self) -> Section:
        """Return the section of the report: agreement by quantity, shift by element, findings."""
        shift = self.shift
        columns = [Column("labels", is_text=True), Column("structures"), Column("correlation")]
        columns += [Column("labels / predictions"), Column("regression coefficient")]
        rows = [
            [
                name,
                str(agreement.n_structures),
                _with_interval(agreement.correlation, agreement.correlation_interval),
                _with_interval(agreement.ratio, agreement.ratio_interval),
                format_number(agreement.coefficient),
            ]
            for name, agreement in self.agreements.items()
        ]
        blocks: list[Block] = [
            Table(columns, rows, note="Outliers are omitted or clipped; intervals contain 95 % of bootstrap samples.")
        ]
        if shift is not None:
            errors = dict(zip(shift.elements, shift.error.tolist(), strict=True))
            cells = [
                [s, f"{v:+.6f}", format_number(errors[s]) if s in shift.determined else "undetermined"]
                for s, v in shift.by_element.items()
            ]
            blocks += [Table([Column("element", is_text=True), Column("shift (eV)"), Column("standard error")], cells)]
            blocks += [Facts({"E0": shift.describe()})]
        if self.findings:
            blocks.append(self.table())
        return Section(
            "Audit before training",
            blocks,
            f"Training labels and predictions of the starting model (head {self.head}).",
        )

    def to_json(self) -> dict[str, Any]:
        """Return all results as JSON values."""
        return {
            "head": self.head,
            "e0_shift": None if self.shift is None else self.shift.to_json(),
            "agreements": {name: agreement.to_json() for name, agreement in self.agreements.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }

    def raise_errors(self, ignore: Sequence[str] = ()) -> None:
        """Raise an error if there are findings with severity ``wrong``.

        Args:
            ignore: Names of findings that are ignored.

        Raises:
            DataError: If a finding is ``wrong`` and not ignored.
            ConfigError: If a name in ``ignore`` is not the name of a finding.
        """
        check_names(ignore)
        errors = [f for f in self.findings if f.severity == WRONG and f.check not in ignore]
        if not errors:
            return
        worst, n_more = errors[0], len(errors) - 1
        names = ", ".join(dict.fromkeys(f.check for f in errors))
        raise DataError(
            f"audit: {worst.check}: {worst.message}. {_capitalise(worst.advice)}; to train anyway, set "
            f"audit.ignore: [{names}]"
            + (f" ({n_more} more finding{'s' * (n_more > 1)} with severity {WRONG})" if n_more else "")
        )


def check_names(names: Sequence[str]) -> None:
    """Check names of findings.

    Args:
        names: Names to check.

    Raises:
        ConfigError: If a name is not the name of a finding.
    """
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"audit.ignore: no finding is called {name!r}{nearest(name, NAMES)}")


@with_old_arguments
def audit(
    potential: Potential,
    frames: Sequence[ase.Atoms],
    *,
    head: str | None = None,
    e0_change: Mapping[str, float] | None = None,
    estimates_e0: bool = True,
    other_sets: Mapping[str, Sequence[ase.Atoms]] | None = None,
) -> Audit:
    """Compare labels of training structures with the predictions of a potential.

    Args:
        potential: The starting potential.
        frames: Structures with labels, from ``data.read``.
        head: Name of the head to be trained; None for the chosen head of the potential, or else its first head.
        e0_change: Energies that are added to the potential's E0 before the comparison, by chemical symbol, eV; None for no
            change. A run passes them if the configuration gives E0 as numbers or as ``isolated``.
        estimates_e0: Whether the shift found by the audit will be added to E0 (``e0: estimate``); the shift is then no error.
        other_sets: Validation, test and application structures, by name of the set, to check whether E0 is determined for
            their compositions; None for no sets.

    Raises:
        GraphError: If a structure has unknown elements, or no graph can be built from it.
    """
    head = head or potential.head or potential.heads[0]
    e0_change, other_sets = e0_change or {}, other_sets or {}
    predictions = LabelledPredictions.from_potential(potential, frames, head).with_e0_shift(e0_change)
    return audit_predictions(
        potential, predictions, head=head, e0_change=e0_change, estimates_e0=estimates_e0, other_sets=other_sets
    )


@with_old_arguments
def audit_predictions(
    potential: Potential,
    predictions: LabelledPredictions,
    *,
    head: str,
    e0_change: Mapping[str, float],
    estimates_e0: bool,
    other_sets: Mapping[str, Sequence[ase.Atoms]],
) -> Audit:
    """Compare labels with predictions that are already computed.

    Args:
        potential: The starting potential.
        predictions: Labels and predictions of the head.
        head: Name of the head.
        e0_change: Energies that were added to E0 in ``predictions``, by chemical symbol, eV.
        estimates_e0: Whether the shift found by the audit will be added to E0 (``e0: estimate``).
        other_sets: Validation, test and application structures, by name of the set, to check whether E0 is determined for
            their compositions.
    """
    units = unit_findings(predictions)
    quantities_in_other_units = {finding.check.removesuffix(" unit") for finding in units}
    # the magnitudes of these quantities are explained by their unit, and give no second finding
    findings = [*units, *sign_findings(predictions), *magnitude_findings(predictions, quantities_in_other_units)]
    if predictions.shift is not None:
        e0 = potential.model.baseline.e0_of(head)
        e0 |= {symbol: e0[symbol] + energy for symbol, energy in e0_change.items()}
        findings += e0_findings(predictions.shift, e0, estimates_e0=estimates_e0)
        findings += rank_findings(predictions.shift, other_sets, estimates_e0=estimates_e0)
    findings += [*head_findings(potential, predictions.frames, head), *start_findings(predictions)]
    for check in (placeholders, stress_against_volume, work_against_energy, energy_outliers):
        findings += check(predictions.frames, predictions.labels)
    severities = [WRONG, WARNING, NOTE]
    findings.sort(key=lambda finding: severities.index(finding.severity))
    return Audit(head, predictions.shift, predictions.agreements, findings)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    """Return a value with its interval as text."""
    return f"{value:.3g} ({interval[0]:.3g} to {interval[1]:.3g})"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
