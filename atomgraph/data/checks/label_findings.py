"""Findings from reading: labels that were not read, and labels that contradict one another."""

from __future__ import annotations

from collections import defaultdict

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.frame_names import number_of
from atomgraph.data.reading_notes import Contradiction, ReadingNotes
from atomgraph.graph.quantities import QUANTITIES


def noticed(notes: ReadingNotes) -> list[Finding]:
    """Findings from the notes of reading."""
    return [*_unread(notes), *_unnamed(notes), *_contradictions(notes.contradictions), *_left_out(notes)]


def _unread(notes: ReadingNotes) -> list[Finding]:
    """Keys that look like a label which frames lack."""
    return [
        Finding(
            "unread label",
            WARNING,
            [],
            float(unread.n_frames),
            "frames",
            f"{unread.key} in {number_of(unread.n_frames, 'frame')} looks like {unread.looks}, and is not read",
            f"if it is the label: {unread.way_out}",
        )
        for unread in notes.unread()
    ]


def _unnamed(notes: ReadingNotes) -> list[Finding]:
    """Keys that have the size of a label which no frame has, and another name."""
    return [
        Finding(
            "missing label",
            NOTE,
            [],
            float(len(keys)),
            "keys",
            f"no frame has {QUANTITIES[label].noun_phrase}; by their size these may be: {', '.join(keys)}",
            f"if one is the label, name it: --key {label}=... (data.keys: {{{label}: ...}})",
        )
        for label, keys in notes.unnamed()
    ]


def _contradictions(contradictions: list[Contradiction]) -> list[Finding]:
    """Stress against virial is wrong; energy against free energy is a choice to make."""
    by_names: dict[tuple[str, str], list[Contradiction]] = defaultdict(list)
    for contradiction in contradictions:
        by_names[contradiction.names].append(contradiction)
    findings = []
    for (first, second), members in by_names.items():
        largest = max(members, key=lambda contradiction: contradiction.difference)
        about = f"{first} and {second} differ by up to {largest.difference:.3g} {largest.unit} in "
        about += number_of(len(members), "frame")
        if largest.unit == "eV":
            severity = WARNING
            advice = (
                f"{first} is read. Forces of a calculation with smeared occupations are the gradient of the free energy: "
                f"--key energy=free_energy (data.keys: {{energy: free_energy}}) trains on energies that belong to them"
            )
        else:
            severity = WRONG
            about += f"; {largest.hint}" if largest.hint else ""
            advice = (
                f"{first} is read, and should be -{second}/volume: state the signs and units (data.units: stress_sign, "
                f"virial_sign, stress, virial), or take one of them out"
            )
        frames = [contradiction.frame for contradiction in members]
        findings.append(Finding("contradiction", severity, frames, largest.difference, largest.unit, about, advice))
    return findings


def _left_out(notes: ReadingNotes) -> list[Finding]:
    """Steps whose electrons did not converge."""
    return [
        Finding(
            "unconverged step",
            NOTE,
            [path],
            float(number),
            "steps",
            f"{number_of(number, 'step')} left out: the electronic loop did not converge",
            "calculate them again with more steps (NELM), or leave them out",
        )
        for path, number in notes.unconverged.items()
    ]
