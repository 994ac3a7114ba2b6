"""Check for atoms that are too close to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase.data import chemical_symbols, covalent_radii

from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import frame_name
from atomgraph.graph.neighbours import neighbours_within, vectors_to_neighbours
from atomgraph.old_names import OldAttribute, with_old_arguments

SHORT_CONTACT, IMPOSSIBLE_CONTACT = 0.6, 0.3  # distance divided by the sum of covalent radii


@dataclass(frozen=True)
class Contact:
    """Two atoms and their distance.

    Attributes:
        first_atom: Index of the first atom.
        second_atom: Index of the second atom.
        distance: Distance, Å.
        relative_distance: Distance divided by the sum of the covalent radii.
    """

    first_atom: int
    second_atom: int
    distance: float
    relative_distance: float

    first = OldAttribute("first_atom")
    second = OldAttribute("second_atom")
    share = OldAttribute("relative_distance")


@with_old_arguments
def closest_contact(atoms: ase.Atoms, limit: float = SHORT_CONTACT) -> Contact | None:
    """Return the pair of atoms with the smallest distance relative to the sum of their covalent radii.

    Args:
        atoms: Structure, positions in Å.
        limit: Relative distance below which a pair is a contact.

    Returns:
        The contact; None if no relative distance is below the limit.
    """
    largest_radius_sum = 2 * float(covalent_radii[atoms.numbers].max())
    centre, neighbour, shift = neighbours_within(atoms, limit * largest_radius_sum)
    if not len(centre):
        return None
    length = np.linalg.norm(vectors_to_neighbours(atoms, centre, neighbour, shift), axis=1)
    radii = covalent_radii[atoms.numbers]
    relative = length / (radii[centre] + radii[neighbour])
    edge = int(relative.argmin())
    if relative[edge] >= limit:
        return None
    first_atom, second_atom = sorted((int(centre[edge]), int(neighbour[edge])))
    return Contact(first_atom, second_atom, float(length[edge]), float(relative[edge]))


def short_contacts(frames: Sequence[ase.Atoms]) -> list[Finding]:
    """Find atoms nearer than 0.6 times the sum of their covalent radii; below 0.3 times, labels are unreliable."""
    findings = []
    for number, atoms in enumerate(frames):
        contact = closest_contact(atoms)
        if contact is None:
            continue
        pair = "-".join(chemical_symbols[atoms.numbers[row]] for row in (contact.first_atom, contact.second_atom))
        findings.append(
            Finding(
                "short contact",
                WRONG if contact.relative_distance < IMPOSSIBLE_CONTACT else WARNING,
                [frame_name(atoms, number)],
                contact.distance,
                "Å",
                f"atoms {contact.first_atom} and {contact.second_atom} ({pair}) are {contact.distance:.3f} Å apart, "
                f"{contact.relative_distance:.2f} of the sum of their covalent radii",
                "remove the frame; or, if the potential should learn collisions, give these frames a separate weight",
            )
        )
    return findings
