"""Keep some elements of a potential, add elements, or restart elements with the weights of other elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atomgraph.editing.transfer import find_indices, keep_random_state, load_weights
from atomgraph.errors import WiringError, nearest
from atomgraph.nn.element_edit import ElementEdit, rebuild
from atomgraph.nn.elements import checked_symbols
from atomgraph.potential import Potential


def keep_elements(potential: Potential, elements: Sequence[str]) -> Potential:
    """Return a new potential for some of the elements, with unchanged predictions.

    Args:
        potential: The potential. It is not changed.
        elements: Chemical symbols of the elements to keep, in the order of the new potential.

    Raises:
        WiringError: For an element that the potential does not have, or a part of the model that cannot be edited.
    """
    symbols = potential.elements
    rows = find_indices(elements, symbols, "element")
    names = [symbols[row] for row in rows]
    return _edit_elements(potential, names, rows, f"kept the elements {', '.join(names)} of {len(symbols)}")


def add_elements(potential: Potential, like: Mapping[str, str]) -> Potential:
    """Return a new potential with more elements. Each new element starts with the weights and E0 of an existing one.

    The model then treats atoms of the new element as atoms of the existing element. Physical constants are those of the new
    element: its atomic number in a repulsion, its covalent radius.

    Args:
        potential: The potential. It is not changed.
        like: The existing element for each new element, ``{"Au": "Cu"}``.

    Raises:
        WiringError: For a new element that the potential already has, or an existing element that it does not have.
    """
    symbols = potential.elements
    new_symbols = checked_symbols(list(like))
    for symbol in new_symbols:
        if symbol in symbols:
            raise WiringError(
                f"this potential already has the element {symbol} (restart_elements replaces its weights)"
            )
        if like[symbol] not in symbols:
            raise WiringError(
                f"this potential has no element {like[symbol]!r} whose weights {symbol} could copy"
                f"{nearest(like[symbol], symbols)}"
            )
    rows = [*range(len(symbols)), *(symbols.index(like[symbol]) for symbol in new_symbols)]
    note = "added the elements " + ", ".join(f"{symbol} like {like[symbol]}" for symbol in new_symbols)
    return _edit_elements(potential, [*symbols, *new_symbols], rows, note)


def restart_elements(potential: Potential, like: Mapping[str, str]) -> Potential:
    """Return a new potential in which the weights of some elements are replaced by those of other elements. E0 are kept.

    This helps for an element with few training environments, if the potential describes a similar element well.

    Args:
        potential: The potential. It is not changed.
        like: The element whose weights are copied, for each element to restart: ``{"Mo": "W"}``.

    Raises:
        WiringError: For elements that the potential does not have, or an element that is both restarted and copied.
    """
    symbols = potential.elements
    rows = list(range(len(symbols)))
    for symbol, source in like.items():
        row, source_row = find_indices([symbol, source], symbols, "element")
        rows[row] = source_row
        if source in like:
            raise WiringError(f"{symbol} cannot copy the weights of {source}, because {source} is restarted, too")
    note = "restarted the elements " + ", ".join(f"{symbol} like {source}" for symbol, source in like.items())
    return _edit_elements(potential, symbols, rows, note, e0_rows=range(len(symbols)))


def _edit_elements(
    potential: Potential, names: list[str], rows: list[int], note: str, e0_rows: Sequence[int] | None = None
) -> Potential:
    """Build a potential for the elements ``names``.

    Args:
        potential: The potential before the edit.
        names: Chemical symbols of the new potential.
        rows: For each of these elements, the index of the old element whose weights are copied.
        note: Description of the edit, for the metadata.
        e0_rows: For each of these elements, the index of the old element whose E0 is copied; None: ``rows``.
    """
    model = potential.model
    edit = ElementEdit(list(model.elements), names, rows)
    try:
        new_model = keep_random_state(rebuild, model, edit)
        weights = model.weights_for(new_model, edit)
    except WiringError as error:
        raise WiringError(f"{error}; this is a {type(model).__name__}, whose elements cannot be changed") from error
    state = model.state_dict()
    weights |= {"baseline.e0": state["baseline.e0"][:, list(rows if e0_rows is None else e0_rows)]}
    expected = new_model.state_dict()
    return load_weights(
        potential, new_model, {name: value for name, value in (state | weights).items() if name in expected}, note
    )
