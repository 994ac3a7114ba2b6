"""What reading noticed, as findings: labels that nobody read, and labels that contradict one another."""

from __future__ import annotations

from collections import defaultdict

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.frame_names import number_of
from atomgraph.data.reading_notes import Contradiction, ReadingNotes
from atomgraph.graph.quantities import QUANTITIES


def noticed(notes: ReadingNotes) -> list[Finding]:
    """Findings of what reading noticed beside the frames."""
    return [*_unread(notes), *_unnamed(notes), *_contradictions(notes.contradictions), *_left_out(notes)]


def _unread(notes: ReadingNotes) -> list[Finding]:
    """Keys that look like a label which frames lack."""
    return [
        Finding(
            "unread label",
            WARNING,
            [],
            float(one.n_frames),
            "frames",
            f"{one.key} in {number_of(one.n_frames, 'frame')} looks like {one.looks}, and is not read",
            f"if it is the label: {one.way_out}",
        )
        for one in notes.unread()
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
            f"no frame has {QUANTITIES[label].phrase}; by their size these may be: {', '.join(keys)}",
            f"if one is the label, name it: --key {label}=... (data.keys: {{{label}: ...}})",
        )
        for label, keys in notes.unnamed()
    ]


def _contradictions(contradictions: list[Contradiction]) -> list[Finding]:
    """Stress against virial is wrong; energy against free energy is a choice to make."""
    by_names: dict[tuple[str, str], list[Contradiction]] = defaultdict(list)
    for one in contradictions:
        by_names[one.names].append(one)
    findings = []
    for (first, second), found in by_names.items():
        largest = max(found, key=lambda one: one.difference)
        about = f"{first} and {second} differ by up to {largest.difference:.3g} {largest.unit} in "
        about += number_of(len(found), "frame")
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
        frames = [one.frame for one in found]
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
