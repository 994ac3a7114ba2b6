"""Atoms that are nearer to one another than atoms come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase.data import chemical_symbols, covalent_radii

from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import name_of
from atomgraph.graph.neighbours import neighbours_within, vectors_to_neighbours

SHORT, IMPOSSIBLE = 0.6, 0.3  # of the sum of covalent radii


@dataclass(frozen=True)
class Contact:
    """Two atoms, their distance in Å, and its share of the sum of their covalent radii."""

    first: int
    second: int
    distance: float
    share: float


def closest_contact(atoms: ase.Atoms, reach: float = SHORT) -> Contact | None:
    """The pair with the smallest share of its covalent radii, if it is below ``reach``."""
    largest = 2 * float(covalent_radii[atoms.numbers].max())
    centre, neighbour, shift = neighbours_within(atoms, reach * largest)
    if not len(centre):
        return None
    length = np.linalg.norm(vectors_to_neighbours(atoms, centre, neighbour, shift), axis=1)
    radii = covalent_radii[atoms.numbers]
    share = length / (radii[centre] + radii[neighbour])
    edge = int(share.argmin())
    if share[edge] >= reach:
        return None
    first, second = sorted((int(centre[edge]), int(neighbour[edge])))
    return Contact(first, second, float(length[edge]), float(share[edge]))


def short_contacts(frames: Sequence[ase.Atoms]) -> list[Finding]:
    """Atoms nearer than 0.6 of the sum of their covalent radii; below 0.3 no electronic structure code is to be trusted."""
    findings = []
    for number, atoms in enumerate(frames):
        contact = closest_contact(atoms)
        if contact is None:
            continue
        pair = "-".join(chemical_symbols[atoms.numbers[end]] for end in (contact.first, contact.second))
        findings.append(
            Finding(
                "short contact",
                WRONG if contact.share < IMPOSSIBLE else WARNING,
                [name_of(atoms, number)],
                contact.distance,
                "Å",
                f"atoms {contact.first} and {contact.second} ({pair}) are {contact.distance:.3f} Å apart, "
                f"{contact.share:.2f} of the sum of their covalent radii",
                "remove the frame unless such collisions are meant to be learned; then give them a weight of their own",
            )
        )
    return findings
