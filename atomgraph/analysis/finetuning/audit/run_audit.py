"""The audit: what a starting model makes of the data, said before the first step of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase

from atomgraph.analysis.finetuning.audit.correlation import Agreement
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
from atomgraph.potential import Potential

NAMES = (
    "e0", "rank", "head", "start", "magnitude",
    "energy unit", "forces unit", "stress unit", "energy sign", "forces sign", "stress sign",
    "placeholder", "stress", "forces", "energy outlier",
)  # fmt: skip
"""Findings that an audit can have; ``audit.ignore`` takes these names."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found, the worst first; the shift per element and how labels agree with predictions, by quantity."""

    head: str
    shift: EnergyShift | None
    agreements: dict[str, Agreement]
    findings: list[Finding]

    def table(self) -> Table:
        """A row a finding: how bad, its name, what and what to do."""
        columns = [Column(name, words=True) for name in ("", "finding", "what was found", "way out")]
        rows = [[f.severity, f.check, f.message, f.advice] for f in self.findings]
        return Table(columns, rows, title="Audit before training")

    def describe(self) -> str:
        """The same as lines of text, for a terminal."""
        lines = [f"audit: E0 shift: {self.shift.describe()}"] if self.shift is not None else []
        lines += [f"audit: {name}: {agreement.describe()}" for name, agreement in self.agreements.items()]
        return "\n".join(
            [*lines, *(f"audit: {f.severity}: {f.check}: {f.message} → {f.advice}" for f in self.findings)]
        )

    def section(self) -> Section:
        """For the report: agreement by quantity, shift by element, findings."""
        shift = self.shift
        columns = [Column("labels", words=True), Column("structures"), Column("correlation")]
        columns += [Column("labels / predictions"), Column("regression coefficient")]
        rows = [
            [
                name,
                str(agreement.n_structures),
                _range(agreement.correlation, agreement.correlation_interval),
                _range(agreement.ratio, agreement.ratio_interval),
                format_number(agreement.coefficient),
            ]
            for name, agreement in self.agreements.items()
        ]
        blocks: list[Block] = [
            Table(columns, rows, note="Outliers drawn in; in brackets what 95 % of resampled sets give.")
        ]
        if shift is not None:
            errors = dict(zip(shift.elements, shift.error.tolist(), strict=True))
            cells = [
                [s, f"{v:+.6f}", format_number(errors[s]) if s in shift.determined else "left open"]
                for s, v in shift.by_element.items()
            ]
            blocks += [Table([Column("element", words=True), Column("shift (eV)"), Column("standard error")], cells)]
            blocks += [Facts({"E0": shift.describe()})]
        if self.findings:
            blocks.append(self.table())
        return Section(
            "Audit before training", blocks, f"What the starting model (head {self.head}) makes of the training part."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "head": self.head,
            "e0_shift": None if self.shift is None else self.shift.to_json(),
            "agreements": {name: agreement.to_json() for name, agreement in self.agreements.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }

    def stop(self, insist: Sequence[str] = ()) -> None:
        """DataError for what cannot be right, unless it is among ``insist``; ConfigError for a name that no finding has."""
        check_names(insist)
        wrong = [f for f in self.findings if f.severity == WRONG and f.check not in insist]
        if not wrong:
            return
        first, more = wrong[0], len(wrong) - 1
        names = ", ".join(dict.fromkeys(f.check for f in wrong))
        raise DataError(
            f"audit: {first.check}: {first.message}. {_capital(first.advice)}; or go on in spite of it with "
            f"audit.ignore: [{names}]" + (f" ({more} more finding{'s' * (more > 1)} of this kind)" if more else "")
        )


def check_names(insist: Sequence[str]) -> None:
    """ConfigError for a name that no finding has."""
    for name in insist:
        if name not in NAMES:
            raise ConfigError(f"audit.ignore: no finding is called {name!r}{nearest(name, NAMES)}")


def audit(
    potential: Potential,
    frames: Sequence[ase.Atoms],
    *,
    head: str | None = None,
    e0: Mapping[str, float] | None = None,
    estimated: bool = True,
    others: Mapping[str, Sequence[ase.Atoms]] | None = None,
) -> Audit:
    """Compare labels of training structures with the predictions of a potential.

    Args:
        frames: Read (``data.read``), with labels.
        head: The one to be trained; may be None where there is one only.
        e0: Energies to be added to each element before the comparison, eV (those that the run adds by itself: given,
            isolated).
        estimated: The shift that is found is going to be added to E0.
        others: Structures that the potential will be evaluated or used on, by name.

    Raises:
        GraphError: For elements that the potential does not know.
    """
    chosen = head or potential.head or potential.heads[0]
    evidence = LabelledPredictions.of(potential, frames, chosen)
    moved = evidence.shifted(e0 or {})
    return audit_predictions(potential, moved, head=chosen, added=e0 or {}, estimated=estimated, others=others or {})


def audit_predictions(
    potential: Potential,
    evidence: LabelledPredictions,
    *,
    head: str,
    added: Mapping[str, float],
    estimated: bool,
    others: Mapping[str, Sequence[ase.Atoms]],
) -> Audit:
    """The audit of evidence that is at hand.

    Args:
        added: To the potential's E0 in it, eV by chemical symbol.
    """
    units = unit_findings(evidence)
    explained = {finding.check.removesuffix(" unit") for finding in units}
    findings = [*units, *sign_findings(evidence), *magnitude_findings(evidence, explained)]
    if evidence.shift is not None:
        e0 = potential.model.baseline.e0_of(head)
        e0 |= {symbol: e0[symbol] + more for symbol, more in added.items()}
        findings += e0_findings(evidence.shift, e0, estimated=estimated)
        findings += rank_findings(evidence.shift, others, estimated=estimated)
    findings += [*head_findings(potential, evidence.frames, head), *start_findings(evidence)]
    for check in (placeholders, stress_against_volume, work_against_energy, energy_outliers):
        findings += check(evidence.frames, evidence.labels)
    order = [WRONG, WARNING, NOTE]
    findings.sort(key=lambda finding: order.index(finding.severity))
    return Audit(head, evidence.shift, evidence.agreements, findings)


def _range(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3g} ({interval[0]:.3g} to {interval[1]:.3g})"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
