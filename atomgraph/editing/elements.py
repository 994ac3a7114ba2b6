"""Elements: some of them kept, or new ones that start with the weights of a known one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atomgraph.editing.transfer import load_weights, places_of, without_rng
from atomgraph.errors import WiringError, nearest
from atomgraph.nn.element_edit import ElementEdit, rebuild
from atomgraph.nn.elements import checked_symbols
from atomgraph.potential import Potential


def keep_elements(potential: Potential, elements: Sequence[str]) -> Potential:
    """A new potential for some of the elements, in the given order, that predicts the same for them; the old one stays.

    Raises:
        WiringError: For an element that it does not know, or a model with a part that cannot change its elements.
    """
    known = potential.elements
    rows = places_of(elements, known, "element")
    kept = [known[row] for row in rows]
    return _with_elements(potential, kept, rows, f"kept the elements {', '.join(kept)} of {len(known)}")


def add_elements(potential: Potential, like: Mapping[str, str]) -> Potential:
    """A new potential that knows elements more, each beginning with the weights and E0 of a known one; the old one stays.

    An atom of a new element then counts as one of the known element, for itself and as a neighbour. What elements have by
    nature is the new one's own: its number in a repulsion, its covalent radius.

    Args:
        like: ``{"Au": "Cu"}``.

    Raises:
        WiringError: For an element that it knows already, or a model element that it does not.
    """
    known = potential.elements
    new = checked_symbols(list(like))
    for symbol in new:
        if symbol in known:
            raise WiringError(f"this potential knows {symbol} already")
        if like[symbol] not in known:
            raise WiringError(
                f"no element {like[symbol]!r} in this potential to begin {symbol} with{nearest(like[symbol], known)}"
            )
    rows = [*range(len(known)), *(known.index(like[symbol]) for symbol in new)]
    note = "added the elements " + ", ".join(f"{symbol} like {like[symbol]}" for symbol in new)
    return _with_elements(potential, [*known, *new], rows, note)


def restart_elements(potential: Potential, like: Mapping[str, str]) -> Potential:
    """A new potential in which known elements forget what they have learned and begin with the weights of others.

    For an element that the potential has seen in few environments, and a relative of it that it knows well. E0 stay.

    Args:
        like: ``{"Mo": "W"}``.

    Raises:
        WiringError: For elements that it does not know, and for one that is to forget itself and to be begun with.
    """
    known = potential.elements
    rows = list(range(len(known)))
    for symbol, model_element in like.items():
        place, rows[place] = places_of([symbol, model_element], known, "element")
        if model_element in like:
            raise WiringError(f"{symbol} is to begin like {model_element}, which is to forget what it has learned")
    note = "restarted the elements " + ", ".join(
        f"{symbol} like {model_element}" for symbol, model_element in like.items()
    )
    return _with_elements(potential, known, rows, note, e0_rows=range(len(known)))


def _with_elements(
    potential: Potential, names: list[str], rows: list[int], note: str, e0_rows: Sequence[int] | None = None
) -> Potential:
    model = potential.model
    edit = ElementEdit(list(model.elements), names, rows)
    try:
        new = without_rng(rebuild, model, edit)
        weights = model.weights_for(new, edit)
    except WiringError as error:
        raise WiringError(f"{error}; this is a {type(model).__name__}, whose elements cannot be changed") from error
    state = model.state_dict()
    weights |= {"baseline.e0": state["baseline.e0"][:, list(rows if e0_rows is None else e0_rows)]}
    expected = new.state_dict()
    return load_weights(
        potential, new, {name: value for name, value in (state | weights).items() if name in expected}, note
    )
