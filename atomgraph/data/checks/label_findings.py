"""Findings from the notes of reading: labels that were not read, and labels that contradict each other."""

from __future__ import annotations

from collections import defaultdict

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.frame_names import format_count
from atomgraph.data.reading_notes import Contradiction, ReadingNotes
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.old_names import old_names_of


def reading_findings(notes: ReadingNotes) -> list[Finding]:
    """Return the findings from the notes of reading."""
    return [
        *_unread_labels(notes),
        *_missing_labels(notes),
        *_contradictions(notes.contradictions),
        *_unconverged_steps(notes),
    ]


def _unread_labels(notes: ReadingNotes) -> list[Finding]:
    """Return a finding for each unread key whose name is like that of a label, if some frames have no such label."""
    return [
        Finding(
            "unread label",
            WARNING,
            [],
            float(unread.n_frames),
            "frames",
            f"{unread.key} in {format_count(unread.n_frames, 'frame')} looks like {unread.description}, and is not read",
            f"if it is the label: {unread.advice}",
        )
        for unread in notes.unread_labels()
    ]


def _missing_labels(notes: ReadingNotes) -> list[Finding]:
    """Return a finding for each label that no frame has, if there are keys whose arrays have the size of the label."""
    return [
        Finding(
            "missing label",
            NOTE,
            [],
            float(len(keys)),
            "keys",
            f"no frame has {QUANTITIES[label].noun_phrase}; keys with the size of this label: {', '.join(keys)}",
            f"if one of these keys is the label, name it: --key {label}=... (data.keys: {{{label}: ...}})",
        )
        for label, keys in notes.possible_labels()
    ]


def _contradictions(contradictions: list[Contradiction]) -> list[Finding]:
    """Return a finding for each pair of labels: stress against virial is wrong, energy against free energy a warning."""
    contradictions_by_names: dict[tuple[str, str], list[Contradiction]] = defaultdict(list)
    for contradiction in contradictions:
        contradictions_by_names[contradiction.names].append(contradiction)
    findings = []
    for (first_key, second_key), members in contradictions_by_names.items():
        largest = max(members, key=lambda contradiction: contradiction.difference)
        message = f"{first_key} and {second_key} differ by up to {largest.difference:.3g} {largest.unit} in "
        message += format_count(len(members), "frame")
        if largest.unit == "eV":  # energy and free energy
            severity = WARNING
            advice = (
                f"{first_key} is read. Forces of a calculation with smeared occupations are the gradient of the free energy: "
                f"--key energy=free_energy (data.keys: {{energy: free_energy}}) trains on energies with these forces "
                f"as gradient"
            )
        else:
            severity = WRONG
            message += f"; {largest.hint}" if largest.hint else ""
            advice = (
                f"{first_key} is read, and should be -{second_key}/volume: state the signs and units (data.units: stress_sign, "
                f"virial_sign, stress, virial), or remove one of the two labels"
            )
        frames = [contradiction.frame for contradiction in members]
        findings.append(Finding("contradiction", severity, frames, largest.difference, largest.unit, message, advice))
    return findings


def _unconverged_steps(notes: ReadingNotes) -> list[Finding]:
    """Return a finding for each file with steps that did not converge."""
    return [
        Finding(
            "unconverged step",
            NOTE,
            [path],
            float(number),
            "steps",
            f"{format_count(number, 'step')} left out: the electronic loop did not converge",
            "calculate these structures again with more electronic steps (NELM), or leave them out",
        )
        for path, number in notes.unconverged.items()
    ]


__getattr__ = old_names_of(__name__)
